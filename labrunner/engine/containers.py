"""Containers: questions about them, and acts on them."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from docker.errors import APIError, NotFound

from .connection import Connection, translate_errors
from .models import Container, ContainerSummary

LOCAL = "127.0.0.1"  # what the product starts is for this machine only
LARGEST = 1 << 20  # bytes of a file that is read out of a container


class Containers(Connection):
    @translate_errors
    def containers(self, **filters: Any) -> list[ContainerSummary]:
        """All containers, running or not, that fit the filters of `docker ps --filter`."""
        return [
            ContainerSummary.read(row) for row in self._ask.containers(all=True, filters=filters)
        ]

    @translate_errors
    def container(self, container: str) -> Container | None:
        """By full id or exact name."""
        return self._inspect(Container.read, self._ask.inspect_container, container)

    @translate_errors
    def logs(
        self, container: str, *, since: float = 0, tail: int = 2000, errors: bool = True
    ) -> str:
        """What a container wrote, standard output and, with `errors`, standard error together: of
        its last `tail` lines those since then (seconds since 1970)."""
        text: bytes = self._ask.logs(container, since=int(since) or None, tail=tail, stderr=errors)
        return text.decode(errors="replace")

    @translate_errors
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
        entrypoint: Sequence[str] | None = None,
        network: str | None = None,
        aliases: Sequence[str] = (),
        **host: Any,
    ) -> str:
        """Create a container and return its full id.

        ports: host port for each container port, None for any, on 127.0.0.1 alone. volumes: the
        volume or folder for each path in the container, which may end in `:ro`. aliases: more names
        of the container in its network. host: more of docker-py's `create_host_config`.
        """
        binds = [f"{source}:{path}" for path, source in (volumes or {}).items()]
        if network:
            host["network_mode"] = network
        published = {inside: (LOCAL, outside) for inside, outside in (ports or {}).items()}
        config = self._act.create_host_config(port_bindings=published, binds=binds, **host)
        endpoint = self._act.create_endpoint_config(aliases=list(aliases))
        made = self._act.create_container(
            image,
            name=name,
            command=list(command) if command else None,
            entrypoint=list(entrypoint) if entrypoint else None,
            ports=list(ports or {}),
            environment=dict(environment or {}),
            labels=dict(labels or {}),
            host_config=config,
            networking_config={"EndpointsConfig": {network: endpoint}} if network else None,
        )
        return str(made["Id"])

    @translate_errors
    def start(self, container: str) -> None:
        self._act.start(container)

    @translate_errors
    def stop(self, container: str, *, seconds: int = 2) -> None:
        self._act.stop(container, timeout=seconds)

    @translate_errors
    def restart(self, container: str, *, seconds: int = 2) -> None:
        self._act.restart(container, timeout=seconds)

    @translate_errors
    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        self._act.kill(container, signal)

    @translate_errors
    def wait(self, container: str) -> int:
        """Wait until it has ended; its exit code."""
        return int(self._act.wait(container)["StatusCode"])

    @translate_errors
    def set_restart_policy(self, container: str, policy: str) -> None:
        self._act.update_container(container, restart_policy={"Name": policy})

    @translate_errors
    def remove_container(self, container: str, *, volumes: bool = True) -> None:
        """Remove it, running or not, with its anonymous volumes. No complaint if it is gone; where
        it is going already, as after a removal that was interrupted, wait until it is gone."""
        try:
            self._gone(self._act.remove_container, container, force=True, v=volumes)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            self._gone(self._act.wait, container, condition="removed")

    # Inside

    @translate_errors
    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in a running container: its exit code, and all that it wrote."""
        process = self._ask.exec_create(container, list(command))["Id"]
        self.executed.append(process)
        output: bytes = self._ask.exec_start(process)
        code = self._ask.exec_inspect(process)["ExitCode"]
        return int(code), output.decode(errors="replace")

    @translate_errors
    def read_file(self, container: str, path: str) -> bytes | None:
        """A file of a container, running or not; None where there is none of at most `LARGEST`."""
        try:
            stream, about = self._ask.get_archive(container, path)
            with contextlib.closing(stream):
                if about["size"] > LARGEST:
                    return None
                archive = io.BytesIO(b"".join(stream))
        except NotFound:
            return None
        with tarfile.open(fileobj=archive) as tar:
            file = tar.extractfile(tar.getmembers()[0])
            return file.read() if file else None

    @translate_errors
    def write_file(self, container: str, path: str, data: bytes) -> None:
        """Put a file into a container, and the folders above it where they are missing."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        self._act.put_archive(container, "/", archive.getvalue())
