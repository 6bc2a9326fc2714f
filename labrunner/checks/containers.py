"""The containers that a learner runs, and what they run."""

from __future__ import annotations

from typing import Any

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.verdicts import NotYet
from labrunner.workspaces.workspace import Workspace

LONGEST = 100  # characters of a command that is shown


def new_containers(workspace: Workspace, **filters: Any) -> list[Container]:
    """Return the containers that were made since the lab was opened, the newest first. filters:
    those of `docker ps --filter`."""
    older = workspace.record.before["containers"]
    listed = [each.id for each in workspace.engine.containers(**filters) if each.id not in older]
    return [found for id in listed if (found := workspace.engine.container(id))]


def runs_own_command(workspace: Workspace, container: Container) -> bool:
    """Return whether a container was made to run its image's own command, as far as the image is
    still there to tell."""
    image = workspace.engine.image(container.image_id)
    return not image or container.command == image.command


def require_own_command(workspace: Workspace, container: Container) -> None:
    """Raise `NotYet` where a container was made to run another command than its image's."""
    if not runs_own_command(workspace, container):
        found = (
            "The container `{container}` was made to run `{command}`, not the command of its image."
        )
        command = " ".join(container.command).replace("`", "'")[:LONGEST]
        raise NotYet(
            "other-command",
            found=Sentence(found, container=container.name, command=command),
            next="Run the image with nothing after its name: words there replace its own command.",
        )


def ran_and_was_removed(workspace: Workspace, *labels: str) -> bool:
    """Return whether a container with these labels ended well that is gone, as with `docker run
    --rm`. What it ran, the engine's events do not tell."""
    ended = workspace.events(type="container", event="die", label=list(labels))
    well = [event.id for event in ended if event.attributes.get("exitCode") == "0"]
    return any(not workspace.engine.container(id) for id in well)


def last_line_of(workspace: Workspace, container: Container) -> str:
    """Return the last line that a container printed, or nothing."""
    lines = workspace.engine.logs(container.id).splitlines()
    return lines[-1] if lines else ""
