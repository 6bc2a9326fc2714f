"""Questions to the Docker Engine, and acts on it. The only module that imports `docker`.

A question about something that is not there is answered with `None` or an empty list. What the
engine refuses is raised as `EngineRefused`, in the engine's own words; an engine that does not
answer as `EngineDown`. Both are `CannotCheck`, so that neither ever counts against a learner.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
import requests
from docker.auth import get_config_header, resolve_repository_name
from docker.errors import APIError, DockerException, NotFound, NullResource, StreamParseError
from docker.utils import convert_filters, parse_repository_tag, tar
from urllib3.exceptions import HTTPError

from .facts import About, Container, Event, Image, Listed, Network, Progress, Volume
from .verdict import CannotCheck

OLDEST_API = "1.41"  # Engine 20.10
NEWEST_API = "1.44"  # the newest whose fields are read here; 1.52 dropped some (Engine 29)
QUESTION = 10  # seconds without a byte before a question is given up
ACT = 600  # the same for a pull, push or build, which are silent for long
FROM = re.compile(r"^\s*FROM\s.*$", re.IGNORECASE | re.MULTILINE)  # in a Dockerfile
LABELLED = ".Dockerfile.labelled"
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


def _told(method: F) -> F:
    """Raise what docker and requests raise as `EngineDown` or `EngineRefused`."""

    def retold(self: Engine, error: Exception) -> CannotCheck:
        if isinstance(error, APIError):
            return EngineRefused(str(error.explanation or error))
        return self._down(error)

    @functools.wraps(method)
    def call(self: Engine, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BREAKS as error:
            raise retold(self, error) from error

    @functools.wraps(method)
    def stream(self: Engine, *args: Any, **kwargs: Any) -> Any:
        try:
            yield from method(self, *args, **kwargs)
        except BREAKS as error:
            raise retold(self, error) from error

    return stream if inspect.isgeneratorfunction(method) else call  # type: ignore[return-value]


class Engine:
    """The engine that `DOCKER_HOST`, the command line's context or the default socket gives.

    timeout: seconds that a question may go without a byte of answer.
    """

    def __init__(self, timeout: float = QUESTION) -> None:
        self.timeout = timeout
        self._clients: dict[float, docker.APIClient] = {}

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
        """A client at a version that engine and this module both speak; asks the engine once."""
        if timeout not in self._clients:
            try:
                client = docker.from_env(version=OLDEST_API, timeout=timeout).api
            except (DockerException, ValueError) as error:
                raise EngineDown(
                    f"The engine's address, `{self.address}`, cannot be used: {error}",
                    next="Mend `DOCKER_HOST` or the context that `docker context ls` marks.",
                ) from error
            versions = client.version(api_version=False)
            wanted = min(_number(NEWEST_API), _number(versions["ApiVersion"]))
            wanted = max(wanted, _number(versions.get("MinAPIVersion", OLDEST_API)))
            version = ".".join(map(str, wanted))
            self._clients[timeout] = docker.from_env(version=version, timeout=timeout).api
        return self._clients[timeout]

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

    # Questions

    @_told
    def about(self) -> About:
        return About.read(self._ask.version(), self._ask.info())

    @_told
    def containers(self, **filters: Any) -> list[Listed]:
        """All containers, running or not, that fit the filters of `docker ps --filter`."""
        return [Listed.read(row) for row in self._ask.containers(all=True, filters=filters)]

    @_told
    def container(self, container: str) -> Container | None:
        """By full id or exact name."""
        return self._inspect(Container.read, self._ask.inspect_container, container)

    @_told
    def images(self, **filters: Any) -> list[Image]:
        return [Image.read(row) for row in self._ask.images(all=False, filters=filters)]

    @_told
    def image(self, image: str) -> Image | None:
        """By reference or full id."""
        return self._inspect(Image.read, self._ask.inspect_image, image)

    @_told
    def volumes(self, **filters: Any) -> list[Volume]:
        return [Volume.read(row) for row in self._ask.volumes(filters)["Volumes"] or ()]

    @_told
    def volume(self, name: str) -> Volume | None:
        return self._inspect(Volume.read, self._ask.inspect_volume, name)

    @_told
    def networks(self, **filters: Any) -> list[Network]:
        return [Network.read(row) for row in self._ask.networks(filters=filters)]

    @_told
    def events(self, since: float, until: float, **filters: Any) -> list[Event]:
        """What happened between two moments of the engine's clock, in seconds since 1970.

        The engine remembers its last 256 events. An `until` in the future waits for it.
        """
        moments = {"since": f"{since:.9f}", "until": f"{until:.9f}"}
        response = self._ask._get(  # docker-py's own would take an engine that dies for the end
            self._ask._url("/events"), params={**moments, "filters": convert_filters(filters)}
        )
        self._ask._raise_for_status(response)
        return [Event.read(json.loads(line)) for line in response.iter_lines()]

    @_told
    def logs(self, container: str, *, since: float = 0, tail: int = 2000) -> str:
        """What a container wrote, standard output and error together, at most `tail` lines."""
        text: bytes = self._ask.logs(container, since=int(since) or None, tail=tail)
        return text.decode(errors="replace")

    def _inspect(self, read: Callable[[Any], Any], ask: Callable[[str], Any], what: str) -> Any:
        try:
            return read(ask(what))
        except (NotFound, NullResource):
            return None
        except APIError as error:
            if error.status_code == 400:  # not a reference at all, so nothing has this name
                return None
            raise

    # Acts

    @_told
    def create_container(
        self,
        image: str,
        *,
        name: str | None = None,
        command: Sequence[str] | None = None,
        ports: Mapping[int, int | None] | None = None,
        volumes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        **host: Any,
    ) -> str:
        """Create a container and return its full id.

        ports: host port for each container port, None for any. volumes: path in the container for
        each volume or folder. host: more of docker-py's `create_host_config`.
        """
        binds = [f"{source}:{path}" for source, path in (volumes or {}).items()]
        config = self._act.create_host_config(port_bindings=dict(ports or {}), binds=binds, **host)
        made = self._act.create_container(
            image,
            name=name,
            command=list(command) if command else None,
            ports=list(ports or {}),
            environment=dict(environment or {}),
            labels=dict(labels or {}),
            host_config=config,
        )
        return str(made["Id"])

    @_told
    def start(self, container: str) -> None:
        self._act.start(container)

    @_told
    def stop(self, container: str, *, seconds: int = 2) -> None:
        self._act.stop(container, timeout=seconds)

    @_told
    def restart(self, container: str, *, seconds: int = 2) -> None:
        self._act.restart(container, timeout=seconds)

    @_told
    def kill(self, container: str) -> None:
        self._act.kill(container)

    @_told
    def wait(self, container: str) -> int:
        """Wait until it has ended; its exit code."""
        return int(self._act.wait(container)["StatusCode"])

    @_told
    def set_restart_policy(self, container: str, policy: str) -> None:
        self._act.update_container(container, restart_policy={"Name": policy})

    @_told
    def remove_container(self, container: str) -> None:
        """Remove it, running or not, with its anonymous volumes. No complaint if it is gone; where
        it is going already, as after a removal that was interrupted, wait until it is gone."""
        try:
            self._gone(self._act.remove_container, container, force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            self._gone(self._act.wait, container, condition="removed")

    @_told
    def remove_image(self, image: str) -> None:
        """Take a name off an image, and the image away with its last name; or by id."""
        self._gone(self._act.remove_image, image)

    @_told
    def remove_volume(self, name: str) -> None:
        self._gone(self._act.remove_volume, name)

    @_told
    def remove_network(self, network: str) -> None:
        self._gone(self._act.remove_network, network)

    def _gone(self, remove: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(NotFound):
            remove(*args, **kwargs)

    @_told
    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume. The engine returns an existing one unasked, so that is refused here."""
        if self.volume(name):
            raise EngineRefused(f"a volume named {name} exists", next="Choose another name.")
        self._act.create_volume(name, labels=dict(labels))

    @_told
    def create_network(self, name: str, labels: Mapping[str, str]) -> str:
        """Make a network and return its full id."""
        return str(self._act.create_network(name, labels=dict(labels))["Id"])

    @_told
    def tag(self, image: str, reference: str) -> None:
        repository, _, tag = reference.rpartition(":")
        self._act.tag(image, repository, tag)

    @_told
    def build(
        self,
        folder: Path,
        reference: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> None:
        """Build the Dockerfile in a folder.

        The labels come first and not, as with the engine's own option, last: so what a build that
        stops half way leaves behind has them as well.
        """
        label = " ".join(f'"{name}"="{value}"' for name, value in labels.items())
        source = FROM.sub(rf"\g<0>\nLABEL {label}", (folder / "Dockerfile").read_text())
        with tar(str(folder), dockerfile=(LABELLED, source)) as context:
            for _ in self._post(
                "/build",
                {
                    "t": reference,
                    "dockerfile": LABELLED,
                    "buildargs": json.dumps(dict(arguments)),
                    "forcerm": True,
                },
                headers={"Content-Type": "application/tar"},
                data=context,
            ):
                pass

    @_told
    def push(self, reference: str) -> Iterator[Progress]:
        yield from self._steps(self._act.push(reference, stream=True, decode=True))

    @_told
    def pull(self, reference: str, *, silence: float = ACT) -> Iterator[Progress]:
        """Pull exactly this reference; never all tags of a repository.

        silence: seconds without a byte after which it is given up (docker-py would wait for ever).
        """
        repository, tag = parse_repository_tag(reference)
        registry, _ = resolve_repository_name(repository)
        login = get_config_header(self._act, registry)
        yield from self._post(
            "/images/create",
            {"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": login} if login else {},
            timeout=silence,
        )

    @_told
    def import_image(self, archive: Path, reference: str, changes: Sequence[str]) -> None:
        """Make an image of a root file system in a tar file, with Dockerfile instructions."""
        repository, _, tag = reference.rpartition(":")
        with archive.open("rb") as body:
            for _ in self._post(
                "/images/create",
                {"fromSrc": "-", "repo": repository, "tag": tag, "changes": list(changes)},
                headers={"Content-Type": "application/tar"},
                data=body,
            ):
                pass

    @_told
    def save(self, references: Sequence[str]) -> Iterator[bytes]:
        """The images as one tar stream, with their names."""
        url = self._act._url("/images/get")
        response = self._act._get(url, params={"names": list(references)}, stream=True)
        self._act._raise_for_status(response)
        yield from response.iter_content(1 << 20)

    @_told
    def load(self, stream: Iterable[bytes]) -> Iterator[Progress]:
        yield from self._steps(self._act.load_image(stream))

    def _post(self, path: str, params: Mapping[str, Any], **how: Any) -> Iterator[Progress]:
        """What the answer to a long act reports. docker-py would not raise an error inside it, and
        would keep the connection when it is left half way; the engine stops once it is closed."""
        options = {"timeout": ACT, **how, "params": params, "stream": True}
        with self._act._post(self._act._url(path), **options) as response:
            self._act._raise_for_status(response)
            yield from self._steps(self._act._stream_helper(response, decode=True))

    def _steps(self, lines: Iterator[dict[str, Any]]) -> Iterator[Progress]:
        """What a stream reports; an error inside it is raised (docker-py does not)."""
        for line in lines:
            if error := line.get("errorDetail", {}).get("message") or line.get("error"):
                raise EngineRefused(error)
            yield Progress.read(line)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
