"""The line to a registry: a deadline for the whole of a request, and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException


@contextmanager
def deadline(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` after that many seconds, even if the peer sends a byte now and then."""
    late = threading.Event()
    line = connection.dup()  # the same line, also after TLS has taken over the socket

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()
        line.close()
    if late.is_set():
        raise TimeoutError


def unverified_tls() -> ssl.SSLContext:
    """Return a TLS context that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
