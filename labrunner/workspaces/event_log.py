"""What the engine's events tell of objects that came or went between two observations.

The engine remembers its last 256 events, so this is the second source, never the only one.
"""

from __future__ import annotations

from labrunner.engine.models import Image

from .belonging import has_lab_name, is_under_registry
from .labels import WORKSPACE
from .workspace import Workspace


def used_volumes(workspace: Workspace) -> list[str]:
    """Return the volumes of the learner's containers, also of those that are gone."""
    engine, record = workspace.engine, workspace.record
    now = engine.now()
    seen = set(record.seen["containers"])
    for event in engine.events(record.opened, now, type="container", event="create"):
        names = event.attributes
        if names.get(WORKSPACE, workspace.id) != workspace.id:
            continue  # another's, which may have had the same name
        ours = is_under_registry(workspace, names.get("image", ""))
        if ours or names.get("name") in record.names:
            seen.add(event.id)
    mounts = engine.events(record.opened, now, type="volume", event="mount")
    return [event.id for event in mounts if event.attributes.get("container") in seen]


def named_images(workspace: Workspace) -> list[Image]:
    """Return the images that have had a name of the lab, also those that lost it to another."""
    engine, record = workspace.engine, workspace.record
    tags = engine.events(record.opened, engine.now(), type="image", event="tag")
    named = {
        event.id
        for event in tags
        if has_lab_name(workspace, event.attributes.get("name", "").rpartition(":")[0])
    }
    images = [engine.image(id) for id in named - {*record.before["images"], *record.seen["images"]}]
    return [
        each for each in images if each and each.labels.get(WORKSPACE, workspace.id) == workspace.id
    ]
