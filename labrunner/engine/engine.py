"""Questions to the Docker Engine, and acts on it. The only package that imports `docker`.

A question about something that is not there is answered with `None` or an empty list.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from docker.types import IPAMConfig, IPAMPool
from docker.utils import convert_filters
from requests import Response

from .connection import EngineDown, EngineRefused, translate_errors
from .containers import Containers
from .images import Images
from .models import EngineInfo, Event, Network, Volume

__all__ = ["Engine", "EngineDown", "EngineRefused"]

BUSY = "disk usage operation is already running"
PULSE = 5  # seconds; shorter than a question may take
_weighing = threading.Lock()  # of all engines in this process


class Engine(Containers, Images):
    """The engine itself, its volumes, networks and events; containers and images beside them."""

    @translate_errors
    def info(self) -> EngineInfo:
        return EngineInfo.read(self._ask.version(), self._ask.info())

    @translate_errors
    def volumes(self, **filters: Any) -> list[Volume]:
        return [Volume.read(row) for row in self._ask.volumes(filters)["Volumes"] or ()]

    @translate_errors
    def volume(self, name: str) -> Volume | None:
        return self._inspect(Volume.read, self._ask.inspect_volume, name)

    @translate_errors
    def networks(self, **filters: Any) -> list[Network]:
        return [Network.read(row) for row in self._ask.networks(filters=filters)]

    @translate_errors
    def events(self, since: float, until: float, **filters: Any) -> list[Event]:
        """What happened between two moments of the engine's clock, in seconds since 1970.

        The engine remembers its last 256 events. An `until` in the future waits for it.
        """
        with self._happened(since, until, filters) as response:
            lines = list(response.iter_lines())
        return [Event.read(json.loads(line)) for line in lines]

    @translate_errors
    def follow(self, **filters: Any) -> Iterator[Event | None]:
        """What happens from now on, each event as it comes; this never ends by itself.

        None comes as soon as no event can be missed any more, and then every `PULSE` seconds, so
        that whoever follows can stop.
        """
        since = self.info().time
        while True:
            until = max(since, self.info().time) + PULSE
            with self._happened(since, until, filters) as response:
                yield None
                for line in response.iter_lines():
                    yield Event.read(json.loads(line))
            if self.info().time < until - 0.5:  # an engine that is stopped ends it in good order
                raise self._down(ConnectionError())
            since = until

    def _happened(self, since: float, until: float, filters: dict[str, Any]) -> Response:
        moments = {"since": f"{since:.9f}", "until": f"{until:.9f}"}
        response = self._ask._get(  # docker-py's own would take an engine that dies for the end
            self._ask._url("/events"),
            params={**moments, "filters": convert_filters(filters)},
            stream=True,
        )
        self._ask._raise_for_status(response)
        return response

    @translate_errors
    def remove_volume(self, name: str) -> None:
        self._gone(self._act.remove_volume, name)

    @translate_errors
    def remove_network(self, network: str) -> None:
        self._gone(self._act.remove_network, network)

    @translate_errors
    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume. The engine returns an existing one unasked, so that is refused here."""
        if self.volume(name):
            raise EngineRefused(f"a volume named {name} exists", next="Choose another name.")
        self._act.create_volume(name, labels=dict(labels))

    @translate_errors
    def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None
    ) -> str:
        """Make a network and return its full id. subnet: as in `docker network create`."""
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet)]) if subnet else None
        made = self._act.create_network(name, labels=dict(labels), ipam=ipam)
        return str(made["Id"])

    def volume_size(self, name: str) -> int | None:
        """The bytes that a volume takes on the disk; None where it is not there or not known. An
        engine before 23 answers nobody while it answers another: that is waited for, and this
        process asks one question at a time."""
        end = time.monotonic() + self.timeout
        if not _weighing.acquire(timeout=self.timeout):
            raise EngineRefused(f"a {BUSY}")
        try:
            while True:
                try:
                    return self._volume_size(name)
                except EngineRefused as refused:
                    if BUSY not in refused.words or time.monotonic() > end:
                        raise
                time.sleep(0.1)
        finally:
            _weighing.release()

    @translate_errors
    def _volume_size(self, name: str) -> int | None:
        url = self._ask._url("/system/df")
        found = self._ask._get(url, params={"type": "volume"})  # an older engine tells all
        for row in self._ask._result(found, True)["Volumes"] or ():
            if row["Name"] == name and (row.get("UsageData") or {}).get("Size", -1) >= 0:
                return int(row["UsageData"]["Size"])
        return None
