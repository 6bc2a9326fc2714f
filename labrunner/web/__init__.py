"""The browser's way to the learner's lessons and labs."""

from __future__ import annotations

import threading

from flask import Flask
from flask_compress import Compress

from ..live import Live
from . import (
    checks,
    decode,
    entry,
    errors,
    finish,
    lessons,
    live,
    look,
    names,
    picture,
    report,
    starts,
    terminal,
    transfer,
    ways,
)
from .door import Door
from .places import Places


def register(app: Flask, token: str, port: int) -> None:
    """Give the app its pages, behind the front door."""
    look.register(app)
    transfer.register(app)
    entry.register(app, token, port)
    errors.register(app)
    app.config["COMPRESS_ALGORITHM"] = app.config["COMPRESS_ALGORITHM_STREAMING"] = ["br", "gzip"]
    app.config["COMPRESS_BR_LEVEL"] = 5  # smaller than zstd; from 6 on forty times as slow
    Compress(app)
    app.extensions["labrunner.starts"] = starts.Starts()
    closing = app.extensions["labrunner.closing"] = threading.Event()
    places = app.extensions["labrunner.places"] = Places(app.config["THREADS"] - 16)
    app.extensions["labrunner.live"] = Live(app.extensions["labrunner"], live.renderer(app))
    for module in (lessons, starts, checks, live, ways, finish, report, decode, names, picture):
        app.register_blueprint(module.pages)
    if app.config["TERMINAL"]:
        terminal.register(app, places, closing)
    app.wsgi_app = Door(app.wsgi_app, port)  # type: ignore[assignment,method-assign]
