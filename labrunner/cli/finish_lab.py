"""`script/lab finish-lab`: finish a lab."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from labrunner.errors import ExitStatus
from labrunner.session.services import get_services
from labrunner.workspaces.logins import describe_logins

from .console import exit_with, handle_errors, notify, show
from .lookup import find_lab


@click.command("finish-lab")
@click.argument("lab")
@click.option("--yes", is_flag=True, help="Remove what belongs to the lab without asking.")
@with_appcontext
@handle_errors
def finish_lab(lab: str, yes: bool) -> None:
    """Finish a lab: list what belongs to it, and remove it if you agree. What may be somebody
    else's is listed and stays."""
    session = get_services().session(find_lab(lab))
    found = session.resources()
    items = [item for item in found if item.certain]
    logins = describe_logins(session.require_workspace())
    for item in items:
        show(f"  {item.kind:<10} `{item.name}`, because {item.why}")
    for item in found:
        if not item.certain:
            show(f"Stays, because it may not be the lab's: {item.kind} `{item.name}`: {item.why}.")
    if items and not yes:
        if not sys.stdin.isatty():
            exit_with(ExitStatus.BAD_CALL, "Nothing was removed. Add `--yes` to remove these.")
        if not click.confirm("Remove these?"):
            show("Nothing was removed, and the lab stays open.")
            return
    left = session.finish({item.id for item in items})
    for leftover in left:
        notify(f"Not removed: {leftover}")
    if left:
        again = f"Fix that, and run `script/lab finish-lab {lab}` again."
        exit_with(ExitStatus.FAILED, f"The lab stays open. {again}")
    show(f"Finished. {len(items)} removed." if items else "Finished. There was nothing to remove.")
    for login in logins:
        show(login)
