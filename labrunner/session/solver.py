"""What the author of a lab knows of a step: how it is done, and how it is done wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labrunner.course.lab import Step
from labrunner.engine.connection import EngineRefused
from labrunner.errors import NotWritable
from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces.actions import ActionFailed, perform
from labrunner.workspaces.workspace import Workspace

NOT_SOLVED = "not-solved"  # the reason of each verdict on a solution that failed
BACK = "Or go back to this step: the lab then starts again, with the steps before it done for you."


def do(step: Step, workspace: Workspace) -> Verdict:
    """Do the step in the workspace as its author would, and check it. Never raises: a solution
    that cannot be done is `unknown`."""
    try:
        mark(workspace, step).touch()
        answer = perform(step.solve, workspace)
    except ActionFailed as failure:
        return _explain(failure.error, failure.place)
    except OSError as error:
        return _explain(error, f"`{workspace.folder}`")
    verdict = step.judge(workspace, answer)
    if verdict.status != "failed":
        return verdict
    found = Sentence("This was done for you, but: {found}", found=verdict.found or "")
    next = Sentence.joined(verdict.next or "", BACK)
    return replace(verdict, found=found, next=next, reason=NOT_SOLVED)


def mark(workspace: Workspace, step: Step) -> Path:
    """Return the file that exists from before a step is done for the learner until that is stored.
    When the server is killed in between, it stays: what was done by then is not the learner's."""
    return workspace.folder / f"{step.id}.solving"


def mistakes(step: Step, verdict: Verdict, registry: str) -> list[str] | None:
    """Return the names of the known mistakes that lead to a failed verdict: those with its reason
    that can be made with the registry of this image. None for any other verdict."""
    if verdict.status != "failed":
        return None
    known = [mistake for mistake in step.mistakes if mistake.registry in ("", registry)]
    return [mistake.name for mistake in known if mistake.reason == verdict.reason]


def _explain(error: Exception | SystemExit, place: str) -> Verdict:
    if isinstance(error, EngineRefused):
        return _not_done(error.found, Sentence.joined(error.next, BACK))
    if known := error if isinstance(error, CannotCheck) else NotWritable.from_os_error(error):
        return _not_done(known.found, known.next)
    broke = "`{kind}: {error}` ({place})."
    why = Sentence(broke, kind=type(error).__name__, error=error, place=place)
    before = "Do the steps before it first, if one is not done."
    return _not_done(why, Sentence.joined(before, BACK))


def _not_done(why: str, next: str) -> Verdict:
    found = Sentence("This step could not be done for you: {why}", why=Sentence.of(why))
    return Verdict("unknown", None, found, next, NOT_SOLVED)
