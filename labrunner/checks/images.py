"""The learner's image: its names on the engine, and what stands in the registry in its place."""

from __future__ import annotations

from labrunner.registry.client import Registry
from labrunner.registry.models import Manifest
from labrunner.registry.references import parse
from labrunner.registry.transport import LOOPBACK
from labrunner.workspaces.workspace import Workspace


def find_name(
    workspace: Workspace, repository: str | None = None, tag: str = "latest"
) -> str | None:
    """Return the reference by which the engine has an image of the learner's registry, whichever
    host stands in it, or None. repository: the sample image's, unless it is given."""
    names = workspace.spellings(repository, tag)
    return next((name for name in names if workspace.engine.image(name)), None)


def misnamed(workspace: Workspace, name: str, repository: str, tag: str) -> str:
    """Return what is wrong with a name of the learner's image that should have been one in the
    workspace's registry, with this repository and tag."""
    reference = parse(name)
    found = f"Your image has the name `{name}`"
    if reference.familiar == f"{workspace.image}:{workspace.port}":
        return (
            f"{found}, where `{workspace.port}` is a tag, not a port. "
            "The registry comes first, with a slash after it."
        )
    if not reference.registry:
        return f"{found}, which names no registry: a host cannot have an underscore."
    if reference.default_registry:
        return f"{found}, which names no registry, so it means Docker Hub."
    if reference.registry not in [f"{host}:{workspace.port}" for host in LOOPBACK]:
        return f"{found}, which is for the registry `{reference.registry}`."
    if reference.repository != repository:
        return f"{found}: its repository is `{reference.repository}`."
    return f"{found}: its tag is `{reference.tag}`, not `{tag}`."


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
    return f": it has {shared} of your image's {len(own)} layers"
