"""The contents of a registry as a table: what the diagram shows, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from rich.filesize import decimal

from labrunner.inspector.contents import ManifestEntry, RegistryContents

from .labels import printable, short_digest

MISSING = "missing or unreadable"
MAX_PARTS = 40  # of a manifest
MAX_OTHERS = 5  # manifests with the same blob that are named


@dataclass(frozen=True)
class Row:
    """A manifest, what names it, and its parts."""

    repository: str
    manifest: str
    named_by: str
    parts: Sequence[str] = ()


def rows(contents: RegistryContents) -> list[Row]:
    """Return the rows of the table, in the order of the diagram."""
    rows: list[Row] = []
    for repository in contents.repositories:
        name, before = printable(repository), len(rows)
        for entry in contents.manifests:
            if entry.repository == repository:
                digest = short_digest(entry.digest)
                rows.append(Row(name, digest, _named_by(contents, entry), _parts(contents, entry)))
        for tag in contents.tags:
            if tag.repository == repository and not tag.digest:
                rows.append(Row(name, MISSING, printable(tag.name)))
        if len(rows) == before:
            rows.append(Row(name, "none", "It has no tags"))
    return rows


def _named_by(contents: RegistryContents, entry: ManifestEntry) -> str:
    if tags := contents.tags_of(entry):
        return ", ".join(printable(tag) for tag in tags)
    previous = ", ".join(printable(tag) for tag in entry.previous_tags)
    was = f"; it was {previous}" if previous else ""
    if not entry.available:
        return f"nothing{was}. It is deleted, and not collected yet"
    for index in contents.manifests:
        for child in index.children:
            if (index.repository, child.digest) == entry.key:
                return f"the index {short_digest(index.digest)}, for {printable(child.platform)}"
    return f"no tag{was}. It can be pulled by its digest"


def _parts(contents: RegistryContents, entry: ManifestEntry) -> list[str]:
    if entry.children:
        return [f"{len(entry.children) + entry.unread} images"]
    parts = []
    for blob in entry.blobs[:MAX_PARTS]:
        entries = contents.manifests_with(blob.digest)
        others = (short_digest(other.digest) for other in entries if other.key != entry.key)
        named = list(islice(others, MAX_OTHERS))
        if more := len(entries) - 1 - len(named):
            named.append(f"{more} more")
        shared = f", also in {', '.join(named)}" if named else ""
        parts.append(f"{blob.kind} {short_digest(blob.digest)}, {decimal(blob.size)}{shared}")
    more = len(entry.blobs) - len(parts) + entry.unread
    return [*parts, f"{more} more layers"] if more else parts
