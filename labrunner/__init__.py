"""A Docker registry tutorial that checks itself. Here stands all that a lab's author imports."""

from .diagnosis import RUN, registry_container
from .lab import Lab
from .references import parse
from .registry import LOOPBACK, NotARegistry, RegistryDown
from .verdict import CannotCheck, NotYet
from .workspace import Workspace

__all__ = [
    "LOOPBACK",
    "RUN",
    "CannotCheck",
    "Lab",
    "NotARegistry",
    "NotYet",
    "RegistryDown",
    "Workspace",
    "parse",
    "registry_container",
]
