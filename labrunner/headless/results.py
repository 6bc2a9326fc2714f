"""What a run of labs came to: records that every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from labrunner.course.lab import Lab
from labrunner.progress.records import StepProgress
from labrunner.verdicts import Verdict

Status = Literal["passed", "failed", "unknown", "skipped"]


@dataclass
class StepResult:
    """One step of a run. `proved` is there when the check itself was put to the proof."""

    step: str
    status: Status
    seconds: float = 0
    expected: str | None = None
    found: str | None = None
    next: str | None = None
    proved: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def end(self, verdict: Verdict) -> None:
        self.status = verdict.status
        self.expected, self.found, self.next = verdict.expected, verdict.found, verdict.next

    def as_dict(self) -> dict[str, Any]:
        row = asdict(self)
        row["seconds"] = round(self.seconds, 3)
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
    """A whole run. `leftovers` is what could not be removed, or was to be kept."""

    labs: list[LabResult] = field(default_factory=list)
    seconds: float = 0
    leftovers: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def status(self) -> Status:
        return worst([lab.status for lab in self.labs])

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
