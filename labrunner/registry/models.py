"""What a registry sends, in the words of the OCI image specification.

https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True)
class Response:
    """The answer to one request. The names of headers are case-insensitive."""

    status: int
    headers: Any
    body: bytes

    @property
    def digest(self) -> str:
        """The digest of the content: from its header, or computed from the body."""
        return (
            self.headers.get("Docker-Content-Digest") or f"sha256:{sha256(self.body).hexdigest()}"
        )

    @cached_property
    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.body.decode("utf-8-sig"))  # JSON is UTF-8 between machines
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Descriptor:
    """A blob that a manifest names. size: bytes, as they are stored and sent: compressed."""

    digest: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """An image manifest, or an image index with its `manifests`."""

    digest: str
    media_type: str
    config_digest: str | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Manifest, ...] = ()

    @property
    def image_ids(self) -> set[str]:
        """All ids that an engine may give this image: the classic image store takes the digest of
        the configuration, the containerd store that of the manifest or index."""
        own = {self.digest, self.config_digest} if self.config_digest else {self.digest}
        return own.union(*(child.image_ids for child in self.manifests))
