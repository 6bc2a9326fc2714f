"""What the learner's way and the headless one share: what a lab needs, and doing a step."""

from __future__ import annotations

from labrunner.course.author_functions import Action, error_location
from labrunner.course.lab import Lab
from labrunner.engine.engine import Engine
from labrunner.engine.requirements import require_engine
from labrunner.engine.transfer_progress import ProgressCallback, silent
from labrunner.kit.kit import Kit
from labrunner.language import Sentence
from labrunner.registry.versions import FIRST
from labrunner.verdicts import CannotCheck

from . import resources
from .workspace import Say, Workspace


class CannotRun(CannotCheck):
    """The lab cannot run on this machine, whatever the learner does in it."""


class ActionFailed(Exception):
    """A solution or a mistake of a lab did not come to its end.

    error: what was raised. place: where in the lab's file, like `lab.py`, line 30.
    """

    def __init__(self, error: Exception | SystemExit, place: str) -> None:
        super().__init__(f"{error} ({place})")
        self.error = error
        self.place = place


def require_machine(lab: Lab, engine: Engine) -> None:
    """Raise `EngineUnsuitable`, or `CannotRun` with the reasons why the lab cannot run on this
    machine."""
    require_engine(engine)
    if reasons := lab.reasons_not_to_run(engine):
        why = Sentence.joined(*reasons)
        raise CannotRun(why, next="Read the lesson; this lab cannot run here.")


def get_images(
    lab: Lab,
    kit: Kit,
    say: Say = lambda line: None,
    on_progress: ProgressCallback = silent,
    *,
    registry: str = FIRST,
) -> None:
    """Get the images of a lab that are not on the engine yet. registry: the image of the chosen
    one. Raises `CannotCheck`."""
    for image in lab.images_with(registry):
        kit.get(image, say, on_progress)


def perform(act: Action | None, workspace: Workspace) -> str:
    """Do a solution or a mistake; return the answer that it gives. Raises `ActionFailed`."""
    assert act  # noqa: S101 - the loader refuses a step without a solution
    try:
        answer = act(workspace)
        resources.observe(workspace)
    except (Exception, SystemExit) as error:  # whatever a lab's author overlooked
        raise ActionFailed(error, error_location(error, act)) from error
    return answer or ""
