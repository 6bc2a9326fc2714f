"""Why an object on the engine belongs to a workspace, and whether that is certain.

What the workspace created is certain (its label, its word for the object and its recorded id all
agree), and so is what the learner evidently made for the lab since it opened: by a name that the
lab has reserved, from an image that is the lab's, or as the registry on its port. What may as well
be somebody else's is in doubt.
What was there before, what another workspace made and the engine's own networks never belong.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from labrunner.engine.models import Container, Image, Network, Volume
from labrunner.language import Sentence
from labrunner.registry.references import InvalidReference, parse
from labrunner.registry.transport import LOOPBACK
from labrunner.verdicts import CannotCheck

from .labels import OBJECT, WORKSPACE
from .service import runs_registry
from .workspace import Workspace

ANSWERED = 1  # seconds in which a container on the port must answer as a registry
PROJECT = "com.docker.compose.project"  # labels of Docker Compose
PROJECT_FOLDER = "com.docker.compose.project.working_dir"


@dataclass(frozen=True)
class Reason:
    """Why an object belongs to a workspace. certain: it can be nobody else's."""

    why: str
    certain: bool = True


def is_owned(workspace: Workspace, kind: str, id: str, labels: dict[str, str]) -> bool:
    """Return whether the workspace made it: the labels are its own, and the id is the recorded one.

    A row without an id is of a run that was killed between making and recording; its word, which
    was written down before and is nowhere else, stands for the id.
    """
    if labels.get(WORKSPACE) != workspace.id:
        return False
    return any(
        row["kind"] == kind and row["word"] == labels.get(OBJECT) and row["id"] in (id, None)
        for row in workspace.record.owned
    )


def is_of_a_container(workspace: Workspace, labels: dict[str, str]) -> bool:
    """Return whether a volume was made for a container that the workspace made."""
    return any(
        row["kind"] == "container" and row["word"] == labels.get(OBJECT)
        for row in workspace.record.owned
    )


def is_of_a_step(workspace: Workspace, labels: dict[str, str]) -> bool:
    """Return whether the engine made the container for a step of a build that was stopped."""
    return any(
        row["kind"] == "image" and row["word"] == labels.get(OBJECT) and not row["id"]
        for row in workspace.record.owned
    )


def is_under_registry(workspace: Workspace, name: str) -> bool:
    """Return whether an image's name begins with the address of the workspace's registry."""
    port = workspace.record.values.get("port")
    return bool(port) and name.startswith(tuple(f"{host}:{port}/" for host in LOOPBACK))


def why_container(workspace: Workspace, container: Container) -> Reason | None:
    """Return why a container belongs that was not there before; None where it does not."""
    if is_owned(workspace, "container", container.id, container.labels):
        return Reason(Sentence("this lab made it"))
    if container.labels.get(WORKSPACE, workspace.id) != workspace.id:
        return None  # another's; but what was made from our image has its labels
    if is_of_a_step(workspace, container.labels):
        return Reason(Sentence("this lab built with it"))
    if not workspace.record.values:
        return None
    reason = (
        _why_by_name(workspace, container)
        or _why_by_port(workspace, container)
        or _why_by_image(workspace, container)
    )
    return _doubt_other_project(workspace, container.labels, reason)


def _why_by_name(workspace: Workspace, container: Container) -> Reason | None:
    networks, reserved = set(container.addresses), _reserved_names(workspace)
    if container.name in workspace.record.names:
        return Reason(Sentence("it has a name that this lab uses"))
    if networks & reserved:
        return Reason(Sentence("it is in this lab's network"), certain=networks <= reserved)
    if is_under_registry(workspace, container.image):
        return Reason(Sentence("it was made from an image of your registry"))
    # Only an image's name can have a slash: what is called like a container says nothing.
    images = [workspace.record.values.get("image"), *(each for each in reserved if "/" in each)]
    if _repository(container.image) in images or container.image_id == workspace.sample:
        return Reason(Sentence("it was made from this lab's image"))
    return None


def _repository(image: str) -> str:
    """Return an image's name without its tag and digest; nothing of one that is only an id."""
    try:
        return replace(parse(image), tag=None, digest=None).familiar
    except InvalidReference:
        return ""


def _why_by_image(workspace: Workspace, container: Container) -> Reason | None:
    """Return why a container belongs that was made from an image which goes as a whole. One that
    was made by another name, which the image has lost since, may be somebody else's."""
    image = workspace.engine.image(container.image_id)
    if not image or image.id in workspace.record.before["images"]:
        return None
    names = [why_tag(workspace, image, tag) for tag in image.tags]
    if not all(names or [why_untagged(workspace, image)]):
        return None
    id = container.image.removeprefix("sha256:")
    by_id = image.id.removeprefix("sha256:").startswith(id)
    return Reason(Sentence("it was made from this lab's image"), certain=by_id)


def _why_by_port(workspace: Workspace, container: Container) -> Reason | None:
    port = workspace.port
    if container.on_host_network:
        if runs_registry(workspace.engine, container):
            return Reason(
                Sentence("it may be another registry, on the host's network"), certain=False
            )
    elif "none" not in container.addresses and (container.binds(port) or container.publishes(port)):
        if not container.started:
            return Reason(
                Sentence("it asks for your registry's port, but never had it"), certain=False
            )
        if not _is_registry(workspace, container):
            return Reason(
                Sentence("it is on your registry's port, but is not a registry"), certain=False
            )
        return Reason(Sentence("it is on your registry's port"))
    return None


def _is_registry(workspace: Workspace, container: Container) -> bool:
    """Return whether a container on the workspace's port is a registry: by its image, or, of
    another make, by its answer."""
    if runs_registry(workspace.engine, container):
        return True
    with suppress(CannotCheck):
        if container.running:
            workspace.client(explain=None, timeout=ANSWERED, any_tls=True).ping()
            return True
    return False


def has_lab_name(workspace: Workspace, repository: str) -> bool:
    """Return whether the lab has reserved an image's name, which is without its tag or digest."""
    names = {workspace.record.values.get("image"), *_reserved_names(workspace)}
    return repository in names or is_under_registry(workspace, repository)


def why_tag(workspace: Workspace, image: Image, tag: str) -> str | None:
    """Return why a tag belongs that the image did not have before."""
    if is_under_registry(workspace, tag):
        return Sentence("it is named after your registry")
    if has_lab_name(workspace, tag.rpartition(":")[0]):
        return Sentence("it has the name of this lab's image")
    if image.id == workspace.sample:
        return Sentence("it is this lab's image")
    return None


def why_untagged(workspace: Workspace, image: Image) -> str | None:
    """Return why an image without a tag belongs that was not there before."""
    if is_owned(workspace, "image", image.id, image.labels):
        return Sentence("this lab built it")
    if any(is_under_registry(workspace, name) for name in image.digests):
        return Sentence("it was pulled from your registry")
    if image.id in workspace.record.seen["images"]:
        return Sentence("it had the name of this lab's image")
    return None


def why_used(
    workspace: Workspace,
    kind: Literal["volume", "network"],
    id: str,
    used: Volume | Network,
    *,
    in_doubt: Collection[str],
    anonymous: bool = False,
) -> Reason | None:
    """Return why a volume or network belongs: by its name, or because containers used it.

    in_doubt: the ids of those that containers in doubt use. anonymous: nobody has named it, so it
    goes with its containers. One with a name that is not the lab's may be wanted without them.
    """
    record, headless = workspace.record, workspace.record.kind == "headless"
    if id in record.before[f"{kind}s"]:
        return None
    if is_owned(workspace, kind, id, used.labels) or is_of_a_container(workspace, used.labels):
        return Reason(Sentence("this lab made it"))
    if WORKSPACE in used.labels:
        return None
    reason = None
    if used.name in record.names:
        reserved = headless or used.name in _reserved_names(workspace)
        reason = Reason(Sentence("it has a name that this lab uses"), certain=reserved)
    elif id in record.seen[f"{kind}s"]:
        reason = Reason(Sentence("a container of this lab used it"), certain=headless or anonymous)
    elif id in in_doubt:
        reason = Reason(Sentence("a container that may not be the lab's uses it"), certain=False)
    return _doubt_other_project(workspace, used.labels, reason)


def _reserved_names(workspace: Workspace) -> set[str]:
    """Return the names of the lab that nothing on the engine had when it opened. The registry's is
    not among them: only no container had that."""
    return set(workspace.record.names) - {workspace.record.values.get("name")}


def _doubt_other_project(
    workspace: Workspace, labels: dict[str, str], reason: Reason | None
) -> Reason | None:
    """Return the reason, in doubt for what Compose made from a file outside the lab's folder."""
    project = labels.get(PROJECT)
    if not reason or not project:
        return reason
    folders = {labels.get(PROJECT_FOLDER)}
    if PROJECT_FOLDER not in labels:  # of a volume or a network; the project's containers have it
        made = workspace.engine.containers(label=f"{PROJECT}={project}")
        folders = {each.labels.get(PROJECT_FOLDER) for each in made}
    if folders == {str(workspace.work)}:
        return reason
    why = "{why}; it is of the Compose project `{project}`"
    return Reason(Sentence(why, why=reason.why, project=project), certain=False)
