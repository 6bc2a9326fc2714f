"""The browser's way to the learner's lessons and labs."""

from __future__ import annotations

from flask import Flask
from flask_compress import Compress

from . import checks, decode, entry, errors, finish, lessons, look, names, starts
from .door import Door


def register(app: Flask, token: str, port: int) -> None:
    """Give the app its pages, behind the front door."""
    look.register(app)
    entry.register(app, token, port)
    errors.register(app)
    Compress(app)
    app.extensions["labrunner.starts"] = starts.Starts()
    for module in (lessons, starts, checks, finish, decode, names):
        app.register_blueprint(module.pages)
    app.wsgi_app = Door(app.wsgi_app, port)  # type: ignore[assignment,method-assign]
