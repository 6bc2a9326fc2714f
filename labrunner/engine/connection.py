"""The way to the engine, and the errors on it.

What the engine refuses is raised as `EngineRefused`, in the engine's own words; an engine that
does not answer as `EngineDown`. Both are `CannotCheck`, so that neither counts against a learner.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException, NotFound, NullResource, StreamParseError
from urllib3.exceptions import HTTPError

from labrunner.verdicts import CannotCheck

OLDEST_API = "1.41"  # Engine 20.10
NEWEST_API = "1.44"  # the newest whose fields are read here; 1.52 dropped some (Engine 29)
QUESTION = 10  # seconds without a byte before a question is given up
ACT = 600  # the same for a pull, push or build, which are silent for long
BREAKS = (  # what comes out of docker-py, requests and urllib3 when the engine dies in a call
    APIError,
    requests.RequestException,
    HTTPError,
    StreamParseError,
    json.JSONDecodeError,
    OSError,
)

F = TypeVar("F", bound=Callable[..., Any])


class EngineDown(CannotCheck):
    """The engine does not answer."""


class EngineRefused(CannotCheck):
    """The engine answered with an error; `words` are its own."""

    def __init__(self, words: str, *, next: str = "Read the engine's words above.") -> None:
        super().__init__(f"The engine refused: {words}", next=next)
        self.words = words


def translate_errors(method: F) -> F:
    """Raise what docker and requests raise as `EngineDown` or `EngineRefused`."""

    def retold(self: Connection, error: Exception) -> CannotCheck:
        if isinstance(error, APIError):
            return EngineRefused(str(error.explanation or error))
        return self._down(error)

    @functools.wraps(method)
    def call(self: Connection, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BREAKS as error:
            raise retold(self, error) from error

    @functools.wraps(method)
    def stream(self: Connection, *args: Any, **kwargs: Any) -> Any:
        try:
            yield from method(self, *args, **kwargs)
        except BREAKS as error:
            raise retold(self, error) from error

    return stream if inspect.isgeneratorfunction(method) else call  # type: ignore[return-value]


class Connection:
    """The engine that `DOCKER_HOST`, the command line's context or the default socket gives.

    timeout: seconds that a question may go without a byte of answer.
    executed: the ids of the last commands that were run in containers by this very object.
    """

    def __init__(self, timeout: float = QUESTION) -> None:
        self.timeout = timeout
        self.executed: deque[str] = deque(maxlen=1000)
        self._clients: dict[tuple[int, float], docker.APIClient] = {}
        self._version = ""

    @property
    def address(self) -> str:
        """Where the engine is, as `DOCKER_HOST` would have it."""
        if host := os.environ.get("DOCKER_HOST"):
            return host
        try:
            found = docker.ContextAPI.kwargs_from_context().get("base_url")
        except DockerException:
            found = None
        return str(found or "unix:///var/run/docker.sock")

    @property
    def remote_host(self) -> str | None:
        """The other machine that the engine runs on, or None where it is this one."""
        try:
            parts = urlsplit(self.address)
        except ValueError:  # no address; any question says so
            return None
        if parts.scheme in ("unix", "npipe") or parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return None
        return parts.hostname

    def _api(self, timeout: float) -> docker.APIClient:
        """A client at a version that engine and this module both speak; the engine is asked once.
        Each process has clients of its own: one that was forked must not share a socket."""
        key = os.getpid(), timeout
        if key not in self._clients:
            try:
                client = docker.from_env(version=self._version or OLDEST_API, timeout=timeout).api
            except (DockerException, ValueError) as error:
                raise EngineDown(
                    f"The engine's address, `{self.address}`, cannot be used: {error}",
                    next="Mend `DOCKER_HOST` or the context that `docker context ls` marks.",
                ) from error
            if not self._version:
                self._version = _version_of_both(client.version(api_version=False))
                client = docker.from_env(version=self._version, timeout=timeout).api
            self._clients[key] = client
        return self._clients[key]

    @property
    def _ask(self) -> docker.APIClient:
        return self._api(self.timeout)

    @property
    def _act(self) -> docker.APIClient:
        return self._api(ACT)

    def _down(self, error: Exception) -> EngineDown:
        words = repr(error)
        if "PermissionError" in words or "Permission denied" in words:
            return EngineDown(
                f"You may not use the engine's socket, `{self.address}`.",
                next="Run `sudo usermod -aG docker $USER`, then log out and in again.",
            )
        if isinstance(error, requests.Timeout) or "timed out" in words:
            return EngineDown(
                f"The engine at `{self.address}` does not answer within {self.timeout:g} seconds.",
                next="Restart it: `sudo systemctl restart docker`, or Docker Desktop.",
            )
        return EngineDown(
            f"No engine answers at `{self.address}`.",
            next="Start it: `sudo systemctl start docker`, or Docker Desktop. "
            "`script/bootstrap` installs one where there is none.",
        )

    def _inspect(self, read: Callable[[Any], Any], ask: Callable[[str], Any], what: str) -> Any:
        try:
            return read(ask(what))
        except (NotFound, NullResource):
            return None
        except APIError as error:
            if error.status_code == 400:  # not a reference at all, so nothing has this name
                return None
            raise

    def _gone(self, remove: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(NotFound):
            remove(*args, **kwargs)


def _version_of_both(versions: dict[str, Any]) -> str:
    wanted = min(_number(NEWEST_API), _number(versions["ApiVersion"]))
    wanted = max(wanted, _number(versions.get("MinAPIVersion", OLDEST_API)))
    return ".".join(map(str, wanted))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
