"""Volumes: queries, actions, and the space that a volume takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from .answers import rows
from .connection import Connection, EngineRefused, translate_errors
from .models import Volume

BUSY = "disk usage operation is already running"


class Volumes(Connection):
    # An engine before 23 measures for one client at a time, so this process asks one at a time.
    _measuring: ClassVar[threading.Lock] = threading.Lock()

    @translate_errors
    def volumes(self, **filters: Any) -> list[Volume]:
        return [Volume.from_api(row) for row in _listed(self._client.volumes(filters))]

    @translate_errors
    def volume(self, name: str) -> Volume | None:
        return self._find(Volume, self._client.inspect_volume, name)

    @translate_errors
    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume. Raises `EngineRefused` if it exists; the engine would return it."""
        if self.volume(name):
            raise EngineRefused(f"a volume named {name} exists", next="Choose another name.")
        self._patient_client.create_volume(name, labels=dict(labels))

    @translate_errors
    def remove_volume(self, name: str) -> None:
        self._remove(self._patient_client.remove_volume, name)

    def volume_size(self, name: str) -> int | None:
        """Return the bytes that a volume takes on the disk, or None if there is no such volume or
        its size is not known."""
        return self.volume_sizes().get(name)

    def volume_sizes(self) -> dict[str, int]:
        """Return the bytes that each volume takes on the disk, by its name, where that is known. An
        engine that is busy with this for another client is waited for."""
        end = time.monotonic() + self.timeout
        if not self._measuring.acquire(timeout=self.timeout):
            raise EngineRefused(f"a {BUSY}")
        try:
            while True:
                try:
                    return self._volume_sizes()
                except EngineRefused as refused:
                    if BUSY not in refused.words or time.monotonic() > end:
                        raise
                time.sleep(0.1)
        finally:
            self._measuring.release()

    @translate_errors
    def _volume_sizes(self) -> dict[str, int]:
        client = self._client
        # Engine 20.10 ignores `type` and measures everything.
        response = client._get(client._url("/system/df"), params={"type": "volume"})
        found = _listed(client._result(response, True))
        sizes = {row["Name"]: (row.get("UsageData") or {}).get("Size", -1) for row in found}
        return {name: int(size) for name, size in sizes.items() if size >= 0}


def _listed(answer: dict[str, Any]) -> list[Any]:
    """Return the volumes in an answer; the engine says null where there are none."""
    found = answer["Volumes"]
    return [] if found is None else rows(found)
