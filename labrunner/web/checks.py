"""Check my work: one step, or all steps of a lab."""

from __future__ import annotations

import time

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from ..lab import Lab
from ..lesson import Lesson
from ..progress import ProgressUnavailable, StepProgress
from ..results import LabResult
from .answers import fields, wants_fragment, wants_json
from .lessons import find_lab, learner, show, view

pages = Blueprint("checks", __name__)


@pages.post("/lessons/<slug>/steps/<step_id>/check")
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
    return _shown(lesson, lab, results, anchor=step.id)


@pages.post("/lessons/<slug>/check")
def check_all(slug: str) -> ResponseReturnValue:
    fields()
    lesson, lab = find_lab(slug)
    began = time.monotonic()
    results = learner().check_all(lab)
    if wants_json():
        return LabResult.of(lab, results, time.monotonic() - began).as_dict()
    return _shown(lesson, lab, results, anchor="lab-foot")


def _shown(
    lesson: Lesson, lab: Lab, results: dict[str, StepProgress], anchor: str
) -> ResponseReturnValue:
    if wants_fragment():
        shown = view(lesson, results)
        changed = [each for each in shown.steps if each.id in results]
        word = f"{shown.done} of {len(shown.steps)}"
        return render_template("_checked.html", view=shown, changed=changed, word=word)
    try:
        learner().progress.of(lab.name)
    except ProgressUnavailable:  # the verdicts are kept nowhere but on this page
        return show(lesson, results)
    return redirect(url_for("lessons.lesson", slug=lesson.slug, _anchor=anchor), 303)
