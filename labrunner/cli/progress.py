"""`script/lab progress`: your progress as a file, to go on on another machine."""

from __future__ import annotations

import os
from pathlib import Path

import click
from flask.cli import with_appcontext

from labrunner.errors import ExitStatus
from labrunner.session import export
from labrunner.session.export import LIMIT
from labrunner.session.services import get_services

from .console import exit_with, handle_errors, show

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group("progress")
def progress() -> None:
    """Your progress as a file, to continue on another machine."""


@progress.command("export")
@FILE
@with_appcontext
@handle_errors
def export_progress(file: Path) -> None:
    """Write all progress to a new FILE."""
    data = export.pack(get_services().progress.load_archive())
    try:
        new = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "wb") as opened:
            opened.write(data)
    except FileExistsError:
        exit_with(ExitStatus.BAD_CALL, f"The file `{file}` already exists. Give another name.")
    except OSError as error:
        exit_with(ExitStatus.BAD_CALL, f"`{file}` cannot be written: {error.strerror}.")
    show(f"Your progress is in `{file}`.")


@progress.command("import")
@FILE
@click.option("--replace", is_flag=True, help="Import also what is older than your progress here.")
@with_appcontext
@handle_errors
def import_progress(file: Path, replace: bool) -> None:
    """Import the progress in a FILE, whole or not at all."""
    try:
        with file.open("rb") as opened:
            data = opened.read(LIMIT + 1)
    except OSError as error:
        exit_with(ExitStatus.BAD_CALL, f"`{file}` cannot be read: {error.strerror}.")
    archive = export.unpack(data)
    get_services().progress.import_archive(archive, replace=replace)
    show(export.describe(archive, get_services().course.labs))
