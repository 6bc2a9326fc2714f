"""Check my work: one step, or all steps of a lab."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from itertools import dropwhile

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.headless.results import LabResult
from labrunner.progress.store import ProgressUnavailable, StepProgress
from labrunner.web.forms import fields, wants_fragment, wants_json

from .lessons import LessonView, find_lab, learner, show, view

bp = Blueprint("checks", __name__)


@bp.post("/lessons/<slug>/steps/<step_id>/check")
def check(slug: str, step_id: str) -> ResponseReturnValue:
    lesson, lab = find_lab(slug)
    step = lab.find(step_id)
    if not step:
        raise NotFound
    sent = fields("answer") if step.takes_answer else fields()
    began = time.monotonic()
    results = {step.id: learner().check(lab, step, sent.get("answer", ""))}
    if wants_json():
        result = LabResult.of(lab, results, time.monotonic() - began)
        return result.steps[0].as_dict()
    return shown(lesson, lab, results, anchor=step.id)


@bp.post("/lessons/<slug>/check")
def check_all(slug: str) -> ResponseReturnValue:
    fields()
    lesson, lab = find_lab(slug)
    began = time.monotonic()
    results = learner().check_all(lab)
    if wants_json():
        return LabResult.of(lab, results, time.monotonic() - began).as_dict()
    return shown(lesson, lab, results, anchor="lab-foot")


def fragment(after: LessonView, ids: Collection[str]) -> str:
    """What changes on the page with the verdicts of these steps. Later ones that have passed say
    which earlier ones are still open."""
    changed = [each for each in after.steps if each.id in ids]
    later = dropwhile(lambda each: each.id not in ids, after.steps)
    told = [each for each in later if each in changed or each.progress.state == "passed"]
    word = f"{after.done} of {len(after.steps)}"
    if lab := after.lesson.lab:
        with suppress(ProgressUnavailable):
            word = learner().word(lab)
    return render_template("step/_update.html", view=after, told=told, changed=changed, word=word)


def shown(
    lesson: Lesson, lab: Lab, results: dict[str, StepProgress], anchor: str
) -> ResponseReturnValue:
    """What these steps have come to: the fragments of their verdicts, or the page at `anchor`."""
    if wants_fragment():
        return fragment(view(lesson, results), results)
    if any(each.lost for each in results.values()):  # they are nowhere but on this page
        return show(lesson, results)
    return redirect(url_for("lessons.lesson", slug=lesson.slug, _anchor=anchor), 303)
