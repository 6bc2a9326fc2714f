"""Finds and removes what belongs to a workspace, as `belonging` says.

A learner's folder in the workspace belongs as well, once there is something in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, ContainerSummary, Image
from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck

from . import builds, event_log
from .belonging import (
    Reason,
    has_lab_name,
    is_owned,
    is_under_registry,
    why_container,
    why_tag,
    why_untagged,
    why_used,
)
from .labels import WORKSPACE
from .leftovers import why_left
from .workspace import Workspace

NAMED = 3  # so many files are named


@dataclass(frozen=True)
class Resource:
    """An object on the engine, or the workspace's folder. `id` is what removes it: a full id, a
    tag, a volume's name, a path. What is not `certain` is removed only if the learner asks for it.
    """

    kind: Literal["container", "image", "volume", "network", "folder"]
    id: str
    name: str
    why: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Leftover:
    """An object that could not be removed, why not, and what to do."""

    item: Resource
    reason: str

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}"


def snapshot(engine: Engine) -> dict[str, Any]:
    """Return what is on the engine now, to tell it from what appears later."""
    return {
        "containers": [each.id for each in engine.containers()],
        "volumes": [each.name for each in engine.volumes()],
        "networks": [each.id for each in engine.networks()],
        "images": {each.id: [*each.tags, *each.digests] for each in engine.images()},
    }


def find_resources(workspace: Workspace) -> list[Resource]:
    """Return all that belongs to the workspace now or may do so, in the order in which it can be
    removed. Raises `StillBuilding`."""
    builds.wait(workspace)
    containers = _containers(workspace)
    in_doubt = [container for container, reason in containers if not reason.certain]
    for image in event_log.named_images(workspace):
        _note(workspace, "images", [image.id, *_steps(workspace, image)])
    return [
        *(
            Resource("container", each.id, each.name, reason.why, reason.certain)
            for each, reason in containers
        ),
        *_images(workspace, in_doubt),
        *_volumes(workspace, in_doubt),
        *_networks(workspace, in_doubt),
        *_folder(workspace),
    ]


def find_certain(workspace: Workspace) -> list[Resource]:
    """Return the same without what may be somebody else's."""
    return [each for each in find_resources(workspace) if each.certain]


def find_traces(workspace: Workspace) -> list[Resource]:
    """Return all on the engine that has the workspace's label, or its id in a name: what a headless
    run has made, whether or not it is known to belong."""
    engine, why = workspace.engine, Sentence("it was made in this run")

    def ours(labels: dict[str, str], *names: str) -> bool:
        return labels.get(WORKSPACE) == workspace.id or any(workspace.id in name for name in names)

    return [
        *(
            Resource("container", each.id, each.name, why)
            for each in engine.containers()
            if ours(each.labels, each.name, each.image)
        ),
        *(
            Resource("image", name, name, why)
            for each in engine.images()
            for name in each.tags or each.digests or (each.id,)
            if ours(each.labels, name)
        ),
        *(
            Resource("volume", each.name, each.name, why)
            for each in engine.volumes()
            if ours(each.labels, each.name)
        ),
        *(
            Resource("network", each.id, each.name, why)
            for each in engine.networks()
            if ours(each.labels, each.name)
        ),
    ]


def observe(workspace: Workspace) -> None:
    """Note the learner's containers, their volumes and the images, so that a volume which outlives
    its container is still known, and an image that loses its name to another."""
    _containers(workspace, noted=False)
    _images(workspace)


def remove(workspace: Workspace, items: Iterable[Resource]) -> list[Leftover]:
    """Remove these objects; return those that cannot be removed.

    An image goes with its last tag. The containerd store keeps it by its digest, or as a dangling
    image, so those that have lost their tags meanwhile are removed as well.
    """
    engine = workspace.engine
    acts: dict[str, Callable[[str], None]] = {
        "container": engine.remove_container,
        "image": engine.remove_image,
        "volume": engine.remove_volume,
        "network": engine.remove_network,
        "folder": shutil.rmtree,
    }
    left: list[Leftover] = []
    rest, known = list(items), {each.id for each in _images(workspace)}
    while rest:
        for item in rest:
            try:
                acts[item.kind](item.id)
            except (CannotCheck, OSError) as error:
                left.append(Leftover(item, why_left(engine, item.kind, item.id, error)))
        known |= {item.id for item in rest}
        untagged = [_untagged(workspace, image) for image in engine.images()]
        rest = [item for found in untagged for item in found if item.id not in known]
    return left


def _folder(workspace: Workspace) -> list[Resource]:
    """Return the folder in which the learner's terminal starts, if there is something in it."""
    if workspace.record.kind != "learner" or not workspace.files:
        return []
    names = ", ".join(f"`{name}`" for name in workspace.files[:NAMED])
    more = len(workspace.files) - NAMED
    held = Sentence("{names} and {count} more", names=names, count=more) if more > 0 else names
    kept = "it is the lab's, and holds {held}; if you keep it, it moves to `{folder}`"
    why = Sentence(kept, held=held, folder=workspace.kept_folder)
    return [Resource("folder", str(workspace.work), str(workspace.work), why)]


def _containers(workspace: Workspace, *, noted: bool = True) -> list[tuple[Container, Reason]]:
    """Return its containers. noted: also those that `observe` has nothing new to note of."""
    record, engine = workspace.record, workspace.engine
    found = []
    for listed in engine.containers():
        others = listed.labels.get(WORKSPACE, workspace.id) != workspace.id
        if others or listed.id in record.before["containers"]:
            continue
        if not noted and _is_noted(workspace, listed):
            continue
        container = engine.container(listed.id)
        reason = why_container(workspace, container) if container else None
        if container and reason:
            found.append((container, reason))
    certain = [container for container, reason in found if reason.certain]
    _note(workspace, "containers", (each.id for each in certain))
    _note(workspace, "volumes", (name for each in certain for name in each.volumes))
    _note(workspace, "networks", (id for each in certain for id in each.networks))
    return found


def _is_noted(workspace: Workspace, listed: ContainerSummary) -> bool:
    seen = workspace.record.seen
    return listed.id in seen["containers"] and set(listed.networks) <= set(seen["networks"])


def _images(workspace: Workspace, in_doubt: Sequence[Container] = ()) -> list[Resource]:
    """Return the names of its images, so that an image with other names stays; the ids of those
    without a name. An image that goes as a whole is in doubt if a container in doubt uses it."""
    found = []
    used = {container.image_id for container in in_doubt}
    for image in workspace.engine.images():
        before = workspace.record.before["images"].get(image.id)
        ours = [
            Resource("image", tag, tag, why)
            for tag in image.tags
            if tag not in (before or ()) and (why := why_tag(workspace, image, tag))
        ]
        if ours and before is None and image.id not in workspace.record.seen["images"]:
            built = is_owned(workspace, "image", image.id, image.labels)  # its steps are owned, too
            _note(workspace, "images", [image.id, *(() if built else _steps(workspace, image))])
        going = _untagged(workspace, image)
        if before is None or len(ours) < len(image.tags):
            going += [*ours, *_pulled_names(workspace, image, before or ())]
        # else its last name would take with it an image that was there before
        if image.id in used and len(ours) == len(image.tags):
            why = Sentence("a container that may not be the lab's uses it")
            going = [replace(each, why=why, certain=False) for each in going]
        found += going
    return found


def _steps(workspace: Workspace, image: Image) -> list[str]:
    """Return the images of the steps before an image's last one, which the classic builder has made
    since the lab opened. In the containerd store they may outlive the image."""
    steps = []
    while step := workspace.engine.image(image.parent):
        if step.created < workspace.record.opened:
            break
        steps.append(step.id)
        image = step
    return steps


def _untagged(workspace: Workspace, image: Image) -> list[Resource]:
    """Return what an image without a tag is called by digest, or its id if it has no name at all.
    A name that others gave it stays."""
    if image.tags or image.id in workspace.record.before["images"]:
        return []
    why = why_untagged(workspace, image)
    if not why:
        return []
    if not image.digests:
        return [Resource("image", image.id, image.id[:19], why)]
    ours = [name for name in image.digests if has_lab_name(workspace, name.partition("@")[0])]
    return [Resource("image", name, name, why) for name in ours]


def _pulled_names(workspace: Workspace, image: Image, before: Iterable[str]) -> list[Resource]:
    """What it is called by digest, where no tag of the same repository takes that name along."""
    tagged = {tag.rpartition(":")[0] for tag in image.tags}
    return [
        Resource("image", name, name, Sentence("it was pulled from your registry"))
        for name in image.digests
        if image.tags and name not in before and is_under_registry(workspace, name)
        if name.partition("@")[0] not in tagged
    ]


def _volumes(workspace: Workspace, in_doubt: Sequence[Container]) -> list[Resource]:
    found = []
    used = {name for container in in_doubt for name in container.volumes}
    _note(workspace, "volumes", event_log.used_volumes(workspace))
    for each in workspace.engine.volumes():
        reason = why_used(
            workspace, "volume", each.name, each, in_doubt=used, anonymous=each.anonymous
        )
        if reason:
            name = f"{each.name[:12]}…" if each.anonymous else each.name
            found.append(Resource("volume", each.name, name, reason.why, reason.certain))
    return found


def _networks(workspace: Workspace, in_doubt: Sequence[Container]) -> list[Resource]:
    used = {id for container in in_doubt for id in container.networks}
    return [
        Resource("network", each.id, each.name, reason.why, reason.certain)
        for each in workspace.engine.networks()
        if not each.predefined
        if (reason := why_used(workspace, "network", each.id, each, in_doubt=used))
    ]


def _note(workspace: Workspace, kind: str, found: Iterable[str]) -> None:
    seen = workspace.record.seen[kind]
    new = [each for each in found if each not in seen]
    if new:
        seen += new
        with suppress(OSError):  # a full disk must not keep anything from being removed
            workspace.save()
