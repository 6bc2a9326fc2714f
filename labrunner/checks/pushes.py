"""Whether an image was pushed to the learner's registry and, where it was not, how far it got."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.access_log import Request
from labrunner.registry.models import Manifest
from labrunner.text import in_order, short
from labrunner.verdicts import CannotCheck, NotYet
from labrunner.workspaces.image_match import is_same
from labrunner.workspaces.troubleshooting import RUN
from labrunner.workspaces.workspace import Workspace

from .images import describe_difference, find_misnamed, find_name, known_as
from .refusals import require_no_refusal
from .registry import Search, find_tag


def retag(old: str, new: str) -> Sentence:
    """Return how an image on the engine is pushed under another name."""
    return Sentence("`docker image tag {old} {new}`, then `docker push {new}`.", old=old, new=new)


def pull_and_retag(old: str, new: str) -> Sentence:
    """Return the same for an image in a registry."""
    commands = "`docker pull {old}`, `docker image tag {old} {new}`, then `docker push {new}`."
    return Sentence(commands, old=old, new=new)


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
    push_it = retag(image or workspace.image, written)
    manifest, differs = registry.manifest(repository, tag), ""
    if manifest:
        if is_right(manifest) if is_right else workspace.is_sample(manifest, repository, registry):
            return manifest
        if not image:
            differs = describe_difference(workspace, manifest, repository, registry)
        held, push = workspace.find_image(repository, tag), f"`docker push {written}`"
        if held and not is_same(registry, repository, manifest, held.id, held.layers):
            require_no_refusal(workspace, repository, again=push, start=start)
        found = Sentence(
            "`{name}` is another image there, {digest}{known}{differs}.",
            name=name,
            digest=short(manifest.digest),
            known=known_as(workspace, name, *manifest.image_ids),
            differs=differs,
        )
        todo = Sentence.joined(push_it, "The tag will move.")
        raise NotYet("another-image", found=found, next=todo)
    search = Search(None) if image else find_tag(workspace, **client)
    if search.place:
        found = Sentence("The registry has your image only as `{place}`.", place=search.place)
        todo = Sentence.joined(push_it, Sentence("`{place}` may stay.", place=search.place))
        raise NotYet("elsewhere", found=found, next=todo)
    lacks = Sentence("the registry has no repository `{repository}`", repository=repository)
    if registry.tags(repository) is not None:
        no_tag = "the registry's repository `{repository}` has no tag `{tag}`"
        lacks = Sentence(no_tag, repository=repository, tag=tag)
    if named := find_name(workspace, repository, tag):
        host, push = named.partition("/")[0], f"`docker push {named.removesuffix(':latest')}`"
        require_no_refusal(workspace, repository, again=push, start=start, host=host)
        found = Sentence("Your engine has `{name}`, but {lacks}.", name=named, lacks=lacks)
        found = Sentence.joined(found, search.unread)
        raise NotYet("not-pushed", found=found, next=in_order(push))
    if other := None if image else find_misnamed(workspace, repository, tag):
        found = Sentence.joined(other, search.unread)
        raise NotYet("misnamed", found=found, next=push_it)
    none = "Your engine has no image with the name `{name}`, and {lacks}."
    found = Sentence.joined(Sentence(none, name=name, lacks=lacks), search.unread)
    raise NotYet("not-tagged", found=found, next=push_it)


def require_tag(workspace: Workspace, repository: str, tag: str, *, build: str) -> Manifest:
    """Return the manifest behind a tag of the learner's registry, whichever image it is; raise
    `NotYet` where there is none. build: how one gets there, for the advice."""
    if manifest := workspace.api.manifest(repository, tag):
        return manifest
    new, expected = workspace.ref(repository, tag), "`{registry}` holds your image as `{place}`."
    tags = [name for image in workspace.engine.images() for name in image.tags]
    tags = [name for name in tags if name.rpartition(":")[0].split("/")[-1] == repository]
    pushed = [workspace.ref(repository, each) for each in workspace.api.tags(repository) or ()]
    if named := find_name(workspace, repository, tag):
        push = Sentence("`docker push {name}`", name=named)
        require_no_refusal(workspace, repository, again=push, host=named.partition("/")[0])
        reason, there = "not-pushed", "Your engine has `{name}`, but the registry has no such tag."
        found: str = Sentence(there, name=named)
        todo: str = Sentence("{push}.", push=push)
    elif pushed:
        reason, todo = "elsewhere", pull_and_retag(pushed[0], new)
        found = "The registry has `{old}`, but not `{new}`."
    elif tags:
        reason, todo = "misnamed", retag(tags[0], new)
        found = "Your engine has `{old}`, but not `{new}`."
    else:
        reason, todo = "no-image", build
        found = "Neither your engine nor the registry has an image with that name."
    values = {"old": (pushed or tags or [""])[0], "new": new, "place": f"{repository}:{tag}"}
    raise NotYet(reason, expected=expected, found=found, next=todo, **values)


def took_a_push(workspace: Workspace, container: Container) -> bool:
    """Return whether the sample image was pushed to this very container of the learner's registry,
    whose log is as old as it is. Where requests are not logged, the engine may remember when it
    pushed; raises `CannotCheck` where it does not."""
    if requests := workspace.requests():
        return has_push(requests, workspace.image)
    events = workspace.events(type="image", event="push")
    if pushes := [event.time for event in events if event.id in workspace.spellings()]:
        return max(pushes) > container.created
    found = "The log of `{container}` shows no requests, and the engine remembers no push."
    todo = "Push the image with `docker push`, then replace the container again."
    raise CannotCheck(Sentence(found, container=container.name), next=todo)


def has_push(requests: Iterable[Request], repository: str) -> bool:
    """Return whether an image was pushed to a repository by these requests."""
    manifests = f"/v2/{repository}/manifests/"
    puts = [each for each in requests if each.method == "PUT" and each.succeeded]
    return any(each.path.startswith(manifests) for each in puts)
