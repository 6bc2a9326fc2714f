"""The course page and the lesson pages."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, NotFound

from labrunner.course.course import Course
from labrunner.course.lab import Lab
from labrunner.course.lesson import FILE, Lesson
from labrunner.language import Sentence
from labrunner.progress.records import StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.registry.versions import NUMBERS
from labrunner.session.overview import Overview
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.text import fold
from labrunner.web.forms import fields, wants_json
from labrunner.web.lesson_view import engine_faults, view_lesson
from labrunner.web.services import get_web_services

bp = Blueprint("lessons", __name__)


def find(slug: str) -> Lesson:
    """Return the lesson at this address. Raises `NotFound`."""
    lesson = get_services().course.lesson(slug)
    if not lesson:
        raise NotFound
    return lesson


def find_lab(slug: str) -> tuple[Lesson, Lab]:
    """Return a lesson and its lab. Raises `NotFound`, also where the lesson has none."""
    lesson = find(slug)
    if not lesson.lab:
        raise NotFound
    return lesson, lesson.lab


def find_session(slug: str) -> tuple[Lesson, Session]:
    """Return a lesson and a session with its lab. Raises `NotFound` as `find_lab` does."""
    lesson, lab = find_lab(slug)
    return lesson, get_services().session(lab)


@bp.get("/")
def course() -> ResponseReturnValue:
    """Show the lessons of the course."""
    overview, problem = _overview()
    faults = engine_faults()
    if problem:
        faults.append(Sentence.joined(problem.found, problem.next))
    faults += overview.faults
    return render_template(
        "course/page.html", course=get_services().course, overview=overview, faults=faults
    )


@bp.get("/lessons/<slug>")
def lesson(slug: str) -> ResponseReturnValue:
    """Show one lesson, or why it is not served."""
    course = get_services().course
    if not course.lesson(slug) and _refused(course, slug):
        return render_template("lesson/refused.html", problems=course.problems), 404
    return show(find(slug))


@bp.post("/lessons/<slug>/version")
def choose_registry(slug: str) -> ResponseReturnValue:
    """Keep the learner's choice of a registry, which all lessons follow."""
    lesson, number = find(slug), fields("registry")["registry"]
    if number not in NUMBERS:
        numbers = fold(NUMBERS, "{some} or {other}")
        raise BadRequest(Sentence("Choose registry {numbers}.", numbers=numbers))
    get_services().workspaces.registry_choice.keep(NUMBERS[number])
    if wants_json():
        return {"registry": number}
    return redirect(url_for("lessons.lesson", slug=lesson.slug, _anchor="version"), 303)


def show(lesson: Lesson, now: Mapping[str, StepProgress] | None = None) -> ResponseReturnValue:
    """Return the lesson's page. now: verdicts of this request that could not be stored."""
    overview, problem = _overview()
    workspace, steps, choice, job = None, {**(now or {})}, None, None
    if lab := lesson.lab:
        workspace, choice = overview.workspace(lab), overview.prediction(lab)
        steps = {**overview.steps(lab), **steps}
        job = get_web_services().jobs.find(lab.name)
    return render_template(
        "lesson/page.html",
        view=view_lesson(lesson, workspace, steps, choice, problem),
        questions=overview.questions(lesson),
        course=get_services().course,
        overview=overview,
        start=job,
    )


def _overview() -> tuple[Overview, ProgressUnavailable | None]:
    """Return how the learner stands in the course, and why that is not known."""
    services = get_services()
    progress, problem = None, None
    try:
        progress = services.progress.load()
    except ProgressUnavailable as error:
        problem = error
    return Overview(services.course, services.workspaces, progress), problem


def _refused(course: Course, slug: str) -> bool:
    names = (FILE.fullmatch(each.path.name) for each in course.problems)
    return any(name and name["slug"] == slug for name in names)
