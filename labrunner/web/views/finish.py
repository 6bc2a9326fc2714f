"""Finish lab: the list of what will be removed, and removing what the learner confirms."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from labrunner.web.forms import fields, wants_json

from .lessons import find_session

bp = Blueprint("finish", __name__)


@bp.get("/lessons/<slug>/finish")
def ask(slug: str) -> ResponseReturnValue:
    lesson, session = find_session(slug)
    items = session.resources()
    if wants_json():
        return {"belongings": [vars(item) for item in items]}
    return render_template("lab/remove.html", lesson=lesson, items=items, finishing=True, left=[])


@bp.post("/lessons/<slug>/finish")
def finish(slug: str) -> ResponseReturnValue:
    """Remove the resources whose ids are sent as `item`, and no other object."""
    fields(several="item")
    lesson, session = find_session(slug)
    left = session.finish(set(request.form.getlist("item")))
    if wants_json():
        return {"left": [{**vars(each.item), "reason": each.reason} for each in left]}
    if left:
        items = session.resources()
        return render_template(
            "lab/remove.html", lesson=lesson, items=items, finishing=True, left=left
        ), 409
    return redirect(url_for("lessons.lesson", slug=slug, _anchor="lab"), 303)
