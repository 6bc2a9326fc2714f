"""Containers: queries and actions."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount
from requests import Response

from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck

from .answers import text
from .connection import Connection, translate_errors
from .models import Container, ContainerSummary
from .transport import TooLarge

LOCAL = "127.0.0.1"  # what the product starts is for this machine only
LARGEST = 1 << 20  # bytes of an archive of files that are read out of a container
LARGEST_LOG = 8 << 20  # bytes of a log, or of what a command prints
FRAME_HEADER = 8  # bytes before each piece of a log, the last four of which say how long it is
QUERIES = 3  # times that a command is run whose output was lost
END = "end-of-output"
NOT_RUN = (126, 127)  # exit codes of a command that the container lacks, a shell for instance


class Containers(Connection):
    @translate_errors
    def containers(self, **filters: Any) -> list[ContainerSummary]:
        """Return all containers, running or not, that match the filters of `docker ps --filter`."""
        found = self._list(self._client.containers, all=True, filters=filters)
        return [ContainerSummary.from_api(row) for row in found]

    @translate_errors
    def container(self, container: str) -> Container | None:
        """Return the container with this full id or exact name, or None."""
        return self._find(Container, self._client.inspect_container, container)

    @translate_errors
    def logs(
        self, container: str, *, since: float = 0, tail: int = 2000, errors: bool = True
    ) -> str:
        """Return what a container wrote to standard output and standard error.

        since: only lines after this time, in seconds since 1970. tail: only the last lines, and
        fewer where these take more than `LARGEST_LOG` bytes. errors: whether to include standard
        error.
        """
        while True:
            try:
                return self._read_log(container, since, tail, errors).decode(errors="replace")
            except TooLarge:
                if not tail:
                    raise
                tail //= 10

    def _read_log(self, container: str, since: float, tail: int, errors: bool) -> bytes:
        client = self._client
        params = {"stdout": 1, "stderr": int(errors), "since": int(since), "tail": tail}
        url = client._url("/containers/{0}/logs", container)
        with client._get(url, params=params, stream=True) as response:
            client._raise_for_status(response)
            log = _read(response)
        return bytes(log) if client._check_is_tty(container) else _join_frames(log)

    def create_container(
        self,
        image: str,
        *,
        name: str | None = None,
        command: Sequence[str] | None = None,
        ports: Mapping[int, int | None] | None = None,
        volumes: Mapping[str, str] | None = None,
        anonymous: Mapping[str, Mapping[str, str]] | None = None,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
        network: str | None = None,
        address: str | None = None,
        aliases: Sequence[str] = (),
        **host: Any,
    ) -> str:
        """Create a container and return its full id.

        ports: host port for each container port, None for any, on 127.0.0.1 alone. volumes: the
        volume or folder for each path in the container, which may end in `:ro`. anonymous: the
        labels of a new volume without a name for each path. address, aliases: its IP address and
        more names of it in its network. host: more of docker-py's `create_host_config`.
        """
        binds = [f"{source}:{path}" for path, source in (volumes or {}).items()]
        mounts = [
            Mount(path, None, type="volume", labels=dict(given))
            for path, given in (anonymous or {}).items()
        ]
        if network:
            host["network_mode"] = network
        published = {inside: (LOCAL, outside) for inside, outside in (ports or {}).items()}
        config = self._patient_client.create_host_config(
            port_bindings=published, binds=binds, mounts=mounts, **host
        )
        endpoint = self._patient_client.create_endpoint_config(
            aliases=list(aliases), ipv4_address=address
        )
        return self._create(
            image=image,
            name=name,
            command=list(command) if command else None,
            entrypoint=list(entrypoint) if entrypoint else None,
            ports=list(ports or {}),
            environment=dict(environment or {}),
            labels=dict(labels or {}),
            host_config=config,
            networking_config={"EndpointsConfig": {network: endpoint}} if network else None,
        )

    @translate_errors
    def _create(self, **config: Any) -> str:
        return text(self._patient_client.create_container(**config)["Id"])

    @translate_errors
    def start(self, container: str) -> None:
        self._patient_client.start(container)

    @translate_errors
    def stop(self, container: str, *, seconds: int = 2) -> None:
        self._patient_client.stop(container, timeout=seconds)

    @translate_errors
    def restart(self, container: str, *, seconds: int = 2) -> None:
        self._patient_client.restart(container, timeout=seconds)

    @translate_errors
    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        self._patient_client.kill(container, signal)

    @translate_errors
    def wait(self, container: str) -> int:
        """Wait until the container has ended, and return its exit code."""
        client = self._patient_client
        return int(client.wait(container, client.timeout)["StatusCode"])

    @translate_errors
    def set_restart_policy(self, container: str, policy: str) -> None:
        self._patient_client.update_container(container, restart_policy={"Name": policy})

    @translate_errors
    def remove_container(self, container: str, *, volumes: bool = True) -> None:
        """Remove a container, running or not, with its anonymous volumes.

        It may be gone already. If a removal is in progress, wait until it is done.
        """
        try:
            self._remove(self._patient_client.remove_container, container, force=True, v=volumes)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            client = self._patient_client
            self._remove(client.wait, container, client.timeout, condition="removed")

    # Inside

    @translate_errors
    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in a running container. Return its exit code and its output."""
        return self._execute(self._patient_client, container, command)

    def _execute(
        self, client: docker.APIClient, container: str, command: Sequence[str]
    ) -> tuple[int, str]:
        process = text(client.exec_create(container, list(command))["Id"])
        self.executed.append(process)
        url, how = client._url("/exec/{0}/start", process), {"Detach": False, "Tty": False}
        with client._post_json(url, how, stream=True) as response:  # docker-py's has no time-out
            client._raise_for_status(response)
            output = _join_frames(_read(response))
        code = client.exec_inspect(process)["ExitCode"]
        return int(code), output.decode(errors="replace")

    @translate_errors
    def query(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command that changes nothing, as `execute`, and make sure that its output is whole.

        An engine may lose what a command prints (github.com/moby/moby/issues/27289). The command
        is then run again. Raises `CannotCheck` when that does not help.
        """
        script = f'"$@"; code=$?; printf {END}; exit $code'
        for _ in range(QUERIES):
            code, output = self._execute(
                self._client, container, ["sh", "-c", script, "sh", *command]
            )
            if END in output or code in NOT_RUN:
                return code, output.replace(END, "")
        found = Sentence("The engine lost the output of `{command}`.", command=command[0])
        raise CannotCheck(found, next="Check again.")

    def read_file(self, container: str, path: str) -> bytes | None:
        """Return a file of a container, or None if there is none or it is too large."""
        return self.read_files(container, path).get(posixpath.normpath(path))

    @translate_errors
    def read_files(self, container: str, path: str) -> dict[str, bytes]:
        """Return a file of a container, or all files below a folder, by path. Links are followed;
        one that leads to no file is empty.

        Empty where there is none, or where they take more than `LARGEST` bytes together.
        """
        archive, files, place = io.BytesIO(), {}, PurePosixPath(posixpath.normpath(path))
        try:
            stream, status = self._client.get_archive(container, path)
        except NotFound:
            return {}
        with contextlib.closing(stream):
            if target := status.get("linkTarget"):
                found = self.read_files(container, target)
                return {f"{place}{each.removeprefix(target)}": found[each] for each in found}
            for chunk in stream:
                if archive.tell() + len(chunk) > LARGEST:
                    return {}
                archive.write(chunk)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                name = str(place.parent / member.name)
                if file := member.isfile() and tar.extractfile(member):
                    files[name] = file.read()
                elif member.issym():
                    files[name] = self.read_file(container, name) or b""
        return files

    @translate_errors
    def file_size(self, container: str, path: str) -> int | None:
        """Return the bytes of a file of a container, or None if there is none."""
        client = self._client
        address = client._url("/containers/{0}/archive", container)
        response = client.head(address, params={"path": path}, timeout=self.timeout)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        client._raise_for_status(response)
        status = base64.b64decode(response.headers["X-Docker-Container-Path-Stat"])
        return int(json.loads(status)["size"])

    @translate_errors
    def write_file(self, container: str, path: str, data: bytes) -> None:
        """Write a file in a container, and make its folder if that is missing."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        self._patient_client.put_archive(container, "/", archive.getvalue())


def _read(response: Response) -> bytearray:
    """Return the body of a log or of what a command prints. Raises `TooLarge`."""
    body = bytearray()
    for chunk in response.iter_content(1 << 16):
        body += chunk
        if len(body) > LARGEST_LOG:
            raise TooLarge
    return body


def _join_frames(log: bytearray) -> bytes:
    """Return a log of a container without a terminal, of which the engine sends each piece after a
    header."""
    pieces, start = [], FRAME_HEADER
    while start <= len(log):
        end = start + int.from_bytes(log[start - 4 : start], "big")
        pieces.append(log[start:end])
        start = end + FRAME_HEADER
    return b"".join(pieces)
