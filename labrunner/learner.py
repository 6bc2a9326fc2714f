"""The one learner of this instance: starts labs, has steps checked, finishes labs.

The pages and the commands `start-lab`, `check-lab` and `finish-lab` are both only ways to it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from filelock import Timeout

from . import belongings
from .belongings import Belonging, Leftover
from .content import Course
from .engine import Engine
from .kit import Kit
from .lab import Lab, Step
from .progress import Progress, ProgressUnavailable, StepProgress
from .verdict import CannotCheck
from .workspace import Say, Workspace
from .workspaces import Workspaces


class Busy(Exception):
    """The lab is being started or finished, here or in another window."""


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

    def start(self, lab: Lab, say: Say) -> Workspace:
        """Open the lab's workspace, or make sure of all that an open one gives.

        Raises `Busy`, and `CannotCheck` with the reason when the lab cannot be started; nothing is
        left behind then.
        """
        with self._alone(lab):
            self._refuse_where_it_cannot_run(lab)
            for image in lab.images:
                self.kit.get(image, say)
            if workspace := self.workspace(lab):
                workspace.prepare(say)
                return workspace
            self.workspaces.sweep()
            workspace = self.workspaces.open(lab, "learner", say)
            with suppress(ProgressUnavailable):
                self.progress.begin(lab.name)
            return workspace

    def check(self, lab: Lab, step: Step, answer: str = "") -> StepProgress:
        """Judge one step now, and keep the verdict. A moment that has passed is not judged again.

        Raises `NotStarted`.
        """
        workspace = self.workspace(lab)
        if not workspace:
            raise NotStarted(lab.name)
        with suppress(ProgressUnavailable):
            before = self.progress.of(lab.name).get(step.id)
            if before and before.passed_at and not step.lasting:
                return before
        began = time.monotonic()
        verdict = step.judge(workspace, answer)
        seconds = time.monotonic() - began
        with suppress(CannotCheck):
            belongings.observe(workspace)
            self.workspaces.remember_registry(workspace)
        try:
            after = self.progress.record(lab.name, step, verdict)
            steps = self.progress.of(lab.name)
            if all(each.id in steps and steps[each.id].done for each in lab.steps):
                self.progress.done(lab.name)
            return replace(after, seconds=seconds)
        except ProgressUnavailable:
            return StepProgress(verdict, passed_at=time.time() if verdict.passed else None)

    def check_all(self, lab: Lab) -> dict[str, StepProgress]:
        """Check the steps in their order. One that waits for an answer is left as it was."""
        workspace = self.workspace(lab)
        if not workspace:
            raise NotStarted(lab.name)
        try:
            before = self.progress.of(lab.name)
        except ProgressUnavailable:
            before = {}
        results = {}
        for step in lab.steps:
            if not step.takes_answer:
                results[step.id] = self.check(lab, step)
            else:
                unanswered = StepProgress(step.judge(workspace))
                results[step.id] = before.get(step.id, unanswered)
        return results

    def word(self, lab: Lab) -> str:
        """The progress of a lab in a word or two."""
        steps = self.progress.of(lab.name)
        done = sum(step.id in steps and steps[step.id].done for step in lab.steps)
        if lab.name in self.progress.done_labs() and not (self.workspace(lab) and steps):
            return "done"
        if done == len(lab.steps):
            return "done"
        return f"{done} of {len(lab.steps)}" if steps or self.workspace(lab) else "not started"

    def belongings(self, lab: Lab) -> list[Belonging]:
        """What finishing the lab would remove. Raises `NotStarted`."""
        workspace = self.workspace(lab)
        if not workspace:
            raise NotStarted(lab.name)
        return belongings.of(workspace)

    def finish(self, lab: Lab, chosen: Collection[str]) -> list[Leftover]:
        """Remove those belongings whose ids are chosen, and close the workspace.

        What was not chosen is the learner's from now on. Returns what could not be removed; the
        lab then stays open. Raises `NotStarted` and `Busy`.
        """
        with self._alone(lab):
            workspace = self.workspace(lab)
            if not workspace:
                raise NotStarted(lab.name)
            items = [item for item in belongings.of(workspace) if item.id in chosen]
            return self.workspaces.close(workspace, items)

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
    def _alone(self, lab: Lab) -> Iterator[None]:
        try:
            with self.workspaces.one_at_a_time(lab.name).acquire(timeout=0):
                yield
        except Timeout:
            raise Busy from None
