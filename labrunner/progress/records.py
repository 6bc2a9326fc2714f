"""What is known of the learner's work: how each step stands, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from labrunner.language import Sentence
from labrunner.verdicts import Verdict

State = Literal["not started", "passed", "failed", "unknown", "broken", "skipped", "solved"]
LabEvent = Literal["started", "reset", "back", "finished", "done"]
"""What can happen to a lab as a whole. `back` is a reset that does the first steps again; `done`
means that all steps are done, whoever did them."""


@dataclass(frozen=True)
class StepProgress:
    """The last verdict on a step, and when it was first passed by the learner, skipped, or solved
    for them (seconds since 1970). A step that was solved is never passed by the learner.

    attempts: how often the learner asked for a check. seconds: how long the last check took.
    unsaved: the verdict says something that is not stored. Neither of the last two is stored.
    """

    verdict: Verdict | None = None
    checked_at: float | None = None
    passed_at: float | None = None
    attempts: int = 0
    skipped_at: float | None = None
    solved_at: float | None = None
    seconds: float = 0
    unsaved: bool = False

    @property
    def state(self) -> State:
        """How the step stands, in a word or two."""
        if self.skipped_at:
            return "skipped"
        if self.verdict is None:
            return "not started"
        if self.verdict.status == "failed" and (self.passed_at or self.solved_at):
            return "broken"
        if self.verdict.passed and self.solved_at:
            return "solved"
        return self.verdict.status

    @property
    def done(self) -> bool:
        """Whether it was passed or solved, and is not known to be broken since."""
        if self.state == "unknown":
            return self.was_done
        return self.state in ("passed", "solved")

    @property
    def was_done(self) -> bool:
        """Whether it was passed or solved once. It may be broken since."""
        return bool(self.passed_at or self.solved_at)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done: it is neither done nor skipped."""
        return not self.done and self.skipped_at is None

    @property
    def done_by_learner(self) -> bool:
        """Whether it is done, and was never done for the learner."""
        return self.done and not self.solved_at

    @property
    def to_do(self) -> bool:
        """Whether it is neither done nor skipped."""
        return not self.done and self.state != "skipped"


@dataclass(frozen=True)
class Event:
    """Something that happened at a moment, in seconds since 1970.

    kind: the state that a step came to or, without a step, what happened to the lab. attempts: how
    many checks that the learner asked for the event stands for. mistakes: the known ones that lead
    to such a verdict; None where nothing was done wrong.
    """

    at: float
    lab: str
    step: str | None
    kind: str
    attempts: int = 0
    found: str | None = None
    next: str | None = None
    mistakes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LabProgress:
    """The learner's progress in one lab.

    steps: by id; a step that nothing was done with is not in it. untouched: what the check of a
    step finds before the learner begins with it, by the step's id, as far as it is known.
    done_at: when the learner had first passed every step, in seconds since 1970. prediction: the
    option that they chose, which is never counted.
    """

    steps: Mapping[str, StepProgress] = field(default_factory=dict)
    untouched: Mapping[str, str | None] = field(default_factory=dict)
    done_at: float | None = None
    prediction: str | None = None

    def step(self, id: str) -> StepProgress:
        """Return how a step stands, by its id."""
        return self.steps.get(id, StepProgress())

    def summary(self, ids: Sequence[str], *, started: bool) -> str:
        """Say in a few words how far the learner is with the steps of a lab, given by their ids.

        started: the lab has an open workspace.
        """
        if self._is_done(started=started):
            return Sentence("done")
        if not self.steps and not started:
            return Sentence("not started")
        steps = [self.step(id) for id in ids]
        by_learner = sum(step.done_by_learner for step in steps)
        if by_learner == len(steps):
            return Sentence("done")
        if all(step.done for step in steps):
            return Sentence("done, {count} for you", count=len(steps) - by_learner)
        return Sentence("{done} of {all}", done=by_learner, all=len(steps))

    def share_to_do(self, ids: Sequence[str], *, started: bool) -> float:
        """Return the share of a lab's steps that are to do; the arguments are as in `summary`."""
        if self._is_done(started=started):
            return 0
        return sum(self.step(id).to_do for id in ids) / len(ids)

    def _is_done(self, *, started: bool) -> bool:
        """Return whether the lab was done once and has not been begun anew."""
        return bool(self.done_at) and not (started and self.steps)


@dataclass
class ProgressArchive:
    """All progress at one moment, as a file takes it along: steps by lab and id, when each lab was
    first done by the learner, and what happened, oldest first. Times are in seconds since 1970."""

    steps: dict[str, dict[str, StepProgress]] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def latest(self) -> dict[str, float]:
        """The last moment of which something is known, for each lab."""
        found = dict(self.done)
        for event in self.events:
            found[event.lab] = max(found.get(event.lab, 0), event.at)
        for lab, steps in self.steps.items():
            for step in steps.values():
                times = (step.checked_at, step.passed_at, step.skipped_at, step.solved_at)
                found[lab] = max(found.get(lab, 0), *(moment or 0 for moment in times))
        return found
