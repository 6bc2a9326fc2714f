"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.answers import digest_in
    from .checks.images import misnamed
    from .checks.registry import STORAGE, find_tag, require_registry, storage_mount
    from .course.lab import Lab
    from .registry.client import LOOPBACK
    from .registry.errors import NotARegistry, OtherScheme, RegistryDown, RegistryRefused, Untrusted
    from .registry.references import parse
    from .text import listed, short
    from .verdicts import CannotCheck, NotYet
    from .workspaces.troubleshooting import RUN
    from .workspaces.workspace import Workspace

_MODULES = {
    "LOOPBACK": "registry.client",
    "STORAGE": "checks.registry",
    "find_tag": "checks.registry",
    "require_registry": "checks.registry",
    "storage_mount": "checks.registry",
    "RUN": "workspaces.troubleshooting",
    "CannotCheck": "verdicts",
    "Lab": "course.lab",
    "NotARegistry": "registry.errors",
    "NotYet": "verdicts",
    "OtherScheme": "registry.errors",
    "RegistryDown": "registry.errors",
    "RegistryRefused": "registry.errors",
    "Untrusted": "registry.errors",
    "Workspace": "workspaces.workspace",
    "digest_in": "checks.answers",
    "listed": "text",
    "misnamed": "checks.images",
    "parse": "registry.references",
    "short": "text",
}

__all__ = [
    "LOOPBACK",
    "RUN",
    "STORAGE",
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
    "find_tag",
    "listed",
    "misnamed",
    "parse",
    "require_registry",
    "short",
    "storage_mount",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
