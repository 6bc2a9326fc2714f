"""What a run of labs came to: records that every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from labrunner.course.lab import Lab, Step
from labrunner.engine.connection import ENGINE_DOWN, ENGINE_REFUSED
from labrunner.progress.records import StepProgress
from labrunner.verdicts import Verdict

Status = Literal["passed", "failed", "unknown", "skipped"]
NOT_WRITABLE = "not-writable"
OF_THE_MACHINE = (ENGINE_DOWN, ENGINE_REFUSED, NOT_WRITABLE)  # reasons of verdicts


@dataclass
class Proof:
    """What came out of one mistake. weakness: the first thing that is wrong with the check, or with
    the solution after it. recovered: the status of the step after the solution, in the end."""

    mistake: str
    status: str = "unknown"
    found: str | None = None
    next: str | None = None
    recovered: str | None = None
    weakness: Verdict | None = None

    def as_dict(self) -> dict[str, str | None]:
        return {
            "mistake": self.mistake,
            "status": self.status,
            "found": self.found,
            "next": self.next,
            "recovered": self.recovered,
        }


@dataclass
class Part:
    """What one track found out about a step: how it was done, with its verdict, or what came out of
    one of its mistakes. step, mistake: their places."""

    step: int
    mistake: int | None = None
    seconds: float = 0
    before: str | None = None
    after: str | None = None
    again: str | None = None
    verdict: Verdict | None = None
    proof: Proof | None = None


@dataclass
class End:
    """How a track ended. reason: why it could not be begun. engine_down: what was found, and what
    to do. fault: the traceback of an error of the runner itself."""

    seconds: float = 0
    leftovers: list[str] = field(default_factory=list)
    reason: str | None = None
    interrupted: bool = False
    engine_down: tuple[str, str] | None = None
    fault: str | None = None


@dataclass
class StepResult:
    """One step of a run.

    proved: is there when the check itself was put to the proof: its status `before` and `after` the
    solution and when it was asked `again`, and a row for each of the `mistakes`: its name, status,
    `found` and `next`, and `recovered`, the status after the solution was done as well. reason: as
    in the verdict, for the exit code.
    """

    step: str
    status: Status
    seconds: float = 0
    expected: str | None = None
    found: str | None = None
    next: str | None = None
    proved: dict[str, Any] | None = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def end(self, verdict: Verdict) -> None:
        self.status, self.reason = verdict.status, verdict.reason
        self.expected, self.found, self.next = verdict.expected, verdict.found, verdict.next

    def as_dict(self) -> dict[str, Any]:
        row = asdict(self)
        row["seconds"] = round(self.seconds, 3)
        del row["reason"]
        if self.proved is None:
            del row["proved"]
        return row


@dataclass
class LabResult:
    """One lab of a run. `reason` says why it was skipped or could not be begun."""

    lab: str
    status: Status = "passed"
    seconds: float = 0
    steps: list[StepResult] = field(default_factory=list)
    reason: str | None = None

    @property
    def could_not_run(self) -> bool:
        """Whether it is unknown because of this machine, and not by a fault of the lab."""
        reasons = [step.reason for step in self.steps if step.status == "unknown"]
        return self.status == "unknown" and all(each in OF_THE_MACHINE for each in reasons)

    @classmethod
    def of(cls, lab: Lab, checked: Mapping[str, StepProgress], seconds: float) -> LabResult:
        """A learner's lab, as far as it was checked."""
        steps = []
        for step, progress in checked.items():
            result = StepResult(step, "unknown", progress.seconds)
            if progress.verdict:
                result.end(progress.verdict)
            steps.append(result)
        return cls(lab.name, worst([step.status for step in steps]), seconds, steps)

    def as_dict(self) -> dict[str, Any]:
        row = {"lab": self.lab, "status": self.status, "seconds": round(self.seconds, 3)}
        steps = [step.as_dict() for step in self.steps]
        return {**row, "steps": steps, **({"reason": self.reason} if self.reason else {})}


@dataclass
class Run:
    """A whole run. `leftovers` is what is left on the engine of that which it made, and what was to
    be kept."""

    labs: list[LabResult] = field(default_factory=list)
    seconds: float = 0
    leftovers: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def status(self) -> Status:
        return worst([lab.status for lab in self.labs])

    @property
    def could_not_run(self) -> bool:
        """Whether nothing has failed, and what is unknown is so because of this machine; or all was
        skipped."""
        unknown = [lab for lab in self.labs if lab.status == "unknown"]
        return self.status in ("unknown", "skipped") and all(lab.could_not_run for lab in unknown)

    def as_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "labs": [lab.as_dict() for lab in self.labs],
            "leftovers": self.leftovers,
        }


def worst(statuses: Sequence[Status]) -> Status:
    """The status of the whole: what is skipped does not count unless all is."""
    order: tuple[Status, ...] = ("failed", "unknown", "passed")
    for status in order:
        if status in statuses:
            return status
    return "skipped" if statuses else "passed"


def weak(found: str, step: Step) -> Verdict:
    """Return the verdict on a check that does not tell enough."""
    return Verdict(
        "failed",
        "The check tells the step done from the step not done.",
        found,
        f"Fix the check `{step.check.__name__}`.",
    )
