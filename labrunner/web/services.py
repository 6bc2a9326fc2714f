"""The parts that a server has besides those of a command."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from flask import Flask, current_app

from labrunner.session.watcher import Watcher

from .jobs import Jobs
from .limits import ConnectionLimit
from .shells import Shells

_NAME = "labrunner.web"  # among the app's extensions


@dataclass(frozen=True)
class WebServices:
    """closing: set once the server is told to end; whatever holds a connection ends then."""

    jobs: Jobs
    connection_limit: ConnectionLimit
    watcher: Watcher
    shells: Shells
    closing: threading.Event

    def init_app(self, app: Flask) -> None:
        """Make these the services of an app."""
        app.extensions[_NAME] = self


def get_web_services(app: Flask = current_app) -> WebServices:
    """Return the services of an app that serves pages, by default of the current one."""
    services = app.extensions[_NAME]
    assert isinstance(services, WebServices)  # noqa: S101 - for the type checker
    return services
