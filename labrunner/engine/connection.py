"""The connection to the engine, and its errors.

`EngineRefused` has the engine's own words; `EngineDown` means that it does not answer. Both are
`CannotCheck`, so that neither counts against a learner.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import os
import tarfile
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException, NotFound, NullResource, StreamParseError
from urllib3.exceptions import HTTPError

from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck

from .answers import rows
from .context import Endpoint, NoEndpoint, find_endpoint
from .description import EngineInfo, EngineVersion
from .models import read_seconds
from .transport import TooLarge, limit_answers, within

OLDEST_API = "1.41"  # Engine 20.10
NEWEST_API = "1.44"  # the newest whose fields are read here; 1.52 dropped some (Engine 29)
CLOCK_TRUSTED = 60  # seconds
CLOCK_STEP = 0.1  # seconds by which a clock that was set differs from one that counts on
QUERY_TIMEOUT = 10  # seconds that a query may take in all
ACTION_TIMEOUT = 600  # seconds without a byte after which a pull, push or build is given up
CONNECTION_ERRORS = (  # of docker-py, requests and urllib3 when the engine dies during a call
    APIError,
    requests.RequestException,
    HTTPError,
    OSError,
)
NOT_AN_ENGINE = (
    "Check again. If that does not help, restart the engine, or choose another one: "
    "`docker context ls` lists them."
)
IMAGE_GONE = ("not found", "unable to find image")  # the engine's words
LISTINGS = 5  # times that a list is asked for while images go
UNREADABLE = (  # raised where an answer is not what it should be: no JSON, or JSON of another form
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    StreamParseError,
    TypeError,
    ValueError,
    tarfile.TarError,
)

F = TypeVar("F", bound=Callable[..., Any])


ENGINE_DOWN, ENGINE_REFUSED = "engine-down", "engine-refused"  # reasons of verdicts


class EngineDown(CannotCheck):
    """The engine does not answer."""

    def __init__(self, found: str, *, next: str) -> None:
        super().__init__(found, next=next, reason=ENGINE_DOWN)


class EngineRefused(CannotCheck):
    """The engine answered with an error; `words` are the engine's own."""

    def __init__(self, words: str, *, next: str = "Read the engine's words above.") -> None:
        found = Sentence("The engine refused: {words}", words=words)
        super().__init__(found, next=next, reason=ENGINE_REFUSED)
        self.words = words


def translate_errors(method: F) -> F:
    """Decorate a method so that docker-py's errors become `EngineDown` or `EngineRefused`, and that
    the queries of one call take no longer than one query may."""

    def translated(self: Connection, error: Exception) -> CannotCheck:
        if isinstance(error, APIError):
            return EngineRefused(str(error.explanation or error))
        return self._engine_down(error)

    @functools.wraps(method)
    def call(self: Connection, *args: Any, **kwargs: Any) -> Any:
        try:
            with within(self.timeout):
                return method(self, *args, **kwargs)
        except (*CONNECTION_ERRORS, *UNREADABLE) as error:
            raise translated(self, error) from error

    @functools.wraps(method)
    def stream(self: Connection, *args: Any, **kwargs: Any) -> Any:
        try:
            yield from method(self, *args, **kwargs)
        except (*CONNECTION_ERRORS, *UNREADABLE) as error:
            raise translated(self, error) from error

    return stream if inspect.isgeneratorfunction(method) else call  # type: ignore[return-value]


class Connection:
    """A connection to the engine that the `docker` command uses now, in the environment in which
    this object was made.

    timeout:  seconds that a query may take in all.
    executed: the ids of the last commands that this object ran in containers.
    """

    def __init__(self, timeout: float = QUERY_TIMEOUT) -> None:
        self.timeout = timeout
        self.executed: deque[str] = deque(maxlen=1000)
        self._environment = dict(os.environ)
        self._clients: dict[tuple[int, float, bool, Endpoint], docker.APIClient] = {}
        self._versions: dict[Endpoint, str] = {}  # of the API
        self._asked = -math.inf, 0.0  # by `time.monotonic` and `time.time`, for the engine's time
        self._ahead = 0.0  # seconds by which the engine's clock is ahead of this machine's

    @property
    def address(self) -> str:
        """The engine's address, in the form of `DOCKER_HOST`. Raises `EngineDown`."""
        return self._endpoint.address

    @property
    def remote_host(self) -> str | None:
        """The name of the other machine that the engine runs on, or None if it is this one.
        Raises `EngineDown`."""
        try:
            parts = urlsplit(self.address)
        except ValueError:  # not an address: any query says so
            return None
        if parts.scheme in ("unix", "npipe") or parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return None
        return parts.hostname

    @translate_errors
    def version(self) -> EngineVersion:
        """Return which program the engine is, and which versions of the API it speaks."""
        endpoint = self._endpoint
        with contextlib.closing(_connect(endpoint, OLDEST_API, self.timeout)) as client:
            limit_answers(client)
            version = EngineVersion.from_api(client.version(api_version=False))
        self._versions[endpoint] = _version_of_both(version)
        return version

    @translate_errors
    def info(self) -> EngineInfo:
        """Return what the engine says about itself."""
        return EngineInfo.from_api(self._client.info())

    @translate_errors
    def ask_time(self) -> float:
        """Return the time that the engine's clock shows, in seconds since 1970. It is costly for
        the engine to tell."""
        asked = time.monotonic(), time.time()
        row = self._client.info()
        told = read_seconds(row["SystemTime"])
        ahead = told - asked[1]
        if EngineInfo.from_api(row).is_here:  # so its clock is this machine's
            ahead, told = 0.0, time.time()
        self._asked, self._ahead = asked, ahead
        return told

    def now(self) -> float:
        """Return about the same: the engine is asked once a minute, and when this machine was
        suspended or its clock set.

        The result is never earlier than the engine's own time. Where the engine has another
        machine's clock, it is later by less than it takes to ask.
        """
        asked, here = self._asked
        passed = time.monotonic() - asked
        if passed > CLOCK_TRUSTED or abs(time.time() - here - passed) > CLOCK_STEP:
            self.ask_time()
        return time.time() + self._ahead

    @translate_errors
    def _client_for(self, timeout: float, *, limited: bool) -> docker.APIClient:
        """Return a client for the newest API that the engine and this module both know. limited:
        its answers are; see `limit_answers`.

        Each process has its own clients: a forked process must not share a socket.
        """
        endpoint = self._endpoint
        key = os.getpid(), timeout, limited, endpoint
        if key not in self._clients:
            if endpoint not in self._versions:
                self.version()
            client = _connect(endpoint, self._versions[endpoint], timeout)
            if limited:
                limit_answers(client)
            self._clients[key] = client
        return self._clients[key]

    @property
    def _endpoint(self) -> Endpoint:
        try:
            return find_endpoint(self._environment)
        except NoEndpoint as error:
            raise EngineDown(error.found, next=error.next) from error

    @property
    def _client(self) -> docker.APIClient:
        """The client for queries, which are answered soon."""
        return self._client_for(self.timeout, limited=True)

    @property
    def _patient_client(self) -> docker.APIClient:
        """The client for actions, which may take long."""
        return self._client_for(ACTION_TIMEOUT, limited=False)

    def _engine_down(self, error: Exception) -> EngineDown:
        words = repr(error)
        if "PermissionError" in words or "Permission denied" in words:
            return EngineDown(
                Sentence(
                    "You are not allowed to use the engine's socket, `{address}`.",
                    address=self.address,
                ),
                next="Run `sudo usermod -aG docker $USER`, then log out and in again.",
            )
        if isinstance(error, requests.Timeout) or "timed out" in words:
            return EngineDown(
                Sentence(
                    "The engine at `{address}` did not answer within {seconds} seconds.",
                    address=self.address,
                    seconds=f"{self.timeout:g}",
                ),
                next="Restart it: `sudo systemctl restart docker`, or Docker Desktop.",
            )
        if TooLarge.__name__ in words:
            return EngineDown(
                Sentence("An answer from `{address}` is too large.", address=self.address),
                next=NOT_AN_ENGINE,
            )
        if isinstance(error, UNREADABLE):
            return EngineDown(
                Sentence(
                    "Something answers at `{address}`, but not like a Docker Engine: {error}.",
                    address=self.address,
                    error=f"{error!r:.200}",
                ),
                next=NOT_AN_ENGINE,
            )
        return EngineDown(
            Sentence("No engine answers at `{address}`.", address=self.address),
            next="Start it: `sudo systemctl start docker`, or Docker Desktop. "
            "If there is none, `script/bootstrap` installs one.",
        )

    def _list(self, ask: Callable[..., Any], **how: Any) -> list[Any]:
        """Return the rows of a list.

        With the containerd store, an image that goes meanwhile makes the engine refuse the whole
        list with 500. It is asked again then.
        """
        for tries_left in reversed(range(LISTINGS)):
            try:
                return rows(ask(**how))
            except APIError as error:
                if not tries_left or not any(words in str(error) for words in IMAGE_GONE):
                    raise
                time.sleep(0.05)
        raise AssertionError

    def _find(self, model: Any, inspect: Callable[[str], Any], name: str) -> Any:
        """Inspect an object and return it as the model, or None if it does not exist."""
        try:
            return model.from_api(inspect(name))
        except (NotFound, NullResource):
            return None
        except APIError as error:
            if error.status_code == 400:  # not a valid name, so nothing has it
                return None
            raise

    def _remove(self, remove: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Remove an object that may be gone already."""
        with contextlib.suppress(NotFound):
            remove(*args, **kwargs)


def _connect(endpoint: Endpoint, version: str, timeout: float) -> docker.APIClient:
    """Return a client for that version of the API. Raises `EngineDown`."""
    try:
        client = docker.APIClient(
            endpoint.address, version, timeout=timeout, tls=endpoint.tls or False
        )
    except (DockerException, ValueError) as error:
        raise EngineDown(
            Sentence(
                "The engine's address, `{address}`, cannot be used: {error}",
                address=endpoint.address,
                error=error,
            ),
            next="Fix `DOCKER_HOST`, or the context that `docker context ls` marks.",
        ) from error
    client.trust_env = False  # looking for proxies takes longer than most queries
    return client


def _version_of_both(engine: EngineVersion) -> str:
    """Return the newest version of the API that the engine and this module both know."""
    wanted = min(api_number(NEWEST_API), api_number(engine.api))
    wanted = max(wanted, api_number(engine.oldest_api))
    return ".".join(map(str, wanted))


def api_number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
