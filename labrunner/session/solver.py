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

NOT_DONE = "This step could not be done for you: "
NOT_ENOUGH = "This was done for you, and yet: "
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
    found, todo = f"{NOT_ENOUGH}{verdict.found}", f"{verdict.next} {BACK}"
    return replace(verdict, found=found, next=todo)


def mark(workspace: Workspace, step: Step) -> Path:
    """A file that is there from before a step is done for the learner until that is recorded. When
    the server is killed in between, it stays: what was done by then is not the learner's."""
    return workspace.folder / f"{step.id}.solving"


def told(verdict: Verdict | None) -> bool:
    """Whether a verdict says why a step could not be done for the learner."""
    return bool(verdict and (verdict.found or "").startswith((NOT_DONE, NOT_ENOUGH)))


def mistakes(step: Step, verdict: Verdict, workspace: Workspace) -> list[str] | None:
    """The names of the known mistakes whose advice is in a failed verdict, but for those whose
    advice is only a part of another's. None for a verdict that has not failed."""
    if verdict.status != "failed":
        return None
    advice = {each.name: workspace.fill(each.advice) for each in step.mistakes}
    given = {name: text for name, text in advice.items() if text in (verdict.next or "")}
    return [
        name
        for name, text in given.items()
        if not any(text in other and text != other for other in given.values())
    ]


def _not_done(why: str, todo: str) -> Verdict:
    return Verdict("unknown", None, f"{NOT_DONE}{why}", todo)
