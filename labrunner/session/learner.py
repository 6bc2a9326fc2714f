"""The one learner of this instance: starts labs, has steps checked, skipped or done for them, and
finishes labs or goes back in them.

The pages and the commands `start-lab`, `check-lab` and `finish-lab` are both only ways to it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from filelock import Timeout

from labrunner.course.course import Course
from labrunner.course.lab import Lab, Step
from labrunner.engine.engine import Engine
from labrunner.engine.progress import ProgressCallback, silent
from labrunner.kit.kit import Kit
from labrunner.progress.store import Progress, ProgressUnavailable, StepProgress, What, word
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.resources import Leftover, Resource
from labrunner.workspaces.workspace import Say, Workspace

from . import solver

PATIENCE = 10  # seconds in which a check waits for its turn


class Busy(Exception):
    """The lab is being started or finished, or a step of it done for the learner, elsewhere."""


class NotStarted(Exception):
    """The lab, whose name is the argument, has no open workspace."""


class Learner:
    def __init__(
        self, course: Course, workspaces: Workspaces, progress: Progress, kit: Kit
    ) -> None:
        self.course = course
        self.workspaces = workspaces
        self.progress = progress
        self.kit = kit

    @property
    def engine(self) -> Engine:
        return self.workspaces.engine

    def workspace(self, lab: Lab) -> Workspace | None:
        return self.workspaces.of_learner(lab.name)

    def start(self, lab: Lab, say: Say, bar: ProgressCallback = silent) -> Workspace:
        """Open the lab's workspace, or make sure of all that an open one gives. `bar` shows the
        bytes of each image that is pulled or pushed for it.

        Raises `Busy`, and `CannotCheck` with the reason when the lab cannot be started; nothing is
        left behind then.
        """
        with self._alone(lab):
            return self._start(lab, say, bar)

    def check(self, lab: Lab, step: Step, answer: str = "") -> StepProgress:
        """Judge one step now because the learner asks for it, and keep the verdict. A moment that
        has passed is not judged again.

        Raises `NotStarted`, and `Busy` where something else takes longer than `PATIENCE`.
        """
        self.started(lab)  # who asks too early does not wait until the lab is started
        with self._turn(lab):
            return self._judge(lab, step, answer, asked=True)

    def look(self, lab: Lab, step: Step) -> StepProgress:
        """The same where nobody asked for this very step: it counts as no attempt, and what was
        skipped stays so until it passes."""
        with self._turn(lab):
            return self._judge(lab, step, "", asked=False)

    def notice(self, lab: Lab) -> Iterator[None]:
        """Look at the steps that need no answer, because something has happened; this yields after
        each. Only what says something new is kept. A step that was not begun stays so until it
        passes, and a lasting one waits for those before it: it may hold by chance.

        Raises `NotStarted`, `ProgressUnavailable`, and `EngineDown` as no verdict on any step.
        """
        behind = False
        for step in lab.steps:
            if step.takes_answer:
                continue
            found = self.progress.of(lab.name).get(step.id, StepProgress())
            if found.verdict or not step.lasting or not behind:
                with self.workspaces.turn(lab.name):
                    found = self._judge(lab, step, "", asked=False, only_news=True)
                yield
                time.sleep(0.005)  # whoever waits gets their turn
            behind |= not (found.done or found.skipped_at)
        with self.workspaces.turn(lab.name):
            self._observe(self.started(lab))

    def check_all(self, lab: Lab) -> dict[str, StepProgress]:
        """Look at the steps in their order. One that waits for an answer is left as it was."""
        workspace = self.started(lab)
        try:
            before = self.progress.of(lab.name)
        except ProgressUnavailable:
            before = {}
        results = {}
        for step in lab.steps:
            if not step.takes_answer:
                results[step.id] = self.look(lab, step)
            else:
                unanswered = StepProgress(step.judge(workspace))
                results[step.id] = before.get(step.id, unanswered)
        return results

    def skip(self, lab: Lab, step: Step) -> StepProgress:
        """Go on without the step; one that is done stays done. Raises `NotStarted`, and
        `ProgressUnavailable` as there is no other place to keep it."""
        self.started(lab)
        return self.progress.skip(lab.name, step)

    def solve(self, lab: Lab, step: Step, bar: ProgressCallback = silent) -> StepProgress:
        """Do the step for the learner, with a `bar` as for `start`, and check it. One that is done
        is left as it is; a solution that fails is a verdict `unknown`.

        Raises `NotStarted`, `Busy`, and `ProgressUnavailable` where what was done cannot be kept.
        """
        with self._alone(lab):
            return self._solve(self.started(lab), step, bar)

    def word(self, lab: Lab) -> str:
        """The progress of a lab in a word or two."""
        steps = self.progress.of(lab.name)
        if lab.name in self.progress.done_labs() and not (self.workspace(lab) and steps):
            return "done"
        if not steps and not self.workspace(lab):
            return "not started"
        return word([steps.get(step.id, StepProgress()) for step in lab.steps])

    def resources(self, lab: Lab) -> list[Resource]:
        """What finishing the lab would remove. Raises `NotStarted`."""
        return resources.find_resources(self.started(lab))

    def finish(self, lab: Lab, chosen: Collection[str]) -> list[Leftover]:
        """Remove those belongings whose ids are chosen, and close the workspace.

        What was not chosen is the learner's from now on. Returns what could not be removed; the
        lab then stays open. Raises `NotStarted` and `Busy`.
        """
        return self._close(lab, chosen, "finished")

    def reset(self, lab: Lab, chosen: Collection[str], to: Step | None = None) -> list[Leftover]:
        """The same, to start the lab anew after it, or to go back `to` a step of it."""
        return self._close(lab, chosen, "back" if to else "reset", to.id if to else None)

    def start_at(self, lab: Lab, to: Step, say: Say, bar: ProgressCallback = silent) -> None:
        """Start the lab, and do the steps before this one for the learner, as far as that goes:
        the first that cannot be done has the reason as its verdict. Raises as `start` does."""
        with self._alone(lab):
            workspace = self._start(lab, say, bar)
            for step in lab.steps[: lab.steps.index(to)]:
                say(f"Doing for you: {workspace.fill(step.goal)}")
                if not self._solve(workspace, step, bar).done:
                    return

    def _start(self, lab: Lab, say: Say, bar: ProgressCallback) -> Workspace:
        self._refuse_where_it_cannot_run(lab)
        for image in lab.images:
            self.kit.get(image, say, bar)
        if workspace := self.workspace(lab):
            workspace.bar = bar
            workspace.prepare(say)
            return workspace
        self.workspaces.sweep()
        workspace = self.workspaces.open(lab, "learner", say, bar)
        with suppress(ProgressUnavailable):
            self.progress.begin(lab.name)
            self._look_ahead(workspace, 0)
        return workspace

    def _solve(self, workspace: Workspace, step: Step, bar: ProgressCallback) -> StepProgress:
        with suppress(ProgressUnavailable):
            before = self.progress.of(workspace.lab.name).get(step.id)
            if before and before.state in ("passed", "solved"):
                return before
        workspace.bar = bar
        verdict = solver.do(step, workspace)
        return self._keep(workspace, step, verdict, solved=True)

    def _close(
        self, lab: Lab, chosen: Collection[str], what: What, step: str | None = None
    ) -> list[Leftover]:
        with self._alone(lab):
            workspace = self.started(lab)
            items = [item for item in resources.find_resources(workspace) if item.id in chosen]
            left = self.workspaces.close(workspace, items)
            if not left:
                with suppress(ProgressUnavailable):
                    self.progress.note(lab.name, what, step)
            return left

    def started(self, lab: Lab) -> Workspace:
        """The open workspace of a lab. Raises `NotStarted`."""
        workspace = self.workspace(lab)
        if not workspace:
            raise NotStarted(lab.name)
        return workspace

    def _judge(
        self, lab: Lab, step: Step, answer: str, *, asked: bool, only_news: bool = False
    ) -> StepProgress:
        workspace, before = self.started(lab), StepProgress()
        with suppress(ProgressUnavailable):
            before = self.progress.of(lab.name).get(step.id, before)
            if before.done and not step.lasting:
                return before
        began = time.monotonic()
        verdict = step.judge(workspace, answer)
        seconds = time.monotonic() - began
        if only_news and verdict.status == "unknown":
            self.engine.containers(status="running")  # when it is down, that says enough
        if only_news and not _says_something_new(before.verdict, verdict):
            return before
        if only_news and solver.told(before.verdict) and not verdict.passed:
            return before  # who is told why it could not be done for them is to read it
        if not only_news:  # else that is done once for all steps
            self._observe(workspace)
        try:
            answered = bool(answer.strip()) or not step.takes_answer
            kept = self._keep(workspace, step, verdict, asked=asked, answered=answered)
            return replace(kept, seconds=seconds)
        except ProgressUnavailable:
            passed_at = time.time() if verdict.passed else None
            return StepProgress(verdict, passed_at=passed_at, lost=True)

    def _keep(
        self,
        workspace: Workspace,
        step: Step,
        verdict: Verdict,
        *,
        asked: bool = False,
        solved: bool = False,
        answered: bool = True,
    ) -> StepProgress:
        """Write a verdict down, with the known mistake that it speaks of, and what follows."""
        lab = workspace.lab
        met = None
        if asked and answered and verdict.found != self.progress.before(lab.name).get(step.id, ""):
            met = solver.mistakes(step, verdict, workspace)
        mark = solver.mark(workspace, step)
        solved |= verdict.passed and mark.exists()
        old = self.progress.of(lab.name).get(step.id, StepProgress())
        new = self.progress.record(
            lab.name, step, verdict, asked=asked, solved=solved, mistakes=met
        )
        if verdict.passed:  # until then what was done for the learner may still show
            mark.unlink(missing_ok=True)
        if new.done and not old.done:
            steps = self.progress.of(lab.name)
            found = [steps.get(each.id, StepProgress()) for each in lab.steps]
            if all(each.own for each in found):
                self.progress.done(lab.name)
            if all(each.done for each in found):
                self.progress.note(lab.name, "done")
            self._look_ahead(workspace, lab.steps.index(step) + 1)
        return new

    def _observe(self, workspace: Workspace) -> None:
        with suppress(CannotCheck, OSError):  # what cannot be noted now is noted the next time
            resources.observe(workspace)
            self.workspaces.remember_registry(workspace)

    def _look_ahead(self, workspace: Workspace, at: int) -> None:
        """Note what the check of the step at this place finds while nothing of it is done: that
        is no mistake."""
        for step in workspace.lab.steps[at : at + 1]:
            if not step.takes_answer:
                found = step.judge(workspace).found
                self.progress.note_before(workspace.lab.name, step, found)

    def _refuse_where_it_cannot_run(self, lab: Lab) -> None:
        if host := self.engine.remote_host:
            raise CannotCheck(
                f"Your engine is on another machine, `{host}`: its registry is not on this one's "
                "`localhost`.",
                next="Run this course on that machine, or use an engine of this one: "
                "`docker context use default`.",
            )
        for requirement in lab.requires:
            if reason := requirement(self.engine):
                raise CannotCheck(reason, next="Read the lesson; this lab cannot run here.")

    @contextmanager
    def _turn(self, lab: Lab) -> Iterator[None]:
        try:
            with self.workspaces.turn(lab.name).acquire(timeout=PATIENCE):
                yield
        except Timeout:
            raise Busy from None

    @contextmanager
    def _alone(self, lab: Lab) -> Iterator[None]:
        try:
            alone = self.workspaces.one_at_a_time(lab.name)
            with alone.acquire(timeout=0), self.workspaces.turn(lab.name):
                yield
        except Timeout:
            raise Busy from None


def _says_something_new(old: Verdict | None, new: Verdict) -> bool:
    return new.passed if old is None else old.as_dict() != new.as_dict()
