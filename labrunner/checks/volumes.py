"""The volumes that the containers of a lab have had."""

from __future__ import annotations

from collections.abc import Iterable

from labrunner.text import short
from labrunner.verdicts import NotYet
from labrunner.workspaces.registry_storage import storage_mount
from labrunner.workspaces.workspace import Workspace

from .storage import is_anonymous


def volumes_met(workspace: Workspace) -> list[str]:
    """Return the volumes of the lab's containers, the oldest first, also of those that are gone:
    those that checks have met, and those that the engine remembers of containers by the lab's
    names."""
    record = workspace.record
    created = workspace.events(type="container", event="create")
    ours = {event.id for event in created if event.attributes.get("name") in record.names}
    mounts = workspace.events(type="volume", event="mount")
    recalled = [event.id for event in mounts if event.attributes.get("container") in ours]
    return list(dict.fromkeys([*record.seen["volumes"], *recalled]))


def anonymous_volumes(workspace: Workspace, *, there: bool | None = None) -> list[str]:
    """Return those without a name, the oldest first. there: only those that the engine still has,
    or only those that it has no longer."""
    found = [name for name in volumes_met(workspace) if is_anonymous(name)]
    if there is None:
        return found
    names = {each.name for each in workspace.engine.volumes()}
    return [name for name in found if (name in names) == there]


def left_over_volumes(workspace: Workspace) -> list[str]:
    """Return those without a name that no container has any more."""
    known = anonymous_volumes(workspace, there=True)
    return [name for name in known if not workspace.engine.containers(volume=name)]


def was_handed_on(workspace: Workspace) -> bool:
    """Return whether the engine remembers that the first of those without a name was given to
    another container, after an image was pushed and another such volume had come in between."""
    met = anonymous_volumes(workspace)
    pushes = [each.time for each in workspace.events(type="image", event="push")]
    mounts = workspace.events(type="volume", event="mount")
    given = [each for each in mounts if met[1:] and each.id == met[0]]
    containers = {each.attributes.get("container") for each in given}
    return len(containers) > 1 and bool(pushes) and min(pushes) < max(each.time for each in given)


def fullest_volume(workspace: Workspace, *, anonymous: bool, but: str = "") -> str | None:
    """Return the one that holds most of those with a name, or of the anonymous ones; where several
    do, the oldest. None where all are empty. but: one that does not count."""
    met = [name for name in volumes_met(workspace) if is_anonymous(name) == anonymous]
    sizes = workspace.engine.volume_sizes() if met and met != [but] else {}
    full = [name for name in met if sizes.get(name) and name != but]
    return max(full, key=lambda name: sizes[name], default=None)


def volume_from_before(workspace: Workspace) -> str | None:
    """Return the anonymous volume that holds most, without the one that the learner's registry uses
    now; None where all are empty."""
    container = workspace.service().container
    mount = storage_mount(workspace, container) if container else None
    return fullest_volume(workspace, anonymous=True, but=mount.source if mount else "")


def require_no_other_user(workspace: Workspace, volumes: Iterable[str]) -> None:
    """Raise `NotYet` where a container other than the learner's registry has one of these."""
    registry = workspace.service().container
    for volume in volumes:
        for container in workspace.engine.containers(volume=volume):
            if not registry or container.id != registry.id:
                raise NotYet(
                    "in-use",
                    found="The container `{container}` still uses the volume {volume}.",
                    next="`docker rm -f {container}`.",
                    container=container.name,
                    volume=short(volume),
                )
