"""Start a lab, and the page that shows how far the start is."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from labrunner.web.forms import fields, wants_fragment, wants_json
from labrunner.web.services import get_web_services

from .lessons import find_session

bp = Blueprint("start", __name__)


@bp.post("/lessons/<slug>/start")
def begin(slug: str) -> ResponseReturnValue:
    fields()
    lesson, session = find_session(slug)
    start = get_web_services().jobs.begin(session.lab.name, session.start)
    if wants_json():
        return start.as_dict(), 202
    if wants_fragment():
        return render_template("lab/_start_update.html", lesson=lesson, start=start, news=True)
    return redirect(url_for("start.progress", slug=slug), 303)


@bp.get("/lessons/<slug>/start")
def progress(slug: str) -> ResponseReturnValue:
    """How far the start is; the lesson itself once it is done."""
    lesson, session = find_session(slug)
    start = get_web_services().jobs.of(session.lab.name)
    if wants_json():
        if start and (start.running or start.failed or session.workspace):
            return start.as_dict()
        return {"status": "started" if session.workspace else "not started"}
    if start is None or not (start.running or start.failed):
        if wants_fragment():
            if not request.headers.get("HX-Current-URL", "").endswith(request.path):
                flash("started")  # the lesson then puts the focus where the button was
            return "", 200, {"HX-Refresh": "true"}
        return redirect(url_for("lessons.lesson", slug=slug, _anchor="lab"), 303)
    if not wants_fragment():
        return render_template("lab/start.html", lesson=lesson, start=start)
    news = start.failed or request.args.get("lines") != str(len(start.lines))
    if not news and request.args.get("done") == str(start.done):
        return "", 204
    return render_template("lab/_start_update.html", lesson=lesson, start=start, news=news)
