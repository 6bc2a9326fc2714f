"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.acts import (
        act,
        fail_to_run_registry,
        pull,
        push_as,
        run,
        run_registry,
        tag_as,
        untag,
    )
    from .checks.answers import digest_in, digests_in, last_line, last_word, tags_in
    from .checks.certificates import certificate_fault, issue_certificate
    from .checks.history import client_requests, logged_requests, require_memory, was_started
    from .checks.images import describe_difference, find_name, misnamed
    from .checks.names import missing_parts, part_of, same_image
    from .checks.passwords import login_fault
    from .checks.refusals import require_no_refusal
    from .checks.registry import find_tag, has_blob, require_registry, require_started
    from .checks.second_host import (
        SecondHost,
        engine_powers,
        pulled_from,
        require_second_host,
        start_second_host,
        unused_subnet,
    )
    from .checks.storage import (
        ANONYMOUS,
        blob_sizes,
        describe_mount,
        describe_other_mount,
        find_phantom_blob,
        is_anonymous,
        stored_bytes,
        stored_digests,
        untagged_bytes,
        volumes_met,
    )
    from .course.lab import Lab
    from .registry.configuration import STORAGE
    from .registry.errors import (
        NotARegistry,
        OtherScheme,
        RegistryDown,
        RegistryRefused,
        Untrusted,
    )
    from .registry.references import parse
    from .text import listed, megabytes, short
    from .verdicts import CannotCheck, NotYet, Passed
    from .workspaces.image_match import is_same
    from .workspaces.registry_storage import configuration, configuration_path, storage_mount
    from .workspaces.troubleshooting import RUN, describe_state
    from .workspaces.workspace import Workspace

_MODULES = {
    "ANONYMOUS": "checks.storage",
    "CannotCheck": "verdicts",
    "Lab": "course.lab",
    "NotARegistry": "registry.errors",
    "NotYet": "verdicts",
    "Passed": "verdicts",
    "OtherScheme": "registry.errors",
    "RUN": "workspaces.troubleshooting",
    "RegistryDown": "registry.errors",
    "RegistryRefused": "registry.errors",
    "STORAGE": "registry.configuration",
    "SecondHost": "checks.second_host",
    "Untrusted": "registry.errors",
    "Workspace": "workspaces.workspace",
    "act": "checks.acts",
    "blob_sizes": "checks.storage",
    "certificate_fault": "checks.certificates",
    "client_requests": "checks.history",
    "configuration_path": "workspaces.registry_storage",
    "configuration": "workspaces.registry_storage",
    "describe_difference": "checks.images",
    "describe_mount": "checks.storage",
    "describe_other_mount": "checks.storage",
    "describe_state": "workspaces.troubleshooting",
    "digest_in": "checks.answers",
    "digests_in": "checks.answers",
    "engine_powers": "checks.second_host",
    "fail_to_run_registry": "checks.acts",
    "find_name": "checks.images",
    "find_phantom_blob": "checks.storage",
    "find_tag": "checks.registry",
    "has_blob": "checks.registry",
    "is_anonymous": "checks.storage",
    "is_same": "workspaces.image_match",
    "issue_certificate": "checks.certificates",
    "last_line": "checks.answers",
    "last_word": "checks.answers",
    "listed": "text",
    "logged_requests": "checks.history",
    "login_fault": "checks.passwords",
    "megabytes": "text",
    "misnamed": "checks.images",
    "missing_parts": "checks.names",
    "parse": "registry.references",
    "part_of": "checks.names",
    "pull": "checks.acts",
    "pulled_from": "checks.second_host",
    "push_as": "checks.acts",
    "require_memory": "checks.history",
    "require_no_refusal": "checks.refusals",
    "require_registry": "checks.registry",
    "require_second_host": "checks.second_host",
    "require_started": "checks.registry",
    "run": "checks.acts",
    "run_registry": "checks.acts",
    "same_image": "checks.names",
    "short": "text",
    "start_second_host": "checks.second_host",
    "storage_mount": "workspaces.registry_storage",
    "stored_bytes": "checks.storage",
    "stored_digests": "checks.storage",
    "tag_as": "checks.acts",
    "tags_in": "checks.answers",
    "untag": "checks.acts",
    "untagged_bytes": "checks.storage",
    "unused_subnet": "checks.second_host",
    "volumes_met": "checks.storage",
    "was_started": "checks.history",
}

__all__ = [
    "ANONYMOUS",
    "RUN",
    "STORAGE",
    "CannotCheck",
    "Lab",
    "NotARegistry",
    "NotYet",
    "OtherScheme",
    "Passed",
    "RegistryDown",
    "RegistryRefused",
    "SecondHost",
    "Untrusted",
    "Workspace",
    "act",
    "blob_sizes",
    "certificate_fault",
    "client_requests",
    "configuration",
    "configuration_path",
    "describe_difference",
    "describe_mount",
    "describe_other_mount",
    "describe_state",
    "digest_in",
    "digests_in",
    "engine_powers",
    "fail_to_run_registry",
    "find_name",
    "find_phantom_blob",
    "find_tag",
    "has_blob",
    "is_anonymous",
    "is_same",
    "issue_certificate",
    "last_line",
    "last_word",
    "listed",
    "logged_requests",
    "login_fault",
    "megabytes",
    "misnamed",
    "missing_parts",
    "parse",
    "part_of",
    "pull",
    "pulled_from",
    "push_as",
    "require_memory",
    "require_no_refusal",
    "require_registry",
    "require_second_host",
    "require_started",
    "run",
    "run_registry",
    "same_image",
    "short",
    "start_second_host",
    "storage_mount",
    "stored_bytes",
    "stored_digests",
    "tag_as",
    "tags_in",
    "untag",
    "untagged_bytes",
    "unused_subnet",
    "volumes_met",
    "was_started",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
