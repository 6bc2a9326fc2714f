"""A second registry: beside the lab's own, in a container of the learner's by the lab's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.access_log import Request
from labrunner.registry.client import Registry
from labrunner.registry.errors import NotARegistry, RegistryDown, RegistrySlow
from labrunner.verdicts import NotYet
from labrunner.workspaces.service import read_requests
from labrunner.workspaces.troubleshooting import describe_state
from labrunner.workspaces.workspace import Workspace

from .history import RECENT


@dataclass(frozen=True)
class SecondRegistry:
    """container: which publishes it. api: its HTTP API."""

    workspace: Workspace
    container: Container
    api: Registry

    @classmethod
    def require(cls, workspace: Workspace) -> SecondRegistry:
        """Return that of a workspace, by the lab's name `second`; raise `NotYet` where none
        answers on a port that its container publishes."""
        name = workspace["second"]
        container = workspace.engine.container(name)
        if not container:
            todo = "A second container needs its own name and its own port."
            found = Sentence("There is no container `{container}`.", container=name)
            raise NotYet("no-container", found=found, next=todo)
        if not container.running:
            state = describe_state(workspace.engine, container, Sentence("run it again"))
            failed = state.reason == "start-failed"
            todo = "Remove the container, and run it again with a port that is free."
            todo = todo if failed else state.next
            raise NotYet(state.reason, found=state.found, next=todo)
        ports = [port.host for port in container.ports if port.host]
        if not ports:
            found = Sentence("`{container}` publishes no port.", container=name)
            todo = (
                "Remove the container, and run it again with `-p`: a port cannot be published "
                "later."
            )
            raise NotYet("unpublished", found=found, next=todo)
        api = workspace.client(f"localhost:{ports[0]}")
        try:
            api.ping()
        except RegistrySlow:
            raise
        except (RegistryDown, NotARegistry):
            found = Sentence(
                "No registry answers on port {number}, which `{container}` publishes.",
                number=ports[0],
                container=name,
            )
            todo = Sentence(
                "Wait a moment. In its container, a registry listens on port 5000 unless it is "
                "told otherwise; `docker logs {container}` says what it does.",
                container=name,
            )
            raise NotYet("no-answer", found=found, next=todo) from None
        return cls(workspace, container, api)

    def requests(self) -> list[Request]:
        """Return what it was asked last, oldest first, as far as its container's log has it."""
        engine, opened = self.workspace.engine, self.workspace.record.opened
        return read_requests(engine, self.container, self.api, opened, RECENT)


def start_second_registry(workspace: Workspace, **options: Any) -> str:
    """Start it anew on a port that the engine chooses, and wait until it answers; return its
    address. options: those of `Workspace.run`."""
    workspace.remove_own(workspace["second"])
    ports = {5000: None}
    image, name = workspace.registry_image, workspace["second"]
    made = workspace.run(image, name=name, ports=ports, **options)
    container = workspace.engine.container(made)
    address = f"localhost:{container.ports[0].host}" if container else ""
    workspace.wait_for_registry(address)
    return address
