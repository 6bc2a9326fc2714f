"""What happened: by the engine's events and by the registry's access log."""

from __future__ import annotations

from collections.abc import Iterable

from labrunner.registry.access_log import Request
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Workspace

REMEMBERED = 256  # events that an engine keeps
ONLY_LOOK = ("curl/", "Mozilla/", "Wget/")  # how programs that neither push nor pull begin


def was_started(workspace: Workspace, references: Iterable[str]) -> bool:
    """Return whether a container was started from an image by one of these references, with or
    without the tag `latest`: an event says so, or a container that was kept."""
    wanted = {reference.removesuffix(":latest") for reference in references}
    events = workspace.events(type="container", event="start")
    images = [event.attributes.get("image", "") for event in events]
    images += [each.image for each in workspace.engine.containers() if each.state != "created"]
    return any(image.removesuffix(":latest") in wanted for image in images)


def client_requests(workspace: Workspace) -> list[Request]:
    """Return what clients that push and pull asked the registry since the lab was opened, oldest
    first. Raises `CannotCheck` where no log that can be read has it."""
    requests = workspace.requests()
    if not requests:  # not even those of the check itself
        raise CannotCheck(
            f"The log of `{workspace.registry}` cannot be read, so nobody can tell what it was "
            "asked.",
            next="Run the registry in a container of `registry:2` that publishes "
            f"{workspace.port} itself, as the lesson shows, and do the step once more.",
            reason="no-log",
        )
    return [each for each in requests if each.agent and not each.agent.startswith(ONLY_LOOK)]
