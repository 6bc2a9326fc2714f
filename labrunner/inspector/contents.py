"""What is in a registry: its tags, the manifests they name, and the blobs of those."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from labrunner.registry.models import Response

LARGEST = 1 << 63  # bytes; no registry counts any further
MOST = 127  # layers of one image, as engines have it; and images of one index

State = Literal["named", "untagged", "deleted"]
Kind = Literal["layer", "config"]


@dataclass(frozen=True)
class Descriptor:
    """A layer or a configuration; size in bytes, compressed as it travels. Raises `ValueError` for
    a size that nothing has."""

    digest: str
    size: int
    kind: Kind

    def __post_init__(self) -> None:
        if not 0 <= self.size < LARGEST:
            raise ValueError(self.size)

    @classmethod
    def read(cls, row: dict[str, Any], kind: Kind) -> Descriptor:
        return cls(str(row["digest"]), int(row["size"]), kind)


@dataclass(frozen=True)
class PlatformManifest:
    """One image of an index, and the platform that it is for."""

    digest: str
    platform: str

    @classmethod
    def read(cls, row: dict[str, Any]) -> PlatformManifest:
        """As `linux/arm64/v8`; what a builder adds to an image is of no platform."""
        platform = row.get("platform") or {}
        parts = [platform.get(name) for name in ("os", "architecture", "variant")]
        name = "/".join(str(part) for part in parts if part)
        if "vnd.docker.reference.type" in (row.get("annotations") or {}):
            name = "attestation"
        return cls(str(row["digest"]), name or "any platform")


@dataclass(frozen=True)
class ManifestEntry:
    """A manifest, or an index with `children`. size: its own bytes.

    state: `named` by a tag, or by an index that has one; `untagged` and still to be had by its
    digest; `deleted`, with bytes that nobody has collected. was: the tags that it last had. more:
    how many of its layers, or of the images of an index, were not read.
    """

    repository: str
    digest: str
    size: int
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[PlatformManifest, ...] = ()
    state: State = "named"
    was: tuple[str, ...] = ()
    more: int = 0

    @classmethod
    def read(cls, repository: str, answer: Response) -> ManifestEntry:
        """From what the registry sent. Raises `KeyError` and the like where that is no manifest."""
        body = answer.json
        config = [Descriptor.read(body["config"], "config")] if body.get("config") else []
        rows, images = body.get("layers") or [], body.get("manifests") or []
        layers = [Descriptor.read(row, "layer") for row in rows[:MOST]]
        children = tuple(PlatformManifest.read(row) for row in images[:MOST])
        more = len(rows) - len(layers) + len(images) - len(children)
        blobs, size = (*config, *layers), len(answer.body)
        return cls(repository, answer.digest, size, blobs, children, more=more)

    @property
    def key(self) -> tuple[str, str]:
        return self.repository, self.digest

    @property
    def there(self) -> bool:
        """Whether it can still be had, by a tag or by its digest."""
        return self.state != "deleted"

    @classmethod
    def remembered(cls, row: dict[str, Any]) -> ManifestEntry:
        """From a look that was written down."""
        blobs = tuple(Descriptor(**each) for each in row.pop("blobs"))
        children = tuple(PlatformManifest(**each) for each in row.pop("children"))
        return cls(**row | {"blobs": blobs, "children": children, "was": tuple(row["was"])})


@dataclass(frozen=True)
class Tag:
    """A tag, and the digest that it names; empty where the registry lists it without a manifest."""

    repository: str
    name: str
    digest: str


@dataclass(frozen=True)
class RegistryContents:
    """All that was found. `more_repositories` and `more_tags` were not looked at; disk: the bytes
    that the registry's volume takes, None where the engine does not tell."""

    repositories: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    manifests: tuple[ManifestEntry, ...] = ()
    more_repositories: int = 0
    more_tags: int = 0
    disk: int | None = None

    @cached_property
    def blobs(self) -> dict[str, Descriptor]:
        """Each layer and configuration once, however many manifests name it."""
        return {blob.digest: blob for held in self.manifests for blob in held.blobs}

    def users(self, digest: str) -> list[ManifestEntry]:
        """The manifests that name a blob."""
        return self._users.get(digest, [])

    @cached_property
    def _users(self) -> dict[str, list[ManifestEntry]]:
        users: dict[str, list[ManifestEntry]] = {}
        for held in self.manifests:
            for named in {blob.digest for blob in held.blobs}:
                users.setdefault(named, []).append(held)
        return users

    def find(self, repository: str, reference: str) -> ManifestEntry | None:
        """The manifest that a tag or a digest names."""
        tagged = {(tag.repository, tag.name): tag.digest for tag in self.tags}
        digest = tagged.get((repository, reference), reference)
        return next((held for held in self.manifests if held.key == (repository, digest)), None)

    def names(self, held: ManifestEntry) -> list[str]:
        """The tags of a manifest."""
        return [tag.name for tag in self.tags if (tag.repository, tag.digest) == held.key]

    @property
    def stored(self) -> int:
        """The bytes of all that is not deleted, each manifest and each blob once."""
        return self._bytes(held for held in self.manifests if held.there)

    @property
    def garbage(self) -> int:
        """The bytes that only what is deleted names."""
        return self._bytes(self.manifests) - self.stored

    def _bytes(self, manifests: Iterable[ManifestEntry]) -> int:
        sizes = {}
        for held in manifests:
            sizes[held.digest] = held.size
            sizes |= {blob.digest: blob.size for blob in held.blobs}
        return sum(sizes.values())
