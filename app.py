"""The application: the parts of a course, its commands and, for a server, its pages."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click
from flask import Flask
from flask.helpers import get_debug_flag

from labrunner import cli
from labrunner.address import Address, InvalidAddress
from labrunner.errors import CourseError, ExitStatus, NotWritable
from labrunner.session.services import Services

HERE = Path(__file__).resolve().parent


def create_app(
    root: str | Path | None = None,
    instance: str | Path | None = None,
    port: int | None = None,
    token: str | None = None,
) -> Flask:
    """Return the app of the course in the folder `root`, which stores all in `instance`.

    port: the one that it will be served on; by default that of `flask run`, `LABRUNNER_PORT` or
    8000. `LABRUNNER_ORIGIN` and `SCRIPT_NAME` say where a server before it has it.
    token: lets a browser in; by default `LABRUNNER_TOKEN` or a new one, which is printed.
    """
    command = click.get_current_context(silent=True)
    is_server = command is None or command.info_name == "run"
    root = Path(root or HERE)
    instance = Path(instance or root / "instance").resolve()  # the engine mounts files of it
    if command and is_server:
        _require_safe(command.params)
        port = port or command.params["port"]
    token = token or os.environ.get("LABRUNNER_TOKEN")

    app = Flask(
        __name__,
        instance_path=str(instance),
        template_folder=HERE / "templates",
        static_folder=HERE / "static",
    )
    app.config["ADDRESS"] = address = _read_address(port)
    app.config["APPLICATION_ROOT"] = address.prefix or "/"
    app.config["TERMINAL"] = os.environ.get("LABRUNNER_TERMINAL", "on") == "on"
    app.config["TOKEN"] = token or secrets.token_urlsafe(24)

    services = Services(root, instance)
    services.init_app(app)
    cli.init_app(app)
    if command and isinstance(command.command, click.Group):
        return app  # only a command is looked for, which needs no pages

    try:
        _add_pages(app)
    except OSError as error:
        _exit_where_not_writable(error)
    if is_server:
        threading.Thread(target=_sweep, args=(services,), daemon=True).start()
        if not token:
            click.echo(f"Open {address.url}/?token={app.config['TOKEN']}")
    return app


def _require_safe(options: dict[str, Any]) -> None:
    """Exit where `flask run` would serve the course to other machines, or a debugger beside it."""
    if options["host"] not in ("127.0.0.1", "localhost", "::1"):
        _exit_for_bad_call(
            "Leave out --host: the course is served to this machine only, because anyone who "
            "reaches it controls the Docker Engine."
        )
    if options["debugger"] or get_debug_flag():
        _exit_for_bad_call(
            "Leave out --debug, --debugger and FLASK_DEBUG: the debugger runs any code "
            "for anyone who asks."
        )


def _read_address(port: int | None) -> Address:
    """Return where the course is, as the environment says."""
    try:
        return Address.from_environment(port)
    except InvalidAddress as error:
        _exit_for_bad_call(str(error))


def _exit_for_bad_call(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    raise SystemExit(ExitStatus.BAD_CALL)


def _add_pages(app: Flask) -> None:
    from labrunner import web  # which takes longer to import than most commands to run

    web.init_app(app)


def _exit_where_not_writable(error: OSError) -> NoReturn:
    """Exit with a sentence where the folder of the instance cannot be created, read or written."""
    if known := NotWritable.from_os_error(error):
        click.echo(f"{known.found} {known.next}", err=True)
        raise SystemExit(ExitStatus.CANNOT_RUN)  # gunicorn starts again after any other status
    raise error


def _sweep(services: Services) -> None:
    """Remove what crashed runs left behind. Without an engine, the next start does that."""
    with suppress(CourseError):
        services.workspaces.sweep()
