"""The flask commands. Each is a few lines over functions that the pages use as well."""

from __future__ import annotations

import gc
from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup

COMMANDS = (  # each is a function in a module, both of this name
    "check-lab",
    "decode",
    "doctor",
    "explain",
    "finish-lab",
    "kit",
    "labs",
    "progress",
    "report",
    "run-lab",
    "start-lab",
)


class Commands(AppGroup):
    """The commands of an app, each imported when it is called or the help lists it.

    As in https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        name = cmd_name.replace("-", "_")
        gc.disable()
        command = getattr(import_module(f"{__name__}.{name}"), name)
        gc.freeze()  # modules stay: the collector need not look through them, now or at exit
        gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command


def init_app(app: Flask) -> None:
    """Give an app its commands."""
    app.cli = Commands(app.cli.name)
