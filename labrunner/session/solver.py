"""What the author of a lab knows of a step: how it is done, and how it is done wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labrunner.course.lab import Step, error_location
from labrunner.engine.connection import EngineRefused
from labrunner.errors import NotWritable
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.workspace import Workspace

NOT_SOLVED = "not-solved"  # the reason of each verdict on a solution that failed
BACK = "Or go back to this step: then the lab begins anew, with the steps before it done for you."


def do(step: Step, workspace: Workspace) -> Verdict:
    """Do the step in the workspace as its author would, and check it. Never raises: a solution
    that cannot be done is `unknown`."""
    assert step.solve  # noqa: S101 - the loader refuses a step without a solution
    try:
        mark(workspace, step).touch()
        answer = step.solve(workspace)
        resources.observe(workspace)
    except EngineRefused as error:
        return _not_done(error.found, f"{error.next} {BACK}")
    except CannotCheck as error:
        return _not_done(error.found, error.next)
    except Exception as error:  # whatever a lab's author overlooked
        if known := NotWritable.from_os_error(error):
            return _not_done(known.found, known.next)
        why = f"`{type(error).__name__}: {error}` ({error_location(error, step.solve)})."
        return _not_done(why, f"Do the steps before it first, if one is open. {BACK}")
    verdict = step.judge(workspace, answer or "")
    if verdict.status != "failed":
        return verdict
    found = f"This was done for you, and yet: {verdict.found}"
    return replace(verdict, found=found, next=f"{verdict.next} {BACK}", reason=NOT_SOLVED)


def mark(workspace: Workspace, step: Step) -> Path:
    """Return the file that exists from before a step is done for the learner until that is stored.
    When the server is killed in between, it stays: what was done by then is not the learner's."""
    return workspace.folder / f"{step.id}.solving"


def mistakes(step: Step, verdict: Verdict) -> list[str] | None:
    """Return the names of the known mistakes that lead to a failed verdict: those with its reason.
    None for any other verdict."""
    if verdict.status != "failed":
        return None
    return [mistake.name for mistake in step.mistakes if mistake.reason == verdict.reason]


def _not_done(why: str, next: str) -> Verdict:
    return Verdict("unknown", None, f"This step could not be done for you: {why}", next, NOT_SOLVED)
