"""The logins to a workspace's registry that the learner's `docker` command has stored. They stay
when the lab is finished or reset: only the learner removes a login."""

from __future__ import annotations

import os

from labrunner.engine.context import find_logins
from labrunner.language import Sentence
from labrunner.registry.transport import LOOPBACK

from .workspace import Workspace


def describe_logins(workspace: Workspace) -> list[Sentence]:
    """Return a sentence for each of them, with the command that removes it. Empty for a lab that
    has no password."""
    if "password" not in workspace.record.values:
        return []
    said = "Your `docker` login for `{place}` stays; `docker logout {place}` removes it."
    stored = find_logins(os.environ)
    places = [f"{host}:{workspace.port}" for host in LOOPBACK]
    return [Sentence(said, place=place) for place in places if place in stored]
