"""Which ports of this machine are free."""

from __future__ import annotations

import errno
import socket

from labrunner.engine.connection import EngineRefused

CONNECTED = 0.5  # seconds for a program on this machine to take a connection
IN_USE = (  # another container; a program on Linux; Docker Desktop; Windows
    "port is already allocated",
    "address already in use",
    "Ports are not available",
    "forbidden by its access permissions",
)


def is_refused_as_taken(error: EngineRefused) -> bool:
    """Return whether the engine did not start a container because its port is taken."""
    return any(words in error.words for words in IN_USE)


def is_in_use(port: int) -> bool:
    """Return whether a program or a container of this machine listens on the port, on any address.

    Both are tried, connecting and binding: on a Mac a port can be bound that AirPlay listens on,
    and a program that listens on one address of a network takes no connection on the others.
    """
    return _listens("127.0.0.1", port) or _listens("::1", port) or not _can_bind(port)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECTED).close()
    except OSError:
        return False
    return True


def _can_bind(port: int) -> bool:
    for family, host in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True  # or it cannot be told: without IPv6, or for a port below 1024
