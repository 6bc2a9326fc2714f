"""The application: reads from top to bottom, and only puts the parts together."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask

from labrunner import cli, web
from labrunner.errors import NotWritable
from labrunner.session.services import Services
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.manager import Workspaces

HERE = Path(__file__).resolve().parent


def create_app(
    root: str | Path | None = None,
    instance: str | Path | None = None,
    port: int | None = None,
    token: str | None = None,
) -> Flask:
    """The course in `root` as an app, with all that it keeps in `instance`.

    port is the one that it will be served on, by default that of `flask run`, `LABRUNNER_PORT` or
    8000; token lets a browser in, by default `LABRUNNER_TOKEN` or a new one, which is printed.
    """
    command = click.get_current_context(silent=True)
    running = command is not None and command.info_name == "run"
    root = Path(root or HERE)
    instance = Path(instance or root / "instance")
    port = port or (command.params["port"] if command and running else None)
    port = port or int(os.environ.get("LABRUNNER_PORT", "8000"))
    token = token or os.environ.get("LABRUNNER_TOKEN")

    app = Flask(
        __name__,
        instance_path=str(instance.absolute()),
        template_folder=HERE / "templates",
        static_folder=HERE / "static",
    )
    try:
        app.secret_key = _secret(instance)
    except OSError as error:
        _leave(error)
    app.config["PORT"] = port
    app.config["THREADS"] = 72  # as script/server gives gunicorn
    app.config["TERMINAL"] = os.environ.get("LABRUNNER_TERMINAL", "on") == "on"

    services = Services(root, instance)
    services.init_app(app)
    if running or not command:  # a server asks for the app, not one of the commands
        threading.Thread(target=_sweep, args=(services.workspaces,), daemon=True).start()
        if not token:
            token = secrets.token_urlsafe(24)
            click.echo(f"Open http://127.0.0.1:{port}/?token={token}")

    web.init_app(app, token or secrets.token_urlsafe(24), port)
    cli.register(app)
    return app


def _secret(instance: Path) -> bytes:
    """What cookies are signed with. It outlives the server, so that an open page does as well."""
    instance.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = instance / "secret"
    with suppress(FileExistsError):
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _leave(error: OSError) -> NoReturn:
    """End with a sentence where the instance's folder cannot be made, read or written."""
    if known := NotWritable.from_os_error(error):
        click.echo(f"{known.found} {known.next}", err=True)
        raise SystemExit(3)  # with any other code gunicorn would try again, for ever
    raise error


def _sweep(workspaces: Workspaces) -> None:
    """Remove what crashed runs left behind. Without an engine that waits for the next start."""
    with suppress(CannotCheck):
        workspaces.sweep()
