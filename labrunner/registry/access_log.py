"""Reads the requests in a registry's log.

`registry:2` and `registry:3` write one line for each request in the combined log format to their
standard output. Their own log goes to standard error. nginx in front of them does the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

# No part goes beyond its line, or can end in two places: the time grows with the log and no faster.
COMBINED_FORMAT = re.compile(
    r'^(?P<client>\S+) - \S+ \[(?P<time>[^\]\n]{26})\] "(?P<method>[A-Z]+) (?P<path>\S+) [^"\n]*" '
    r'(?P<status>\d{3}) \S+ "[^"\n]*" "(?P<agent>[^"\n]*)"',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Request:
    """A request that a registry answered.

    time: whole seconds since 1970. client: its IP address. agent: the client's own name, such as
    `docker/28.2.2 …` for an engine.
    """

    time: float
    client: str
    method: str
    path: str
    status: int
    agent: str

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


def parse_log(log: str) -> list[Request]:
    """Return the requests in a log, in order. All other lines are skipped."""
    return [
        Request(
            time=time,
            client=found["client"],
            method=found["method"],
            path=found["path"],
            status=int(found["status"]),
            agent=found["agent"] if found["agent"] != "-" else "",  # so nginx writes none
        )
        for found in COMBINED_FORMAT.finditer(log)
        if (time := _seconds(found["time"])) is not None
    ]


@lru_cache  # many requests come in one second, and reading the time takes longest
def _seconds(time: str) -> float | None:
    """Return a time of the log in seconds since 1970, or None if it has another form."""
    try:
        return datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except ValueError:
        return None
