"""The learner's own way through a lab: skip a step, have it done, reset the lab, go back."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from labrunner.course.lab import Lab, Step
from labrunner.course.lesson import Lesson
from labrunner.progress.store import StepProgress
from labrunner.session.learner import NotStarted
from labrunner.web.forms import fields, wants_fragment, wants_json
from labrunner.web.jobs import Job
from labrunner.web.services import get_web_services

from .checks import shown
from .lessons import find_lab, learner

bp = Blueprint("ways", __name__)


@bp.post("/lessons/<slug>/steps/<step_id>/skip")
def skip(slug: str, step_id: str) -> ResponseReturnValue:
    fields()
    lesson, lab, step = _find(slug, step_id)
    return _came_to(lesson, lab, step, learner().skip(lab, step))


@bp.post("/lessons/<slug>/steps/<step_id>/solve")
def solve(slug: str, step_id: str) -> ResponseReturnValue:
    """Do the step for the learner, beside the request."""
    fields()
    lesson, lab, step = _find(slug, step_id)
    who = learner()
    if not who.workspace(lab):
        raise NotStarted(lab.name)
    start = get_web_services().jobs.begin(
        _name(lab, step), lambda say, bar: who.solve(lab, step, bar)
    )
    if wants_json():
        return {"step": step.id, "status": "solving"}, 202
    if wants_fragment():
        return _solving("_solving.html", lesson, step, start)
    return redirect(url_for("ways.solving", slug=slug, step_id=step_id), 303)


@bp.get("/lessons/<slug>/steps/<step_id>/solve")
def solving(slug: str, step_id: str) -> ResponseReturnValue:
    """How far that is; what the step has come to once it is done."""
    lesson, lab, step = _find(slug, step_id)
    start = get_web_services().jobs.of(_name(lab, step))
    if start and start.running:
        if wants_json():
            return {"step": step.id, "status": "solving", "done": start.done, "total": start.total}
        if not wants_fragment():
            return _solving("solving.html", lesson, step, start)
        moved = request.args.get("done", "0") != str(start.done)
        return _solving("_solving.html", lesson, step, start, news=False) if moved else ("", 204)
    if start and start.failed and not wants_json():
        template = "_solving.html" if wants_fragment() else "solving.html"
        return _solving(template, lesson, step, start)
    progress = learner().progress.of(lab.name).get(step.id, StepProgress())
    return _came_to(lesson, lab, step, progress)


@bp.get("/lessons/<slug>/reset", defaults={"step_id": None})
@bp.get("/lessons/<slug>/steps/<step_id>/back")
def ask(slug: str, step_id: str | None) -> ResponseReturnValue:
    """What goes when the lab begins anew."""
    lesson, lab, step = _find_perhaps(slug, step_id)
    items = learner().resources(lab)
    if wants_json():
        return {"belongings": [vars(item) for item in items]}
    return render_template("reset.html", lesson=lesson, step=step, items=items, left=[])


@bp.post("/lessons/<slug>/reset", defaults={"step_id": None})
@bp.post("/lessons/<slug>/steps/<step_id>/back")
def reset(slug: str, step_id: str | None) -> ResponseReturnValue:
    """Removes the belongings whose ids are sent as `item`, and no other object; then starts the
    lab anew, beside the request, and does the steps before this one."""
    fields(several="item")
    lesson, lab, step = _find_perhaps(slug, step_id)
    who = learner()
    left = who.reset(lab, set(request.form.getlist("item")), step)
    if not left:
        begin = partial(who.start_at, lab, step) if step else partial(who.start, lab)
        get_web_services().jobs.begin(lab.name, begin)
    if wants_json():
        return {"left": [{**vars(each.item), "reason": each.reason} for each in left]}
    if left:
        items = who.resources(lab)
        return render_template("reset.html", lesson=lesson, step=step, items=items, left=left), 409
    return redirect(url_for("starts.progress", slug=slug), 303)


def _find(slug: str, step_id: str) -> tuple[Lesson, Lab, Step]:
    lesson, lab = find_lab(slug)
    step = lab.find(step_id)
    if not step:
        raise NotFound
    return lesson, lab, step


def _find_perhaps(slug: str, step_id: str | None) -> tuple[Lesson, Lab, Step | None]:
    return _find(slug, step_id) if step_id else (*find_lab(slug), None)


def _name(lab: Lab, step: Step) -> str:
    return f"{lab.name}/{step.id}"


def _solving(template: str, lesson: Lesson, step: Step, start: Job, *, news: bool = True) -> str:
    """news: it is worth saying aloud."""
    return render_template(template, lesson=lesson, step=step, start=start, news=news)


def _came_to(lesson: Lesson, lab: Lab, step: Step, progress: StepProgress) -> ResponseReturnValue:
    if wants_json():
        return {"step": step.id, "status": progress.state}
    return shown(lesson, lab, {step.id: progress}, anchor=step.id)
