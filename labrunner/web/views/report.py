"""What you did: the page at the end of a lab and of the course, and what other pages say of it."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from labrunner.course.lesson import Lesson
from labrunner.progress.store import ProgressUnavailable
from labrunner.session import report
from labrunner.session.report import Report
from labrunner.web.forms import wants_json

from .lessons import find_lab, learner

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


@bp.app_template_global()
def spent(lab: str) -> float:
    """The seconds of work on a lab; 0 where that is not known."""
    if "spent" not in g:
        g.spent = {}
        with suppress(ProgressUnavailable):
            found = report.report(learner().course, learner().progress)
            g.spent = {each.lesson.lab_name: each.seconds for each in found.labs}
    return float(g.spent.get(lab, 0))


@bp.app_template_global()
def where_you_were() -> tuple[Lesson, str | None] | None:
    """The lesson and the step to go on with, if that is known."""
    with suppress(ProgressUnavailable):
        return report.where(learner().course, learner().progress)
    return None


def _report(slug: str | None) -> tuple[Report, Lesson | None]:
    lesson, lab = find_lab(slug) if slug else (None, None)
    found = report.report(learner().course, learner().progress, lab.name if lab else None)
    return found, lesson


def page(slug: str | None = None, refused: str = "") -> str:
    """For a lesson's lab, or for the course. refused: why a file of progress was not taken in."""
    found, lesson = _report(slug)
    return render_template("report/page.html", report=found, lesson=lesson, refused=refused)
