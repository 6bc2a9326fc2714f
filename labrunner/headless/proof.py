"""Which tracks prove a lab, and what their parts come to for each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labrunner.course.lab import Lab, Mistake, Step
from labrunner.verdicts import Verdict

from .pool import End
from .results import LabResult, StepResult, worst
from .track import Part, Track


@dataclass(frozen=True)
class Plan:
    """What one track of a lab does: all steps, as the main one; or mistakes, each of its step."""

    lab: Lab
    main: bool
    mistakes: tuple[tuple[Step, Mistake], ...] = ()

    @property
    def steps(self) -> list[int]:
        """The places of the steps that it has a part of."""
        if self.main:
            return list(range(len(self.lab.steps)))
        return [self.lab.steps.index(step) for step, _ in self.mistakes]

    def follow(self, track: Track, report: Callable[[Part], None]) -> None:
        """Do it, and report each part as it ends. A step that does not pass ends the main track.
        Raises `CannotCheck` where that cannot be opened."""
        if not self.main:
            for step, mistake in self.mistakes:
                report(track.prove(step, mistake))
            return
        for step in self.lab.steps:
            part = track.do(step)
            report(part)
            if not (part.verdict and part.verdict.passed):
                return


def plan_tracks(lab: Lab, *, prove: bool) -> list[Plan]:
    """Return the tracks of a lab, the main one first. The first mistake of each step is on the
    second track, the second mistake on the third, and so on: a mistake and its recovery leave what
    the next step needs, so that mistakes of different steps share a workspace."""
    plans = [Plan(lab, main=True)]
    if not prove:
        return plans
    made = [
        (step, [mistake for mistake in step.mistakes if not mistake.only_an_answer])
        for step in lab.steps
    ]
    for number in range(max((len(mistakes) for _, mistakes in made), default=0)):
        chosen = [(step, mistakes[number]) for step, mistakes in made if number < len(mistakes)]
        plans.append(Plan(lab, False, tuple(chosen)))
    return plans


class Tally:
    """Joins the parts of a lab's tracks to its result, whichever order they come in.

    ended: is given each step, in their order, when no track has a part of it any more.
    """

    def __init__(
        self, plans: list[Plan], *, prove: bool, ended: Callable[[Lab, StepResult], None]
    ) -> None:
        self.lab = plans[0].lab
        self.result = LabResult(self.lab.name, "unknown")
        self._prove = prove
        self._ended = ended
        self._parts: list[dict[int, Part]] = [{} for _ in self.lab.steps]
        self._awaited = [
            {track for track, plan in enumerate(plans) if index in plan.steps}
            for index in range(len(self.lab.steps))
        ]
        self._open = set(range(len(plans)))
        self._told = 0

    def add(self, track: int, part: Part) -> None:
        """Take in what a track found out about a step."""
        if self.result.reason:
            return
        if not self.result.steps:
            self.result.steps = [StepResult(step.id, "skipped") for step in self.lab.steps]
        self._parts[part.step][track] = part
        self._awaited[part.step].discard(track)
        self._join(part.step)
        self._tell()

    def end_track(self, track: int, end: End) -> None:
        """Expect no more of a track; the lab has its status when all of them have ended."""
        self.result.seconds += end.seconds
        if end.reason:
            self.result.reason, self.result.steps = end.reason, []
        if end.interrupted:
            return
        self._open.discard(track)
        if not self._open and not self.result.reason:
            self.result.status = worst([step.status for step in self.result.steps])
        for awaited in self._awaited:
            awaited.discard(track)
        self._tell()

    def _tell(self) -> None:
        while self._told < len(self._awaited) and not self._awaited[self._told]:
            if self._parts[self._told]:
                self._ended(self.lab, self.result.steps[self._told])
            self._told += 1

    def _join(self, index: int) -> None:
        parts = [part for _, part in sorted(self._parts[index].items())]
        result = self.result.steps[index]
        result.seconds = sum(part.seconds for part in parts)
        proofs = [proof for part in parts for proof in part.proofs.items()]
        in_order = [proof for _, proof in sorted(proofs, key=lambda each: each[0])]
        main = next((part for part in parts if part.verdict), Part(index))
        if self._prove:
            result.proved = {
                "before": main.before,
                "mistakes": [proof.as_dict() for proof in in_order],
                "after": main.after,
                "again": main.again,
            }
        verdict: Verdict | None = main.verdict
        if verdict and verdict.passed:
            weaknesses = [proof.weakness for proof in in_order if proof.weakness]
            verdict = weaknesses[0] if weaknesses else verdict
        if verdict:
            result.end(verdict)
