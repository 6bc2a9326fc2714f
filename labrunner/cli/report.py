"""`script/lab report`: what you did."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext
from rich.table import Table
from rich.text import Text

from labrunner.session import report as reports
from labrunner.session.report import WORDS, LabReport
from labrunner.session.services import get_services
from labrunner.text import clock, length

from .console import COLOURS, console, find_lesson, handle_errors, prose


@click.command("report")
@click.option("--lab", help="Report on this lab only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
@handle_errors
def report(lab: str | None, as_json: bool) -> None:
    """Say what you did: steps, attempts, mistakes met, and the time that it took."""
    if lab:
        find_lesson(lab)
    services = get_services()
    found = reports.report(services.course, services.progress.load(), lab)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return
    for each in found.labs:
        if each.began_at or lab:
            _show(each)
    console.print(found.summary)


def _show(lab: LabReport) -> None:
    console.print(Text(f"{lab.lesson.number}. {lab.lesson.title}", style="bold"))
    table = Table(box=None, header_style="dim")
    for column in ("Step", "How it stands", "First passed", "Checks"):
        table.add_column(column)
    for step in lab.steps:
        state = Text(WORDS[step.state], style=COLOURS.get(step.state, ""))
        passed = clock(step.passed_at) if step.passed_at else ""
        table.add_row(prose(step.title), state, passed, str(step.attempts))
    console.print(table)
    for step in lab.steps:
        for mistake in step.mistakes:
            times = f", {mistake.times} times" if mistake.times > 1 else ""
            console.print(prose(f"  Mistake in {step.title}: {mistake.name}{times}"))
            for label, said in (("Found", mistake.found), ("Next", mistake.next)):
                if said:
                    console.print(Text(f"    {label:<5}  ", style="dim") + prose(said))
    done = f"All done by you {clock(lab.done_at)}. " if lab.done_at else ""
    console.print(f"  {done}Time: {length(lab.seconds)}.\n")
