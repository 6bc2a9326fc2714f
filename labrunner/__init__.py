"""A Docker registry tutorial that checks itself. Here stands all that a lab's author imports."""

from .diagnosis import RUN, ago, registry_container
from .lab import Lab
from .references import parse
from .registry import NotARegistry, RegistryDown
from .verdict import CannotCheck, NotYet
from .workspace import Workspace

__all__ = [
    "RUN",
    "CannotCheck",
    "Lab",
    "NotARegistry",
    "NotYet",
    "RegistryDown",
    "Workspace",
    "ago",
    "parse",
    "registry_container",
]
