"""Subnets for the networks of labs."""

from __future__ import annotations

import random

from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Workspace


def unused_subnet(workspace: Workspace) -> str:
    """Return a subnet that no network has and no other workspace means to have, in the range that
    is set aside for tests of networks."""
    subnets = {f"198.18.{part}.0/24" for part in range(256)} - workspace.reserved
    for subnet in random.sample(sorted(subnets), 20):
        try:
            network = workspace.create_network(f"probe-{workspace.id}", subnet)
        except CannotCheck as error:
            taken = error
        else:
            workspace.engine.remove_network(network)
            return subnet
    raise taken
