"""Runs labs without a browser, and proves their checks.

For each step: the check must not pass before the step is done; each mistake must fail with its
advice, in a workspace of its own in which the steps before it are done; after the solution the
check must pass, and pass again. With the lesson's commands in place of the solutions, the pages
are proved as well.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from traceback import extract_tb
from typing import Any, Literal

from . import belongings
from .belongings import Leftover
from .engine import EngineDown
from .kit import Kit
from .lab import Act, Lab, Mistake, Step
from .lesson import Lesson
from .shell import LessonShell
from .verdict import CannotCheck, Verdict
from .workspace import Say, Workspace
from .workspaces import Workspaces

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
    for status in ("failed", "unknown", "passed"):
        if status in statuses:
            return status  # type: ignore[return-value]
    return "skipped" if statuses else "passed"


class TimedOut(BaseException):
    """Not an `Exception`, so that no lab swallows it."""


@dataclass
class Headless:
    """How labs are run: with the lesson's commands or the solutions, with proof or without.

    seconds: what a step may take. said: is given each step when it has ended.
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
        happens; an interruption ends the run after that. Raises `EngineDown` at the start."""
        run = Run()
        began = time.monotonic()
        run.leftovers += map(str, self.workspaces.sweep(kept=True))
        try:
            for lesson in lessons:
                if lesson.lab:
                    result = LabResult(lesson.lab.name)
                    run.labs.append(result)
                    self._lab(lesson, lesson.lab, result, run)
        except KeyboardInterrupt:
            run.interrupted = True
        run.seconds = time.monotonic() - began
        return run

    def _lab(self, lesson: Lesson, lab: Lab, result: LabResult, run: Run) -> None:
        began = time.monotonic()
        result.status = "unknown"
        try:
            reasons = [why for ask in lab.requires if (why := ask(self.workspaces.engine))]
            if reasons:
                result.status, result.reason = "skipped", " ".join(reasons)
                return
            for image in lab.images:
                self.kit.get(image, self.say)
            with self._workspace(lab, run, port=self.port, keep=self.keep) as workspace:
                self._steps(lesson, lab, workspace, result, run)
            result.status = worst([step.status for step in result.steps])
        except EngineDown:
            raise
        except CannotCheck as error:
            result.reason = f"{error.found} {error.next}"
        finally:
            result.seconds = time.monotonic() - began

    def _steps(
        self, lesson: Lesson, lab: Lab, workspace: Workspace, result: LabResult, run: Run
    ) -> None:
        with ExitStack() as stack:
            shell = None
            if self.shell:
                values = workspace.record.values
                shell = LessonShell(workspace.work, workspace.engine, values, self.seconds)
                stack.callback(shell.close)
            result.steps = [StepResult(step.id, "skipped") for step in lab.steps]
            for step, ended in zip(lab.steps, result.steps, strict=True):
                began = time.monotonic()
                ended.status = "unknown"
                try:
                    self._step(lesson, step, workspace, shell, ended, run)
                finally:
                    ended.seconds = time.monotonic() - began
                    self.ended(lab, ended)
                if ended.status != "passed":
                    return

    def _step(
        self,
        lesson: Lesson,
        step: Step,
        workspace: Workspace,
        shell: LessonShell | None,
        result: StepResult,
        run: Run,
    ) -> None:
        try:
            with _deadline(self.seconds):
                before = step.judge(workspace)
            if self.prove:
                result.proved = {"before": before.status, "mistakes": []}
                for mistake in step.mistakes:
                    row, wrong = self._mistake(workspace.lab, step, mistake, run)
                    result.proved["mistakes"].append(row)
                    if wrong:
                        result.end(wrong)
                        return
            if before.passed:
                result.end(_weak("It passes before the step is done.", step))
                return
            with _deadline(self.seconds):
                if shell:
                    answer, wrong = self._blocks(lesson, step, shell, workspace)
                else:
                    answer, wrong = _do(step.act, workspace)
                verdict = wrong or step.judge(workspace, answer)
                belongings.observe(workspace)
            if self.prove and result.proved is not None:
                result.proved["after"] = verdict.status
                again = step.judge(workspace, answer) if verdict.passed else verdict
                result.proved["again"] = again.status
                verdict = again
            result.end(verdict)
        except TimedOut:
            result.found = f"The step took more than {self.seconds:g} seconds."
            result.next = "Give it more with --timeout, or find out what it waits for."
        except EngineDown as down:
            result.end(down.verdict)

    def _mistake(
        self, lab: Lab, step: Step, mistake: Mistake, run: Run
    ) -> tuple[dict[str, str | None], Verdict | None]:
        """Make one mistake in a workspace of its own; the row of the proof, and what is weak."""
        with self._workspace(lab, run) as workspace, _deadline(self.seconds):
            wrong = None
            for earlier in lab.steps[: lab.steps.index(step)]:
                wrong = wrong or _do(earlier.act, workspace)[1]
            answer, failed = ("", wrong) if wrong else _do(mistake.act, workspace)
            verdict = failed or step.judge(workspace, answer)
            advice = workspace.fill(mistake.advice)
        row = {
            "mistake": mistake.name,
            "status": verdict.status,
            "found": verdict.found,
            "next": verdict.next,
        }
        if verdict.status != "failed":
            return row, _weak(f"The mistake “{mistake.name}” is {verdict.status}: {verdict.found}", step)
        if advice not in (verdict.next or ""):
            said = f"The mistake “{mistake.name}” is answered with: {verdict.next}"
            return row, _weak(f"{said} That lacks the advice `{advice}`.", step)
        return row, None

    def _blocks(
        self, lesson: Lesson, step: Step, shell: LessonShell, workspace: Workspace
    ) -> tuple[str, Verdict | None]:
        """Run the step's blocks; what the last one printed, and what was wrong with one."""
        output = ""
        for block in lesson.blocks_of(step.id):
            ran = shell.run(block)
            belongings.observe(workspace)
            output = ran.output
            if ran.wrong:
                found, todo = ran.wrong
                return output, Verdict("failed", "The lesson's commands do the step.", found, todo)
        return output, None

    @contextmanager
    def _workspace(
        self, lab: Lab, run: Run, *, port: int | None = None, keep: bool = False
    ) -> Iterator[Workspace]:
        workspace = self.workspaces.open(lab, "headless", port=port)
        try:
            yield workspace
        finally:
            items = belongings.of(workspace)
            if keep:
                workspace.keep()
                run.leftovers += map(str, items)
            else:
                try:
                    run.leftovers += map(str, self.workspaces.close(workspace, items))
                except KeyboardInterrupt:
                    run.leftovers += [str(Leftover(item, "not removed")) for item in items]
                    raise


def _do(act: Act | None, workspace: Workspace) -> tuple[str, Verdict | None]:
    """Do a solution or a mistake; the answer that it gives, and what went wrong."""
    try:
        answer = act(workspace) if act else None
    except Exception as error:  # whatever a lab's author overlooked
        place = extract_tb(error.__traceback__)[-1]
        found = f"The lab's own act stopped: {getattr(error, 'found', error)!s}"
        todo = f"Mend it: `{place.name}`, line {place.lineno}."
        return "", Verdict("unknown", None, found, todo)
    belongings.observe(workspace)
    return answer or "", None


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
