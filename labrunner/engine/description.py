"""What the engine says about itself."""

from __future__ import annotations

import platform
import socket
from dataclasses import dataclass

from .answers import Checked, Json

DOCKER = "Docker Engine"


@dataclass(frozen=True)
class EngineVersion(Checked):
    """The program that the engine is. product: `Docker Engine`, or the other's own name, such as
    `Podman Engine`. api, oldest_api: the newest and the oldest version that it speaks."""

    product: str
    version: str
    api: str
    oldest_api: str

    @classmethod
    def from_api(cls, row: Json) -> EngineVersion:
        names = [str(part.get("Name")) for part in row.get("Components") or ()]
        return cls(
            product=next((name for name in names if "Podman" in name), DOCKER),
            version=row["Version"],
            api=row["ApiVersion"],
            oldest_api=row.get("MinAPIVersion") or row["ApiVersion"],
        )


@dataclass(frozen=True)
class EngineInfo(Checked):
    """The machine that the engine runs on, and how it keeps images.

    image_store: `containerd`, or the classic store's storage driver.
    """

    system: str
    machine: str
    image_store: str
    root: str
    host: str
    kernel: str
    rootless: bool

    @classmethod
    def from_api(cls, row: Json) -> EngineInfo:
        status = dict(pair[:2] for pair in row.get("DriverStatus") or ())
        containerd = "io.containerd.snapshotter" in str(status.get("driver-type", ""))
        return cls(
            system=row["OperatingSystem"],
            machine=row["Architecture"],
            image_store="containerd" if containerd else row["Driver"],
            root=row.get("DockerRootDir", "?"),
            host=row.get("Name", "?"),
            kernel=row.get("KernelVersion", "?"),
            rootless="name=rootless" in (row.get("SecurityOptions") or ()),
        )

    @property
    def is_here(self) -> bool:
        """Return whether it runs on this program's kernel, under this machine's name."""
        return (self.host, self.kernel) == (socket.gethostname(), platform.release())
