"""`script/lab doctor`: whether this machine has what the course needs."""

from __future__ import annotations

import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from labrunner.doctor import examine
from labrunner.errors import ExitStatus
from labrunner.session.services import get_services

from .console import format_sentence, handle_errors, paint, show, write


@click.command("doctor")
@with_appcontext
@handle_errors
def doctor() -> None:
    """Look at the engine, images, ports, proxies, programs and disk, and say what to do.

    Exits 0 when the course can run here, and 3 when it cannot.
    """
    services = get_services()
    findings = examine(services.kit, current_app.config["ADDRESS"], services.workspaces_folder)
    for finding in findings:
        colour = {"ok": "green", "note": "yellow", "problem": "red"}[finding.kind]
        write(paint(f"  {finding.kind:<9}", colour) + format_sentence(finding.found))
        if finding.next:
            show(f"           {finding.next}")
    if any(finding.kind == "problem" for finding in findings):
        sys.exit(ExitStatus.CANNOT_RUN)
