"""The transport of queries: each answer has a limit of time, of bytes and of memory.

The time-out of a socket is one of silence: an engine that sends a byte now and then never reaches
it.
"""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

import docker
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from requests import Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from labrunner.json_size import memory_of

MOST_KEPT = 50  # connections that wait for the next query; urllib3 logs each one beyond
LARGEST_ANSWER = 16_000_000  # bytes
MOST_MEMORY = 64_000_000  # bytes of JSON that is read; a list of 4,000 containers takes fewer

_end: ContextVar[float] = ContextVar("end", default=math.inf)  # by `time.monotonic`


class TooLarge(OSError):
    """An answer has more bytes than it may, or takes more memory."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all queries that the block makes so many seconds in all."""
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def limit_answers(client: docker.APIClient) -> None:
    """Limit each answer to the client's time-out and that of `within`, to `LARGEST_ANSWER`, and to
    `MOST_MEMORY`."""
    client.hooks["response"].append(_require_little_memory)
    adapter = client.get_adapter(client.base_url)
    if isinstance(adapter, UnixHTTPAdapter):
        client.trust_env = False  # No proxy and no netrc is for a socket; each query would look.
        client.mount("http+docker://", _UnixAdapter(adapter.socket_path, adapter.timeout))
    else:
        adapter.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _require_little_memory(answer: Response, **how: Any) -> None:
    """Raise `TooLarge` for JSON of very many parts. A stream is read piece by piece instead."""
    if not how.get("stream") and memory_of(answer.content) > MOST_MEMORY:
        raise TooLarge


class _Reader(io.RawIOBase):
    """Reads an answer from a socket, up to the limits."""

    def __init__(self, line: socket.socket, raw: io.RawIOBase) -> None:
        self._line, self._raw = line, raw
        self._end = min(_end.get(), time.monotonic() + (line.gettimeout() or math.inf))
        self._left = LARGEST_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        self._line.settimeout(seconds)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLarge
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _UnixConnection(UnixHTTPConnection):
    response_class = _Answer


class _UnixPool(UnixHTTPConnectionPool):
    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.base_url, self.socket_path, self.timeout)


class _UnixAdapter(UnixHTTPAdapter):
    """Keeps one pool of connections; docker-py's own keeps one for each URL."""

    def __init__(self, socket_path: str, timeout: float) -> None:
        super().__init__(socket_path, timeout)
        # Not read from `pools`, which loses it where Ctrl-C comes while one is looked up.
        self._pool = self.pools[socket_path] = _UnixPool(
            "", socket_path, timeout, maxsize=MOST_KEPT
        )

    def get_connection(self, url: str, proxies: object = None) -> _UnixPool:
        return self._pool


class _HTTPPool(HTTPConnectionPool):
    class ConnectionCls(HTTPConnection):
        response_class = _Answer


class _HTTPSPool(HTTPSConnectionPool):
    class ConnectionCls(HTTPSConnection):
        response_class = _Answer
