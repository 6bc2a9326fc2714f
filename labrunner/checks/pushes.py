"""Whether an image was pushed to the learner's registry and, where it was not, how far it got."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labrunner.registry.models import Manifest
from labrunner.text import short
from labrunner.verdicts import NotYet
from labrunner.workspaces.troubleshooting import RUN
from labrunner.workspaces.workspace import Workspace

from .images import describe_difference, find_misnamed, find_name, known_as
from .refusals import require_no_refusal
from .registry import Search, find_tag


def require_pushed(
    workspace: Workspace,
    repository: str = "",
    tag: str = "latest",
    *,
    image: str = "",
    is_right: Callable[[Manifest], bool] | None = None,
    start: str = RUN,
    **client: Any,
) -> Manifest:
    """Return the manifest behind a tag of the learner's registry; raise `NotYet` where there is
    none, or that of another image.

    repository: the sample image's, unless it is given. image, is_right: for another image than the
    sample, its name and whether a manifest is its. start: as in `require_registry`. client: options
    of `Workspace.client`.
    """
    repository, registry = repository or workspace.image, workspace.client(**client)
    name = workspace.ref(repository, tag)
    written = name.removesuffix(":latest")
    retag = (
        f"`docker image tag {image or workspace.image} {written}`, then `docker push {written}`."
    )
    manifest, differs = registry.manifest(repository, tag), ""
    if manifest:
        if is_right(manifest) if is_right else workspace.is_sample(manifest, repository, registry):
            return manifest
        if not image:
            differs = describe_difference(workspace, manifest, repository, registry)
        what = f"{short(manifest.digest)}{known_as(workspace, name, *manifest.image_ids)}{differs}"
        found = f"`{name}` is another image there, {what}."
        raise NotYet("another-image", found=found, next=f"{retag} The tag will move.")
    search = Search(None) if image else find_tag(workspace, **client)
    if search.place:
        found = f"The registry has your image only as `{search.place}`."
        raise NotYet("elsewhere", found=found, next=f"{retag} `{search.place}` may stay.")
    lacks = f"the registry has no repository `{repository}`"
    if registry.tags(repository) is not None:
        lacks = f"the registry's repository `{repository}` has no tag `{tag}`"
    if named := find_name(workspace, repository, tag):
        host, push = named.partition("/")[0], f"`docker push {named.removesuffix(':latest')}`"
        require_no_refusal(workspace, repository, again=push, start=start, host=host)
        found = f"Your engine has `{named}`, but {lacks}.{search.unread}"
        raise NotYet("not-pushed", found=found, next=f"{push}.")
    if other := None if image else find_misnamed(workspace, repository, tag):
        raise NotYet("misnamed", found=f"{other}{search.unread}", next=retag)
    found = f"Your engine has no image with the name `{name}`, and {lacks}.{search.unread}"
    raise NotYet("not-tagged", found=found, next=retag)
