"""What the labs' messages have in common: how things are named in them, and answers read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .references import parse
from .registry import LOOPBACK
from .verdict import NotYet

if TYPE_CHECKING:
    from .workspace import Workspace

DIGEST = re.compile(r"\b(?:sha256:)?([0-9a-f]{64})\b")


def short(id: str) -> str:
    """The beginning of a digest, or of the full id of a container or volume, as code."""
    return f"`{id[:19] if ':' in id else id[:12]}…`"


def listed(names: Iterable[str]) -> str:
    """Some names as code, with "and" between them."""
    return " and ".join(f"`{name}`" for name in names)


def misnamed(workspace: Workspace, name: str, repository: str, tag: str) -> str:
    """What is wrong with a name of the learner's image that was meant to be one in the workspace's
    registry, with this repository and tag."""
    reference = parse(name)
    found = f"Your image has the name `{name}`"
    if reference.familiar == f"{workspace.image}:{workspace.port}":
        return (
            f"{found}: there `{workspace.port}` is a tag, not a port. "
            "The registry stands in front, before a slash."
        )
    if reference.default_registry:
        return f"{found}, which names no registry, and so means Docker Hub."
    if reference.registry not in [f"{host}:{workspace.port}" for host in LOOPBACK]:
        return f"{found}, which is for the registry `{reference.registry}`."
    if reference.repository != repository:
        return f"{found}: its repository is `{reference.repository}`."
    return f"{found}: its tag is `{reference.tag}`, not `{tag}`."


def digest_in(answer: str, *, expected: str, next: str) -> str:
    """The one digest in an answer, with or without `sha256:` and the words around it. Raises
    `NotYet` where there is none, or more than one."""
    digests = {f"sha256:{found}" for found in DIGEST.findall(answer.lower())}
    if len(digests) == 1:
        return digests.pop()
    found = f"Your answer holds {len(digests)} digests, not one."
    if not digests:
        found = "Your answer holds no digest: `sha256:` and 64 hexadecimal digits."
    raise NotYet(expected=expected, found=found, next=next)
