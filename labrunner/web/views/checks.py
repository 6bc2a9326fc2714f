"""Check my work: one step, or all steps of a lab."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from itertools import dropwhile

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from labrunner.course.lesson import Lesson
from labrunner.headless.results import LabResult
from labrunner.language import Sentence
from labrunner.progress.records import StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.session import Session
from labrunner.web.forms import fields, wants_fragment, wants_json
from labrunner.web.lesson_view import view_session

from .lessons import find_session, show

bp = Blueprint("checks", __name__)


@bp.post("/lessons/<slug>/steps/<step_id>/check")
def check(slug: str, step_id: str) -> ResponseReturnValue:
    """Check one step, with the answer that is sent where it asks for one."""
    lesson, session = find_session(slug)
    step = session.lab.find(step_id)
    if not step:
        raise NotFound
    sent = fields("answer") if step.takes_answer else fields()
    began = time.monotonic()
    results = {step.id: session.check(step, sent.get("answer", ""))}
    if wants_json():
        result = LabResult.of(session.lab, results, time.monotonic() - began)
        return result.steps[0].as_dict()
    verdict = results[step.id].verdict
    earlier = [each for each in session.lab.steps if verdict and each.id in verdict.proves]
    results |= {each.id: session.known(each) for each in earlier}
    return respond(lesson, session, results, anchor=step.id)


@bp.post("/lessons/<slug>/check")
def check_all(slug: str) -> ResponseReturnValue:
    """Check all steps of the lab that need no answer."""
    fields()
    lesson, session = find_session(slug)
    began = time.monotonic()
    results = session.check_all()
    if wants_json():
        return LabResult.of(session.lab, results, time.monotonic() - began).as_dict()
    return respond(lesson, session, results, anchor="lab-foot")


def render_steps(
    lesson: Lesson,
    session: Session,
    ids: Collection[str],
    now: dict[str, StepProgress] | None = None,
) -> str:
    """Render what changes on a lesson's page with the verdicts of these steps.

    Later steps that have passed say which earlier ones are still open. now: as for `view_session`.
    """
    view = view_session(lesson, session, now)
    changed = [step for step in view.steps if step.id in ids]
    later = dropwhile(lambda step: step.id not in ids, view.steps)
    shown = [step for step in later if step in changed or step.progress.state == "passed"]
    summary: str = Sentence("{done} of {all}", done=view.done, all=len(view.steps))
    with suppress(ProgressUnavailable):
        summary = session.summary
    return render_template(
        "step/_update.html", view=view, shown=shown, changed=changed, summary=summary
    )


def respond(
    lesson: Lesson, session: Session, results: dict[str, StepProgress], anchor: str
) -> ResponseReturnValue:
    """Return what the steps have come to: the fragments that htmx asks for, or a redirect to the
    page at `anchor`."""
    if wants_fragment():
        return render_steps(lesson, session, results, results)
    if any(progress.unsaved for progress in results.values()):  # no other page would say it
        return show(lesson, results)
    return redirect(url_for("lessons.lesson", slug=lesson.slug, _anchor=anchor), 303)
