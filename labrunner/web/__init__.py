"""The browser's way to the learner's lessons and labs."""

from __future__ import annotations

import threading

from flask import Flask
from flask_compress import Compress

from labrunner.session.watcher import Watcher
from labrunner.web.security.origin import OriginCheck

from . import assets, errors, jobs
from .limits import ConnectionLimit
from .security import auth
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
    steps,
    terminal,
)


def register(app: Flask, token: str, port: int) -> None:
    """Give the app its pages, behind the front door."""
    assets.register(app)
    progress.register(app)
    auth.register(app, token, port)
    errors.register(app)
    app.config["COMPRESS_ALGORITHM"] = app.config["COMPRESS_ALGORITHM_STREAMING"] = ["br", "gzip"]
    app.config["COMPRESS_BR_LEVEL"] = 5  # smaller than zstd; from 6 on forty times as slow
    Compress(app)
    app.extensions["labrunner.starts"] = jobs.Jobs()
    closing = app.extensions["labrunner.closing"] = threading.Event()
    places = app.extensions["labrunner.places"] = ConnectionLimit(app.config["THREADS"] - 16)
    app.extensions["labrunner.live"] = Watcher(app.extensions["labrunner"], live.renderer(app))
    for module in (lessons, jobs, checks, live, steps, finish, report, decoder, names, registry):
        app.register_blueprint(module.bp)
    if app.config["TERMINAL"]:
        terminal.register(app, places, closing)
    app.wsgi_app = OriginCheck(app.wsgi_app, port)  # type: ignore[assignment,method-assign]
