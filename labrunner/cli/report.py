"""`script/lab report`: what you did."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from labrunner.session import report as reports
from labrunner.session.report import WORDS, LabReport
from labrunner.session.services import get_services
from labrunner.text import clock, length, plain

from .console import COLOURS, format_sentence, handle_errors, paint, show, show_table, write
from .lookup import find_lesson


@click.command("report")
@click.option("--lab", help="Report on this lab only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
@handle_errors
def report(lab: str | None, as_json: bool) -> None:
    """Show what you did: steps, checks, mistakes and time."""
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
    show(found.summary)


def _show(lab: LabReport) -> None:
    write(paint(plain(f"{lab.lesson.number}. {lab.lesson.title}"), bold=True))
    rows = []
    for step in lab.steps:
        state = paint(WORDS[step.state], COLOURS.get(step.state))
        passed = clock(step.passed_at) if step.passed_at else ""
        rows.append((format_sentence(step.title), state, passed, str(step.attempts)))
    show_table(("Step", "State", "First passed", "Checks"), rows)
    for step in lab.steps:
        for mistake in step.mistakes:
            times = f", {mistake.times} times" if mistake.times > 1 else ""
            show(f"  Mistake in {step.title}: {mistake.name}{times}")
            for label, sentence in (("Found", mistake.found), ("Next", mistake.next)):
                if sentence:
                    show(sentence, label=f"    {label:<5}  ")
    done = f"All done by you {clock(lab.done_at)}. " if lab.done_at else ""
    show(f"  {done}Time: {length(lab.seconds)}.\n")
