"""Look into a file of images before an engine loads it: which references, and which images."""

from __future__ import annotations

import hashlib
import json
import lzma
import tarfile
import zlib
from pathlib import Path

from labrunner.registry.references import parse

LONGEST = 1 << 20  # bytes; a table of contents has some hundred
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


class BadArchive(Exception):
    """Not to be loaded; the text goes on from the file's name: "is damaged, …"."""


def read_archive(file: Path) -> dict[str, set[str]]:
    """The references in a file of `docker save`, and the ids that each image may have on an engine.

    That is the digest of its configuration (classic store), and of its manifest or index
    (containerd store); https://github.com/moby/docker-image-spec has the format. The file is read
    to its end, so that one that was cut off is told. Raises BadArchive.
    """
    try:
        with tarfile.open(file) as tar:
            contents = _contents(tar, {member.name: member for member in tar})
    except (*UNREADABLE, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadArchive("is damaged, or no archive of images.") from error
    except OSError as error:
        raise BadArchive(f"cannot be read: {error.strerror or error}.") from error
    if not contents:
        raise BadArchive("holds no image with a name.")
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
