"""Where a registry keeps its files, and what they weigh."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from labrunner.engine.models import Container, Mount
from labrunner.language import Sentence
from labrunner.registry.client import Registry
from labrunner.registry.models import Manifest
from labrunner.text import short
from labrunner.verdicts import CannotCheck, NotYet
from labrunner.workspaces.registry_storage import storage_folder, storage_mount
from labrunner.workspaces.workspace import Workspace

ANONYMOUS = re.compile("[0-9a-f]{64}")  # the engine's own name for a volume that was given none


def is_anonymous(volume: str) -> bool:
    """Return whether a volume's name is one that the engine gave it."""
    return bool(ANONYMOUS.fullmatch(volume))


def describe_mount(mount: Mount | None) -> Sentence:
    """Return where a registry keeps its files, in words. mount: what `storage_mount` returned."""
    if not mount:
        return Sentence("the container itself or in memory")
    if mount.kind == "bind":
        return Sentence("the folder `{folder}`", folder=mount.source)
    if is_anonymous(mount.source):
        return Sentence("the anonymous volume {volume}", volume=short(mount.source))
    return Sentence("the volume `{volume}`", volume=mount.source)


def require_kept(workspace: Workspace, container: Container, todo: str) -> Sentence:
    """Return where a registry keeps its files, in words; raise `NotYet` where the next container
    does not find them there. todo: how to start it with a volume that has a name."""
    storage = storage_mount(workspace, container)
    where = describe_mount(storage)
    if not storage or is_anonymous(storage.source):
        raise NotYet("anonymous", found="It keeps its images in {where}.", next=todo, where=where)
    return where


def describe_other_mount(workspace: Workspace, container: Container) -> str:
    """Return what is mounted where the registry does not look, as the end of a sentence."""
    storage = storage_mount(workspace, container)
    for each in container.mounts:
        if each != storage:
            found = "; {what} is mounted at `{target}`, where the registry does not look"
            return Sentence(found, what=describe_mount(each), target=each.target)
    return ""


def stored_bytes(workspace: Workspace) -> int:
    """Return the bytes that the learner's registry stores: of a volume as the engine counts them,
    of a folder by `du`. Raises `CannotCheck` where neither is possible."""
    container, size = workspace.service().container, None
    storage = storage_mount(workspace, container) if container else None
    if storage and storage.kind == "volume":
        size = workspace.engine.volume_size(storage.source)
    elif storage and container:
        code, printed = workspace.engine.query(container.id, ["du", "-sk", storage.target])
        size = int(printed.split()[0]) * 1024 if code == 0 else None
    if size is None:
        raise _not_measured(workspace)
    return size


def _not_measured(workspace: Workspace) -> CannotCheck:
    return CannotCheck(
        Sentence(
            "It is unknown how much the registry on `{registry}` stores.",
            registry=workspace.registry,
        ),
        next="Run it in a container with a named volume, as the lesson shows.",
        reason="not-measured",
    )


def blob_sizes(manifest: Manifest) -> dict[str, int]:
    """Return the bytes of each blob of an image by its digest; of its configuration 0, which the
    manifest's record does not have."""
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    if manifest.config_digest:
        sizes[manifest.config_digest] = 0
    for child in manifest.manifests:
        sizes |= blob_sizes(child)
    return sizes


def own_bytes(manifest: Manifest, other: Manifest) -> int:
    """Return the bytes of the blobs that an image has and another one has not."""
    return sum(dict(blob_sizes(manifest).items() - blob_sizes(other).items()).values())


def tagged_blob_sizes(workspace: Workspace, repository: str) -> dict[str, int]:
    """Return the same of all images in a repository of the learner's registry that have a tag."""
    sizes: dict[str, int] = {}
    for tag in workspace.api.tags(repository) or ():
        if manifest := workspace.api.manifest(repository, tag):
            sizes |= blob_sizes(manifest)
    return sizes


def stored_digests(workspace: Workspace, repository: str, kind: str) -> set[str]:
    """Return the digests that the registry's disk has in a repository. kind: `_layers` for blobs,
    `_manifests/revisions` for manifests."""
    container = workspace.registry_container()
    if not container:
        raise _not_measured(workspace)
    links = storage_folder(workspace, container) / "repositories" / repository / kind / "sha256"
    paths = workspace.engine.read_files(container.id, f"{links}")  # of a link for each digest
    return {f"sha256:{PurePosixPath(path).parent.name}" for path in paths}


def untagged_digests(
    workspace: Workspace, repository: str, kind: str, registry: Registry
) -> list[str]:
    """Return what `stored_digests` does, without what an image with a tag consists of. registry:
    the learner's, with a login."""
    found = stored_digests(workspace, repository, kind)
    for tag in registry.tags(repository) or ():
        if manifest := registry.manifest(repository, tag):
            found -= {manifest.digest, *(each.digest for each in manifest.manifests)}
            found -= blob_sizes(manifest).keys()
    return sorted(found)


def untagged_blobs(workspace: Workspace, repository: str) -> dict[str, int]:
    """Return by their digests the bytes of the blobs on the registry's disk that were pushed to a
    repository, and that no tag of it names; what else the registry has is not looked at. Raises
    `CannotCheck` where the files of the repository cannot be seen."""
    container, engine = workspace.registry_container(), workspace.engine
    if not container:
        raise _not_measured(workspace)
    pushed = stored_digests(workspace, repository, "_layers")
    if not pushed:
        raise _not_measured(workspace)
    folder = storage_folder(workspace, container) / "blobs/sha256"
    sizes = {}
    for digest in pushed - tagged_blob_sizes(workspace, repository).keys():
        name = digest.partition(":")[2]
        blob = folder / name[:2] / name / "data"
        sizes[digest] = engine.file_size(container.id, f"{blob}") or 0
    return sizes


def untagged_bytes(workspace: Workspace, repository: str) -> int:
    """Return the bytes of all these blobs."""
    return sum(untagged_blobs(workspace, repository).values())
