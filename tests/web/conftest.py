"""What the tests of the pages share."""

import pytest
from flask import Flask

from labrunner.web import assets, languages
from labrunner.web.views import names
from tests.fixtures.engine import ROOT


@pytest.fixture(scope="session")
def app_with_templates():
    app = Flask("templates", root_path=str(ROOT))
    languages.init_app(app)
    assets.init_app(app)
    app.register_blueprint(names.bp)
    return app


@pytest.fixture
def templates(app_with_templates):
    """A request in which the macros of templates can be called, without a server."""
    with app_with_templates.test_request_context():
        yield


@pytest.fixture
def visitor(started_site):
    """Somebody who has started the lab."""
    return started_site.visitor()
