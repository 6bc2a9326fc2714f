"""What becomes of a build that nobody waits for any more: the engine ends the step at hand, keeps
its image, and takes the step's container away."""

from __future__ import annotations

import time

from labrunner.verdicts import CannotCheck

from .belonging import is_of_a_step
from .labels import WORKSPACE
from .workspace import Workspace

SETTLED = 1  # seconds without anything new, after which the engine has ended what was begun
MOST_LOOKS = 8


class StillBuilding(CannotCheck):
    """The engine still writes an image that belongs to the workspace."""

    def __init__(self) -> None:
        super().__init__(
            "The engine is still writing an image of this lab.",
            next="Wait a minute, then try again.",
        )


def wait(workspace: Workspace) -> None:
    """Let the engine end the step at hand, where a run was stopped while it made something.

    Raises `StillBuilding` where that takes longer than `MOST_LOOKS`. The container of a step that
    an engine before a restart left behind is not waited for.
    """
    if all(row["id"] for row in workspace.record.owned):
        return
    engine, label, seen = workspace.engine, f"{WORKSPACE}={workspace.id}", None
    for _ in range(MOST_LOOKS):
        containers = engine.containers(label=label)
        steps = {each.id for each in containers if is_of_a_step(workspace, each.labels)}
        now = {image.id for image in engine.images(label=label)} | {each.id for each in containers}
        if now == seen and not steps:
            return
        seen = now
        time.sleep(SETTLED)
    if steps & _made_by_this_process(workspace):
        raise StillBuilding


def _made_by_this_process(workspace: Workspace) -> set[str]:
    """Return the containers whose creation the engine remembers: it forgets when it restarts."""
    engine, opened = workspace.engine, workspace.record.opened
    events = engine.events(opened, engine.now(), type="container", event="create")
    return {event.id for event in events}
