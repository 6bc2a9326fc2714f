"""Whether an image was pushed to the learner's registry by the right name, and what was done in
place of that."""

from __future__ import annotations

from collections.abc import Callable

from labrunner.registry.models import Manifest
from labrunner.text import listed, short
from labrunner.verdicts import NotYet
from labrunner.workspaces.troubleshooting import RUN
from labrunner.workspaces.workspace import Workspace

from .images import describe_difference, find_name
from .refusals import require_no_refusal
from .registry import find_tag


def require_pushed(
    workspace: Workspace,
    repository: str,
    tag: str = "latest",
    *,
    image: str = "",
    is_right: Callable[[Manifest], bool] | None = None,
    start: str = RUN,
    any_tls: bool = False,
) -> Manifest:
    """Return the manifest that a tag of the registry points to; raise `NotYet` where it is missing,
    or that of another image. The lab's user is logged in.

    image: the name of what is to be pushed, the sample image unless it is given. is_right: whether
    a manifest is that image's. start: as in `require_registry`. any_tls: as in `Registry`.
    """
    how = {"login": workspace.login, "any_tls": any_tls}
    registry, name = workspace.client(**how), workspace.ref(repository, tag).removesuffix(":latest")
    push = f"`docker push {name}`"
    tagged = f"`docker image tag {image or workspace.image} {name}`, then {push}."
    manifest = registry.manifest(repository, tag)
    if manifest and is_right and is_right(manifest):
        return manifest
    if manifest and not is_right and workspace.is_sample(manifest, repository, registry):
        return manifest
    if manifest:
        other = "" if image else describe_difference(workspace, manifest, repository, registry)
        found = f"`{repository}:{tag}` is another image there, {short(manifest.digest)}{other}."
        raise NotYet("other-image", found=found, next=f"{tagged} The tag will move.")
    place = None if image else find_tag(workspace, **how).place
    if place:
        found = f"The registry has your image, but as `{place}`."
        raise NotYet("elsewhere", found=found, next=tagged)
    if not find_name(workspace, repository, tag):
        tags = registry.tags(repository)
        found = f"Your engine has no image of the name `{name}`, and the repository "
        found += f"`{repository}` has {listed(tags) if tags else 'no tags'}."
        raise NotYet("not-tagged", found=found, next=tagged)
    require_no_refusal(workspace, repository, again=push, start=start)
    found = f"`{name}` is a name on your engine, but the registry has no such tag."
    raise NotYet("not-pushed", found=found, next=f"{push}.")
