"""What earlier scans of a registry found, in a file of the workspace.

The registry's API lists no manifest without a tag. So a manifest that was seen once is asked for
by its digest after it has lost its tag, until garbage collection has removed it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .contents import ManifestEntry, RegistryContents

MAX_UNTAGGED = 50  # manifests without a tag that are kept
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)  # odd JSON raises


def load(path: Path) -> list[ManifestEntry]:
    """Return what the last scan found; nothing where that cannot be read."""
    try:
        return [ManifestEntry.from_record(record) for record in json.loads(path.read_text())]
    except (OSError, *UNREADABLE):
        return []


def save(path: Path, contents: RegistryContents, unchecked: Sequence[ManifestEntry]) -> None:
    """Write what a scan found, whole or not at all. On a full disk the last file stays.

    unchecked: manifests of earlier scans that this scan did not ask for.
    """
    entries = [
        replace(entry, previous_tags=tuple(tags)) if (tags := contents.tags_of(entry)) else entry
        for entry in contents.manifests
    ]
    named = [entry for entry in entries if entry.state == "named"]
    others = [entry for entry in entries if entry.state != "named"]
    kept = [*others, *unchecked][-MAX_UNTAGGED:]
    text = json.dumps([entry.as_record() for entry in [*kept, *named]])
    draft = path.with_name(f"{path.stem}.{threading.get_ident()}.new")
    with suppress(OSError):
        if not path.exists() or path.read_text() != text:
            draft.write_text(text)
            os.replace(draft, path)
