"""Whether the learner's registry allows deletion, what it was asked to delete, and what it did."""

from __future__ import annotations

import re
from collections.abc import Iterable

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.access_log import Request
from labrunner.registry.client import Registry
from labrunner.registry.models import Manifest
from labrunner.text import short
from labrunner.workspaces.registry_storage import configuration
from labrunner.workspaces.workspace import Workspace

DIGEST = re.compile("sha256:[0-9a-f]{64}")
NO_DIGEST = "sha256:" + 64 * "0"  # of no manifest


def try_deletion(registry: Registry, repository: str) -> int:
    """Ask for the deletion of what there is not; return the status of the answer, which is 404
    where deletion is on, and 405 where it is off."""
    return registry.delete(repository, NO_DIGEST).status


def explain_deletion_off(workspace: Workspace, container: Container) -> tuple[str, Sentence]:
    """Return why the registry in a container does not allow deletion: the reason, and the end of a
    sentence."""
    if configuration(workspace, container).read_only:
        return "read-only", Sentence("it is read-only, because of its setting `readonly`")
    settings = [f"{name}={each}" for name, each in container.environment.items() if "DEL" in name]
    if settings:
        why = "`{setting}` does not switch deletion on"
        return "deletion-off", Sentence(why, setting=settings[0])
    return "deletion-off", Sentence("nothing switches deletion on")


def deletions(requests: Iterable[Request], repository: str) -> list[Request]:
    """Return those that asked for the deletion of an image, except those of `try_deletion`."""
    place = f"/v2/{repository}/manifests/"
    asked = [each for each in requests if each.method == "DELETE" and each.path.startswith(place)]
    return [each for each in asked if not each.path.endswith(NO_DIGEST)]


def deleted_digests(requests: Iterable[Request]) -> list[str]:
    """Return the digests that these deletions named with success."""
    references = [each.path.rpartition("/")[2] for each in requests if each.status == 202]
    return [each for each in references if "sha256:" in each]


def explain_no_deletion(request: Request, manifest: Manifest) -> tuple[str, str]:
    """Return a reason and a sentence: why a request did not delete a manifest."""
    reference = request.path.rpartition("/")[2]
    values = {"asked": reference[:100], "short": short(reference), "status": request.status}
    if not reference:
        return "no-digest", Sentence("Your request to delete it did not end with a digest.")
    if reference == manifest.config_digest:
        why = (
            "You asked it to delete {short}, the image's id, which here is the digest of its "
            "config."
        )
        return "image-id", Sentence(why, **values)
    by_tag = "sha256:" not in reference
    if request.status == 202:
        if by_tag or reference == manifest.digest:
            return "pushed-again", Sentence("You deleted it, and then it was pushed again.")
        return "another-digest", Sentence("You deleted {short}.", **values)
    if by_tag:
        why = (
            "You asked it to delete the tag `{asked}`, and it answered {status}: it deletes only "
            "by digest."
        )
        return "by-tag", Sentence(why, **values)
    if not DIGEST.fullmatch(reference):
        why = (
            "You asked it to delete `{asked}`, and it answered {status}: a digest has 64 digits "
            "after `sha256:`."
        )
        return "short-digest", Sentence(why, **values)
    why = (
        "You asked it to delete {short}, and it answered {status}. Without `Accept`, a registry "
        "may give the digest of another form of the manifest."
    )
    return "another-digest", Sentence(why, **values)
