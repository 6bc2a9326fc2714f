"""The line to a registry: a deadline for the whole of a request, and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Any


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


def verifying_tls(ca: str | None) -> ssl.SSLContext:
    """Return a TLS context that accepts the certificates that an engine does, given this CA. The
    name in them is left to `name_fault`: OpenSSL refuses `*.lab`, which Go accepts."""
    context = ssl.create_default_context(cadata=ca)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is trusted need be no authority
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # on from Python 3.13; engines ask for less
    return context


def name_fault(line: ssl.SSLSocket, name: str) -> str | None:
    """Return why a verified certificate is not for a name or address; None where it is."""
    from urllib3.util.ssl_match_hostname import CertificateError, match_hostname  # slow to import

    shown: Any = line.getpeercert()
    try:
        match_hostname(shown, name)
    except CertificateError as error:
        return str(error)
    return None


def unverified_tls() -> ssl.SSLContext:
    """Return a TLS context that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
