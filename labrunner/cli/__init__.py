"""The flask commands. Each is a few lines over a function that the pages may use as well."""

from __future__ import annotations

from flask import Flask

from labrunner.session.services import get_services

from . import decode, doctor, explain, labs, progress, report, run_lab
from .kit import kit_commands


def register(app: Flask) -> None:
    """Give the app its commands."""
    app.cli.add_command(labs.labs)
    app.cli.add_command(labs.start_lab)
    app.cli.add_command(labs.check_lab)
    app.cli.add_command(labs.finish_lab)
    app.cli.add_command(run_lab.run_lab)
    app.cli.add_command(report.report)
    app.cli.add_command(progress.progress)
    app.cli.add_command(doctor.doctor)
    app.cli.add_command(explain.explain)
    app.cli.add_command(decode.decode)
    app.cli.add_command(kit_commands(lambda: get_services(app).kit))
