"""How many bytes a registry takes on its volume.

An engine goes through everything it stores to answer that, and one before 23 refuses the learner's
own `docker system df` meanwhile. So the engine is asked rarely, and its answer is kept.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from labrunner.verdicts import CannotCheck
from labrunner.workspaces.registry_storage import storage_mount
from labrunner.workspaces.workspace import Workspace

from .contents import RegistryContents

VALID = 30  # seconds for which a size is kept while nothing changes in the registry
VALID_WITH_GARBAGE = 3  # the same before garbage collection, which no log reports
MAX_WORKSPACES = 20  # whose sizes are kept

Fingerprint = frozenset[object]


@dataclass(frozen=True)
class Measurement:
    """The size of a volume in bytes, None where the engine did not tell it.

    fingerprint: what the registry had in it then. time: when, by `time.monotonic`.
    """

    volume: str
    fingerprint: Fingerprint
    size: int | None
    time: float

    def is_valid(self, volume: str, contents: RegistryContents) -> bool:
        """Return whether it is recent, and nothing has changed since."""
        known_garbage = contents.garbage and self.size is not None
        if time.monotonic() - self.time >= (VALID_WITH_GARBAGE if known_garbage else VALID):
            return False
        return (self.volume, self.fingerprint) == (volume, _fingerprint(contents))


class DiskUsage:
    """The sizes of registries' volumes, as an engine told them last."""

    def __init__(self) -> None:
        self._measurements: dict[str, Measurement] = {}  # by the workspace's id

    def add_to(self, contents: RegistryContents, workspace: Workspace) -> RegistryContents:
        """Return the contents with the size of the workspace's volume, where that is known.

        A volume that is smaller than the available manifests belongs to another registry. One that
        is smaller than these with the deleted ones has been garbage-collected, although a registry
        that ran meanwhile goes on saying that it has them.
        """
        size = self._size(workspace, contents)
        if size is None or size < contents.stored:
            return contents
        if size < contents.stored + contents.garbage:
            available = tuple(entry for entry in contents.manifests if entry.available)
            contents = replace(contents, manifests=available)
        return replace(contents, disk_usage=size)

    def _size(self, workspace: Workspace, contents: RegistryContents) -> int | None:
        with suppress(CannotCheck):
            container = workspace.service().container
            storage = storage_mount(workspace, container) if container else None
            if not storage or storage.kind != "volume":
                return None
            volume = storage.source
            last = self._measurements.get(workspace.id)
            if last and last.is_valid(volume, contents):
                return last.size
            size = None
            try:
                size = workspace.engine.volume_size(volume)
            finally:
                if len(self._measurements) >= MAX_WORKSPACES:
                    self._measurements.clear()
                self._measurements[workspace.id] = Measurement(
                    volume, _fingerprint(contents), size, time.monotonic()
                )
            return size
        return None


def _fingerprint(contents: RegistryContents) -> Fingerprint:
    """Return what takes room on the disk, or has a name."""
    return frozenset({*contents.tags, *((*entry.key, entry.state) for entry in contents.manifests)})
