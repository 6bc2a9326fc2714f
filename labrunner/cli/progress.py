"""`script/lab progress`: your progress as a file, to go on on another machine."""

from __future__ import annotations

import os
from pathlib import Path

import click
from flask.cli import with_appcontext

from labrunner.progress.store import NewerProgress
from labrunner.session import export
from labrunner.session.export import LIMIT, BadFile
from labrunner.session.services import get_services

from .console import BAD_CALL, console, handle_errors, leave, prose

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group("progress")
def progress() -> None:
    """Your progress as a file, to go on on another machine."""


@progress.command("export")
@FILE
@with_appcontext
@handle_errors
def save(file: Path) -> None:
    """Write all progress to a new FILE."""
    data = export.pack(get_services().progress.load())
    try:
        new = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "wb") as opened:
            opened.write(data)
    except FileExistsError:
        leave(BAD_CALL, f"There is a file `{file}` already. Give another name.")
    except OSError as error:
        leave(BAD_CALL, f"`{file}` cannot be written: {error.strerror}.")
    console.print(prose(f"Your progress is in `{file}`."))


@progress.command("import")
@FILE
@click.option("--replace", is_flag=True, help="Also where your progress here is newer.")
@with_appcontext
@handle_errors
def bring(file: Path, replace: bool) -> None:
    """Import the progress in a FILE, whole or not at all."""
    try:
        with file.open("rb") as opened:
            archive = export.unpack(opened.read(LIMIT + 1))
        get_services().progress.import_archive(archive, replace=replace)
    except OSError as error:
        leave(BAD_CALL, f"`{file}` cannot be read: {error.strerror}.")
    except BadFile as error:
        leave(BAD_CALL, f"`{file}` was not imported. {error}")
    except NewerProgress as error:
        names = ", ".join(f"`{lab}`" for lab in error.labs)
        leave(
            BAD_CALL,
            f"`{file}` was not imported: what is here of {names} is newer.",
            "Add `--replace` if the file is to count all the same.",
        )
    console.print(prose(export.describe(archive, get_services().course.labs)))
