"""The learner's image: its names on the engine, and what stands in the registry in its place."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Collection
from contextlib import suppress

from labrunner.language import Sentence
from labrunner.registry.client import Registry
from labrunner.registry.models import Manifest
from labrunner.registry.references import parse
from labrunner.registry.transport import LOOPBACK
from labrunner.text import in_order, listed
from labrunner.workspaces.workspace import Workspace

SMALL = 1 << 16  # bytes of a layer, compressed, that is looked into


def find_name(
    workspace: Workspace, repository: str | None = None, tag: str = "latest"
) -> str | None:
    """Return the reference by which the engine has an image of the learner's registry, whichever
    host stands in it, or None. repository: the sample image's, unless it is given."""
    names = workspace.spellings(repository, tag)
    return next((name for name in names if workspace.engine.image(name)), None)


def names_of_sample(workspace: Workspace) -> tuple[str, ...]:
    """Return the names of the sample image on the engine: its digests where it has no tag, and its
    id where it has neither."""
    image = workspace.engine.image(workspace.sample)
    return (image.tags or image.digests or (image.id[7:19],)) if image else ()


def push_sample_again(workspace: Workspace) -> Sentence:
    """Return how to push the sample image under its own name, from a name that the engine has."""
    names, wanted = names_of_sample(workspace), f"{workspace.registry}/{workspace.image}"
    tag = f"`docker image tag {names[0] if names else workspace.image} {wanted}`"
    tag = "" if f"{wanted}:latest" in names else tag
    return in_order(tag, f"`docker push {wanted}`", stop=False)


def misnamed(workspace: Workspace, name: str, repository: str, tag: str) -> Sentence:
    """Return what is wrong with a name of the learner's image that should have been one in the
    workspace's registry, with this repository and tag."""
    reference = parse(name)
    if reference.familiar == f"{workspace.image}:{workspace.port}":
        found = (
            "Your image has the name `{name}`, where `{part}` is a tag, not a port. The registry "
            "comes first, with a slash after it."
        )
        return Sentence(found, name=name, part=workspace.port)
    if not reference.registry:
        found = (
            "Your image has the name `{name}`, which names no registry: a host cannot have an "
            "underscore."
        )
        return Sentence(found, name=name)
    if reference.default_registry:
        found = "Your image has the name `{name}`, which names no registry, so it means Docker Hub."
        return Sentence(found, name=name)
    if reference.registry not in [f"{host}:{workspace.port}" for host in LOOPBACK]:
        found = "Your image has the name `{name}`, which is for the registry `{part}`."
        return Sentence(found, name=name, part=reference.registry)
    if reference.repository != repository:
        found = "Your image has the name `{name}`: its repository is `{part}`."
        return Sentence(found, name=name, part=reference.repository)
    found = "Your image has the name `{name}`: its tag is `{part}`, not `{wanted}`."
    return Sentence(found, name=name, part=reference.tag, wanted=tag)


def find_misnamed(workspace: Workspace, repository: str, tag: str = "latest") -> str | None:
    """Return what is wrong with the name that the learner's image has besides its own, or None
    where it has no other."""
    image = workspace.engine.image(workspace.sample)
    others = [name for name in (image.tags if image else ()) if name != f"{workspace.image}:latest"]
    return misnamed(workspace, others[0], repository, tag) if others else None


def known_as(workspace: Workspace, name: str, *ids: str) -> str:
    """Return a name other than this that the engine has for one of these images, as the end of a
    sentence."""
    names = [tag for image in workspace.engine.images() if image.id in ids for tag in image.tags]
    others = [each for each in names if each.partition("/")[2] != name.partition("/")[2]]
    if not others:
        return ""
    return Sentence(", which your engine knows as `{name}`", name=others[0])


def explain_no_pull(name: str, known: Collection[str]) -> tuple[str, Sentence]:
    """Return why nobody had to pull an image, as the end of a sentence: by which names the engine
    still has it. And how to pull it by this name. known: the other names."""
    if not known:
        return "", in_order(f"`docker pull {name}`")
    copy = Sentence(": your engine still has it, as {names}", names=listed(known))
    return copy, in_order(f"`docker image rm {' '.join(known)}`", f"`docker pull {name}`")


def describe_difference(
    workspace: Workspace,
    manifest: Manifest,
    repository: str | None = None,
    registry: Registry | None = None,
) -> str:
    """Return in what an image in the registry differs from the one that the lab built, as the end
    of a sentence. repository: the sample image's, unless it is given. registry: as for
    `Workspace.is_sample`."""
    own = workspace.record.layers
    if not own:
        return ""
    theirs = (registry or workspace.api).diff_ids(repository or workspace.image, manifest)
    shared = max((len(set(own).intersection(each)) for each in theirs), default=0)
    found = ": it has {shared} of your image's {all} layers"
    return Sentence(found, shared=shared, all=len(own))


def read_image_text(workspace: Workspace, repository: str, reference: str, path: str) -> str | None:
    """Return what a text file says in an image of the learner's registry, without the blanks around
    it; None where no small layer of such an image has it. path: without a slash in front."""
    image = workspace.api.manifest(repository, reference)
    manifests = [image, *image.manifests] if image else []
    layers = [layer for manifest in manifests for layer in manifest.layers if layer.size <= SMALL]
    for layer in reversed(layers):
        blob = workspace.api.request("GET", f"{repository}/blobs/{layer.digest}").body
        with (
            suppress(tarfile.TarError, OSError, EOFError, zlib.error),  # it is no such archive
            tarfile.open(fileobj=io.BytesIO(blob)) as archive,
        ):
            for member in archive:
                found = member.isfile() and member.name.removeprefix("./") == path
                if found and (file := archive.extractfile(member)):
                    return file.read(SMALL).decode(errors="replace").strip()
    return None
