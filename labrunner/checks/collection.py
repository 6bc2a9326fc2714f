"""Whether the garbage of the learner's registry is collected, and why it is not."""

from __future__ import annotations

import re
from collections.abc import Collection

from labrunner.language import Sentence
from labrunner.registry.errors import BudgetSpent, RegistryDown, RegistrySlow
from labrunner.registry.transport import LARGEST
from labrunner.text import megabytes, short
from labrunner.workspaces.workspace import Workspace

from .history import pushed_repositories, recent_requests
from .storage import blob_sizes, tagged_blob_sizes, untagged_blobs

IN_PATH = re.compile(r"sha256(?::|%3A)([0-9a-f]{64})")  # a digest in a path, or in its query
SEARCH = 12  # requests of a search in other repositories


def find_phantom_blob(workspace: Workspace, repository: str) -> str | None:
    """Return the digest of a blob that the registry says it has and cannot send, or None: it was
    removed from the disk while the registry ran. Tries those that the registry was asked for."""
    paths = [each.path for each in workspace.requests() if f"/{repository}/" in each.path]
    digests = {f"sha256:{digits}" for path in paths for digits in IN_PATH.findall(path)}
    for digest in sorted(digests - tagged_blob_sizes(workspace, repository).keys()):
        blob = f"{repository}/blobs/{digest}"
        head = workspace.api.request("HEAD", blob)
        if head.status == 200 and int(head.headers.get("Content-Length", LARGEST)) < LARGEST:
            try:
                workspace.api.request("GET", blob)
            except RegistrySlow:
                raise
            except RegistryDown:  # it hangs up without a whole answer
                return digest
    return None


def find_other_tag(
    workspace: Workspace, repository: str, blobs: Collection[str]
) -> tuple[str, str, str] | None:
    """Return another repository that was pushed to, a tag of it that names one of these blobs, and
    the digest of what the tag points to; None where there is none, or it is not soon found."""
    registry = workspace.client()
    registry.budget = registry.budget.part(SEARCH)
    requests, _ = recent_requests(workspace)
    try:
        for other in dict.fromkeys(pushed_repositories(workspace, requests)):
            for tag in (registry.tags(other) or ()) if other != repository else ():
                manifest = registry.manifest(other, tag)
                if manifest and not blob_sizes(manifest).keys().isdisjoint(blobs):
                    return other, tag, manifest.digest
    except BudgetSpent:
        pass
    return None


def collection_fault(
    workspace: Workspace, repository: str, little: int
) -> tuple[str, str, str] | None:
    """Return a reason and a sentence: why the garbage of a repository in the learner's registry is
    not collected as it should be; None where it is. The third text is a command to begin with;
    empty where there is none. little: bytes that may be left."""
    untagged = untagged_blobs(workspace, repository)
    size = megabytes(sum(untagged.values()))
    if sum(untagged.values()) > little:
        if kept := find_other_tag(workspace, repository, untagged):
            other, tag, digest = kept
            found = "{size} on the disk belongs to `{other}:{tag}`, too: a push went there."
            delete = (
                f"`curl -i -X DELETE http://{workspace.registry}/v2/{other}/manifests/{digest}`"
            )
            return "kept", Sentence(found, size=size, other=other, tag=tag), delete
        found = "{size} on the disk does not belong to any tag."
        return "garbage", Sentence(found, size=size), ""
    if phantom := find_phantom_blob(workspace, repository):
        found = (
            "The disk is clean, but the registry still believes that it has {blob}: it ran while "
            "you collected, and remembers what it had before."
        )
        return "remembers", Sentence(found, blob=short(phantom)), ""
    return None
