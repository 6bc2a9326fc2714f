"""What is in a registry as a table: the same as the picture, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.filesize import decimal as sized

from labrunner.inspector.contents import ManifestEntry, RegistryContents

from .registry import short, shown

LOST = "missing, or not to be read"
MOST_PARTS = 40  # of one manifest
MOST_OTHERS = 5  # manifests that share a blob, by their digests


@dataclass(frozen=True)
class Row:
    """A line of the table: a manifest, what names it, and what it is made of."""

    repository: str
    manifest: str
    named: str
    parts: Sequence[str] = ()


def of(shelf: RegistryContents) -> list[Row]:
    """The same in words, in the order of the picture."""
    rows: list[Row] = []
    for repository in shelf.repositories:
        name, before = shown(repository), len(rows)
        for held in shelf.manifests:
            if held.repository == repository:
                parts = _made_of(shelf, held)
                rows.append(Row(name, short(held.digest), _named(shelf, held), parts))
        for tag in shelf.tags:
            if tag.repository == repository and not tag.digest:
                rows.append(Row(name, LOST, shown(tag.name)))
        if len(rows) == before:
            rows.append(Row(name, "none", "It has no tags"))
    return rows


def _named(shelf: RegistryContents, held: ManifestEntry) -> str:
    if names := shelf.names(held):
        return ", ".join(shown(name) for name in names)
    was = f"; it was {', '.join(shown(name) for name in held.was)}" if held.was else ""
    if not held.there:
        return f"nothing{was}. It is deleted, and not collected yet"
    for index in shelf.manifests:
        for child in index.children:
            if (index.repository, child.digest) == held.key:
                return f"the index {short(index.digest)}, for {shown(child.platform)}"
    return f"no tag{was}. It can be had by its digest"


def _made_of(shelf: RegistryContents, held: ManifestEntry) -> list[str]:
    if held.children:
        return [f"{len(held.children) + held.more} images"]
    parts = []
    for blob in held.blobs[:MOST_PARTS]:
        others = [short(each.digest) for each in shelf.users(blob.digest) if each.key != held.key]
        if len(others) > MOST_OTHERS:
            others[MOST_OTHERS:] = [f"{len(others) - MOST_OTHERS} more"]
        shared = f", also of {', '.join(others)}" if others else ""
        parts.append(f"{blob.kind} {short(blob.digest)}, {sized(blob.size)}{shared}")
    more = len(held.blobs) - len(parts) + held.more
    return [*parts, f"{more} more layers"] if more else parts
