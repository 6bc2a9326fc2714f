"""`script/lab labs`: the lessons and labs of the course."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from labrunner.session.services import get_services
from labrunner.workspaces.record import describe_unreadable, find_open_labs

from .console import format_sentence, handle_errors, notify, show_table


@click.command("labs")
@with_appcontext
@handle_errors
def labs() -> None:
    """List the lessons and labs, with your progress."""
    services = get_services()
    progress = services.progress.load()
    started = find_open_labs(services.workspaces_folder)
    rows = []
    for lesson in services.course.outline:
        lab, summary = lesson.lab_name or "", ""
        if lab:
            steps = list(lesson.steps)
            summary = progress.lab(lab).summary(steps, started=lab in started)
        rows.append((str(lesson.number), format_sentence(lesson.title), lab, summary))
    show_table(("Lesson", "Title", "Lab", "Progress"), rows)
    notify(*describe_unreadable(services.workspaces_folder))
    for problem in services.course.outline_problems:
        notify(f"Refused: {problem}")
