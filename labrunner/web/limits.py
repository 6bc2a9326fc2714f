"""A limit for what holds a thread of the server for long: live verdicts and shells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labrunner.errors import CourseError

THREADS = 72  # of the server, which gunicorn.conf.py starts
MAX_CONNECTIONS = THREADS - 16  # the others are for pages and checks


class Full(CourseError):
    """As many connections are open as the limit allows."""

    def __init__(self) -> None:
        super().__init__(
            "This server cannot serve more open pages and terminals.",
            next="Close one of them, then try again.",
        )


class ConnectionLimit:
    """limit: how many connections may be open at once."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Count as one connection until the end of the block. Raises `Full`."""
        if not self._free.acquire(blocking=False):
            raise Full
        try:
            yield
        finally:
            self._free.release()
