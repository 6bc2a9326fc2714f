"""What a registry contains: its tags, the manifests they name, and the blobs of those manifests.

The words are those of the OCI image and distribution specifications.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from labrunner.language import Sentence
from labrunner.registry.models import Response

LARGEST_SIZE = 1 << 63  # bytes; no registry counts any further
MAX_ROWS = 127  # layers of an image that are read, as engines limit them; and images of an index

State = Literal["named", "untagged", "deleted"]
Kind = Literal["layer", "config"]


@dataclass(frozen=True)
class Descriptor:
    """A layer or a configuration, with its compressed size in bytes.

    Raises `ValueError` for a size that no blob has.
    """

    digest: str
    size: int
    kind: Kind

    def __post_init__(self) -> None:
        if not 0 <= self.size < LARGEST_SIZE:
            raise ValueError(self.size)

    @classmethod
    def from_json(cls, row: dict[str, Any], kind: Kind) -> Descriptor:
        """Return the descriptor in a manifest."""
        return cls(str(row["digest"]), int(row["size"]), kind)


@dataclass(frozen=True)
class PlatformManifest:
    """One image of an index, and the platform that it is for, such as `linux/arm64/v8`."""

    digest: str
    platform: str

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> PlatformManifest:
        """Return the image in an index. What a builder adds to an image has no platform."""
        platform = row.get("platform") or {}
        parts = [platform.get(name) for name in ("os", "architecture", "variant")]
        name = "/".join(str(part) for part in parts if part)
        if "vnd.docker.reference.type" in (row.get("annotations") or {}):
            name = "attestation"
        return cls(str(row["digest"]), name or Sentence("any platform"))


@dataclass(frozen=True)
class ManifestEntry:
    """A manifest, or an index with `children`. size: its own bytes.

    state: `named` by a tag, or by an index that has a tag; `untagged`, and still available by its
    digest; `deleted`, with blobs that garbage collection has not removed yet. previous_tags: the
    tags that it last had. unread: how many of its layers, or images of an index, were not read.
    """

    repository: str
    digest: str
    size: int
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[PlatformManifest, ...] = ()
    state: State = "named"
    previous_tags: tuple[str, ...] = ()
    unread: int = 0

    @classmethod
    def from_response(cls, repository: str, response: Response) -> ManifestEntry:
        """Return the manifest that a registry sent.

        Raises `KeyError`, `TypeError` and other errors of reading where it is not a manifest.
        """
        body = response.json
        config = [Descriptor.from_json(body["config"], "config")] if body.get("config") else []
        rows, images = body.get("layers") or [], body.get("manifests") or []
        layers = [Descriptor.from_json(row, "layer") for row in rows[:MAX_ROWS]]
        children = tuple(PlatformManifest.from_json(row) for row in images[:MAX_ROWS])
        return cls(
            repository,
            response.digest,
            size=len(response.body),
            blobs=(*config, *layers),
            children=children,
            unread=len(rows) - len(layers) + len(images) - len(children),
        )

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ManifestEntry:
        """Return the manifest that `as_record` wrote."""
        return cls(
            record["repository"],
            record["digest"],
            record["size"],
            blobs=tuple(Descriptor(**row) for row in record["blobs"]),
            children=tuple(PlatformManifest(**row) for row in record["children"]),
            state=record["state"],
            previous_tags=tuple(record["was"]),
            unread=record["more"],
        )

    def as_record(self) -> dict[str, Any]:
        """Return the manifest as JSON, for a file."""
        record = asdict(self)
        record["was"] = record.pop("previous_tags")
        record["more"] = record.pop("unread")
        return record

    @property
    def key(self) -> tuple[str, str]:
        return self.repository, self.digest

    @property
    def available(self) -> bool:
        """Whether it can be pulled, by a tag or by its digest."""
        return self.state != "deleted"


@dataclass(frozen=True)
class Tag:
    """A tag and the digest that it names, which is empty where the registry has no manifest."""

    repository: str
    name: str
    digest: str


@dataclass(frozen=True)
class RegistryContents:
    """All that was found in a registry.

    unread_repositories, unread_tags: how many there are besides. disk_usage: the bytes that the
    registry's volume takes, None where the engine does not tell.
    """

    repositories: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    manifests: tuple[ManifestEntry, ...] = ()
    unread_repositories: int = 0
    unread_tags: int = 0
    disk_usage: int | None = None

    @cached_property
    def blobs(self) -> dict[str, Descriptor]:
        """Each layer and configuration once, by its digest."""
        return {blob.digest: blob for entry in self.manifests for blob in entry.blobs}

    def find(self, repository: str, reference: str) -> ManifestEntry | None:
        """Return the manifest that a tag or a digest names."""
        tagged = {(tag.repository, tag.name): tag.digest for tag in self.tags}
        digest = tagged.get((repository, reference), reference)
        return next((entry for entry in self.manifests if entry.key == (repository, digest)), None)

    def tags_of(self, entry: ManifestEntry) -> list[str]:
        """Return the tags of a manifest."""
        return self._tags_by_manifest.get(entry.key, [])

    @cached_property
    def _tags_by_manifest(self) -> dict[tuple[str, str], list[str]]:
        tags: dict[tuple[str, str], list[str]] = {}
        for tag in self.tags:
            tags.setdefault((tag.repository, tag.digest), []).append(tag.name)
        return tags

    def manifests_with(self, digest: str) -> list[ManifestEntry]:
        """Return the manifests that name a blob."""
        return self._manifests_by_blob.get(digest, [])

    @cached_property
    def _manifests_by_blob(self) -> dict[str, list[ManifestEntry]]:
        manifests: dict[str, list[ManifestEntry]] = {}
        for entry in self.manifests:
            for digest in {blob.digest for blob in entry.blobs}:
                manifests.setdefault(digest, []).append(entry)
        return manifests

    @property
    def stored(self) -> int:
        """The bytes of all that is not deleted, each manifest and each blob once."""
        return _total(entry for entry in self.manifests if entry.available)

    @property
    def garbage(self) -> int:
        """The bytes that only deleted manifests name."""
        return _total(self.manifests) - self.stored


def _total(manifests: Iterable[ManifestEntry]) -> int:
    sizes = {}
    for entry in manifests:
        sizes[entry.digest] = entry.size
        sizes |= {blob.digest: blob.size for blob in entry.blobs}
    return sum(sizes.values())
