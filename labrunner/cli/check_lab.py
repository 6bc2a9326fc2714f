"""`script/lab check-lab`: check your work."""

from __future__ import annotations

import json
import sys
import time

import click
from flask.cli import with_appcontext

from labrunner.course.lab import Lab, Step
from labrunner.errors import ExitStatus
from labrunner.headless.results import LabResult
from labrunner.progress.records import StepProgress
from labrunner.session.report import WORDS
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.text import clock

from .console import exit_with, handle_errors, show_step
from .lookup import find_lab, find_step

INTERVAL = 1  # seconds between two checks with --watch
WIDTH = max(map(len, WORDS.values())) + 2


@click.command("check-lab")
@click.argument("lab")
@click.argument("step", required=False)
@click.option("--answer", default="", help="Your answer, for a step that asks for one.")
@click.option("--json", "as_json", is_flag=True, help="Print the lab as one JSON object.")
@click.option("--watch", is_flag=True, help="Check again until all steps have passed.")
@with_appcontext
@handle_errors
def check_lab(lab: str, step: str | None, answer: str, as_json: bool, watch: bool) -> None:
    """Check your work: all steps of a lab, or one with those that it proves. Exits 0 when all that
    was checked has passed."""
    found = find_lab(lab)
    one = find_step(found, step) if step else None
    if answer and not (one and one.takes_answer):
        what = "`--answer` is for a step that asks for an answer: name that step."
        exit_with(ExitStatus.BAD_CALL, what)
    session = get_services().session(found)
    session.engine.info()
    shown: dict[str, StepProgress] = {}
    while True:
        began = time.monotonic()
        results = check_steps(session, one, answer, again=bool(shown))
        if as_json:
            lab_result = LabResult.of(found, results, time.monotonic() - began)
            click.echo(json.dumps(lab_result.as_dict()))
        else:
            news = {id: each for id, each in results.items() if _changed(shown.get(id), each)}
            _show(found, news, one)
        shown = results
        if all(each.done for each in results.values()):
            return
        if not watch:
            sys.exit(ExitStatus.FAILED)
        time.sleep(INTERVAL)


def check_steps(
    session: Session, step: Step | None, answer: str, again: bool
) -> dict[str, StepProgress]:
    """Check all steps, or one; return what is known of it and of those that it has shown. again: it
    is watched, which is one attempt."""
    if not step:
        return session.check_all()
    steps = session.lab.steps
    open_before = [each for each in steps if each != step and not session.known(each).done]
    judge = session.recheck if again else session.check
    result = judge(step, answer)
    proved = {each.id: session.known(each) for each in open_before if session.known(each).done}
    return {**proved, step.id: result}


def _changed(old: StepProgress | None, new: StepProgress) -> bool:
    return old is None or (old.state, old.verdict) != (new.state, new.verdict)


def _show(lab: Lab, results: dict[str, StepProgress], one: Step | None) -> None:
    """one: the step that was asked for, of which is said what was found also when it is done."""
    for id, each in results.items():
        check, asked = f"script/lab check-lab {lab.name} {id}", one is not None and one.id == id
        expected, found, next = _sentences(each, check, asked=asked)
        show_step(id, each.state, None, expected, found, next, WORDS[each.state].ljust(WIDTH))


def _sentences(
    each: StepProgress, check: str, *, asked: bool
) -> tuple[str | None, str | None, str | None]:
    """Return what is expected, what was found, and what to do next. check: the command that checks
    the step."""
    verdict = each.verdict
    found = verdict.found if verdict and asked else None
    if each.state == "skipped" and each.skipped_at:
        return None, f"Skipped {clock(each.skipped_at)}. You can still do it.", None
    if each.state == "solved" and each.solved_at:
        return None, f"Done for you {clock(each.solved_at)}. {found or ''}".rstrip(), None
    if not verdict or verdict.passed:
        return None, found, None
    next = verdict.next
    if verdict.lacks_answer:
        next = f"{next} The command is `{check} --answer TEXT`."
    return verdict.expected, verdict.found, next
