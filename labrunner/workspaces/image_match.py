"""Whether an image on the engine and one in a registry are the same."""

from __future__ import annotations

from collections.abc import Sequence

from labrunner.registry.client import Registry
from labrunner.registry.models import Manifest


def is_same(
    registry: Registry, repository: str, manifest: Manifest, image_id: str, layers: Sequence[str]
) -> bool:
    """Return whether a manifest in a registry's repository is the image that the engine has by this
    id, with these layers.

    Another client or image store may give the same image another manifest, of another media type
    and by other digests, and another configuration. Its layers, as they are unpacked, stay.
    """
    if image_id in manifest.image_ids:
        return True
    counts = {len(each.layers) for each in (manifest, *manifest.manifests)}
    if not layers or len(layers) not in counts:
        return False
    return tuple(layers) in registry.diff_ids(repository, manifest)
