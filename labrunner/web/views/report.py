"""What you did: the page on a lab or on the course, and the same as JSON."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from labrunner.course.lesson import Lesson
from labrunner.session import report
from labrunner.session.report import Report
from labrunner.session.services import get_services
from labrunner.web.forms import wants_json

from .lessons import find_lab

bp = Blueprint("report", __name__)


@bp.get("/report", defaults={"slug": None})
@bp.get("/lessons/<slug>/report")
def what_you_did(slug: str | None) -> ResponseReturnValue:
    if wants_json():
        return as_json(slug)
    return page(slug)


@bp.get("/report.json", defaults={"slug": None})
@bp.get("/lessons/<slug>/report.json")
def as_json(slug: str | None) -> ResponseReturnValue:
    found, _ = _report(slug)
    return found.as_dict()


def page(slug: str | None = None, refused: str = "") -> str:
    """Return the page for a lesson's lab, or for the course. refused: why a file of progress was
    not imported."""
    found, lesson = _report(slug)
    return render_template("report/page.html", report=found, lesson=lesson, refused=refused)


def _report(slug: str | None) -> tuple[Report, Lesson | None]:
    lesson, lab = find_lab(slug) if slug else (None, None)
    services = get_services()
    found = report.report(services.course, services.progress.load(), lab.name if lab else None)
    return found, lesson
