"""Runs labs without a browser, and proves their checks.

For each step: the check must not pass before the step is done; each mistake must fail with its
advice, in a workspace of its own in which the steps before it are done; after the solution the
check must pass, and pass again. With the lesson's commands in place of the solutions, the pages
are proved as well.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from labrunner.course.lab import Action, Lab, Mistake, Step, error_location
from labrunner.course.lesson import Lesson
from labrunner.engine.connection import EngineDown
from labrunner.kit.kit import Kit
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.resources import Leftover
from labrunner.workspaces.workspace import Say, Workspace

from .lesson_shell import LessonShell
from .results import LabResult, Run, StepResult, worst


class TimedOut(BaseException):
    """Not an `Exception`, so that no lab swallows it."""


@dataclass
class Runner:
    """How labs are run: with the lesson's commands or the solutions, with proof or without.

    seconds: what a step may take. ended: is given each step when it has ended.
    """

    workspaces: Workspaces
    kit: Kit
    shell: bool = False
    prove: bool = False
    keep: bool = False
    port: int | None = None
    seconds: float = 120
    say: Say = lambda line: None
    ended: Callable[[Lab, StepResult], None] = lambda lab, result: None

    def run(self, lessons: Sequence[Lesson]) -> Run:
        """Run the labs of these lessons one after the other. What is made is removed, whatever
        happens; an interruption ends the run after that. Raises `EngineDown`."""
        run = Run()
        began = time.monotonic()
        run.leftovers += map(str, self.workspaces.sweep(kept=True))
        try:
            for lesson in lessons:
                if lesson.lab:
                    run.labs.append(LabResult(lesson.lab.name, "unknown"))
                    _LabRun(self, lesson, lesson.lab, run).run(run.labs[-1])
        except KeyboardInterrupt:
            run.interrupted = True
        run.seconds = time.monotonic() - began
        return run


@dataclass
class _LabRun:
    """One lab of a run."""

    how: Runner
    lesson: Lesson
    lab: Lab
    run_: Run

    def run(self, result: LabResult) -> None:
        began = time.monotonic()
        try:
            engine = self.how.workspaces.engine
            if reasons := [why for ask in self.lab.requires if (why := ask(engine))]:
                result.status, result.reason = "skipped", " ".join(reasons)
                return
            for image in self.lab.images:
                self.how.kit.get(image, self.how.say)
            with self._workspace(self.how.port, keep=self.how.keep) as workspace:
                self._steps(workspace, result)
            result.status = worst([step.status for step in result.steps])
        except EngineDown:
            raise
        except CannotCheck as error:
            result.reason = f"{error.found} {error.next}"
        finally:
            result.seconds = time.monotonic() - began

    def _steps(self, workspace: Workspace, result: LabResult) -> None:
        """Do the steps in their order; those after one that does not pass are skipped."""
        with self._shell(workspace) as shell:
            result.steps = [StepResult(step.id, "skipped") for step in self.lab.steps]
            for step, ended in zip(self.lab.steps, result.steps, strict=True):
                began = time.monotonic()
                ended.status = "unknown"
                try:
                    self._step(step, workspace, shell, ended)
                except TimedOut:
                    ended.found = f"The step took more than {self.how.seconds:g} seconds."
                    ended.next = "Give it more with `--timeout`, or find out what it waits for."
                finally:
                    ended.seconds = time.monotonic() - began
                    self.how.ended(self.lab, ended)
                if not ended.passed:
                    return

    def _step(
        self, step: Step, workspace: Workspace, shell: LessonShell | None, result: StepResult
    ) -> None:
        with _deadline(self.how.seconds):
            before = step.judge(workspace)
        if self.how.prove:
            result.proved = {
                "before": before.status,
                "mistakes": [],
                "after": None,
                "again": None,
            }
            for mistake in step.mistakes:
                row, weakness = self._mistake(step, mistake, workspace)
                result.proved["mistakes"].append(row)
                if weakness:
                    result.end(weakness)
                    return
        if before.passed:
            result.end(_weak("It passes before the step is done.", step))
            return
        with _deadline(self.how.seconds):
            answer, wrong = self._blocks(step, shell) if shell else _do(step.solve, workspace)
            resources.observe(workspace)
            verdict = wrong or step.judge(workspace, answer)
            if result.proved is not None:
                result.proved["after"] = verdict.status
                if verdict.passed:
                    verdict = step.judge(workspace, answer)
                result.proved["again"] = verdict.status
        result.end(verdict)

    def _mistake(
        self, step: Step, mistake: Mistake, own: Workspace
    ) -> tuple[dict[str, str | None], Verdict | None]:
        """Make one mistake in a workspace of its own, or give a wrong answer in the lab's; the row
        of the proof, and what is weak."""
        here = nullcontext(own) if mistake.only_an_answer else self._workspace()
        with here as workspace, _deadline(self.how.seconds):
            wrong = None
            if workspace is not own:
                for earlier in self.lab.steps[: self.lab.steps.index(step)]:
                    wrong = wrong or _do(earlier.solve, workspace)[1]
            answer, failed = ("", wrong) if wrong else _do(mistake.make, workspace)
            verdict = failed or step.judge(workspace, answer)
            advice = workspace.fill(mistake.advice)
        row = {
            "mistake": mistake.name,
            "status": verdict.status,
            "found": verdict.found,
            "next": verdict.next,
        }
        name = f"The mistake “{mistake.name}”"
        if verdict.status != "failed":
            return row, _weak(f"{name} is {verdict.status}: {verdict.found}", step)
        if advice not in (verdict.next or ""):
            said = f"{name} is answered with: {verdict.next} That lacks the advice `{advice}`."
            return row, _weak(said, step)
        return row, None

    def _blocks(self, step: Step, shell: LessonShell) -> tuple[str, Verdict | None]:
        """Run the step's blocks; what the last one printed, and what was wrong with one."""
        output = ""
        for block in self.lesson.blocks_of(step.id):
            ran = shell.run(block)
            output = ran.output
            if ran.wrong:
                found, todo = ran.wrong
                return output, Verdict("failed", "The lesson's commands do the step.", found, todo)
        return output, None

    @contextmanager
    def _shell(self, workspace: Workspace) -> Iterator[LessonShell | None]:
        if not self.how.shell:
            yield None
            return
        values = workspace.record.values
        shell = LessonShell(workspace.work, workspace.engine, values, self.how.seconds)
        try:
            yield shell
        finally:
            shell.close()

    @contextmanager
    def _workspace(self, port: int | None = None, *, keep: bool = False) -> Iterator[Workspace]:
        """A workspace that is closed at the end, whatever happens."""
        left = self.run_.leftovers
        workspace = self.how.workspaces.open(self.lab, "headless", port=port)
        try:
            yield workspace
        finally:
            with _one_interruption_held():
                items = resources.find_resources(workspace)
                if keep:
                    workspace.keep()
                    left += map(str, items)
                else:
                    try:
                        left += map(str, self.how.workspaces.close(workspace, items))
                    except KeyboardInterrupt:  # the second one: stop at once, say what is left
                        left += [str(Leftover(item, "not removed")) for item in items]
                        raise


def _do(act: Action | None, workspace: Workspace) -> tuple[str, Verdict | None]:
    """Do a solution or a mistake; the answer that it gives, and what went wrong."""
    assert act  # noqa: S101 - the loader refuses a step without a solution
    try:
        answer = act(workspace)
    except CannotCheck as error:
        return "", _broken(error.found, error_location(error, act))
    except Exception as error:  # whatever a lab's author overlooked
        return "", _broken(f"`{type(error).__name__}: {error}`", error_location(error, act))
    resources.observe(workspace)
    return answer or "", None


def _broken(why: str, where: str) -> Verdict:
    return Verdict("unknown", None, f"The lab's own act stopped: {why}", f"Mend it: {where}.")


def _weak(found: str, step: Step) -> Verdict:
    return Verdict(
        "failed",
        "The check tells the step done from the step not done.",
        found,
        f"Mend the check `{step.check.__name__}`.",
    )


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise `TimedOut` when that many seconds are over. For the main thread only."""

    def ring(*_: Any) -> None:
        raise TimedOut

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def _one_interruption_held() -> Iterator[None]:
    """Let the first Ctrl-C wait until the clean-up is done, if it was not what led to it; the
    second one breaks through. For the main thread only."""
    already = isinstance(sys.exc_info()[1], KeyboardInterrupt)
    held = False

    def hold(*_: Any) -> None:
        nonlocal held
        if already or held:
            raise KeyboardInterrupt
        held = True

    old = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt
