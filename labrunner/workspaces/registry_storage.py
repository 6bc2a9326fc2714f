"""Where the registry in a container keeps its files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Mount
from labrunner.registry.configuration import Configuration
from labrunner.registry.versions import CONFIG_FILES, FIRST

from .workspace import Workspace

FILE_SETTING = "REGISTRY_CONFIGURATION_PATH"


def configuration(workspace: Workspace, container: Container) -> Configuration:
    """Return the settings that a registry's container runs with."""
    path = configuration_path(container)
    file = _read_at_start(workspace.engine, container.id, container.started, path)
    return Configuration(container.environment, file)


def configuration_path(container: Container) -> str:
    """Return the path of the file that a registry reads its settings from, in its container."""
    named = [word for word in container.command if word.endswith((".yml", ".yaml"))]
    return named[-1] if named else container.environment.get(FILE_SETTING, CONFIG_FILES[FIRST])


@lru_cache(maxsize=100)
def _read_at_start(engine: Engine, container: str, started: float, path: str) -> str:
    """Return the text of a file that a container reads once, when it starts."""
    return (engine.read_file(container, path) or b"").decode(errors="replace")


def storage_folder(workspace: Workspace, container: Container) -> PurePosixPath:
    """Return the folder in its container that has a registry's `blobs` and `repositories`."""
    return PurePosixPath(configuration(workspace, container).root, "docker/registry/v2")


def storage_mount(workspace: Workspace, container: Container) -> Mount | None:
    """Return what is mounted where a registry keeps its files, or None."""
    files = storage_folder(workspace, container)
    around = [mount for mount in container.mounts if files.is_relative_to(mount.target)]
    return max(around, key=lambda mount: len(mount.target), default=None)
