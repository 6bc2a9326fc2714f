"""The browser's way to the learner's lessons and labs."""

from __future__ import annotations

import threading

from flask import Flask
from flask_compress import Compress

from labrunner.inspector.scan import Scanner
from labrunner.session.services import get_services
from labrunner.session.watcher import Watcher

from . import assets, errors, languages
from .jobs import Jobs
from .limits import MAX_CONNECTIONS, ConnectionLimit
from .security import auth
from .security.origin import OriginCheck
from .security.secret import load_secret
from .services import WebServices
from .shells import Shells
from .views import (
    checks,
    decoder,
    finish,
    lessons,
    live,
    names,
    progress,
    questions,
    registry,
    report,
    start,
    steps,
    terminal,
)


def init_app(app: Flask) -> None:
    """Give an app its pages, and what a server of them needs. Raises `OSError`."""
    services = get_services(app)
    app.secret_key = load_secret(services.instance)
    languages.init_app(app)  # first: what is refused is refused in the reader's language
    assets.init_app(app)
    progress.init_app(app)
    auth.init_app(app)
    errors.init_app(app)
    app.config["COMPRESS_ALGORITHM"] = app.config["COMPRESS_ALGORITHM_STREAMING"] = ["br", "gzip"]
    app.config["COMPRESS_BR_LEVEL"] = 5  # smaller than zstd; from 6 on forty times as slow
    Compress(app)
    closing = threading.Event()
    connection_limit = ConnectionLimit(MAX_CONNECTIONS)
    shells = Shells(connection_limit, closing)
    watcher = Watcher(services, shells.run_command_in)
    web_services = WebServices(Jobs(), connection_limit, watcher, shells, Scanner(), closing)
    web_services.init_app(app)
    for module in (
        lessons,
        questions,
        start,
        checks,
        live,
        steps,
        finish,
        report,
        decoder,
        names,
        registry,
    ):
        app.register_blueprint(module.bp)
    if app.config["TERMINAL"]:
        terminal.init_app(app)
    # As Flask's documentation wraps an app; the type checker takes it for a method.
    app.wsgi_app = OriginCheck(app.wsgi_app, app.config["ADDRESS"])  # type: ignore[assignment,method-assign]
