"""Finds and removes what belongs to a workspace.

Two things belong: what the workspace created (its label, its word for the object and its recorded
id all agree), and what appeared since it opened and is plainly the lab's, because the learner made
it: a container on its port, by its name or of an image from its registry; a tag under its registry
or with its image's name; the volumes and networks of those containers. Whatever was there before
never does. A learner's folder in the workspace belongs as well, once there is something in it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Image
from labrunner.registry.client import LOOPBACK
from labrunner.verdicts import CannotCheck

from .labels import OBJECT, WORKSPACE
from .workspace import Workspace

SETTLED = 1  # seconds without anything new, after which the engine has ended what was begun
MOST_LOOKS = 8
NAMED = 3  # so many files are named


@dataclass(frozen=True)
class Resource:
    """An object on the engine, or the workspace's folder. `id` is what removes it: a full id, a
    tag, a volume's name, a path."""

    kind: Literal["container", "image", "volume", "network", "folder"]
    id: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Leftover:
    """An object that could not be removed, and the engine's reason."""

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
    """Return all that belongs to the workspace now, in the order in which it can be removed."""
    _settle(workspace)
    containers = _containers(workspace)
    return [
        *(Resource("container", each.id, each.name, why) for each, why in containers),
        *_images(workspace),
        *_volumes(workspace),
        *_networks(workspace),
        *_folder(workspace),
    ]


def observe(workspace: Workspace) -> None:
    """Note the learner's containers, their volumes and the images, so that a volume which outlives
    its container is still known, and an image that loses its name to another."""
    _containers(workspace)
    _images(workspace)


def remove(workspace: Workspace, items: Iterable[Resource]) -> list[Leftover]:
    """Remove these objects; return those that cannot be removed."""
    engine = workspace.engine
    acts: dict[str, Callable[[str], None]] = {
        "container": engine.remove_container,
        "image": engine.remove_image,
        "volume": engine.remove_volume,
        "network": engine.remove_network,
        "folder": shutil.rmtree,
    }
    left = []
    for item in items:
        try:
            acts[item.kind](item.id)
        except CannotCheck as error:
            left.append(Leftover(item, error.found))
        except OSError as error:
            left.append(Leftover(item, f"{error.filename}: {error.strerror}."))
    return left


def _folder(workspace: Workspace) -> list[Resource]:
    """Return the folder in which the learner's terminal starts, if there is something in it."""
    if workspace.record.kind != "learner" or not workspace.files:
        return []
    names = ", ".join(f"`{name}`" for name in workspace.files[:NAMED])
    more = len(workspace.files) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    moves = f"if you keep it, it moves to `{workspace.kept_folder}`"
    why = f"it is the lab's, and holds {names}{rest}; {moves}"
    return [Resource("folder", str(workspace.work), str(workspace.work), why)]


def _settle(workspace: Workspace) -> None:
    """Let the engine end the step at hand, where a run was stopped while it made something.

    A build that nobody waits for any more ends with its step, and takes the step's container away.
    """
    if all(row["id"] for row in workspace.record.owned):
        return
    engine, label, seen = workspace.engine, f"{WORKSPACE}={workspace.id}", None
    for _ in range(MOST_LOOKS):
        containers = engine.containers(label=label)
        now = {image.id for image in engine.images(label=label)} | {each.id for each in containers}
        if now == seen and not any(_of_a_step(workspace, each.labels) for each in containers):
            return
        seen = now
        time.sleep(SETTLED)


def _of_a_step(workspace: Workspace, labels: dict[str, str]) -> bool:
    """Return whether the engine made the container for a step of a build that was stopped."""
    return any(
        row["kind"] == "image" and row["word"] == labels.get(OBJECT) and not row["id"]
        for row in workspace.record.owned
    )


def _owned(workspace: Workspace, kind: str, id: str, labels: dict[str, str]) -> bool:
    """Return whether the workspace made it: the labels are its own, and the id is the recorded one.

    A row without an id is of a run that was killed between making and recording; its word, which
    was written down before and is nowhere else, stands for the id.
    """
    if labels.get(WORKSPACE) != workspace.id:
        return False
    return any(
        row["kind"] == kind and row["word"] == labels.get(OBJECT) and row["id"] in (id, None)
        for row in workspace.record.owned
    )


def _containers(workspace: Workspace) -> list[tuple[Container, str]]:
    record, engine = workspace.record, workspace.engine
    found = []
    for listed in engine.containers():
        if listed.id in record.before["containers"]:
            continue
        container = engine.container(listed.id)
        why = container and _why_container(workspace, container)
        if container and why:
            found.append((container, why))
    _note(workspace, "containers", (container.id for container, _ in found))
    _note(workspace, "volumes", (name for container, _ in found for name in container.volumes))
    _note(workspace, "networks", (id for container, _ in found for id in container.networks))
    return found


def _why_container(workspace: Workspace, container: Container) -> str | None:
    if _owned(workspace, "container", container.id, container.labels):
        return "this lab made it"
    if container.labels.get(WORKSPACE, workspace.id) != workspace.id:
        return None  # another's; but what was made from our image has its labels
    if _of_a_step(workspace, container.labels):
        return "this lab built with it"
    if not workspace.record.values:
        return None
    if container.name in workspace.record.names:
        return "it has a name that this lab uses"
    if not container.addresses.keys().isdisjoint(workspace.record.names):
        return "it is in this lab's network"
    if container.binds(workspace.port):
        return "it is on your registry's port"
    if _under_registry(workspace, container.image):
        return "it was made from an image of your registry"
    image = workspace.record.values.get("image")
    by_name = image and container.image in (image, f"{image}:latest")
    if by_name or container.image_id == workspace.sample:
        return "it was made from this lab's image"
    return None


def _images(workspace: Workspace) -> list[Resource]:
    """Return the names of its images, so that an image with other names stays; the ids of those
    without a name."""
    found = []
    for image in workspace.engine.images():
        before = workspace.record.before["images"].get(image.id)
        ours = [
            Resource("image", tag, tag, why)
            for tag in image.tags
            if tag not in (before or ()) and (why := _why_tag(workspace, image, tag))
        ]
        if ours and before is None:
            _note(workspace, "images", [image.id])
        if before is None or len(ours) < len(image.tags):
            found += ours
            found += _pulled_names(workspace, image, before or ())
        # else its last name would take with it an image that was there before
        if not image.tags and before is None and (why := _why_nameless(workspace, image)):
            ids = image.digests if len(image.digests) > 1 else (image.id,)
            found += [Resource("image", id, id[:19] if id == image.id else id, why) for id in ids]
    return found


def _pulled_names(workspace: Workspace, image: Image, before: Iterable[str]) -> list[Resource]:
    """What it is called by digest, where no tag of the same repository takes that name along."""
    tagged = {tag.rpartition(":")[0] for tag in image.tags}
    return [
        Resource("image", name, name, "it was pulled from your registry")
        for name in image.digests
        if image.tags and name not in before and _under_registry(workspace, name)
        if name.partition("@")[0] not in tagged
    ]


def _why_tag(workspace: Workspace, image: Image, tag: str) -> str | None:
    values = workspace.record.values
    if _under_registry(workspace, tag):
        return "it is named after your registry"
    if tag.rpartition(":")[0] in (values.get("image"), *workspace.record.names):
        return "it has the name of this lab's image"
    if image.id == workspace.sample:
        return "it is this lab's image"
    return None


def _why_nameless(workspace: Workspace, image: Image) -> str | None:
    if _owned(workspace, "image", image.id, image.labels):
        return "this lab built it"
    if any(_under_registry(workspace, name) for name in image.digests):
        return "it was pulled from your registry"
    if image.id in workspace.record.seen["images"]:
        return "it had the name of this lab's image"
    return None


def _under_registry(workspace: Workspace, name: str) -> bool:
    port = workspace.record.values.get("port")
    return bool(port) and name.startswith(tuple(f"{host}:{port}/" for host in LOOPBACK))


def _volumes(workspace: Workspace) -> list[Resource]:
    found = []
    _note(workspace, "volumes", _volumes_in_events(workspace))
    for volume in workspace.engine.volumes():
        if why := _why_used(workspace, "volume", volume.name, volume.name, volume.labels):
            anonymous = len(volume.name) == 64  # the engine's own name for one
            name = f"{volume.name[:12]}…" if anonymous else volume.name
            found.append(Resource("volume", volume.name, name, why))
    return found


def _why_used(
    workspace: Workspace, kind: str, id: str, name: str, labels: dict[str, str]
) -> str | None:
    """For a volume or network, which belongs with the containers that used it, or by its name."""
    if id in workspace.record.before[f"{kind}s"]:
        return None
    if _owned(workspace, kind, id, labels):
        return "this lab made it"
    if WORKSPACE not in labels and id in workspace.record.seen[f"{kind}s"]:
        return "a container of this lab used it"
    if WORKSPACE not in labels and name in workspace.record.names:
        return "it has a name that this lab uses"
    return None


def _volumes_in_events(workspace: Workspace) -> list[str]:
    """Volumes of the learner's containers that came and went between two observations.

    The engine remembers its last 256 events, so this is the second source, never the only one.
    """
    engine, record = workspace.engine, workspace.record
    now = engine.now()
    seen = set(record.seen["containers"])
    for event in engine.events(record.opened, now, type="container", event="create"):
        names = event.attributes
        if names.get(WORKSPACE, workspace.id) != workspace.id:
            continue  # another's, which may have had the same name
        if names.get("name") in record.names or _under_registry(workspace, names.get("image", "")):
            seen.add(event.id)
    mounts = engine.events(record.opened, now, type="volume", event="mount")
    return [event.id for event in mounts if event.attributes.get("container") in seen]


def _networks(workspace: Workspace) -> list[Resource]:
    return [
        Resource("network", each.id, each.name, why)
        for each in workspace.engine.networks()
        if (why := _why_used(workspace, "network", each.id, each.name, each.labels))
    ]


def _note(workspace: Workspace, kind: str, found: Iterable[str]) -> None:
    seen = workspace.record.seen[kind]
    new = [each for each in found if each not in seen]
    if new:
        seen += new
        workspace.save()
