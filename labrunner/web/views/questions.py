"""The prediction that a lesson opens with, and the questions that it ends with."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, NotFound

from labrunner.course.questions import Question
from labrunner.session.services import get_services
from labrunner.web.forms import fields, wants_fragment, wants_json
from labrunner.web.lesson_view import view_prediction

from .lessons import find, find_session

bp = Blueprint("questions", __name__)


@bp.post("/lessons/<slug>/prediction")
def predict(slug: str) -> ResponseReturnValue:
    """Keep what the learner predicts. It can be changed until the step is done that shows it."""
    choice = fields("choice")["choice"]
    lesson, session = find_session(slug)
    question = get_services().course.questions(lesson).prediction
    if not question:
        raise NotFound
    _require_option(question, choice)
    session.predict(choice, question.step)
    kept = session.progress.prediction
    if wants_json():
        return {"prediction": kept}
    if wants_fragment():
        prediction = view_prediction(lesson, session.progress.steps, kept)
        return render_template("question/_kept.html", prediction=prediction)
    return redirect(url_for("lessons.lesson", slug=slug, _anchor="prediction"), 303)


@bp.get("/lessons/<slug>/questions/<id>")
def answer(slug: str, id: str) -> ResponseReturnValue:
    """Say whether an answer to a question of the lesson is right. Nothing is stored."""
    lesson, choice = find(slug), request.args.get("choice", "")
    question = get_services().course.find_question(id)
    if not question:
        raise NotFound
    _require_option(question, choice)
    if wants_json():
        return {"right": choice == question.right, "why": question.why}
    template = "question/_answer.html" if wants_fragment() else "question/page.html"
    return render_template(template, lesson=lesson, question=question, choice=choice)


def _require_option(question: Question, choice: str) -> None:
    if choice not in question.options:
        raise BadRequest("That is not one of the options. Choose one on the page.")
