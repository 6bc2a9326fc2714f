"""Finish lab: the list of what will be removed, and removing what the learner confirms."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from labrunner.course.lesson import Lesson
from labrunner.session.session import Session
from labrunner.web.forms import fields, wants_json
from labrunner.workspaces.logins import describe_logins
from labrunner.workspaces.resources import Leftover, Resource

from .lessons import find_session

bp = Blueprint("finish", __name__)


@bp.get("/lessons/<slug>/finish")
def ask(slug: str) -> ResponseReturnValue:
    """Show what finishing the lab removes."""
    lesson, session = find_session(slug)
    items = session.resources()
    if wants_json():
        return {"belongings": [vars(item) for item in items]}
    return _render(lesson, session, items, [])


@bp.post("/lessons/<slug>/finish")
def finish(slug: str) -> ResponseReturnValue:
    """Remove the resources whose ids are sent as `item`, and no other object."""
    fields(several="item")
    lesson, session = find_session(slug)
    left = session.finish(set(request.form.getlist("item")))
    if wants_json():
        return {"left": [{**vars(each.item), "reason": each.reason} for each in left]}
    if left:
        return _render(lesson, session, session.resources(), left), 409
    return redirect(url_for("lessons.lesson", slug=slug, _anchor="lab"), 303)


def _render(lesson: Lesson, session: Session, items: list[Resource], left: list[Leftover]) -> str:
    logins = describe_logins(session.require_workspace())
    return render_template(
        "lab/remove.html", lesson=lesson, items=items, left=left, finishing=True, logins=logins
    )
