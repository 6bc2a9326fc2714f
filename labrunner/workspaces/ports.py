"""Which ports of this machine are free."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Collection, Iterable

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import ContainerSummary
from labrunner.verdicts import CannotCheck

HEADLESS = range(5100, 5900)
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


def for_headless_run() -> list[int]:
    """Return the ports that a headless run may get, in any order: several run side by side."""
    return random.sample(HEADLESS, len(HEADLESS))


def first_free(engine: Engine, likely: Iterable[int], reserved: Collection[str]) -> int:
    """Return the first of these ports that is not reserved and that nobody has."""
    for port in likely:
        if str(port) not in reserved and not is_taken(engine, port):
            return port
    raise CannotCheck("There is no free port.", next="Stop a container, and try again.")


def is_taken(engine: Engine, port: int) -> bool:
    """Return whether a program or a container has the port."""
    return is_in_use(port) or container_on(engine, port) is not None


def container_on(engine: Engine, port: int) -> ContainerSummary | None:
    """Return the container that publishes the port."""
    return next((each for each in engine.containers() if each.publishes(port)), None)


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
