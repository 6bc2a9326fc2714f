"""Events: what happened on the engine, and what happens from now on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docker.utils import convert_filters
from requests import Response

from labrunner.json_size import memory_of

from .answers import Checked, Json
from .connection import Connection, translate_errors
from .transport import MOST_MEMORY, TooLarge

HEARTBEAT = 5  # seconds; shorter than `QUERY_TIMEOUT`
OVERLAP = 1  # seconds: the engine may leave out what happens as it ends a stream


@dataclass(frozen=True)
class Event(Checked):
    """Something that happened on the engine. id: of the container, image or volume."""

    kind: str
    action: str
    id: str
    attributes: dict[str, str]
    time: float

    @classmethod
    def from_api(cls, row: Json) -> Event:
        actor = row.get("Actor") or {}
        return cls(
            kind=row["Type"],
            action=row["Action"],
            id=actor.get("ID", ""),
            attributes=actor.get("Attributes") or {},
            time=row["timeNano"] / 1e9,
        )


class Events(Connection):
    @translate_errors
    def events(self, since: float, until: float, **filters: Any) -> list[Event]:
        """Return what happened between two times of the engine's clock, in seconds since 1970.

        The engine remembers its last 256 events. An `until` in the future is waited for.
        """
        with self._open_stream(since, until, filters) as response:
            if memory_of(response.content) > MOST_MEMORY:
                raise TooLarge
            lines = response.content.splitlines()
        return [Event.from_api(json.loads(line)) for line in lines]

    @translate_errors
    def follow(self, **filters: Any) -> Iterator[Event | None]:
        """Yield each event from now on, as it happens. This never ends by itself.

        It yields None as soon as no event can be missed any more, and then every `HEARTBEAT`
        seconds, so that the caller can stop.
        """
        began = until = self.ask_time()
        known: set[bytes] = set()
        while True:
            since = max(began, until - OVERLAP)
            until = max(until, self.ask_time()) + HEARTBEAT
            before, known = known, set()
            with self._open_stream(since, until, filters) as response:
                yield None
                for line in response.iter_lines():
                    if line not in before and line not in known:
                        yield Event.from_api(json.loads(line))
                    known.add(line)
            if self.ask_time() < until - 0.5:  # a stopped engine ends the stream without an error
                raise self._engine_down(ConnectionError())

    def _open_stream(self, since: float, until: float, filters: dict[str, Any]) -> Response:
        """Open the engine's stream of events. docker-py's own takes an engine that dies for the
        end of the stream."""
        client = self._client
        params = {
            "since": f"{since:.9f}",
            "until": f"{until:.9f}",
            "filters": convert_filters(filters),
        }
        response = client._get(client._url("/events"), params=params, stream=True)
        client._raise_for_status(response)
        return response
