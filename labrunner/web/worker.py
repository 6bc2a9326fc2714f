"""The worker of gunicorn, for clients that do not send a whole request."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker


class Worker(ThreadWorker):
    """Serves as gunicorn's own does, but waits for no request longer than `keepalive` seconds:
    each one takes a thread while it comes."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._coming: dict[Any, float] = {}  # when each connection is waited for no more

    def handle(self, conn: Any) -> Any:
        if not conn.initialized and not conn.wait_for_data(0):
            return _DEFER  # the first byte is waited for without a thread
        self._coming[conn] = time.monotonic() + self.cfg.keepalive
        try:
            return super().handle(conn)
        finally:
            self._coming.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        if req.method in ("GET", "HEAD"):  # it has come; a stream or a websocket stays for long
            self._coming.pop(conn, None)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Close what is idle and what has not come; the worker asks for it once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, end in list(self._coming.items()):
            if end < now:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)  # an answer can still be sent
