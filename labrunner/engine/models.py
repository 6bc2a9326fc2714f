"""The engine's objects, as small records.

Each `from_api` takes the JSON of the Engine API (https://docs.docker.com/reference/api/engine/) and
keeps what the course needs; it raises for JSON of another form. Ids are full ids, sizes are bytes,
times are seconds since 1970.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from .answers import Checked, Json, rows

NEVER = "0001-01-01T00:00:00Z"
UNPUBLISHED = ("host", "none")  # networks in which no port of a container is published


def read_seconds(text: str) -> float:
    """Return the engine's RFC 3339 time in seconds since 1970; 0 for the year 1, its "never".

    Python 3.10 cannot read its nine decimals.
    """
    if text == NEVER:
        return 0
    seconds, _, rest = text.partition(".")
    if not rest:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    digits = "".join(c for c in rest.split("+")[0].split("-")[0] if c.isdigit())
    zone = rest[len(digits) :].replace("Z", "+00:00")
    return datetime.fromisoformat(seconds + zone).timestamp() + float(f"0.{digits}")


@dataclass(frozen=True)
class Port:
    """A TCP port of a container, and the port and address of the host that it is published on.
    host: None if it is not published."""

    container: int
    host: int | None = None
    address: str = ""


def _read_ports(rows: Json | None) -> tuple[Port, ...]:
    """Return the ports of a map such as `{"5000/tcp": [{"HostIp": "", "HostPort": "5000"}]}`."""
    return tuple(
        Port(int(port.split("/")[0]), _host_port(binding), binding.get("HostIp") or "")
        for port, bindings in (rows or {}).items()
        if port.partition("/")[2] in ("", "tcp")
        for binding in bindings or ()
    )


def _network_ids(networks: Json) -> tuple[str, ...]:
    return tuple(each["NetworkID"] for each in networks.values() if each.get("NetworkID"))


def _host_port(binding: Json) -> int:
    """Return the host's port of a binding; 0 if the engine chooses it, also from a range."""
    wanted = binding.get("HostPort") or ""
    return int(wanted) if wanted.isdecimal() else 0


@dataclass(frozen=True)
class ContainerSummary(Checked):
    """A container in a list. ports: none unless it is running. networks: their full ids."""

    id: str
    name: str
    image: str
    image_id: str
    state: str
    status: str
    ports: tuple[Port, ...]
    networks: tuple[str, ...]
    labels: dict[str, str]

    @classmethod
    def from_api(cls, row: Json) -> ContainerSummary:
        networks = (row.get("NetworkSettings") or {}).get("Networks") or {}
        return cls(
            id=row["Id"],
            name=rows(row.get("Names") or ["/?"])[0].lstrip("/"),
            image=row["Image"],
            image_id=row["ImageID"],
            state=row["State"],
            status=row["Status"],
            ports=tuple(
                Port(port["PrivatePort"], port.get("PublicPort"), port.get("IP", ""))
                for port in row.get("Ports") or ()
                if port.get("Type", "tcp") == "tcp"
            ),
            networks=_network_ids(networks),
            labels=row.get("Labels") or {},
        )

    def publishes(self, port: int) -> bool:
        return any(published.host == port for published in self.ports)


@dataclass(frozen=True)
class Mount:
    """What is mounted at `target` in a container: a volume by name, or a folder of the host."""

    kind: str
    source: str
    target: str
    writable: bool = True


@dataclass(frozen=True)
class Container(Checked):
    """A container, inspected.

    ports: those that it publishes now. bindings: those that it asks for whenever it starts.
    error: why the engine could not start it. network_mode: the name of the network it was made for,
    such as `host`. networks: the full ids of those it is or was connected to. addresses: its IP
    address in each, by the network's name. started, finished: 0 if it never was.
    command: what it runs, with the arguments.
    """

    id: str
    name: str
    image: str
    image_id: str
    state: str
    exit_code: int
    error: str
    created: float
    started: float
    finished: float
    environment: dict[str, str]
    ports: tuple[Port, ...]
    bindings: tuple[Port, ...]
    restart_policy: str
    restart_count: int
    mounts: tuple[Mount, ...]
    network_mode: str
    networks: tuple[str, ...]
    addresses: dict[str, str]
    labels: dict[str, str]
    command: tuple[str, ...]

    @classmethod
    def from_api(cls, row: Json) -> Container:
        state, host = row["State"], row["HostConfig"]
        network = row.get("NetworkSettings") or {}
        networks = network.get("Networks") or {}
        mode = host.get("NetworkMode", "")
        return cls(
            id=row["Id"],
            name=row["Name"].lstrip("/"),
            image=row["Config"]["Image"],
            image_id=row["Image"],
            state=state["Status"],
            exit_code=state["ExitCode"],
            error=state.get("Error", ""),
            created=read_seconds(row.get("Created", NEVER)),
            started=read_seconds(state.get("StartedAt", NEVER)),
            finished=read_seconds(state["FinishedAt"]),
            environment=dict(each.partition("=")[::2] for each in row["Config"].get("Env") or ()),
            ports=_read_ports(network.get("Ports")),
            bindings=() if mode in UNPUBLISHED else _read_ports(host.get("PortBindings")),
            restart_policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
            restart_count=row.get("RestartCount", 0),
            mounts=tuple(
                Mount(
                    mount["Type"],
                    mount.get("Name") or mount["Source"],
                    mount["Destination"],
                    mount.get("RW", True),
                )
                for mount in row.get("Mounts") or ()
                if mount.get("Type") in ("volume", "bind")
            ),
            network_mode=mode,
            networks=_network_ids(networks),
            addresses={name: each.get("IPAddress") or "" for name, each in networks.items()},
            labels=row["Config"].get("Labels") or {},
            command=(row.get("Path", ""), *(row.get("Args") or ())),
        )

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def on_host_network(self) -> bool:
        return self.network_mode == "host"

    @property
    def volumes(self) -> list[str]:
        return [mount.source for mount in self.mounts if mount.kind == "volume"]

    def publishes(self, port: int) -> bool:
        return any(published.host == port for published in self.ports)

    def binds(self, port: int) -> bool:
        """Return whether it asks for a port of the host: it has it only while it `publishes` it."""
        return any(binding.host == port for binding in self.bindings)


@dataclass(frozen=True)
class Image(Checked):
    """An image. id: the digest of its configuration in the classic image store, that of its
    manifest or index in the containerd store. parent: the id of the image that the classic builder
    made it from; empty for others. layers: the digests of its layers as they are unpacked (`diff
    ids`), from the lowest on. volumes: the paths that it declares as volumes. command: what a
    container of it runs, with the arguments. A list of images has none of the three."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size: int
    labels: dict[str, str]
    parent: str
    created: float
    layers: tuple[str, ...]
    volumes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, row: Json) -> Image:
        config, created = row.get("Config") or row, row.get("Created") or 0
        none = "<none>"
        return cls(
            id=row["Id"],
            tags=tuple(tag for tag in rows(row.get("RepoTags") or []) if none not in tag),
            digests=tuple(name for name in rows(row.get("RepoDigests") or []) if none not in name),
            size=row["Size"],
            labels=config.get("Labels") or {},
            parent=row.get("ParentId") or row.get("Parent") or "",
            created=created if isinstance(created, int) else read_seconds(created),
            layers=tuple(rows((row.get("RootFS") or {}).get("Layers") or [])),
            volumes=tuple(config.get("Volumes") or ()),
            command=(*rows(config.get("Entrypoint") or []), *rows(config.get("Cmd") or [])),
        )


@dataclass(frozen=True)
class Volume(Checked):
    name: str
    labels: dict[str, str]

    @classmethod
    def from_api(cls, row: Json) -> Volume:
        return cls(row["Name"], row.get("Labels") or {})

    @property
    def anonymous(self) -> bool:
        """Return whether its name is one that the engine gave it."""
        return bool(re.fullmatch("[0-9a-f]{64}", self.name))


@dataclass(frozen=True)
class Network(Checked):
    """A network. interface: that of its bridge; empty where the engine does not tell. created:
    seconds since 1970. subnets: its ranges of addresses. predefined: it is one of the engine's own,
    which makes `bridge` anew whenever it starts."""

    id: str
    name: str
    labels: dict[str, str]
    interface: str = ""
    created: float = 0
    subnets: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, row: Json) -> Network:
        options = row.get("Options") or {}
        ranges = (row.get("IPAM") or {}).get("Config") or ()
        return cls(
            row["Id"],
            row["Name"],
            row.get("Labels") or {},
            options.get("com.docker.network.bridge.name", ""),
            read_seconds(row.get("Created", NEVER)),
            tuple(each["Subnet"] for each in ranges if each.get("Subnet")),
        )

    @property
    def predefined(self) -> bool:
        return self.name in ("bridge", "host", "none")
