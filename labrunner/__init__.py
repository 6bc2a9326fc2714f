"""A Docker registry tutorial that checks itself. Here stands all that a lab's author imports."""

from .diagnosis import RUN, registry_container
from .lab import Lab
from .phrases import digest_in, listed, misnamed, short
from .references import parse
from .registry import (
    LOOPBACK,
    NotARegistry,
    OtherScheme,
    RegistryDown,
    RegistryRefused,
    Untrusted,
)
from .verdict import CannotCheck, NotYet
from .workspace import Workspace

__all__ = [
    "LOOPBACK",
    "RUN",
    "CannotCheck",
    "Lab",
    "NotARegistry",
    "NotYet",
    "OtherScheme",
    "RegistryDown",
    "RegistryRefused",
    "Untrusted",
    "Workspace",
    "digest_in",
    "listed",
    "misnamed",
    "parse",
    "registry_container",
    "short",
]
