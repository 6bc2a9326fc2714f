"""`script/lab run-lab`: labs without a browser, and the proof of their checks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from flask.cli import with_appcontext

from labrunner.course.lab import Lab
from labrunner.errors import ExitStatus
from labrunner.headless.interruptions import interruptions_handled
from labrunner.headless.results import Run, StepResult
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.registry.versions import NUMBERS
from labrunner.session.services import get_services

from .console import (
    COLOURS,
    exit_with,
    format_sentence,
    handle_errors,
    notify,
    paint,
    show,
    show_step,
    write,
)
from .lookup import find_lesson

WHICH = "The registry of the labs that do not say which themselves.  [default: 2]"


@click.command("run-lab")
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@click.option("--shell", is_flag=True, help="Run the lesson's commands instead of the solutions.")
@click.option(
    "--prove", is_flag=True, help="Prove each check: before the step, for each mistake, and after."
)
@click.option("--registry", type=click.Choice([*NUMBERS]), default="2", help=WHICH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write a JUnit report to this file.")
@click.option("--keep", is_flag=True, help="Leave everything in place at the end, to look at.")
@click.option("--port", type=click.IntRange(1, 65535), help="The registry's port.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120,
    show_default=True,
    help="Seconds that one step may take.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Labs and mistakes to run side by side.  [default: one more than cores]",
)
@with_appcontext
@handle_errors
def run_lab(
    labs: tuple[str, ...],
    shell: bool,
    prove: bool,
    registry: str,
    as_json: bool,
    junit: Path | None,
    keep: bool,
    port: int | None,
    seconds: float,
    jobs: int | None,
) -> None:
    """Run labs without a browser, by default all of them.

    Exits 0 when all passed, 1 when a check did not, 2 for a bad lab or call, 3 when it could not
    run, 130 when interrupted.
    """
    services = get_services()
    course = services.course
    lessons = [find_lesson(lab) for lab in labs] or list(course.lessons)
    problems = [] if labs else course.problems
    for problem in problems:
        notify(f"Refused: {problem}")
    if junit and not junit.absolute().parent.is_dir():
        exit_with(
            ExitStatus.BAD_CALL, f"There is no folder `{junit.absolute().parent}` for the report."
        )
    headless = Runner(
        services.workspaces,
        services.kit,
        Settings(shell, prove, keep, port, seconds, NUMBERS[registry]),
        1 if port else jobs or (os.cpu_count() or 1) + 1,  # one port is for one lab at a time
        say=notify,
        ended=(lambda lab, step: None) if as_json else _show,
    )
    with interruptions_handled():
        run = headless.run(lessons)
    if junit:
        from labrunner.headless.junit import write_report  # not always needed, and long to import

        write_report(run, junit)
    if as_json:
        write(json.dumps(run.as_dict()))
    else:
        _summary(run, keep)
    if run.interrupted:
        sys.exit(ExitStatus.INTERRUPTED)
    if problems:
        sys.exit(ExitStatus.BAD_CALL)
    if run.could_not_run:
        sys.exit(ExitStatus.CANNOT_RUN)
    if run.status in ("failed", "unknown") or (run.leftovers and not keep):
        sys.exit(ExitStatus.FAILED)


def _show(lab: Lab, step: StepResult) -> None:
    name = f"{lab.name} / {step.step}"
    said = (None, None, None) if step.passed else (step.expected, step.found, step.next)
    show_step(name, step.status, step.seconds, *said)
    for row in (step.proved or {}).get("mistakes", ()):
        told_off = "named" if row["status"] == "failed" else row["status"]
        show(f"              {told_off:<9} {row['mistake']}")


def _summary(run: Run, keep: bool) -> None:
    for lab in run.labs:
        passed = sum(step.status == "passed" for step in lab.steps)
        line = f"{lab.lab}: {passed} of {len(lab.steps)} steps in {lab.seconds:.1f} s"
        write(f"{format_sentence(line)}  {paint(lab.status, COLOURS.get(lab.status))}")
        if lab.reason:
            show(f"  {lab.reason}")
    for leftover in run.leftovers:
        show(f"{'Kept' if keep else 'Left behind'}: {leftover}")
    if keep and run.leftovers:
        show("The next `script/lab run-lab` removes what was kept.")
    if run.interrupted:
        show("Interrupted. What the run made is removed, or listed above.")
