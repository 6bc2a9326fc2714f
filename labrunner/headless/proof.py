"""Which tracks prove a lab, and what their parts come to for each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labrunner.course.lab import Lab, Mistake, Step
from labrunner.registry.versions import FIRST

from .results import End, LabResult, Part, StepResult, worst
from .track import Track


@dataclass(frozen=True)
class Plan:
    """What one track of a lab does: all steps and their near misses, as the main one; or other
    mistakes."""

    lab: Lab
    main: bool
    mistakes: tuple[tuple[Step, Mistake], ...] = ()

    @property
    def parts(self) -> list[tuple[int, int | None]]:
        """What it reports: places of a step and a mistake of it; None for the step itself."""
        steps = self.lab.steps
        made = [(steps.index(step), step.mistakes.index(each)) for step, each in self.mistakes]
        return [*made, *((index, None) for index in range(len(steps)) if self.main)]

    def follow(self, track: Track, report: Callable[[Part], None]) -> None:
        """Do it, and report each part as it ends. A step that does not pass ends the main track.
        Raises `CannotCheck` where that cannot be opened."""
        if not self.main:
            for step, mistake in self.mistakes:
                report(track.prove(step, mistake))
            return
        track.open()
        for step in self.lab.steps:
            for _, mistake in (each for each in self.mistakes if each[0] is step):
                report(track.prove(step, mistake))
            part = track.do(step)
            report(part)
            if not (part.verdict and part.verdict.passed):
                return


def plan_tracks(lab: Lab, *, prove: bool, registry: str = FIRST) -> list[Plan]:
    """Return the tracks of a lab, the main one first. The first mistake of each step is on the
    second track, the second mistake on the third, and so on: a mistake and its recovery leave what
    the next step needs, so that mistakes of different steps share a workspace. registry: the image
    of the chosen one; mistakes that cannot be made with it are left out."""
    if not prove:
        return [Plan(lab, main=True)]
    image = lab.registry_image(registry)
    known = [
        (step, [mistake for mistake in step.mistakes if mistake.registry in ("", image)])
        for step in lab.steps
    ]
    answers = [(step, each) for step, mistakes in known for each in mistakes if each.only_an_answer]
    plans = [Plan(lab, True, tuple(answers))]
    made = [
        (step, [each for each in mistakes if not each.only_an_answer]) for step, mistakes in known
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
        self._parts: list[dict[int | None, Part]] = [{} for _ in self.lab.steps]
        self._awaited = [set(plan.parts) for plan in plans]
        self._open = set(range(len(plans)))
        self._told = 0

    def add(self, track: int, part: Part) -> None:
        """Take in what a track found out about a step."""
        if self.result.reason:
            return
        if not self.result.steps:
            self.result.steps = [StepResult(step.id, "skipped") for step in self.lab.steps]
        self._parts[part.step][part.mistake] = part
        self._awaited[track].discard((part.step, part.mistake))
        self._join(part.step)
        self._tell()

    def end_track(self, track: int, end: End) -> None:
        """Expect no more of a track; the lab has its status when all of them have ended."""
        self.result.seconds += end.seconds
        if end.reason:
            self.result.reason, self.result.steps = end.reason, []
        if end.interrupted:
            return
        self._awaited[track].clear()
        self._open.discard(track)
        if not self._open and not self.result.reason:
            self.result.status = worst([step.status for step in self.result.steps])
        self._tell()

    def _tell(self) -> None:
        awaited = {step for parts in self._awaited for step, _ in parts}
        while self._told < len(self._parts) and self._told not in awaited:
            if self._parts[self._told] and not self.result.reason:
                self._ended(self.lab, self.result.steps[self._told])
            self._told += 1

    def _join(self, index: int) -> None:
        step, result = self.lab.steps[index], self.result.steps[index]
        parts = self._parts[index]
        main = parts.get(None, Part(index))
        proofs = []
        for place, mistake in enumerate(step.mistakes):
            if (part := parts.get(place)) and part.proof:
                if mistake.only_an_answer:
                    part.proof.recovered = main.after
                proofs.append(part.proof)
        result.seconds = sum(part.seconds for part in parts.values())
        if self._prove:
            result.proved = {
                "before": main.before,
                "mistakes": [proof.as_dict() for proof in proofs],
                "after": main.after,
                "again": main.again,
            }
        verdict = main.verdict
        weaknesses = [proof.weakness for proof in proofs if proof.weakness]
        if verdict and verdict.passed and weaknesses:
            verdict = weaknesses[0]
        if verdict:
            result.end(verdict)
