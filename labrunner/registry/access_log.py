"""What a registry was asked, as its access log has it.

`registry:2` and `registry:3` write one line for each request in the combined log format to their
standard output; what they say besides goes to standard error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

LINE = re.compile(
    r'^(?P<client>\S+) - \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+) [^"]*" '
    r'(?P<status>\d{3}) \S+ "[^"]*" "(?P<agent>[^"]*)"',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Request:
    """One request. time: whole seconds since 1970. client: its IP address. agent: what it calls
    itself, such as `docker/28.2.2 …` for an engine."""

    time: float
    client: str
    method: str
    path: str
    status: int
    agent: str


def parse_log(log: str) -> list[Request]:
    """The requests in a registry's log, in its order; its other lines are passed over."""
    return [
        Request(
            time=moment,
            client=found["client"],
            method=found["method"],
            path=found["path"],
            status=int(found["status"]),
            agent=found["agent"],
        )
        for found in LINE.finditer(log)
        if (moment := _moment(found["time"])) is not None
    ]


@lru_cache  # many requests come in one second, and reading a time takes longest
def _moment(time: str) -> float | None:
    try:
        return datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except ValueError:  # another server's log has another form
        return None
