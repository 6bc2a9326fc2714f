"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.answers import digest_in, last_line, last_word
    from .checks.history import REMEMBERED, client_requests, was_started
    from .checks.images import find_name, misnamed
    from .checks.registry import find_tag, has_blob, require_registry
    from .checks.storage import (
        ANONYMOUS,
        STORAGE,
        blob_sizes,
        describe_mount,
        describe_other_mount,
        find_phantom_blob,
        is_anonymous,
        measure_storage,
        storage_mount,
        stored_bytes,
        volumes_met,
    )
    from .course.lab import Lab
    from .registry.client import (
        LOOPBACK,
        NotARegistry,
        OtherScheme,
        RegistryDown,
        RegistryRefused,
        Untrusted,
    )
    from .registry.references import parse
    from .text import listed, megabytes, short
    from .verdicts import CannotCheck, NotYet
    from .workspaces.troubleshooting import RUN
    from .workspaces.workspace import Workspace

_MODULES = {
    "ANONYMOUS": "checks.storage",
    "LOOPBACK": "registry.client",
    "REMEMBERED": "checks.history",
    "RUN": "workspaces.troubleshooting",
    "STORAGE": "checks.storage",
    "CannotCheck": "verdicts",
    "Lab": "course.lab",
    "NotARegistry": "registry.client",
    "NotYet": "verdicts",
    "OtherScheme": "registry.client",
    "RegistryDown": "registry.client",
    "RegistryRefused": "registry.client",
    "Untrusted": "registry.client",
    "Workspace": "workspaces.workspace",
    "blob_sizes": "checks.storage",
    "client_requests": "checks.history",
    "describe_mount": "checks.storage",
    "describe_other_mount": "checks.storage",
    "digest_in": "checks.answers",
    "find_name": "checks.images",
    "find_tag": "checks.registry",
    "has_blob": "checks.registry",
    "is_anonymous": "checks.storage",
    "last_line": "checks.answers",
    "last_word": "checks.answers",
    "listed": "text",
    "megabytes": "text",
    "misnamed": "checks.images",
    "parse": "registry.references",
    "require_registry": "checks.registry",
    "short": "text",
    "storage_mount": "checks.storage",
    "stored_bytes": "checks.storage",
    "find_phantom_blob": "checks.storage",
    "measure_storage": "checks.storage",
    "volumes_met": "checks.storage",
    "was_started": "checks.history",
}

__all__ = [
    "ANONYMOUS",
    "LOOPBACK",
    "REMEMBERED",
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
    "blob_sizes",
    "client_requests",
    "describe_mount",
    "describe_other_mount",
    "digest_in",
    "find_name",
    "find_phantom_blob",
    "find_tag",
    "has_blob",
    "is_anonymous",
    "last_line",
    "last_word",
    "listed",
    "measure_storage",
    "megabytes",
    "misnamed",
    "parse",
    "require_registry",
    "short",
    "storage_mount",
    "stored_bytes",
    "volumes_met",
    "was_started",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
