"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.acts import (
        act,
        collect,
        collect_running,
        fail_to_run_registry,
        pull,
        push_as,
        push_with_login,
        refused,
        remove_sample,
        restart_registry,
        run,
        run_registry,
        stop_collect_start,
        tag_as,
        untag,
        wait_until,
    )
    from .checks.answers import digest_in, digests_in, last_line, last_word, tags_in
    from .checks.certificates import certificate_fault, issue_certificate
    from .checks.history import (
        client_requests,
        count_pushes,
        logged_requests,
        pulls_since_push,
        require_memory,
        was_started,
    )
    from .checks.images import describe_difference, find_misnamed, find_name, known_as, misnamed
    from .checks.names import missing_parts, part_of, same_image
    from .checks.passwords import AUTH, htpasswd, login_fault
    from .checks.pushes import require_pushed
    from .checks.refusals import explain_no_deletion, require_no_refusal
    from .checks.registry import find_tag, has_blob, require_registry, require_started
    from .checks.second_host import (
        SecondHost,
        engine_powers,
        pulled_from,
        require_second_host,
        start_second_host,
        unused_subnet,
    )
    from .checks.second_registry import SecondRegistry, start_second_registry
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
    )
    from .checks.volumes import (
        anonymous_volumes,
        fullest_volume,
        left_over_volumes,
        was_handed_on,
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
    from .workspaces.service import runs_registry
    from .workspaces.troubleshooting import RUN, describe_state
    from .workspaces.workspace import Workspace

_MODULES = {
    "ANONYMOUS": "checks.storage",
    "AUTH": "checks.passwords",
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
    "SecondRegistry": "checks.second_registry",
    "Untrusted": "registry.errors",
    "Workspace": "workspaces.workspace",
    "act": "checks.acts",
    "anonymous_volumes": "checks.volumes",
    "blob_sizes": "checks.storage",
    "certificate_fault": "checks.certificates",
    "client_requests": "checks.history",
    "collect": "checks.acts",
    "collect_running": "checks.acts",
    "configuration_path": "workspaces.registry_storage",
    "configuration": "workspaces.registry_storage",
    "count_pushes": "checks.history",
    "describe_difference": "checks.images",
    "describe_mount": "checks.storage",
    "describe_other_mount": "checks.storage",
    "describe_state": "workspaces.troubleshooting",
    "digest_in": "checks.answers",
    "digests_in": "checks.answers",
    "engine_powers": "checks.second_host",
    "explain_no_deletion": "checks.refusals",
    "fail_to_run_registry": "checks.acts",
    "find_misnamed": "checks.images",
    "find_name": "checks.images",
    "find_phantom_blob": "checks.storage",
    "find_tag": "checks.registry",
    "fullest_volume": "checks.volumes",
    "has_blob": "checks.registry",
    "htpasswd": "checks.passwords",
    "is_anonymous": "checks.storage",
    "is_same": "workspaces.image_match",
    "issue_certificate": "checks.certificates",
    "known_as": "checks.images",
    "last_line": "checks.answers",
    "last_word": "checks.answers",
    "left_over_volumes": "checks.volumes",
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
    "pulls_since_push": "checks.history",
    "push_as": "checks.acts",
    "push_with_login": "checks.acts",
    "refused": "checks.acts",
    "remove_sample": "checks.acts",
    "require_memory": "checks.history",
    "require_no_refusal": "checks.refusals",
    "require_pushed": "checks.pushes",
    "require_registry": "checks.registry",
    "require_second_host": "checks.second_host",
    "require_started": "checks.registry",
    "restart_registry": "checks.acts",
    "run": "checks.acts",
    "run_registry": "checks.acts",
    "runs_registry": "workspaces.service",
    "same_image": "checks.names",
    "short": "text",
    "start_second_host": "checks.second_host",
    "start_second_registry": "checks.second_registry",
    "stop_collect_start": "checks.acts",
    "storage_mount": "workspaces.registry_storage",
    "stored_bytes": "checks.storage",
    "stored_digests": "checks.storage",
    "tag_as": "checks.acts",
    "tags_in": "checks.answers",
    "untag": "checks.acts",
    "untagged_bytes": "checks.storage",
    "unused_subnet": "checks.second_host",
    "wait_until": "checks.acts",
    "was_handed_on": "checks.volumes",
    "was_started": "checks.history",
}

__all__ = [
    "ANONYMOUS",
    "AUTH",
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
    "SecondRegistry",
    "Untrusted",
    "Workspace",
    "act",
    "anonymous_volumes",
    "blob_sizes",
    "certificate_fault",
    "client_requests",
    "collect",
    "collect_running",
    "configuration",
    "configuration_path",
    "count_pushes",
    "describe_difference",
    "describe_mount",
    "describe_other_mount",
    "describe_state",
    "digest_in",
    "digests_in",
    "engine_powers",
    "explain_no_deletion",
    "fail_to_run_registry",
    "find_misnamed",
    "find_name",
    "find_phantom_blob",
    "find_tag",
    "fullest_volume",
    "has_blob",
    "htpasswd",
    "is_anonymous",
    "is_same",
    "issue_certificate",
    "known_as",
    "last_line",
    "last_word",
    "left_over_volumes",
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
    "pulls_since_push",
    "push_as",
    "push_with_login",
    "refused",
    "remove_sample",
    "require_memory",
    "require_no_refusal",
    "require_pushed",
    "require_registry",
    "require_second_host",
    "require_started",
    "restart_registry",
    "run",
    "run_registry",
    "runs_registry",
    "same_image",
    "short",
    "start_second_host",
    "start_second_registry",
    "stop_collect_start",
    "storage_mount",
    "stored_bytes",
    "stored_digests",
    "tag_as",
    "tags_in",
    "untag",
    "untagged_bytes",
    "unused_subnet",
    "wait_until",
    "was_handed_on",
    "was_started",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
