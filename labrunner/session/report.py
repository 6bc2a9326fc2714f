"""What the learner did: each lab and each step, the mistakes met, and the time that it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, get_args

from labrunner.course.course import Course
from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.progress.records import Event, LabEvent, ProgressArchive, State, StepProgress
from labrunner.text import length

PAUSE = 15 * 60  # seconds; a longer time between two events is not counted as work
UNKNOWN_MISTAKE = "a mistake that the lab does not know"
WORDS: dict[State, str] = {
    "not started": "not done yet",
    "passed": "passed",
    "failed": "not there yet",
    "unknown": "could not be checked",
    "broken": "no longer so",
    "skipped": "skipped",
    "solved": "done for you",
}


@dataclass(frozen=True)
class MistakeReport:
    """A mistake that the learner made.

    names: of the known mistakes that it can have been; they have the same reason. times: how often
    it was made. found, next: what the check said the last time, which was `at` that moment.
    """

    names: tuple[str, ...]
    times: int
    at: float
    found: str | None
    next: str | None

    @property
    def name(self) -> str:
        return " or ".join(f"“{each}”" for each in self.names) or UNKNOWN_MISTAKE

    def as_dict(self) -> dict[str, Any]:
        row = {"names": list(self.names), "times": self.times, "last_at": _moment(self.at)}
        return {**row, "found": self.found, "next": self.next}


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
    mistakes: tuple[MistakeReport, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "step": self.id,
            "title": self.title,
            "status": self.state,
            "attempts": self.attempts,
            "passed_at": _moment(self.passed_at),
            "skipped_at": _moment(self.skipped_at),
            "solved_at": _moment(self.solved_at),
            "mistakes": [mistake.as_dict() for mistake in self.mistakes],
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
        return sum(step.state == state for step in self.steps)

    @property
    def attempts(self) -> int:
        return sum(step.attempts for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
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
    labs: tuple[LabReport, ...]

    @property
    def steps(self) -> int:
        return sum(len(lab.steps) for lab in self.labs)

    @property
    def seconds(self) -> float:
        return sum(lab.seconds for lab in self.labs)

    @property
    def attempts(self) -> int:
        return sum(lab.attempts for lab in self.labs)

    def count(self, state: State) -> int:
        return sum(lab.count(state) for lab in self.labs)

    @property
    def summary(self) -> str:
        counts: tuple[tuple[State, str], ...] = (("solved", "done for you"), ("skipped", "skipped"))
        rest = "".join(f", {self.count(each)} {word}" for each, word in counts if self.count(each))
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        did = f"Of {steps}, {self.count('passed')} done by you{rest}."
        took = f" That took {length(self.seconds)}, without pauses of more than 15 minutes."
        return did + (took if self.seconds else "")

    def as_dict(self) -> dict[str, Any]:
        states = get_args(State)
        return {
            "steps": {"all": self.steps, **{each: self.count(each) for each in states}},
            "attempts": self.attempts,
            "seconds": round(self.seconds),
            "labs": [lab.as_dict() for lab in self.labs],
        }


def report(course: Course, progress: ProgressArchive, lab: str | None = None) -> Report:
    """Report on all labs of the course, or on the one with this name."""
    labs = []
    for lesson in course.lessons:
        if lesson.lab and lab in (None, lesson.lab.name):
            name = lesson.lab.name
            events = [event for event in progress.events if event.lab == name]
            steps = progress.steps.get(name, {})
            labs.append(_lab(lesson, lesson.lab, events, steps, progress.done.get(name)))
    return Report(tuple(labs))


def count_seconds(events: Iterable[Event]) -> float:
    """Return the seconds of work that the events of one lab show, which come oldest first: those
    from each start to done, without pauses."""
    seconds, running, last = 0.0, True, None
    for event in events:
        if running and last is not None and event.at - last <= PAUSE:
            seconds += event.at - last
        if event.kind in get_args(LabEvent):
            running = event.kind == "started"
        last = event.at
    return seconds


def find_place(course: Course, progress: ProgressArchive) -> tuple[Lesson, str | None] | None:
    """Return where the learner goes on: the lesson of the last event, with the id of its first open
    step; once that lab is done, the next lesson whose lab is not.

    None where nothing was done yet, or nothing is left.
    """
    last = next(
        (event.lab for event in reversed(progress.events) if event.lab in course.labs), None
    )
    if not last:
        return None
    lessons = [(lesson, lesson.lab) for lesson in course.lessons if lesson.lab]
    at = next(number for number, (_, lab) in enumerate(lessons) if lab.name == last)
    for lesson, lab in lessons[at:] + lessons[:at]:
        steps = progress.steps.get(lab.name, {})
        if lab.name in progress.done and not (steps and lab.name == last):
            continue
        for step in lab.steps:
            found = steps.get(step.id, StepProgress())
            if not found.done and found.state != "skipped":
                return lesson, step.id if steps else None
    return None


def _lab(
    lesson: Lesson,
    lab: Lab,
    events: list[Event],
    steps: dict[str, StepProgress],
    done_at: float | None,
) -> LabReport:
    rows = []
    for step in lab.steps:
        own = [event for event in events if event.step == step.id and event.kind in get_args(State)]
        rows.append(_step(step.id, lesson.titles[step.id], own, steps.get(step.id)))
    began = events[0].at if events else None
    return LabReport(lesson, tuple(rows), count_seconds(events), began, done_at)


def _step(id: str, title: str, events: list[Event], now: StepProgress | None) -> StepReport:
    moments: dict[str, float] = {}
    for event in events:
        if event.kind == "passed":
            moments.setdefault(event.kind, event.at)
        else:
            moments[event.kind] = event.at
    state: Any = now.state if now else events[-1].kind if events else "not started"
    return StepReport(
        id,
        title,
        state,
        sum(event.attempts for event in events),
        moments.get("passed"),
        moments.get("skipped"),
        now.solved_at if now else moments.get("solved"),
        _mistakes(events),
    )


def _mistakes(events: Sequence[Event]) -> tuple[MistakeReport, ...]:
    """Return the mistakes in the order in which they were first made. Those without a name are
    distinguished by what was found."""
    found: dict[object, list[Event]] = {}
    for event in events:
        if event.mistakes is not None:
            found.setdefault(event.mistakes or event.found, []).append(event)
    return tuple(
        MistakeReport(
            same[-1].mistakes or (), len(same), same[-1].at, same[-1].found, same[-1].next
        )
        for same in found.values()
    )


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
