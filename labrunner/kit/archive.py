"""Reads which images are in a file before an engine loads it."""

from __future__ import annotations

import hashlib
import json
import lzma
import tarfile
import zlib
from pathlib import Path

from labrunner.registry.references import parse

LONGEST = 1 << 20  # bytes; a table of contents has a few hundred
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


class BadArchive(Exception):
    """The file cannot be loaded. The text follows the file's name: "is damaged, …"."""


def read_archive(file: Path) -> dict[str, set[str]]:
    """Return the references in a file of `docker save`, and the ids that an engine may give each.

    An id is the digest of the configuration (classic image store) or of the manifest or index
    (containerd store); see https://github.com/moby/docker-image-spec. The file is read to its end,
    to notice one that was cut off. Raises `BadArchive`.
    """
    try:
        with tarfile.open(file) as tar:
            contents = _contents(tar, {member.name: member for member in tar})
    except (*UNREADABLE, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadArchive("is damaged, or is not an archive of images.") from error
    except OSError as error:
        raise BadArchive(f"cannot be read: {error.strerror or error}.") from error
    if not contents:
        raise BadArchive("does not hold an image with a name.")
    return contents


def _contents(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> dict[str, set[str]]:
    contents: dict[str, set[str]] = {}
    for entry in json.loads(_content(tar, members["manifest.json"])):
        digest = hashlib.sha256(_content(tar, members[entry["Config"]])).hexdigest()
        for layer in entry["Layers"]:
            members[layer]
        for tag in entry["RepoTags"]:
            contents.setdefault(parse(tag).familiar, set()).add(f"sha256:{digest}")
    if "index.json" in members:
        for row in json.loads(_content(tar, members["index.json"]))["manifests"]:
            if name := row.get("annotations", {}).get("io.containerd.image.name"):
                contents.setdefault(parse(name).familiar, set()).add(row["digest"])
    return contents


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    if source is None or member.size > LONGEST:
        raise ValueError(member.name)
    return source.read()
