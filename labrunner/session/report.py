"""What the learner did: each lab and each step, the mistakes met, and the time that it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, get_args

from labrunner.course.course import Course
from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.language import Sentence
from labrunner.progress.history import CourseProgress, LabHistory, MistakeHistory, StepHistory
from labrunner.progress.records import State, StepProgress
from labrunner.text import length

WORDS: dict[State, str] = {
    "not started": Sentence("not done yet"),
    "passed": Sentence("passed"),
    "failed": Sentence("not there yet"),
    "unknown": Sentence("could not be checked"),
    "broken": Sentence("no longer passes"),
    "skipped": Sentence("skipped"),
    "solved": Sentence("done for you"),
}


@dataclass(frozen=True)
class StepReport:
    """How a step stands or, where the lab was begun anew without it, how it stood before.

    passed_at: when the learner first passed it.
    """

    id: str
    title: str
    state: State
    attempts: int
    passed_at: float | None
    skipped_at: float | None
    solved_at: float | None
    mistakes: tuple[MistakeHistory, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "step": self.id,
            "title": self.title,
            "status": self.state,
            "attempts": self.attempts,
            "passed_at": _moment(self.passed_at),
            "skipped_at": _moment(self.skipped_at),
            "solved_at": _moment(self.solved_at),
            "mistakes": [_mistake(each) for each in self.mistakes],
        }


@dataclass(frozen=True)
class LabReport:
    """seconds: of work, from start to done. done_at: when all of it was first the learner's own."""

    lesson: Lesson
    steps: tuple[StepReport, ...]
    seconds: float
    began_at: float | None
    done_at: float | None

    def count(self, state: State) -> int:
        """Return the number of steps in this state."""
        return sum(step.state == state for step in self.steps)

    @property
    def attempts(self) -> int:
        """The number of checks that the learner asked for."""
        return sum(step.attempts for step in self.steps)

    @property
    def last_mistakes(self) -> list[tuple[StepReport, MistakeHistory]]:
        """The last two mistakes that the lab knows, each with its step; the last one is first."""
        met = [(step, each) for step in self.steps for each in step.mistakes if each.names]
        return sorted(met, key=lambda pair: -pair[1].at)[:2]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "lesson": self.lesson.number,
            "title": self.lesson.title,
            "lab": self.lesson.lab_name,
            "began_at": _moment(self.began_at),
            "done_at": _moment(self.done_at),
            "seconds": round(self.seconds),
            "steps": [step.as_dict() for step in self.steps],
        }


@dataclass(frozen=True)
class Report:
    """What the learner did in some labs, or in all of the course."""

    labs: tuple[LabReport, ...]

    @property
    def steps(self) -> int:
        """The number of steps."""
        return sum(len(lab.steps) for lab in self.labs)

    @property
    def seconds(self) -> float:
        """The seconds of work."""
        return sum(lab.seconds for lab in self.labs)

    @property
    def attempts(self) -> int:
        """The number of checks that the learner asked for."""
        return sum(lab.attempts for lab in self.labs)

    def count(self, state: State) -> int:
        """Return the number of steps in this state."""
        return sum(lab.count(state) for lab in self.labs)

    @property
    def summary(self) -> str:
        """All of it in two sentences."""
        solved, skipped = self.count("solved"), self.count("skipped")
        did = Sentence(
            "Of {steps}, {own} done by you{besides}.",
            steps=Sentence.counted("{count} step", "{count} steps", self.steps),
            own=self.count("passed"),
            besides=_besides(solved, skipped),
        )
        if not self.seconds:
            return did
        took = Sentence(
            "That took {time}, not counting pauses of more than 15 minutes.",
            time=length(self.seconds),
        )
        return Sentence.joined(did, took)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        states = get_args(State)
        return {
            "steps": {"all": self.steps, **{each: self.count(each) for each in states}},
            "attempts": self.attempts,
            "seconds": round(self.seconds),
            "labs": [lab.as_dict() for lab in self.labs],
        }


def _besides(solved: int, skipped: int) -> Sentence:
    """Return the numbers of steps that the learner did not do, to follow the number of those done;
    empty where there are none."""
    if not solved:
        return Sentence(", {skipped} skipped", skipped=skipped) if skipped else Sentence("")
    if not skipped:
        return Sentence(", {solved} done for you", solved=solved)
    return Sentence(", {solved} done for you, {skipped} skipped", solved=solved, skipped=skipped)


def report(course: Course, progress: CourseProgress, lab: str | None = None) -> Report:
    """Report on all labs of the course, or on the one with this name."""
    return Report(
        tuple(
            _lab(lesson, lesson.lab, progress)
            for lesson in course.lessons
            if lesson.lab and lab in (None, lesson.lab.name)
        )
    )


def find_place(course: Course, progress: CourseProgress) -> tuple[Lesson, str | None] | None:
    """Return where the learner goes on: the lesson of the last event, with the id of its first open
    step; once that lab is done, the next lesson whose lab is not.

    None where nothing was done yet, or nothing is left.
    """
    moments = {
        name: history.last_at for name, history in progress.histories.items() if name in course.labs
    }
    if not moments:
        return None
    last = max(moments, key=moments.__getitem__)
    lessons = [(lesson, lesson.lab) for lesson in course.lessons if lesson.lab]
    at = next(number for number, (_, lab) in enumerate(lessons) if lab.name == last)
    for lesson, lab in lessons[at:] + lessons[:at]:
        steps = progress.steps.get(lab.name, {})
        if lab.name in progress.done and not (steps and lab.name == last):
            continue
        for step in lab.steps:
            if steps.get(step.id, StepProgress()).to_do:
                return lesson, step.id if steps else None
    return None


def _lab(lesson: Lesson, lab: Lab, progress: CourseProgress) -> LabReport:
    history = progress.histories.get(lab.name, LabHistory())
    steps = progress.steps.get(lab.name, {})
    rows = tuple(
        _step(
            step.id,
            lesson.titles[step.id],
            history.steps.get(step.id, StepHistory()),
            steps.get(step.id),
        )
        for step in lab.steps
    )
    done_at = progress.done.get(lab.name)
    return LabReport(lesson, rows, history.seconds, history.began_at, done_at)


def _step(id: str, title: str, history: StepHistory, now: StepProgress | None) -> StepReport:
    return StepReport(
        id,
        title,
        now.state if now else history.state,
        history.attempts,
        history.passed_at,
        history.skipped_at,
        now.solved_at if now else history.solved_at,
        tuple(history.mistakes.values()),
    )


def _mistake(mistake: MistakeHistory) -> dict[str, Any]:
    row = {"names": list(mistake.names), "times": mistake.times, "last_at": _moment(mistake.at)}
    return {**row, "found": mistake.found, "next": mistake.next}


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
