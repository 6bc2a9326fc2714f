"""A Docker registry tutorial that checks itself. A lab's author imports all names from here.

They are imported when they are first used, so that a command which needs no lab stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.acts import (
        act,
        build_another,
        collect,
        collect_running,
        fail_to_run_registry,
        issue,
        pull,
        push_as,
        push_with_login,
        refused,
        remove_sample,
        restart_registry,
        run,
        run_in_network,
        run_registry,
        stop_collect_start,
        tag_as,
        untag,
        wait_until,
    )
    from .checks.answers import digest_in, digests_in, last_line, last_word, sizes_in, tags_in
    from .checks.certificates import (
        TLS_SETTINGS,
        ca_fault,
        certificate_fault,
        days_left,
        files_fault,
        holds_other_certificate,
        issue_certificate,
        pair_fault,
    )
    from .checks.collection import collection_fault
    from .checks.containers import (
        last_line_of,
        new_containers,
        ran_and_was_removed,
        require_own_command,
        runs_own_command,
    )
    from .checks.deletions import (
        deleted_digests,
        deletions,
        explain_deletion_off,
        explain_no_deletion,
        try_deletion,
    )
    from .checks.files import with_files
    from .checks.history import (
        client_requests,
        logged_requests,
        pulls_since_push,
        pushed_tags,
        require_memory,
        was_started,
    )
    from .checks.images import (
        describe_difference,
        explain_no_pull,
        find_misnamed,
        find_name,
        known_as,
        misnamed,
        names_of_sample,
        push_sample_again,
        read_image_text,
    )
    from .checks.names import missing_parts, nearest, part_of, same_image
    from .checks.passwords import AUTH, htpasswd, login_fault, write_password_file
    from .checks.pushes import (
        has_push,
        pull_and_retag,
        require_pushed,
        require_tag,
        retag,
        took_a_push,
    )
    from .checks.refusals import require_manifest_taken, require_no_refusal
    from .checks.registry import (
        has_blob,
        read_version,
        require_registry,
        require_started,
        require_version,
    )
    from .checks.reverse_proxy import (
        exposure,
        hiding_fault,
        require_proxied_registry,
        restart_proxy,
        start_behind_proxy,
        start_in_network,
        upload_fault,
        wait_until_refused,
    )
    from .checks.second_host import SecondHost, pulled_from, require_second_host
    from .checks.second_host_start import engine_powers, start_second_host
    from .checks.second_registry import SecondRegistry, start_second_registry
    from .checks.storage import (
        ANONYMOUS,
        blob_sizes,
        describe_mount,
        describe_other_mount,
        is_anonymous,
        own_bytes,
        require_kept,
        stored_bytes,
        untagged_bytes,
        untagged_digests,
    )
    from .checks.subnets import unused_subnet
    from .checks.volumes import (
        anonymous_volumes,
        fullest_volume,
        left_over_volumes,
        require_no_other_user,
        volume_from_before,
        was_handed_on,
    )
    from .course.lab import Lab
    from .language import Sentence
    from .registry.configuration import STORAGE
    from .registry.errors import (
        NotARegistry,
        OtherScheme,
        RegistryDown,
    )
    from .registry.references import parse
    from .text import in_order, listed, megabytes, one_by_one, short
    from .verdicts import CannotCheck, NotYet, Passed
    from .workspaces.image_match import is_same
    from .workspaces.registry_storage import configuration, configuration_path, storage_mount
    from .workspaces.service import runs_registry
    from .workspaces.troubleshooting import RUN, describe_state
    from .workspaces.workspace import Workspace

_NAMES = {  # of each module
    "checks.acts": (
        "act build_another collect collect_running fail_to_run_registry issue pull push_as "
        "push_with_login refused remove_sample restart_registry run run_in_network run_registry "
        "stop_collect_start tag_as untag wait_until"
    ),
    "checks.answers": "digest_in digests_in last_line last_word sizes_in tags_in",
    "checks.certificates": (
        "TLS_SETTINGS ca_fault certificate_fault days_left files_fault holds_other_certificate "
        "issue_certificate pair_fault"
    ),
    "checks.collection": "collection_fault",
    "checks.containers": (
        "last_line_of new_containers ran_and_was_removed require_own_command runs_own_command"
    ),
    "checks.deletions": (
        "deleted_digests deletions explain_deletion_off explain_no_deletion try_deletion"
    ),
    "checks.files": "with_files",
    "checks.history": (
        "client_requests logged_requests pulls_since_push pushed_tags require_memory was_started"
    ),
    "checks.images": (
        "describe_difference explain_no_pull find_misnamed find_name known_as misnamed "
        "names_of_sample push_sample_again read_image_text"
    ),
    "checks.names": "missing_parts nearest part_of same_image",
    "checks.passwords": "AUTH htpasswd login_fault write_password_file",
    "checks.pushes": "has_push pull_and_retag require_pushed require_tag retag took_a_push",
    "checks.refusals": "require_manifest_taken require_no_refusal",
    "checks.registry": "has_blob read_version require_registry require_started require_version",
    "checks.reverse_proxy": (
        "exposure hiding_fault require_proxied_registry restart_proxy start_behind_proxy "
        "start_in_network upload_fault wait_until_refused"
    ),
    "checks.second_host": "SecondHost pulled_from require_second_host",
    "checks.second_host_start": "engine_powers start_second_host",
    "checks.second_registry": "SecondRegistry start_second_registry",
    "checks.storage": (
        "ANONYMOUS blob_sizes describe_mount describe_other_mount is_anonymous own_bytes "
        "require_kept stored_bytes untagged_bytes untagged_digests"
    ),
    "checks.subnets": "unused_subnet",
    "checks.volumes": (
        "anonymous_volumes fullest_volume left_over_volumes require_no_other_user "
        "volume_from_before was_handed_on"
    ),
    "course.lab": "Lab",
    "language": "Sentence",
    "registry.configuration": "STORAGE",
    "registry.errors": "NotARegistry OtherScheme RegistryDown",
    "registry.references": "parse",
    "text": "in_order listed megabytes one_by_one short",
    "verdicts": "CannotCheck NotYet Passed",
    "workspaces.image_match": "is_same",
    "workspaces.registry_storage": "configuration configuration_path storage_mount",
    "workspaces.service": "runs_registry",
    "workspaces.troubleshooting": "RUN describe_state",
    "workspaces.workspace": "Workspace",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "ANONYMOUS", "AUTH", "RUN", "STORAGE", "TLS_SETTINGS", "CannotCheck", "Lab",
    "NotARegistry", "NotYet", "OtherScheme", "Passed", "RegistryDown", "SecondHost",
    "SecondRegistry", "Sentence", "Workspace", "act", "anonymous_volumes", "blob_sizes",
    "build_another", "ca_fault", "certificate_fault", "client_requests", "collect",
    "collect_running", "collection_fault", "configuration", "configuration_path", "days_left",
    "deleted_digests", "deletions", "describe_difference", "describe_mount",
    "describe_other_mount", "describe_state", "digest_in", "digests_in", "engine_powers",
    "explain_deletion_off", "explain_no_deletion", "explain_no_pull", "exposure",
    "fail_to_run_registry", "files_fault", "find_misnamed", "find_name", "fullest_volume",
    "has_blob", "has_push", "hiding_fault", "holds_other_certificate", "htpasswd", "in_order",
    "is_anonymous", "is_same", "issue", "issue_certificate", "known_as", "last_line",
    "last_line_of", "last_word", "left_over_volumes", "listed", "logged_requests",
    "login_fault", "megabytes", "misnamed", "missing_parts", "names_of_sample", "nearest",
    "new_containers", "one_by_one", "own_bytes", "pair_fault", "parse", "part_of", "pull",
    "pull_and_retag", "pulled_from", "pulls_since_push", "push_as", "push_sample_again",
    "push_with_login", "pushed_tags", "ran_and_was_removed", "read_image_text", "read_version",
    "refused", "remove_sample", "require_kept", "require_manifest_taken", "require_memory",
    "require_no_other_user", "require_no_refusal", "require_own_command",
    "require_proxied_registry", "require_pushed", "require_registry", "require_second_host",
    "require_started", "require_tag", "require_version", "restart_proxy", "restart_registry",
    "retag", "run", "run_in_network", "run_registry", "runs_own_command", "runs_registry",
    "same_image", "short", "sizes_in", "start_behind_proxy", "start_in_network",
    "start_second_host", "start_second_registry", "stop_collect_start", "storage_mount",
    "stored_bytes", "tag_as", "tags_in", "took_a_push", "try_deletion", "untag",
    "untagged_bytes", "untagged_digests", "unused_subnet", "upload_fault",
    "volume_from_before", "wait_until", "wait_until_refused", "was_handed_on", "was_started",
    "with_files", "write_password_file",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
