"""A track: one workspace of a lab, in which steps are done one after the other.

The main track does each step, and proves its check and its near misses. Each other track makes one
mistake of a step, recovers from it by the step's solution, as a learner does, and goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

from labrunner.course.author_functions import Action
from labrunner.course.lab import Lab, Mistake, Step
from labrunner.course.lesson import Block, Lesson
from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.errors import NotWritable
from labrunner.registry.versions import FIRST
from labrunner.verdicts import NO_ANSWER, CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.actions import ActionFailed, perform
from labrunner.workspaces.builds import StillBuilding
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.resources import Leftover
from labrunner.workspaces.workspace import Workspace

from .given_away import given_away_by_block, given_away_by_text
from .interruptions import TimedOut, deadline, first_interruption_held
from .lesson_shell import LessonShell
from .results import NOT_WRITABLE, OF_THE_MACHINE, Part, Proof, weak


@dataclass(frozen=True)
class Settings:
    """How labs are run: with the lesson's commands or the solutions, with proof or without.

    keep, port: for the main track. seconds: what one act of a step may take. registry: the image of
    the chosen one, for the labs that take any.
    """

    shell: bool = False
    prove: bool = False
    keep: bool = False
    port: int | None = None
    seconds: float = 120
    registry: str = FIRST


class Track:
    """Opens its workspace when it is needed; anew where the one at hand has gone too far, or has
    something in it that does not belong there. `close` removes all of it.

    leftovers: what is left on the engine of that which was made, and what was kept.
    """

    def __init__(self, workspaces: Workspaces, lesson: Lesson, lab: Lab, settings: Settings):
        self.workspaces = workspaces
        self.lesson = lesson
        self.lab = lab
        self.settings = settings
        self.leftovers: list[str] = []
        self._workspace: Workspace | None = None
        self._shell: LessonShell | None = None
        self._done = 0  # steps
        self._blocks = 0  # that were run one by one
        self._clean = True  # nothing but those was done

    def __enter__(self) -> Track:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(keep=self.settings.keep)

    def open(self) -> Workspace:
        """Return the workspace, as it is; a new one where there is none. Raises `CannotCheck`."""
        if not self._workspace:
            port, registry = self.settings.port, self.settings.registry
            self._workspace = self.workspaces.open(
                self.lab, "headless", port=port, registry=registry
            )
            self._done, self._blocks, self._clean = 0, 0, True
            if self.settings.shell:
                values = self._workspace.record.values
                self._shell = LessonShell(
                    self._workspace.work, self._workspace.engine, values, self.settings.seconds
                )
        return self._workspace

    def reach(self, step: Step) -> Workspace:
        """Return the workspace with the steps before this one passed, and nothing else.

        Raises `CannotCheck` where that cannot be."""
        index = self.lab.steps.index(step)
        if not self._clean or self._done > index:
            self.close()
        workspace = self.open()
        while self._done < index:
            earlier = self.lab.steps[self._done]
            self._clean = False
            with deadline(self.settings.seconds):
                answer, wrong = self._do(earlier)
                verdict = wrong or earlier.judge(workspace, answer)
            if not verdict.passed:
                found, todo = f"{verdict.found}", f"{verdict.next}"
                raise CannotCheck(found, next=todo, reason=verdict.reason)
            self._done, self._clean = self._done + 1, True
        return workspace

    def do(self, step: Step) -> Part:
        """Do the step, and judge it. With proof: also before, and twice after."""
        workspace, began = self.reach(step), time.monotonic()
        part = Part(self.lab.steps.index(step))
        try:
            part.verdict = self._do_and_judge(step, workspace, part)
        except TimedOut:
            self._clean = False
            part.verdict = self._timed_out()
        part.seconds = time.monotonic() - began
        return part

    def prove(self, step: Step, mistake: Mistake) -> Part:
        """Make the mistake in the workspace in which the steps before are done, and recover. After
        an answer that changes nothing there is nothing to recover from."""
        began, proof = time.monotonic(), Proof(mistake.name)
        try:
            workspace = self.reach(step)
            self._clean = mistake.only_an_answer
            self._make(step, mistake, workspace, proof)
            if not mistake.only_an_answer:
                self._recover(step, workspace, proof)
        except TimedOut:
            self._clean = False
            slow = self._timed_out()
            proof.found, proof.next = proof.found or slow.found, proof.next or slow.next
            proof.weakness = proof.weakness or slow
        except EngineDown:
            raise
        except CannotCheck as error:
            self._clean = False
            proof.found, proof.next = error.found, error.next
            found = f"The mistake “{mistake.name}” cannot be made: {error.found}"
            proof.weakness = Verdict("unknown", None, found, error.next, error.reason)
        place = self.lab.steps.index(step), step.mistakes.index(mistake)
        return Part(*place, seconds=time.monotonic() - began, proof=proof)

    def run_block(self, block: Block) -> Verdict | None:
        """Run one block of the page after those before it, in a shell of the track; after the last
        one of its step, judge that. Return what is wrong with it, and None where nothing is. The
        settings have `shell`. Raises `CannotCheck` where the blocks before cannot be run."""
        blocks = self.lesson.blocks
        index = blocks.index(block)
        if not self._clean or self._blocks > index:
            self.close()
        self.open()
        while self._blocks < index:
            if wrong := self._run_block(blocks[self._blocks]):
                raise CannotCheck(f"{wrong.found}", next=f"{wrong.next}")
        return self._run_block(block)

    def close(self, *, keep: bool = False) -> None:
        """Remove the workspace with all that belongs to it, whatever happens; or keep it."""
        workspace, shell = self._workspace, self._shell
        self._workspace = self._shell = None
        if shell:
            shell.close()
        if not workspace:
            return
        with first_interruption_held():
            try:
                items = resources.find_certain(workspace)
            except (EngineRefused, StillBuilding) as error:  # the next run removes it
                self.leftovers.append(f"workspace {workspace.id}: {error.found}")
                workspace.lock.release()
                return
            if keep:
                workspace.keep()
                self.leftovers += map(str, items)
                return
            try:
                left = self.workspaces.close(workspace, items)
            except KeyboardInterrupt:  # the second one: stop at once, say what is left
                self.leftovers += [str(Leftover(item, "not removed")) for item in items]
                raise
            self.leftovers += map(str, left)
            known = {each.item.id for each in left}
            for trace in resources.find_traces(workspace):
                if trace.id not in known:
                    self.leftovers.append(str(Leftover(trace, f"not removed, though {trace.why}")))

    def _do_and_judge(self, step: Step, workspace: Workspace, part: Part) -> Verdict:
        with deadline(self.settings.seconds):
            before = step.judge(workspace)
        part.before = before.status
        if before.passed:
            return weak("The check passes before the step is done.", step)
        self._clean = False
        with deadline(self.settings.seconds):
            answer, wrong = self._do(step)
            verdict = wrong or step.judge(workspace, answer)
            part.after = verdict.status
            if self.settings.prove:
                if verdict.passed:
                    verdict = step.judge(workspace, answer)
                part.again = verdict.status
                lacks = step.judge(workspace) if verdict.passed and step.rest else None
                if lacks and lacks.reason != NO_ANSWER:
                    verdict = weak(f"Done, it lacks more than its answer: {lacks.found}", step)
        if verdict.passed:
            self._done, self._clean = self._done + 1, True
        return verdict

    def _make(self, step: Step, mistake: Mistake, workspace: Workspace, proof: Proof) -> None:
        with deadline(self.settings.seconds):
            answer, wrong = _act(mistake.make, workspace)
            if wrong and wrong.reason in OF_THE_MACHINE:
                raise CannotCheck(f"{wrong.found}", next=f"{wrong.next}", reason=wrong.reason)
            verdict = wrong or step.judge(workspace, answer)
        proof.status, proof.found, proof.next = verdict.status, verdict.found, verdict.next
        name, advice = f"The mistake “{mistake.name}”", workspace.fill(mistake.advice)
        if verdict.status != "failed":
            proof.weakness = weak(f"{name} is {verdict.status}: {verdict.found}", step)
        elif verdict.reason != mistake.reason:
            found = f"{name} fails for the reason `{verdict.reason}`, not `{mistake.reason}`."
            proof.weakness = weak(found, step)
        elif advice not in (verdict.next or ""):
            found = f"{name} gets the advice: {verdict.next} It does not contain `{advice}`."
            proof.weakness = weak(found, step)

    def _recover(self, step: Step, workspace: Workspace, proof: Proof) -> None:
        with deadline(self.settings.seconds):
            answer, wrong = _act(step.solve, workspace)
            verdict = wrong or step.judge(workspace, answer)
        proof.recovered = verdict.status
        if verdict.passed:
            self._done, self._clean = self._done + 1, True
        elif not proof.weakness:
            proof.weakness = Verdict(
                "unknown" if verdict.reason in OF_THE_MACHINE else "failed",
                "After each mistake, the step's solution leads to passed.",
                f"The mistake “{proof.mistake}” is not corrected by the solution: {verdict.found}",
                verdict.next,
                verdict.reason,
            )

    def _do(self, step: Step) -> tuple[str, Verdict | None]:
        """Do the step; the answer that its solution gives or its last block prints, and what went
        wrong."""
        if not self._shell or not self._workspace:
            return _act(step.solve, self.open())
        output = ""
        for block in self.lesson.blocks_of(step.id):
            output, wrong = _run(self._shell, block)
            wrong = wrong or given_away_by_block(self.lesson, step, block, output, self._workspace)
            if wrong:
                return output, wrong
        resources.observe(self._workspace)
        return output, given_away_by_text(self.lesson, step, self._workspace)

    def _run_block(self, block: Block) -> Verdict | None:
        workspace, shell = self.open(), self._shell
        if not shell:
            raise ValueError("The track has no shell.")
        self._clean = False
        output, wrong = _run(shell, block)
        step = self.lab.find(block.step)
        if not wrong and step:
            with deadline(self.settings.seconds):
                wrong = given_away_by_block(self.lesson, step, block, output, workspace)
        if not wrong and step and block is self.lesson.blocks_of(block.step)[-1]:
            resources.observe(workspace)
            with deadline(self.settings.seconds):
                verdict = step.judge(workspace, output)
                wrong = verdict
                if verdict.passed:
                    wrong = given_away_by_text(self.lesson, step, workspace)
        if not wrong:
            self._blocks, self._clean = self._blocks + 1, True
        return wrong

    def _timed_out(self) -> Verdict:
        return Verdict(
            "unknown",
            None,
            f"The step took longer than {self.settings.seconds:g} seconds.",
            "Give it more time with `--timeout`, or find out what it waits for.",
        )


def _run(shell: LessonShell, block: Block) -> tuple[str, Verdict | None]:
    """Run a block of the page; what it printed, and what was wrong with it."""
    ran = shell.run(block)
    if not ran.wrong:
        return ran.output, None
    found, todo = ran.wrong
    return ran.output, Verdict("failed", "The lesson's commands do the step.", found, todo)


def _act(act: Action | None, workspace: Workspace) -> tuple[str, Verdict | None]:
    """Do a solution or a mistake; the answer that it gives, and what went wrong. Raises
    `EngineDown`."""
    try:
        return perform(act, workspace), None
    except ActionFailed as failed:
        error = failed.error
        if isinstance(error, EngineDown):
            raise error from failed
        why, reason = f"`{type(error).__name__}: {error}`", ""
        if isinstance(error, CannotCheck):
            why, reason = error.found, error.reason
        elif known := NotWritable.from_os_error(error):
            why, reason = known.found, NOT_WRITABLE
        found = f"The lab's own code failed: {why}"
        return "", Verdict("unknown", None, found, f"Fix it: {failed.place}.", reason)
