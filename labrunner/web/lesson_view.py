"""A lesson as its page shows it: the text with the workspace's values, and how each step stands."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from flask import current_app
from markupsafe import Markup

from labrunner.course.lab import Step
from labrunner.course.lesson import Lesson, fill
from labrunner.course.questions import Question
from labrunner.language import PLACEHOLDER, Sentence
from labrunner.progress.records import StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.registry.versions import NUMBERS, version_values
from labrunner.session.services import get_services
from labrunner.session.session import Session
from labrunner.verdicts import CannotCheck
from labrunner.web import markdown
from labrunner.workspaces.workspace import Workspace

USUAL = {"registry": "localhost:5000", "port": "5000", "name": "registry", "image": "my-image"}


class Values(dict[str, str]):
    """A workspace's values. One that a lab makes at its start is `<its name>` until then."""

    def __missing__(self, name: str) -> str:
        return f"<{name.replace('_', ' ')}>"

    def of(self, text: str) -> dict[str, str]:
        """Return those that a text names."""
        return {name: self[name] for name in PLACEHOLDER.findall(text)}


@dataclass
class StepView:
    """A step as the page shows it.

    folded: what is folded at the end of its text, which is shown below the verdict. commands: those
    of its blocks, with the values filled in. last: it is the lesson's last step. open_before: the
    titles of the steps before it that are not done. outcome: whether what the learner predicted is
    so, where this step has shown it.
    """

    id: str
    title: Markup
    body: Markup
    folded: Markup
    goal: str
    step: Step
    progress: StepProgress
    commands: list[str] = field(default_factory=list)
    last: bool = False
    open_before: list[Markup] = field(default_factory=list)
    outcome: str = ""


@dataclass(frozen=True)
class PredictionView:
    """What a lesson has the learner predict. choice: the option that they chose, if any. shown: the
    step was done that shows what is right."""

    question: Question
    choice: str | None
    shown: bool

    @property
    def outcome(self) -> str:
        """Whether it is so, once the step has shown it and where the learner predicted it."""
        if not self.shown or not self.choice:
            return ""
        choice, why = self.choice, self.question.why
        if choice == self.question.right:
            return Sentence("You predicted: {choice}. You were right.", choice=choice)
        return Sentence("You predicted: {choice}. That was wrong. {why}", choice=choice, why=why)

    @property
    def said(self) -> str:
        """What is said below the question."""
        if self.shown:
            right, why = self.question.right, self.question.why
            return self.outcome or Sentence("The answer: {right}. {why}", right=right, why=why)
        title = self.question.title
        shows = Sentence("The step “{title}” shows what is right.", title=title)
        if self.choice:
            can = "You can change it until then."
            return Sentence.joined("Your prediction is saved.", shows, can)
        return Sentence.joined(shows, "Nothing is counted.")


@dataclass
class LessonView:
    """A lesson with all that its page says.

    note: why the registry's port is not the usual one. workspace: the id of the lab's open
    workspace, empty where the lab is not started. opening: the text before its first heading.
    parts: stretches of HTML and the steps, after that. faults: why the lab cannot be worked on now,
    in sentences. following: the next lesson of the course. version: the number of the registry that
    the page is for, where the learner can choose another one.
    """

    lesson: Lesson
    values: Values
    note: str
    workspace: str
    opening: Markup
    prediction: PredictionView | None
    parts: list[Markup | StepView]
    faults: list[str]
    following: Lesson | None
    version: str = ""

    @property
    def started(self) -> bool:
        """Whether the lab is started."""
        return bool(self.workspace)

    @property
    def steps(self) -> list[StepView]:
        """The parts that are steps."""
        return [part for part in self.parts if isinstance(part, StepView)]

    @property
    def current(self) -> StepView | None:
        """The first step that is open, which the learner works on."""
        return next((step for step in self.steps if step.progress.is_open), None)

    @property
    def before_current(self) -> StepView | None:
        """The step before the current one, which the learner has just left."""
        before = self.steps[: self.steps.index(self.current)] if self.current else self.steps
        return before[-1] if before else None

    @property
    def versions(self) -> list[str]:
        """The numbers of the registries that the learner can choose."""
        return [*NUMBERS]

    @property
    def lacks_registry(self) -> bool:
        """Whether the lab is started, and the engine has no image of the registry that the learner
        has chosen since."""
        if not (self.started and self.version) or self.faults:
            return False
        with suppress(CannotCheck):
            return get_services().quick_engine.image(self.values["registry_image"]) is None
        return False

    @property
    def done(self) -> int:
        """The number of steps that the learner did."""
        return sum(step.progress.done_by_learner for step in self.steps)

    @property
    def besides(self) -> str:
        """The numbers of steps that the learner did not do, to follow the number of those done."""
        steps = [step.progress for step in self.steps]
        solved = sum(step.done and not step.done_by_learner for step in steps)
        skipped = sum(step.state == "skipped" for step in steps)
        if not solved:
            return Sentence(", {skipped} skipped", skipped=skipped) if skipped else ""
        if not skipped:
            return Sentence(", {solved} for you", solved=solved)
        return Sentence(", {solved} for you, {skipped} skipped", solved=solved, skipped=skipped)


def view_lesson(
    lesson: Lesson,
    workspace: Workspace | None,
    steps: Mapping[str, StepProgress],
    choice: str | None = None,
    problem: ProgressUnavailable | None = None,
) -> LessonView:
    """Return the view of a lesson.

    workspace: the open one of its lab, if any. steps: how the steps stand, by id. choice: what the
    learner predicts. problem: why the last two cannot be read.
    """
    faults = engine_faults()
    image, version = _registry_of(lesson)
    lesson = lesson.with_registry(image)
    usual = lesson.lab.usual if lesson.lab else {}
    values, note = Values({**usual, **USUAL, **version_values(image)}), ""
    if workspace:
        values, note = Values(workspace.record.values), workspace.record.note
    elif lesson.lab and not faults:
        with suppress(CannotCheck):
            values = Values(get_services().quick_workspaces.preview(lesson.lab))
    if problem:
        faults.append(Sentence.joined(problem.found, problem.next))
    lessons = get_services().course.lessons
    following = next((each for each in lessons if each.number > lesson.number), None)
    opened = workspace.id if workspace else ""
    prediction = view_prediction(lesson, steps, choice)
    opening, parts = _split(_parts(lesson, values, steps, prediction))
    return LessonView(
        lesson, values, note, opened, opening, prediction, parts, faults, following, version
    )


def _registry_of(lesson: Lesson) -> tuple[str, str]:
    """Return the image of the registry that a lesson's page is for; and its number, where the
    learner can choose another one."""
    chosen, lab = get_services().quick_workspaces.registry_choice.image, lesson.lab
    if lab and not lab.takes_any_registry:
        return lab.registry_image(chosen), ""
    differs = lesson.depends_on_registry or (lab and lab.registry)
    return chosen, chosen.partition(":")[2] if differs else ""


def view_prediction(
    lesson: Lesson, steps: Mapping[str, StepProgress], choice: str | None
) -> PredictionView | None:
    """Return what a lesson has the learner predict, if it does. steps, choice: as for
    `view_lesson`."""
    question = get_services().course.questions(lesson).prediction
    if not question:
        return None
    if choice not in question.options:  # the course may have changed since
        choice = None
    return PredictionView(question, choice, steps.get(question.step, StepProgress()).was_done)


def view_session(
    lesson: Lesson, session: Session, now: Mapping[str, StepProgress] | None = None
) -> LessonView:
    """Return the view of a lesson with what a session has loaded.

    now: verdicts of this request, which count even where they could not be stored.
    """
    steps, choice, problem = dict(now or {}), None, None
    try:
        steps = {**session.progress.steps, **steps}
        choice = session.progress.prediction
    except ProgressUnavailable as error:
        problem = error
    return view_lesson(lesson, session.workspace, steps, choice, problem)


def engine_faults() -> list[str]:
    """Return why labs cannot be worked on now, in sentences."""
    try:
        get_services().quick_engine.containers(status="running")
    except CannotCheck as down:
        return [Sentence.joined(down.found, down.next, "Meanwhile, you can read all lessons.")]
    return []


def _split(parts: list[Markup | StepView]) -> tuple[Markup, list[Markup | StepView]]:
    """Return the text before the first heading, and the parts after it."""
    if not parts or isinstance(parts[0], StepView):
        return Markup(), parts
    opening, heading, text = parts[0].partition(Markup("<h2"))
    return opening, [heading + text, *parts[1:]] if heading else parts[1:]


def _parts(
    lesson: Lesson,
    values: Values,
    steps: Mapping[str, StepProgress],
    prediction: PredictionView | None,
) -> list[Markup | StepView]:
    parts: list[Markup | StepView] = []
    still_open: list[Markup] = []
    prefix = current_app.config["ADDRESS"].prefix
    for part in markdown.render(lesson, values, prefix):
        step = lesson.lab.find(part.step) if lesson.lab and part.step else None
        if not step:
            parts.append(part.html)
            continue
        progress = steps.get(step.id, StepProgress())
        shows = prediction and prediction.question.step == step.id
        parts.append(
            StepView(
                id=step.id,
                title=part.title,
                body=part.html,
                folded=part.folded,
                goal=Sentence(step.goal, **values.of(step.goal)),
                step=step,
                progress=progress,
                commands=[fill(block.code, values) for block in lesson.blocks_of(step.id)],
                last=step.id == list(lesson.steps)[-1],
                open_before=list(still_open),
                outcome=prediction.outcome if prediction and shows else "",
            )
        )
        if not progress.done:
            still_open.append(part.title)
    return parts
