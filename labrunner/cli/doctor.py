"""`script/lab doctor`: whether this machine has what the course needs."""

from __future__ import annotations

import sys

import click
from flask import current_app
from flask.cli import with_appcontext
from rich.text import Text

from labrunner.doctor import examine
from labrunner.session.services import get_services

from .console import CANNOT, console, prose


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Look at engine, images, ports, programs and disk; say what to do about each problem.

    Exits 0 when the course can be taken here, and 3 when not.
    """
    findings = examine(get_services().kit, current_app.config["PORT"])
    for finding in findings:
        style = {"ok": "green", "note": "yellow", "problem": "red"}[finding.kind]
        console.print(Text(f"  {finding.kind:<9}", style=style) + prose(finding.says))
        if finding.todo:
            console.print(Text("           ") + prose(finding.todo))
    if any(finding.kind == "problem" for finding in findings):
        sys.exit(CANNOT)
