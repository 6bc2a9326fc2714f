"""What labs ask of the learner's registry and of the container that serves it."""

from __future__ import annotations

from pathlib import PurePosixPath

from labrunner.engine.models import Container, Mount
from labrunner.registry.errors import NotARegistry, OtherScheme, RegistryDown
from labrunner.verdicts import NotYet
from labrunner.workspaces.troubleshooting import RUN, diagnose
from labrunner.workspaces.workspace import Workspace

STORAGE = "/var/lib/registry"  # where registry:2 keeps its files, unless its settings say otherwise
STORAGE_SETTING = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"


def require_registry(
    workspace: Workspace, start: str = RUN, expected: str = "", *, tls: bool = False
) -> Container:
    """Return the container that serves the learner's registry.

    start: the command that starts the wanted registry, as the advice has it. expected: as in
    `NotYet`, which is raised where no registry answers or no container serves it. tls: a registry
    that speaks only TLS is right as well.
    """
    try:
        workspace.client(explain=None).ping()
    except (RegistryDown, NotARegistry) as error:
        found = diagnose(workspace, error, start)
        raise NotYet(found.reason, expected=expected, found=found.found, next=found.next) from None
    except OtherScheme:
        if not tls:
            raise
    container = workspace.registry_container()
    if container and container.publishes(workspace.port):
        return container
    raise NotYet(
        "no-container-serves",
        expected=expected,
        found="A registry answers there, but no container publishes that port.",
        next=f"Stop the program that answers, then {start}.",
    )


def storage_mount(container: Container) -> Mount | None:
    """Return what is mounted where a registry keeps its files, or None."""
    root = PurePosixPath(container.environment.get(STORAGE_SETTING, STORAGE))
    around = [mount for mount in container.mounts if root.is_relative_to(mount.target)]
    return max(around, key=lambda mount: len(mount.target), default=None)


def find_tag(workspace: Workspace, image_id: str, most: int = 50, **client: object) -> str | None:
    """Return a `repository:tag` under which the registry has the image with this id on the engine,
    or None. most: how many repositories are searched. client: options of `Workspace.client`."""
    registry = workspace.client(**client)
    for repository in registry.repositories()[:most]:
        for tag in registry.tags(repository) or ():
            manifest = registry.manifest(repository, tag)
            if manifest and image_id in manifest.ids:
                return f"{repository}:{tag}"
    return None
