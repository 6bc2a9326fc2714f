"""The browser's way to the learner's lessons and labs."""

from __future__ import annotations

import threading

from flask import Flask
from flask_compress import Compress

from labrunner.session.services import get_services
from labrunner.session.watcher import Watcher

from . import assets, errors
from .jobs import Jobs
from .limits import ConnectionLimit
from .security import auth
from .security.origin import OriginCheck
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
    registry,
    report,
    start,
    steps,
    terminal,
)


def init_app(app: Flask, token: str, port: int) -> None:
    """Give an app its pages, for whoever has the token, and what a server of them needs."""
    assets.register(app)
    progress.register(app)
    auth.register(app, token, port)
    errors.register(app)
    app.config["COMPRESS_ALGORITHM"] = app.config["COMPRESS_ALGORITHM_STREAMING"] = ["br", "gzip"]
    app.config["COMPRESS_BR_LEVEL"] = 5  # smaller than zstd; from 6 on forty times as slow
    Compress(app)
    closing = threading.Event()
    connection_limit = ConnectionLimit(app.config["THREADS"] - 16)
    watcher = Watcher(get_services(app))
    shells = Shells(connection_limit, closing)
    WebServices(Jobs(), connection_limit, watcher, shells, closing).init_app(app)
    for module in (lessons, start, checks, live, steps, finish, report, decoder, names, registry):
        app.register_blueprint(module.bp)
    if app.config["TERMINAL"]:
        terminal.init_app(app)
    app.wsgi_app = OriginCheck(app.wsgi_app, port)  # type: ignore[assignment,method-assign]
