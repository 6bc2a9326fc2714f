"""The contents of a registry as a table: what the diagram shows, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from rich.filesize import decimal

from labrunner.inspector.contents import ManifestEntry, RegistryContents
from labrunner.language import Sentence

from .labels import printable, short_digest

MISSING = Sentence("missing or unreadable")
KINDS = {"config": Sentence("config"), "layer": Sentence("layer")}  # of a blob
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
            rows.append(Row(name, Sentence("none"), Sentence("It has no tags")))
    return rows


def _named_by(contents: RegistryContents, entry: ManifestEntry) -> str:
    if tags := contents.tags_of(entry):
        return ", ".join(printable(tag) for tag in tags)
    previous = ", ".join(printable(tag) for tag in entry.previous_tags)
    was = Sentence("; it was {tags}", tags=previous) if previous else ""
    if not entry.available:
        return Sentence("nothing{was}. It is deleted, and not collected yet", was=was)
    for index in contents.manifests:
        for child in index.children:
            if (index.repository, child.digest) == entry.key:
                return Sentence(
                    "the index {digest}, for {platform}",
                    digest=short_digest(index.digest),
                    platform=Sentence.of(printable(child.platform)),
                )
    return Sentence("no tag{was}. It can be pulled by its digest", was=was)


def _parts(contents: RegistryContents, entry: ManifestEntry) -> list[Sentence]:
    if entry.children:
        count = len(entry.children) + entry.unread
        return [Sentence.counted("{count} images", "{count} images", count)]
    parts = []
    for blob in entry.blobs[:MAX_PARTS]:
        entries = contents.manifests_with(blob.digest)
        others = (short_digest(other.digest) for other in entries if other.key != entry.key)
        named = list(islice(others, MAX_OTHERS))
        if more := len(entries) - 1 - len(named):
            named.append(Sentence("{count} more", count=more))
        shared = Sentence.joined(*named, by=", ")
        values = {
            "kind": KINDS[blob.kind],
            "digest": short_digest(blob.digest),
            "size": decimal(blob.size),
            "others": shared,
        }
        alone, common = "{kind} {digest}, {size}", "{kind} {digest}, {size}, also in {others}"
        parts.append(Sentence(common if named else alone, **values))
    more = len(entry.blobs) - len(parts) + entry.unread
    if more:
        parts.append(Sentence.counted("{count} more layers", "{count} more layers", more))
    return parts
