"""The course page and the lesson pages."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from labrunner.course.course import Course
from labrunner.course.lab import Lab, Step
from labrunner.course.lesson import FILE, Lesson, fill
from labrunner.progress.store import ProgressUnavailable, StepProgress
from labrunner.session.learner import Learner
from labrunner.verdicts import CannotCheck
from labrunner.web import markdown
from labrunner.workspaces.manager import Workspaces

bp = Blueprint("lessons", __name__)

USUAL = {"registry": "localhost:5000", "port": "5000", "name": "registry", "image": "my-image"}


class Values(dict[str, str]):
    """A workspace's values. One that a lab makes at its start is `<its name>` until then."""

    def __missing__(self, name: str) -> str:
        return f"<{name.replace('_', ' ')}>"


@dataclass
class StepView:
    """A step as the page shows it."""

    id: str
    title: Markup
    body: Markup
    goal: str
    step: Step
    progress: StepProgress
    commands: list[str] = field(default_factory=list)  # of its blocks, with the values in them
    last: bool = False
    open_before: list[Markup] = field(default_factory=list)  # titles of earlier, open steps


@dataclass
class LessonView:
    """A lesson with all that its page says. `parts` are its stretches of HTML and its steps;
    `workspace` is the id of the lab's open one, empty where it is not started."""

    lesson: Lesson
    values: Values
    note: str
    workspace: str
    parts: list[Markup | StepView]
    faults: list[str]

    @property
    def started(self) -> bool:
        return bool(self.workspace)

    @property
    def steps(self) -> list[StepView]:
        return [part for part in self.parts if isinstance(part, StepView)]

    @property
    def names_registry(self) -> bool:
        return any(name in ("registry", "port") for name, _ in self.lesson.values)

    @property
    def following(self) -> Lesson | None:
        """The next lesson of the course."""
        later = (each for each in learner().course.lessons if each.number > self.lesson.number)
        return next(later, None)

    @property
    def done(self) -> int:
        """The steps that the learner did."""
        return sum(each.progress.own for each in self.steps)

    @property
    def besides(self) -> str:
        """What was not done by the learner, to be said behind the number of steps that were."""
        states = [each.progress.state for each in self.steps]
        solved = sum(each.progress.done and not each.progress.own for each in self.steps)
        counts = ((solved, "for you"), (states.count("skipped"), "skipped"))
        return "".join(f", {count} {what}" for count, what in counts if count)


def learner() -> Learner:
    found: Learner = current_app.extensions["labrunner"]
    return found


def find(slug: str) -> Lesson:
    lesson = learner().course.lesson(slug)
    if not lesson:
        raise NotFound
    return lesson


def find_lab(slug: str) -> tuple[Lesson, Lab]:
    lesson = find(slug)
    if not lesson.lab:
        raise NotFound
    return lesson, lesson.lab


@bp.get("/")
def course() -> ResponseReturnValue:
    faults = _faults()
    return render_template(
        "course.html", course=learner().course, words=words(faults), faults=faults
    )


@bp.get("/lessons/<slug>")
def lesson(slug: str) -> ResponseReturnValue:
    if not learner().course.lesson(slug) and _refused(learner().course, slug):
        return render_template("refused.html", problems=learner().course.problems), 404
    return show(find(slug))


def show(lesson: Lesson, now: Mapping[str, StepProgress] | None = None) -> ResponseReturnValue:
    """The lesson's page. `now`: verdicts of this request, where progress cannot keep them."""
    shown = view(lesson, now)
    starts = current_app.extensions["labrunner.starts"]
    return render_template(
        "lesson.html",
        view=shown,
        course=learner().course,
        words=words(shown.faults),
        start=starts.of(lesson.lab.name) if lesson.lab else None,
    )


def view(lesson: Lesson, now: Mapping[str, StepProgress] | None = None) -> LessonView:
    faults = _faults()
    values, note, opened, progress = Values(USUAL), "", "", dict(now or {})
    if lab := lesson.lab:
        if workspace := learner().workspace(lab):
            record = workspace.record
            values, note, opened = Values(record.values), record.note, record.id
        elif not faults:
            with suppress(CannotCheck):
                values = Values(_glance().preview(lab))
        try:
            progress = {**learner().progress.of(lab.name), **progress}
        except ProgressUnavailable as error:
            faults.append(str(error))
    parts: list[Markup | StepView] = []
    still_open: list[Markup] = []
    for part in markdown.render(lesson, values):
        step = lesson.lab.find(part.step) if lesson.lab and part.step else None
        if not step:
            parts.append(part.html)
            continue
        after = progress.get(step.id, StepProgress())
        goal = step.goal.format_map(values)
        commands = [fill(block.code, values) for block in lesson.blocks_of(step.id)]
        parts.append(
            StepView(
                *(step.id, part.title, part.html, goal, step, after, commands),
                last=step.id == list(lesson.steps)[-1],
                open_before=list(still_open),
            )
        )
        if not after.done:
            still_open.append(part.title)
    return LessonView(lesson, values, note, opened, parts, faults)


def words(faults: list[str]) -> dict[str, str]:
    """The progress of each lab of the course, in a word or two; what hinders joins the faults."""
    found = {}
    for name, lab in learner().course.labs.items():
        try:
            found[name] = learner().word(lab)
        except ProgressUnavailable as error:
            found[name] = "not known"
            if str(error) not in faults:
                faults.append(str(error))
    return found


def _glance() -> Workspaces:
    """The workspaces behind an engine that is given one second to answer, for pages."""
    found: Workspaces = current_app.extensions["labrunner.glance"]
    return found


def _faults() -> list[str]:
    """Why labs cannot be worked on now, in sentences."""
    try:
        _glance().engine.containers(status="running")
    except CannotCheck as down:
        return [f"{down.found} {down.next} You can read all lessons meanwhile."]
    return []


def _refused(course: Course, slug: str) -> bool:
    names = (FILE.fullmatch(each.path.name) for each in course.problems)
    return any(name and name["slug"] == slug for name in names)
