"""`flask labs`, `start-lab`, `check-lab`, `finish-lab`: the learner's way in a terminal."""

from __future__ import annotations

import json
import sys
import time

import click
from flask.cli import with_appcontext
from rich.table import Table

from labrunner.course.lab import Lab, Step
from labrunner.headless.results import LabResult
from labrunner.progress.records import StepProgress
from labrunner.session.overview import Overview
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.text import clock

from .console import (
    BAD_CALL,
    FAILED,
    console,
    find_lesson,
    find_step,
    handle_errors,
    leave,
    prose,
    show_step,
    tell,
)

LAB = click.argument("lab")


@click.command("labs")
@with_appcontext
@handle_errors
def labs() -> None:
    """List the lessons and labs with your progress."""
    table = Table(box=None, header_style="dim")
    for column in ("Lesson", "Title", "Lab", "Progress"):
        table.add_column(column)
    services = get_services()
    overview = Overview(services.course, services.workspaces, services.progress.load())
    for lesson in services.course.lessons:
        lab = lesson.lab
        row = (lab.name, overview.summary(lab)) if lab else ("", "")
        table.add_row(str(lesson.number), lesson.title, *row)
    console.print(table)
    for problem in services.course.problems:
        tell(f"Refused: {problem}")


@click.command("start-lab")
@LAB
@click.option("--json", "as_json", is_flag=True, help="Print the values as one JSON object.")
@with_appcontext
@handle_errors
def start_lab(lab: str, as_json: bool) -> None:
    """Open a lab: find it a free port and free names, and bring what it gives."""
    found = _lab(lab)
    workspace = get_services().session(found).start(tell)
    values = workspace.record.values
    if as_json:
        row = {"workspace": workspace.id, "lab": found.name, **values, "port": workspace.port}
        click.echo(json.dumps(row))
        return
    console.print(prose(f"Your registry is `{workspace.registry}`. {workspace.record.note}"))
    for name, value in values.items():
        console.print(prose(f"  {name:<10} `{value}`"))
    console.print(prose(f"Follow the lesson, and check with `script/lab check-lab {found.name}`."))


@click.command("check-lab")
@LAB
@click.argument("step", required=False)
@click.option("--answer", default="", help="Your answer, for a step that asks for one.")
@click.option("--json", "as_json", is_flag=True, help="Print the lab as one JSON object.")
@click.option("--watch", is_flag=True, help="Check again until all has passed.")
@with_appcontext
@handle_errors
def check_lab(lab: str, step: str | None, answer: str, as_json: bool, watch: bool) -> None:
    """Check your work: all steps of a lab, or one. Exits 0 when all that was checked has passed."""
    found = _lab(lab)
    one = find_step(found, step) if step else None
    if answer and not (one and one.takes_answer):
        leave(BAD_CALL, "`--answer` goes with a step that asks for one: name that step.")
    session = get_services().session(found)
    session.engine.info()
    shown: dict[str, StepProgress] = {}
    while True:
        began = time.monotonic()
        results = _check(session, one, answer, again=bool(shown))
        if as_json:
            lab_result = LabResult.of(found, results, time.monotonic() - began)
            click.echo(json.dumps(lab_result.as_dict()))
        else:
            _show({name: each for name, each in results.items() if _changed(shown.get(name), each)})
        shown = results
        if all(each.done for each in results.values()):
            return
        if not watch:
            sys.exit(FAILED)
        time.sleep(1)


@click.command("finish-lab")
@LAB
@click.option("--yes", is_flag=True, help="Remove what belongs to the lab without asking.")
@with_appcontext
@handle_errors
def finish_lab(lab: str, yes: bool) -> None:
    """Close a lab: list what belongs to it, and remove that if you agree."""
    found = _lab(lab)
    session = get_services().session(found)
    items = session.resources()
    for item in items:
        console.print(prose(f"  {item.kind:<10} `{item.name}`, because {item.why}"))
    if items and not yes:
        if not sys.stdin.isatty():
            leave(BAD_CALL, "Nothing was removed. Add `--yes` to remove these.")
        if not click.confirm("Remove these?"):
            console.print("Nothing was removed, and the lab stays open.")
            return
    left = session.finish({item.id for item in items})
    for leftover in left:
        tell(f"Not removed: {leftover}")
    if left:
        leave(FAILED, f"The lab stays open. Mend that and run `script/lab finish-lab {lab}` again.")
    console.print(f"Finished. {len(items)} removed." if items else "Finished. Nothing to remove.")


def _lab(name: str) -> Lab:
    lab = find_lesson(name).lab
    assert lab  # noqa: S101 - a lesson found by its lab has one
    return lab


def _check(
    session: Session, step: Step | None, answer: str, again: bool
) -> dict[str, StepProgress]:
    if not step:
        return session.check_all()
    if again and not step.takes_answer:
        return {step.id: session.recheck(step)}
    return {step.id: session.check(step, answer)}


def _changed(old: StepProgress | None, new: StepProgress) -> bool:
    return old is None or (old.state, old.verdict) != (new.state, new.verdict)


def _show(results: dict[str, StepProgress]) -> None:
    for name, each in results.items():
        show_step(name, each.state, None, *_rows(each))


def _rows(each: StepProgress) -> tuple[str | None, str | None, str | None]:
    """What is expected, what was found, and what is next."""
    if each.state == "skipped" and each.skipped_at:
        return None, f"Skipped {clock(each.skipped_at)}. You can still do it.", None
    if each.state == "solved" and each.solved_at:
        return None, f"Done for you {clock(each.solved_at)}.", None
    verdict = each.verdict
    return (verdict.expected, verdict.found, verdict.next) if verdict else (None, None, None)
