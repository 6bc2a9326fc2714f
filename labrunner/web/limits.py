"""A limit for what holds a thread of the server for long: live verdicts and shells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.exceptions import ServiceUnavailable

THREADS = 72  # of the server, which gunicorn.conf.py starts
MAX_CONNECTIONS = THREADS - 16  # the others are for pages and checks


class Full(ServiceUnavailable):
    """The server has as many connections as it can serve."""


class ConnectionLimit:
    """limit: how many connections there may be at once."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Count a connection until the end of the block. Raises `Full`, which becomes a 503."""
        if not self._free.acquire(blocking=False):
            raise Full(
                "As many pages and terminals are open as this server can serve. Close one of them."
            )
        try:
            yield
        finally:
            self._free.release()
