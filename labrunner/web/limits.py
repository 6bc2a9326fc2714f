"""Places for what keeps a thread of the server for long: pages with live verdicts, and shells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.exceptions import ServiceUnavailable


class Full(ServiceUnavailable):
    """All places are taken."""


class ConnectionLimit:
    """limit: how many may be taken at once."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have a place until the end of the block. Raises `Full`, which is answered with 503."""
        if not self._free.acquire(blocking=False):
            raise Full(
                "As many pages and terminals are open as this server can serve. Close one of them."
            )
        try:
            yield
        finally:
            self._free.release()
