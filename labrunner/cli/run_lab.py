"""`script/lab run-lab`: labs without a browser, and the proof of their checks."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from labrunner.course.lab import Lab
from labrunner.headless.results import LabResult, Run, StepResult
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.session.services import get_services

from .console import (
    BAD_CALL,
    COLOURS,
    FAILED,
    INTERRUPTED,
    console,
    find_lesson,
    handle_errors,
    leave,
    prose,
    show_step,
    tell,
)


@click.command("run-lab")
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@click.option("--shell", is_flag=True, help="Run the lesson's commands instead of the solutions.")
@click.option("--prove", is_flag=True, help="Prove each check: before, mistakes, after, again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write a JUnit report to this file.")
@click.option("--keep", is_flag=True, help="Leave all as it is at the end, to look at.")
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
    help="So many labs, or mistakes of labs, side by side.  [default: the number of cores]",
)
@with_appcontext
@handle_errors
def run_lab(
    labs: tuple[str, ...],
    shell: bool,
    prove: bool,
    as_json: bool,
    junit: Path | None,
    keep: bool,
    port: int | None,
    seconds: float,
    jobs: int | None,
) -> None:
    """Run labs headless; all of them without a name.

    Exits 0 when all passed, 1 when a check did not, 2 for a bad lab or call, 3 when it could not
    run, 130 when interrupted.
    """
    services = get_services()
    course = services.course
    lessons = [find_lesson(lab) for lab in labs] or list(course.lessons)
    problems = [] if labs else course.problems
    for problem in problems:
        tell(f"Refused: {problem}")
    if junit and not junit.absolute().parent.is_dir():
        leave(BAD_CALL, f"There is no folder `{junit.absolute().parent}` for the report.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    headless = Runner(
        services.workspaces,
        services.kit,
        Settings(shell, prove, keep, port, seconds),
        1 if port else jobs or os.cpu_count() or 1,  # one port is for one lab at a time
        say=tell,
        ended=(lambda lab, step: None) if as_json else _show,
    )
    run = headless.run(lessons)
    if junit:
        _junit(run).write(str(junit), pretty=True)
    if as_json:
        click.echo(json.dumps(run.as_dict()))
    else:
        _summary(run, keep)
    if run.interrupted:
        sys.exit(INTERRUPTED)
    if problems:
        sys.exit(BAD_CALL)
    sys.exit(FAILED if run.status in ("failed", "unknown") or (run.leftovers and not keep) else 0)


def _show(lab: Lab, step: StepResult) -> None:
    name = f"{lab.name} / {step.step}"
    show_step(name, step.status, step.seconds, step.expected, step.found, step.next)
    for row in (step.proved or {}).get("mistakes", ()):
        told_off = "named" if row["status"] == "failed" else row["status"]
        console.print(prose(f"              {told_off:<9} {row['mistake']}"))


def _summary(run: Run, keep: bool) -> None:
    for lab in run.labs:
        passed = sum(step.status == "passed" for step in lab.steps)
        line = prose(f"{lab.lab}: {passed} of {len(lab.steps)} steps in {lab.seconds:.1f} s")
        line.append(f"  {lab.status}", style=COLOURS.get(lab.status, ""))
        console.print(line)
        if lab.reason:
            console.print(prose(f"  {lab.reason}"))
    for leftover in run.leftovers:
        console.print(prose(f"{'Kept' if keep else 'Left behind'}: {leftover}"))
    if keep and run.leftovers:
        console.print(prose("The next `script/lab run-lab` removes what was kept."))
    if run.interrupted:
        console.print("Interrupted; what the run had made is listed above or removed.")


def _junit(run: Run) -> JUnitXml:
    report = JUnitXml("flask run-lab")
    for lab in run.labs:
        suite = TestSuite(lab.lab)
        for step in lab.steps or [StepResult("start", lab.status, found=lab.reason)]:
            suite.add_testcase(_case(lab, step))
        report.add_testsuite(suite)
    return report


def _case(lab: LabResult, step: StepResult) -> TestCase:
    case = TestCase(step.step, classname=lab.lab, time=round(step.seconds, 3))
    kinds: dict[str, Any] = {"failed": Failure, "unknown": Error, "skipped": Skipped}
    if kind := kinds.get(step.status):
        entry = kind(step.found or step.status)
        rows = (("Expected", step.expected), ("Found", step.found), ("Next", step.next))
        entry.text = "\n".join(f"{label}: {sentence}" for label, sentence in rows if sentence)
        case.result = [entry]
    return case
