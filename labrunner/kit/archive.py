"""Reads which images are in a file before an engine loads it."""

from __future__ import annotations

import hashlib
import json
import lzma
import tarfile
import zlib
from pathlib import Path

from labrunner.language import Sentence
from labrunner.registry.references import parse

from .errors import KitUsageError

LONGEST = 1 << 20  # bytes; a table of contents has a few hundred
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
ANOTHER_COPY = "Check its name, copy it again, or make a new one with `script/lab kit save FILE`."


def read_archive(file: Path) -> dict[str, set[str]]:
    """Return the references in a file of `docker save`, and the ids that an engine may give each.

    An id is the digest of the configuration (classic image store) or of the manifest or index
    (containerd store); see https://github.com/moby/docker-image-spec. The file is read to its end,
    to notice one that was cut off. Raises `KitUsageError` for one that cannot be loaded.
    """
    try:
        with tarfile.open(file) as tar:
            contents = _contents(tar, {member.name: member for member in tar})
    except (*UNREADABLE, KeyError, ValueError, TypeError, AttributeError) as error:
        found = Sentence("`{file}` is damaged, or is not an archive of images.", file=file)
        raise KitUsageError(found, next=ANOTHER_COPY) from error
    except OSError as error:
        why = error.strerror or error
        found = Sentence("`{file}` cannot be read: {why}.", file=file, why=why)
        raise KitUsageError(found, next=ANOTHER_COPY) from error
    if not contents:
        found = Sentence("`{file}` does not hold an image with a name.", file=file)
        raise KitUsageError(found, next=ANOTHER_COPY)
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
