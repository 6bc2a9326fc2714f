"""The file that a kit is saved to: written whole or not at all, and read before it is loaded."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from labrunner.engine.transfer_progress import ProgressCallback
from labrunner.language import Sentence
from labrunner.registry.references import parse

from .errors import ImageUnavailable, KitUsageError

CHUNK = 1 << 20
LONGEST = 1 << 20  # bytes; a table of contents has a few hundred
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
ANOTHER_COPY = "Check its name, copy it again, or make a new one with `script/lab kit save FILE`."


def require_new(file: Path) -> None:
    """Raise `KitUsageError` for a file that exists, or whose folder does not."""
    if file.exists():
        found = Sentence("The file `{file}` already exists.", file=file)
        raise KitUsageError(found, next="Choose another name.")
    if not file.parent.is_dir():
        found = Sentence("There is no folder `{folder}`.", folder=file.parent)
        raise KitUsageError(found, next="Choose another.")


def write_archive(file: Path, data: Iterable[bytes], on_progress: ProgressCallback) -> None:
    """Write a new file, whole or not at all. Raises as `require_new`, and `ImageUnavailable`."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with part.open("xb") as output:
            for chunk in data:
                output.write(chunk)
                on_progress(output.tell(), 0)
        require_new(file)
        part.rename(file)
    except OSError as error:
        found = Sentence("`{file}` could not be written: {why}.", file=file, why=error.strerror)
        raise ImageUnavailable(
            found, next="Choose a folder that you can write to, with enough free space."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def chunks(file: Path, on_progress: ProgressCallback) -> Iterator[bytes]:
    """Yield the file in pieces, and say how far it is."""
    size = file.stat().st_size
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
            on_progress(source.tell(), size)


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
