"""The learner's work on one lab: start it, have its steps checked, skip them or have them done, and
finish the lab, reset it or go back in it.

Pages and commands use the same sessions.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from labrunner.course.lab import Lab, Step
from labrunner.engine.connection import ENGINE_DOWN, ENGINE_REFUSED, EngineDown
from labrunner.engine.engine import Engine
from labrunner.engine.transfer_progress import ProgressCallback, silent
from labrunner.kit.kit import Kit
from labrunner.language import Sentence
from labrunner.progress.records import LabEvent, StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import Progress
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.actions import get_images, require_machine
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.resources import Leftover, Resource
from labrunner.workspaces.workspace import Say, Workspace

from . import solver
from .state import LabState


class Session(LabState):
    """One request or command on a lab, with the state that it works on."""

    def __init__(self, lab: Lab, workspaces: Workspaces, store: Progress, kit: Kit) -> None:
        super().__init__(lab, workspaces, store)
        self.kit = kit

    @property
    def engine(self) -> Engine:
        """The learner's engine."""
        return self.workspaces.engine

    def start(self, say: Say, on_progress: ProgressCallback = silent) -> Workspace:
        """Open the lab's workspace, or bring again what an open one gives.

        say: is told each step of the start. on_progress: is told the bytes of each image that is
        pulled or pushed. Raises `Busy`, and `CannotCheck` with the reason when the lab cannot be
        started; nothing is left behind then.
        """
        with self.alone():
            return self._start(say, on_progress)

    def start_at(self, to: Step, say: Say, on_progress: ProgressCallback = silent) -> None:
        """Start the lab, and do the steps before this one for the learner, up to the first that
        cannot be done, which has the reason as its verdict. Raises as `start` does."""
        with self.alone():
            workspace = self._start(say, on_progress)
            for step in self.lab.steps[: self.lab.steps.index(to)]:
                say(Sentence("Doing for you: {goal}", goal=workspace.fill(step.goal)))
                if not self._solve(step, on_progress).done:
                    return

    def check(self, step: Step, answer: str = "") -> StepProgress:
        """Judge one step now because the learner asks for it, and store the verdict. A moment that
        has passed stays so; what is wrong with another answer is said, and not stored.

        Raises `NotStarted`, and `Busy` where something else takes longer than `PATIENCE`.
        """
        with self.turn():
            return self._judge(step, answer, asked=True)

    def recheck(self, step: Step, answer: str = "") -> StepProgress:
        """Judge one step though nobody asked for this very one, or not again: it is no attempt, and
        a skipped step stays skipped until it passes. Raises as `check` does."""
        with self.turn():
            return self._judge(step, answer, asked=False)

    def check_all(self) -> dict[str, StepProgress]:
        """Judge the steps in their order, and return them by id. One that was answered stays as it
        was. Raises as `check` does."""
        self.require_workspace()
        results = {}
        for step in self.lab.steps:
            judge = self._recheck_unanswered if step.takes_answer else self.recheck
            results[step.id] = judge(step)
        proved = {step.id: self.known(step) for step in self.lab.steps}
        return {id: proved[id] if proved[id].done else each for id, each in results.items()}

    def recheck_changed(self) -> Iterator[None]:
        """Judge the steps that need no answer, because something has happened; yield after each.

        Only a verdict that says something new is stored. A step that was not begun stays so until
        it passes, and a lasting one waits for those before it: it may hold by chance.

        Raises `NotStarted`, `ProgressUnavailable`, and `EngineDown` instead of a verdict.
        """
        self.reload()
        blocked = False
        for step in self.lab.steps:
            if step.takes_answer:
                continue
            found = self.progress.step(step.id)
            if found.verdict or not step.lasting or not blocked:
                with self.patient_turn():
                    found = self._judge_for_news(step)
                yield
                time.sleep(0.005)  # lets one who waits have the turn
            blocked |= found.is_open
        with self.patient_turn():
            self._observe()

    def look(self, step: Step) -> Verdict | None:
        """Judge a step though nobody asked for it. Return None where that says nothing of the step,
        as while the engine shuts down. Raises `EngineDown` instead of a verdict."""
        verdict = step.judge(self.require_workspace())
        if verdict.reason == ENGINE_DOWN:  # it may have come back since
            raise EngineDown(verdict.found or "", next=verdict.next or "")
        if verdict.reason == ENGINE_REFUSED:
            return None
        if verdict.status == "unknown":
            self.engine.containers(status="running")  # raises where that is why
        return verdict

    def save(
        self,
        step: Step,
        verdict: Verdict,
        *,
        asked: bool = False,
        solved: bool = False,
        wrong: bool = False,
    ) -> StepProgress:
        """Store a verdict, and what follows from it. wrong: the learner did something that leads to
        it, so the known mistakes that do so are stored as well."""
        workspace, before = self.require_workspace(), self.progress
        wrong = wrong and verdict.found != before.untouched.get(step.id, "")
        mistakes = solver.mistakes(step, verdict, workspace.registry_image) if wrong else None
        mark = solver.mark(workspace, step)
        steps, untouched = self.lab.steps, {}
        if verdict.passed and not before.step(step.id).done:
            after = steps.index(step) + 1
            untouched = self._look_ahead(workspace, steps[after : after + 1])
        saved = self.store.record(
            self.lab.name,
            step,
            verdict,
            asked=asked,
            solved=solved or (verdict.passed and mark.exists()),
            mistakes=mistakes,
            steps=[each.id for each in steps],
            untouched=untouched,
        )
        self.update(step, saved)
        for earlier in filter(None, map(self.lab.find, verdict.proves)):
            if not self.known(earlier).done:
                found = Sentence("A later step shows it: {goal}", goal=workspace.fill(step.goal))
                self.save(earlier, Verdict("passed", None, found), solved=solved)
        if verdict.passed:  # until then what was done for the learner may still show
            mark.unlink(missing_ok=True)
        return saved

    def skip(self, step: Step) -> StepProgress:
        """Go on without the step; one that is done stays done. Raises `NotStarted` and
        `ProgressUnavailable`, as a skip is stored nowhere else."""
        self.require_workspace()
        skipped = self.store.skip(self.lab.name, step)
        self.update(step, skipped)
        return skipped

    def predict(self, choice: str, step_id: str) -> None:
        """Store what the learner predicts, unless the step that shows it was done already.

        Raises `ProgressUnavailable`, as that is stored nowhere else.
        """
        if not self.progress.step(step_id).was_done:
            self.store.predict(self.lab.name, choice)
            self.reload()

    def solve(self, step: Step, on_progress: ProgressCallback = silent) -> StepProgress:
        """Do the step for the learner, and check it. A step that is done stays as it is; a solution
        that fails is a verdict `unknown`. on_progress: as for `start`.

        Raises `NotStarted`, `Busy`, and `ProgressUnavailable` where the result cannot be stored.
        """
        with self.alone():
            return self._solve(step, on_progress)

    def resources(self) -> list[Resource]:
        """Return what finishing the lab would remove, and what may as well be somebody else's and
        stays if it is not chosen. Raises `NotStarted`."""
        return self.workspaces.find_resources(self.require_workspace())

    def finish(self, chosen: Collection[str]) -> list[Leftover]:
        """Remove the resources with the chosen ids, and close the workspace.

        The others are the learner's from now on. Returns what could not be removed; the lab then
        stays open. Raises `NotStarted` and `Busy`.
        """
        return self._close(chosen, "finished")

    def reset(self, chosen: Collection[str], to: Step | None = None) -> list[Leftover]:
        """Do the same, before the lab is started anew or, with a step `to` go back to, `start_at`
        is called."""
        return self._close(chosen, "back" if to else "reset", to.id if to else None)

    def _start(self, say: Say, on_progress: ProgressCallback) -> Workspace:
        require_machine(self.lab, self.engine)
        registry = self.workspaces.registry_choice.image
        get_images(self.lab, self.kit, say, on_progress, registry=registry)
        if workspace := self.workspace:
            workspace.on_progress = on_progress
            workspace.prepare(say)
            return workspace
        self.workspaces.sweep()
        workspace = self.workspaces.open(self.lab, "learner", say, on_progress)
        with suppress(ProgressUnavailable):
            self.store.begin(self.lab.name, self._look_ahead(workspace, self.lab.steps[:1]))
        self.reload()
        return workspace

    def _judge(self, step: Step, answer: str, *, asked: bool) -> StepProgress:
        workspace, before = self.require_workspace(), self.known(step)
        if before.done and not step.lasting:
            another = step.takes_answer and answer.strip()
            return self._judge_another(step, before, answer) if another else before
        began = time.monotonic()
        verdict = step.judge(workspace, answer)
        seconds = time.monotonic() - began
        self._observe()
        answered = bool(answer.strip()) or not step.takes_answer
        try:
            saved = self.save(step, verdict, asked=asked, wrong=asked and answered)
            return replace(saved, seconds=seconds)
        except ProgressUnavailable:
            passed_at = time.time() if verdict.passed else None
            return StepProgress(verdict, passed_at=passed_at, seconds=seconds, unsaved=True)

    def _judge_another(self, step: Step, before: StepProgress, answer: str) -> StepProgress:
        """Return how a moment stands that has passed, and say if it would not with this answer. The
        answer need not be wrong for that: what it is about may have changed since."""
        old, again = before.verdict, step.judge(self.require_workspace(), answer)
        if not (old and old.passed) or again.status != "failed" or again.lacks_answer:
            return before
        said = "The step stays as it is, but this answer would not pass now: {found}"
        found = Sentence(said, found=Sentence.of(again.found or ""))
        return replace(before, verdict=replace(old, found=found), unsaved=True)

    def _recheck_unanswered(self, step: Step) -> StepProgress:
        """Return how a step stands that takes an answer and, where there is none, what else it
        needs. Nothing is stored."""
        with self.turn():
            known = self.known(step)
            refused = known.state == "failed" and known.verdict
            if known == StepProgress() or (refused and refused.lacks_answer):
                return replace(known, verdict=step.judge(self.require_workspace()))
            return known

    def _judge_for_news(self, step: Step) -> StepProgress:
        before = self.progress.step(step.id)
        if before.done and not step.lasting:
            return before
        verdict = self.look(step)
        if not verdict or not is_news(before.verdict, verdict):
            return before
        return self.save(step, verdict)

    def _solve(self, step: Step, on_progress: ProgressCallback) -> StepProgress:
        workspace, before = self.require_workspace(), self.known(step)
        if before.state in ("passed", "solved"):
            return before
        workspace.on_progress = on_progress
        return self.save(step, solver.do(step, workspace), solved=True)

    def _look_ahead(self, workspace: Workspace, steps: Sequence[Step]) -> dict[str, str | None]:
        """Return what the checks of steps find that the learner has not begun with: that is no
        mistake."""
        return {step.id: step.judge(workspace).found for step in steps if step.shows_state}

    def _observe(self) -> None:
        workspace = self.require_workspace()
        with suppress(CannotCheck, OSError):  # what cannot be noted now is noted the next time
            resources.observe(workspace)
            self.workspaces.remember_registry(workspace)

    def _close(
        self, chosen: Collection[str], kind: LabEvent, step: str | None = None
    ) -> list[Leftover]:
        with self.alone():
            workspace = self.require_workspace()
            items = [item for item in resources.find_resources(workspace) if item.id in chosen]
            left = self.workspaces.close(workspace, items)
            if not left:
                with suppress(ProgressUnavailable):
                    self.store.note(self.lab.name, kind, step)
                self.reload()
            return left


def is_news(old: Verdict | None, new: Verdict) -> bool:
    """Return whether a verdict that nobody asked for says something new. Why a step could not be
    done for the learner stays until it passes: they are to read it."""
    if old is None or old.reason == solver.NOT_SOLVED:
        return new.passed
    return old.as_dict() != new.as_dict()
