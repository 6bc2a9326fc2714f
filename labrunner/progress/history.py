"""What became of each lab and step, folded from the events of its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from labrunner.language import Sentence
from labrunner.text import fold

from .records import Event, LabEvent, LabProgress, State, StepProgress

PAUSE = 15 * 60  # seconds; a longer time between two events is not counted as work
UNKNOWN_MISTAKE = Sentence("a mistake that the lab does not know")


@dataclass
class MistakeHistory:
    """A mistake in a step. names: of the known mistakes that it can have been. times: how often it
    was made. at, found, next: when it was made last, and what the check said then."""

    names: tuple[str, ...]
    times: int
    at: float
    found: str | None
    next: str | None

    @property
    def name(self) -> str:
        """What the mistake is called on the page."""
        if not self.names:
            return UNKNOWN_MISTAKE
        quoted = (Sentence("“{name}”", name=Sentence(each)) for each in self.names)
        return fold(quoted, "{some} or {other}")


@dataclass
class StepHistory:
    """A step. state: the last one that it came to. attempts: the checks that the learner asked for.
    passed_at: when it was first passed; the other two moments are the last ones. mistakes: in the
    order in which they were first made; those without a name are told apart by what was found."""

    state: State = "not started"
    attempts: int = 0
    passed_at: float | None = None
    skipped_at: float | None = None
    solved_at: float | None = None
    mistakes: dict[object, MistakeHistory] = field(default_factory=dict)

    @property
    def was_hard(self) -> bool:
        """Whether the learner made a mistake in it, or went on without having done it."""
        skipped = self.passed_at is None and bool(self.skipped_at or self.solved_at)
        return bool(self.mistakes) or skipped

    def add(self, event: Event, state: State) -> None:
        """Add an event that brought the step to a state. Events come oldest first."""
        self.state = state
        self.attempts += event.attempts
        if state == "passed" and self.passed_at is None:
            self.passed_at = event.at
        elif state == "skipped":
            self.skipped_at = event.at
        elif state == "solved":
            self.solved_at = event.at
        if event.mistakes is not None:
            key = event.mistakes or event.found
            times = self.mistakes[key].times + 1 if key in self.mistakes else 1
            self.mistakes[key] = MistakeHistory(
                event.mistakes, times, event.at, event.found, event.next
            )


@dataclass
class LabHistory:
    """A lab. began_at, last_at: the moments of its first and its last event. seconds: of work, from
    each start to done, without pauses. steps: by id."""

    began_at: float | None = None
    last_at: float = 0
    seconds: float = 0
    steps: dict[str, StepHistory] = field(default_factory=dict)
    _working: bool = True

    def add(self, event: Event) -> None:
        """Add an event. Events come oldest first."""
        if self.began_at is None:
            self.began_at = event.at
        elif self._working and event.at - self.last_at <= PAUSE:
            self.seconds += event.at - self.last_at
        self.last_at = event.at
        if event.kind in get_args(LabEvent):
            self._working = event.kind == "started"
        elif event.step:
            for state in get_args(State):
                if state == event.kind:
                    self.steps.setdefault(event.step, StepHistory()).add(event, state)


@dataclass
class CourseProgress:
    """All progress at one moment: steps by lab and id, when each lab was first done by the learner
    (in seconds since 1970), and what they predict and the history of each lab, by its name."""

    steps: dict[str, dict[str, StepProgress]] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    predictions: dict[str, str] = field(default_factory=dict)
    histories: dict[str, LabHistory] = field(default_factory=dict)

    def lab(self, name: str) -> LabProgress:
        """Return the progress in one lab, without what its untouched steps look like."""
        return LabProgress(self.steps.get(name, {}), {}, self.done.get(name))
