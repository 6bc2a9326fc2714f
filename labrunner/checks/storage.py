"""Where a registry keeps its files, and what they weigh."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from labrunner.engine.models import Container, Mount
from labrunner.registry.errors import RegistryDown
from labrunner.registry.models import Manifest
from labrunner.text import short
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Workspace

STORAGE = "/var/lib/registry"  # where registry:2 keeps its files, unless its settings say otherwise
ANONYMOUS = re.compile("[0-9a-f]{64}")  # the engine's own name for a volume that was given none
IN_PATH = re.compile(r"sha256(?::|%3A)([0-9a-f]{64})")  # a digest in a path, or in its query
SMALL = 1 << 20  # bytes; a larger blob is not fetched to see whether it is there
STORAGE_SETTING = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"


def storage_mount(container: Container) -> Mount | None:
    """Return what is mounted where a registry keeps its files, or None."""
    root = container.environment.get(STORAGE_SETTING, STORAGE)
    files = PurePosixPath(root, "docker/registry/v2")
    around = [mount for mount in container.mounts if files.is_relative_to(mount.target)]
    return max(around, key=lambda mount: len(mount.target), default=None)


def is_anonymous(volume: str) -> bool:
    """Return whether a volume's name is one that the engine gave it."""
    return bool(ANONYMOUS.fullmatch(volume))


def describe_mount(mount: Mount | None) -> str:
    """Return where a registry keeps its files, in words. mount: what `storage_mount` returned."""
    if not mount:
        return "the container itself or in memory"
    if mount.kind == "bind":
        return f"the folder `{mount.source}`"
    if is_anonymous(mount.source):
        return f"the anonymous volume {short(mount.source)}"
    return f"the volume `{mount.source}`"


def describe_other_mount(container: Container) -> str:
    """Return what is mounted where the registry does not look, as the end of a sentence."""
    for each in container.mounts:
        if each != storage_mount(container):
            what = describe_mount(each)
            return f"; {what} is mounted at `{each.target}`, where the registry does not look"
    return ""


def stored_bytes(workspace: Workspace) -> int:
    """Return the bytes that the learner's registry stores: of a volume as the engine counts them,
    of a folder by `du`. Raises `CannotCheck` where neither is possible."""
    container, size = workspace.service().container, None
    storage = storage_mount(container) if container else None
    if storage and storage.kind == "volume":
        size = workspace.engine.volume_size(storage.source)
    elif storage and container:
        code, printed = workspace.engine.query(container.id, ["du", "-sk", storage.target])
        size = int(printed.split()[0]) * 1024 if code == 0 else None
    if size is None:
        raise CannotCheck(
            f"What the registry on `{workspace.registry}` stores cannot be measured.",
            next="Run it in a container with a named volume, as the lesson shows.",
            reason="not-measured",
        )
    return size


def blob_sizes(manifest: Manifest) -> dict[str, int]:
    """Return the bytes of each blob of an image by its digest; of its configuration 0, which the
    manifest's record does not have."""
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    if manifest.config_digest:
        sizes[manifest.config_digest] = 0
    for child in manifest.manifests:
        sizes |= blob_sizes(child)
    return sizes


def tagged_blob_sizes(workspace: Workspace) -> dict[str, int]:
    """Return the same of all images in the learner's registry that have a tag."""
    sizes: dict[str, int] = {}
    for repository in workspace.api.repositories():
        for tag in workspace.api.tags(repository) or ():
            if manifest := workspace.api.manifest(repository, tag):
                sizes |= blob_sizes(manifest)
    return sizes


def measure_storage(workspace: Workspace) -> tuple[int, int]:
    """Return the bytes that the learner's registry stores, and how many of them belong to no tag.
    Raises as `stored_bytes` does."""
    stored = stored_bytes(workspace)
    return stored, stored - sum(tagged_blob_sizes(workspace).values())


def find_phantom_blob(workspace: Workspace, repository: str) -> str | None:
    """Return the digest of a blob that the registry says it has and cannot send, or None: it was
    removed from the disk while the registry ran. Tries those that the registry was asked for."""
    paths = [each.path for each in workspace.requests() if f"/{repository}/" in each.path]
    digests = {f"sha256:{digits}" for path in paths for digits in IN_PATH.findall(path)}
    for digest in sorted(digests - tagged_blob_sizes(workspace).keys()):
        blob = f"{repository}/blobs/{digest}"
        head = workspace.api.request("HEAD", blob)
        if head.status == 200 and int(head.headers.get("Content-Length", SMALL)) < SMALL:
            try:
                workspace.api.request("GET", blob)
            except RegistryDown:  # it hangs up without a whole answer
                return digest
    return None


def volumes_met(workspace: Workspace) -> list[str]:
    """Return the volumes of the lab's containers, the oldest first, also of those that are gone:
    those that checks have met, and those that the engine remembers of containers by the lab's
    names."""
    record = workspace.record
    created = workspace.events(type="container", event="create")
    ours = {event.id for event in created if event.attributes.get("name") in record.names}
    mounts = workspace.events(type="volume", event="mount")
    recalled = [event.id for event in mounts if event.attributes.get("container") in ours]
    return list(dict.fromkeys([*record.seen["volumes"], *recalled]))
