"""Other ways through a lab: skip a step, have it done, reset the lab, go back to a step."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from labrunner.course.lab import Step
from labrunner.course.lesson import Lesson
from labrunner.progress.records import StepProgress
from labrunner.session.session import Session
from labrunner.web.forms import fields, wants_fragment, wants_json
from labrunner.web.jobs import Job
from labrunner.web.services import get_web_services
from labrunner.workspaces.logins import describe_logins
from labrunner.workspaces.resources import Leftover, Resource

from .checks import respond
from .lessons import find_session

bp = Blueprint("steps", __name__)


@bp.post("/lessons/<slug>/steps/<step_id>/skip")
def skip(slug: str, step_id: str) -> ResponseReturnValue:
    """Go on without the step."""
    fields()
    lesson, session, step = _find_step(slug, step_id)
    return _respond(lesson, session, step, session.skip(step))


@bp.post("/lessons/<slug>/steps/<step_id>/solve")
def solve(slug: str, step_id: str) -> ResponseReturnValue:
    """Do the step for the learner, beside the request."""
    fields()
    lesson, session, step = _find_step(slug, step_id)
    session.require_workspace()
    job = get_web_services().jobs.begin(
        _job_name(session, step), lambda say, on_progress: session.solve(step, on_progress)
    )
    if wants_json():
        return {"step": step.id, "status": "solving"}, 202
    if wants_fragment():
        return _render_job("step/_solving.html", lesson, step, job)
    return redirect(url_for("steps.solving", slug=slug, step_id=step_id), 303)


@bp.get("/lessons/<slug>/steps/<step_id>/solve")
def solving(slug: str, step_id: str) -> ResponseReturnValue:
    """Show how far that is, and what the step has come to once it is done."""
    lesson, session, step = _find_step(slug, step_id)
    job = get_web_services().jobs.find(_job_name(session, step))
    if job and job.running:
        if wants_json():
            return {"step": step.id, "status": "solving", "done": job.done, "total": job.total}
        if not wants_fragment():
            return _render_job("step/solving.html", lesson, step, job)
        moved = request.args.get("done", "0") != str(job.done)
        return (
            _render_job("step/_solving.html", lesson, step, job, news=False) if moved else ("", 204)
        )
    if job and job.failed and not wants_json():
        template = "step/_solving.html" if wants_fragment() else "step/solving.html"
        return _render_job(template, lesson, step, job)
    return _respond(lesson, session, step, session.progress.step(step.id))


@bp.get("/lessons/<slug>/reset", defaults={"step_id": None})
@bp.get("/lessons/<slug>/steps/<step_id>/back")
def ask(slug: str, step_id: str | None) -> ResponseReturnValue:
    """Show what is removed when the lab begins anew."""
    lesson, session, step = _find_reset(slug, step_id)
    items = session.resources()
    if wants_json():
        return {"belongings": [vars(item) for item in items]}
    return _render_reset(lesson, session, step, items, [])


@bp.post("/lessons/<slug>/reset", defaults={"step_id": None})
@bp.post("/lessons/<slug>/steps/<step_id>/back")
def reset(slug: str, step_id: str | None) -> ResponseReturnValue:
    """Remove the resources whose ids are sent as `item`, and no other object; then start the lab
    anew, beside the request, and do the steps before this one."""
    fields(several="item")
    lesson, session, step = _find_reset(slug, step_id)
    left = session.reset(set(request.form.getlist("item")), step)
    if not left:
        start = partial(session.start_at, step) if step else session.start
        get_web_services().jobs.begin(session.lab.name, start)
    if wants_json():
        return {"left": [{**vars(each.item), "reason": each.reason} for each in left]}
    if left:
        return _render_reset(lesson, session, step, session.resources(), left), 409
    return redirect(url_for("start.progress", slug=slug), 303)


def _find_step(slug: str, step_id: str) -> tuple[Lesson, Session, Step]:
    lesson, session = find_session(slug)
    step = session.lab.find(step_id)
    if not step:
        raise NotFound
    return lesson, session, step


def _find_reset(slug: str, step_id: str | None) -> tuple[Lesson, Session, Step | None]:
    if step_id:
        return _find_step(slug, step_id)
    lesson, session = find_session(slug)
    return lesson, session, None


def _render_reset(
    lesson: Lesson,
    session: Session,
    step: Step | None,
    items: list[Resource],
    left: list[Leftover],
) -> str:
    logins = describe_logins(session.require_workspace())
    return render_template(
        "lab/remove.html", lesson=lesson, step=step, items=items, left=left, logins=logins
    )


def _job_name(session: Session, step: Step) -> str:
    return f"{session.lab.name}/{step.id}"


def _render_job(template: str, lesson: Lesson, step: Step, job: Job, *, news: bool = True) -> str:
    """news: it is worth saying aloud."""
    return render_template(template, lesson=lesson, step=step, start=job, news=news)


def _respond(
    lesson: Lesson, session: Session, step: Step, progress: StepProgress
) -> ResponseReturnValue:
    if wants_json():
        return {"step": step.id, "status": progress.state}
    return respond(lesson, session, {step.id: progress}, anchor=step.id)
