"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.answers import digest_in, last_line, last_word
    from .checks.certificates import certificate_fault, issue_certificate
    from .checks.history import REMEMBERED, client_requests, was_started
    from .checks.images import misnamed
    from .checks.names import missing_parts, part_of, same_image
    from .checks.passwords import password_file_fault
    from .checks.registry import STORAGE, find_tag, require_registry, storage_mount
    from .checks.second_host import (
        SecondHost,
        engine_powers,
        pulled_from,
        require_second_host,
        start_second_host,
        unused_subnet,
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
    from .text import listed, short
    from .verdicts import CannotCheck, NotYet
    from .workspaces.troubleshooting import RUN
    from .workspaces.workspace import Workspace

_MODULES = {
    "LOOPBACK": "registry.client",
    "REMEMBERED": "checks.history",
    "STORAGE": "checks.registry",
    "SecondHost": "checks.second_host",
    "certificate_fault": "checks.certificates",
    "issue_certificate": "checks.certificates",
    "engine_powers": "checks.second_host",
    "pulled_from": "checks.second_host",
    "require_second_host": "checks.second_host",
    "start_second_host": "checks.second_host",
    "unused_subnet": "checks.second_host",
    "find_tag": "checks.registry",
    "require_registry": "checks.registry",
    "storage_mount": "checks.registry",
    "RUN": "workspaces.troubleshooting",
    "CannotCheck": "verdicts",
    "Lab": "course.lab",
    "NotARegistry": "registry.client",
    "NotYet": "verdicts",
    "OtherScheme": "registry.client",
    "RegistryDown": "registry.client",
    "RegistryRefused": "registry.client",
    "Untrusted": "registry.client",
    "Workspace": "workspaces.workspace",
    "client_requests": "checks.history",
    "digest_in": "checks.answers",
    "last_line": "checks.answers",
    "last_word": "checks.answers",
    "listed": "text",
    "misnamed": "checks.images",
    "missing_parts": "checks.names",
    "part_of": "checks.names",
    "same_image": "checks.names",
    "password_file_fault": "checks.passwords",
    "parse": "registry.references",
    "short": "text",
    "was_started": "checks.history",
}

__all__ = [
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
    "SecondHost",
    "Untrusted",
    "Workspace",
    "certificate_fault",
    "client_requests",
    "digest_in",
    "engine_powers",
    "find_tag",
    "issue_certificate",
    "last_line",
    "last_word",
    "listed",
    "misnamed",
    "missing_parts",
    "parse",
    "part_of",
    "password_file_fault",
    "pulled_from",
    "require_registry",
    "require_second_host",
    "same_image",
    "short",
    "start_second_host",
    "storage_mount",
    "unused_subnet",
    "was_started",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
