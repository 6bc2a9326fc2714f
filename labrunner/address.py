"""Where browsers find the course: at this machine's own address, or at a public one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

LOCAL = ("127.0.0.1", "localhost", "[::1]")
USUAL_PORTS = {"http": 80, "https": 443}
ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?/?")
PREFIX = re.compile(r"(/[A-Za-z0-9._~@+-]+)*/?")  # as a path is once it is decoded


class InvalidAddress(ValueError):
    """A variable of the environment that does not say where the course is, in a sentence."""


@dataclass(frozen=True)
class Address:
    """The address of the course, of which all parts are compared for equality.

    port: the one that the server listens on. url: what browsers open, without a slash at its end.
    origins, hosts: what a request may name as its origin and as its host. prefix: the path that all
    addresses begin with, such as `/user/alice`; or empty.
    """

    port: int
    url: str
    origins: frozenset[str]
    hosts: frozenset[str]
    prefix: str = ""

    @classmethod
    def from_environment(cls, port: int | None = None) -> Address:
        """Return the address that `LABRUNNER_PORT`, `LABRUNNER_ORIGIN` and `SCRIPT_NAME` give.

        The second is the public server before this one, such as `https://class.example.org`; by
        default browsers come to this machine's own address. Of several, with spaces between them,
        browsers open the first. port: takes the place of the first variable. Raises
        `InvalidAddress`.
        """
        port = port or _read_port(os.environ.get("LABRUNNER_PORT") or "8000")
        prefix = _read_prefix(os.environ.get("SCRIPT_NAME", ""))
        public = [_read_origin(each) for each in os.environ.get("LABRUNNER_ORIGIN", "").split()]
        origins: list[str] = []
        for scheme, names, outer in public or [("http", LOCAL, port)]:
            if outer == USUAL_PORTS[scheme]:  # which browsers leave out
                origins += [f"{scheme}://{name}" for name in names]
            origins += [f"{scheme}://{name}:{outer}" for name in names]
        hosts = frozenset(each.partition("://")[2] for each in origins)
        return cls(port, origins[0] + prefix, frozenset(origins), hosts, prefix)


def _read_port(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given[:6]) <= 65535:
        raise InvalidAddress(
            f'LABRUNNER_PORT is "{given}", which is not a port. Give a number from 1 to 65535.'
        )
    return int(given)


def _read_origin(given: str) -> tuple[str, tuple[str, ...], int]:
    """Return the scheme, the name and the port of an origin."""
    found = ORIGIN.fullmatch(given.lower())
    if not found or int(found[3] or 1) > 65535:
        raise InvalidAddress(
            f'LABRUNNER_ORIGIN is "{given}", which is not an origin. Give a scheme and a host, and '
            "the port if there is one, as in https://class.example.org."
        )
    return found[1], (found[2],), int(found[3] or USUAL_PORTS[found[1]])


def _read_prefix(given: str) -> str:
    if not PREFIX.fullmatch(given):
        raise InvalidAddress(
            f'SCRIPT_NAME is "{given}", which is not a path. Give one that begins with a slash, as '
            "in /user/alice."
        )
    return given.rstrip("/")
