"""What the tests of the front door share: a server that they leave as it was, and an app."""

import pytest

from app import create_app
from labrunner.engine.engine import Engine
from labrunner.workspaces.resources import snapshot
from tests.fixtures.web import TOKEN, Site, free_port, write_tiny


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """One server for all tests of this folder, which it must stand unchanged."""
    folder = tmp_path_factory.mktemp("door")
    site = Site(write_tiny(folder / "tiny"), folder / "instance", free_port())
    yield site
    site.stop()


@pytest.fixture
def unchanged(site, engine: Engine, pytestconfig):
    """At the end the engine, the workspaces and the progress are as they were."""
    is_alone = "engine" in getattr(pytestconfig, "workerinput", {})  # nobody else uses the engine
    before, there = site.state(), ids(engine) if is_alone else None
    yield
    assert site.state() == before
    if is_alone:
        assert ids(engine) == there


def ids(engine: Engine) -> dict[str, set[str]]:
    """All that the engine has."""
    return {kind: set(found) for kind, found in snapshot(engine).items()}


@pytest.fixture
def app(tiny, instance):
    """The app in this process, where a fault can be put in."""
    return create_app(tiny, instance, 8000, TOKEN)
