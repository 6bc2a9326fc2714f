"""The objects that a workspace makes on the engine, for solutions and mistakes.

It labels all of them, and writes down each one before it makes it, so that what is left after a
crash can be found and nothing else is ever taken for it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.transfer_progress import ProgressCallback, ProgressLine, follow, silent
from labrunner.language import Sentence, dump

from .labels import OBJECT, WORKSPACE
from .record import Record


class Creation:
    """Makes objects that belong to a workspace. on_progress: how far a push or pull is."""

    def __init__(self, folder: Path, record: Record, engine: Engine) -> None:
        self.folder = folder
        self.record = record
        self.engine = engine
        self.on_progress: ProgressCallback = silent

    @property
    def id(self) -> str:
        return self.record.id

    def fill(self, text: str, **more: str) -> Sentence:
        """Return the text with each `{name}` replaced by the workspace's value of that name, or by
        one of those given here, also in these where they are sentences. All other braces stay as
        they are."""
        return Sentence.of(text).fill(more).fill({**self.record.values, **more})

    def save(self) -> None:
        """Write the record down, whole or not at all."""
        draft = self.folder / "record.json.new"
        draft.write_text(json.dumps({**asdict(self.record), "note": dump(self.record.note)}))
        os.replace(draft, self.folder / "record.json")

    def remember(self, facts: Mapping[str, str]) -> None:
        """Write down what a passed check has found out."""
        if not facts.items() <= self.record.facts.items():
            self.record.facts.update(facts)
            with suppress(OSError):  # a full disk must not break the check
                self.save()

    def run(self, image: str, *, name: str | None = None, **options: Any) -> str:
        """Create and start a container that the workspace owns; return its full id.

        options are those of `Engine.create_container`. A start that fails leaves nothing behind.
        """
        container = self.create(image, name=name, **options)
        try:
            self.engine.start(container)
        except BaseException:
            self.engine.remove_container(container)
            raise
        return container

    def create(self, image: str, *, name: str | None = None, **options: Any) -> str:
        """Create a container that the workspace owns, and do not start it; return its full id.

        The volumes that its image declares have its labels as well: an engine that dies between
        the two leaves a volume, and nothing else would tell whose it is.
        """
        declared: set[str] = set()
        if "volumes_from" not in options and (known := self.engine.image(image)):
            given = {path.removesuffix(":ro") for path in options.get("volumes") or ()}
            declared = {*known.volumes} - given - {*(options.get("tmpfs") or ())}
        with self._owned("container") as (labels, made):
            options["anonymous"] = dict.fromkeys(declared, labels)
            made["id"] = self.engine.create_container(image, name=name, labels=labels, **options)
        return str(made["id"])

    def build(self, folder: Path, name: str, *, ballast: int = 0, **values: str) -> str:
        """Build an image that no other workspace can have, as `name:latest`; return its id.

        Its context is the folder without the lab's own file. In all text files there, `{workspace}`
        is replaced by the workspace's id, and `{name}` by each value of that name; the Dockerfile
        has them as build arguments, in capitals. ballast: so many random bytes, which no other
        image has, are there in the file `ballast`.
        """
        with self.building(folder, name, ballast=ballast, **values) as made:
            pass
        return str(made["id"])

    @contextmanager
    def building(
        self, folder: Path, name: str, *, ballast: int = 0, **values: str
    ) -> Iterator[Mapping[str, str | None]]:
        """Do the same while the block runs; the `id` is there at its end."""
        values = {"workspace": self.id, **values}
        arguments = {key.upper(): value for key, value in values.items()}
        with self._owned("image") as (labels, made):
            context = self._context(folder, values)
            if ballast:
                context["ballast"] = secrets.token_bytes(ballast)
            progress = self.engine.build(context, f"{name}:latest", arguments, labels)
            with ThreadPoolExecutor(1) as thread:
                built = thread.submit(deque[ProgressLine], progress, 0)
                try:
                    yield made
                finally:
                    built.result()  # it goes on to its end
                    image = self.engine.image(f"{name}:latest")
                    made["id"] = image.id if image else None
                    self._clear_steps(made)

    def _clear_steps(self, made: Mapping[str, str | None]) -> None:
        """Remove the images of a build's other steps, which the containerd store would keep with
        their layers when that of the last goes; write down those that the classic store keeps
        until then."""
        for image in self.engine.images(all=True, label=f"{OBJECT}={made['word']}"):
            if image.id != made["id"]:
                try:
                    self.engine.remove_image(image.id)
                except EngineRefused:
                    self.record.owned.append({**made, "id": image.id})

    def _context(self, folder: Path, values: dict[str, str]) -> dict[str, bytes]:
        found = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "lab.py" and path.parent.name != "__pycache__":
                data = path.read_bytes()
                with suppress(UnicodeDecodeError):
                    data = self.fill(data.decode(), **values).encode()
                found[path.relative_to(folder).as_posix()] = data
        return found

    def create_volume(self, name: str) -> None:
        with self._owned("volume") as (labels, made):
            self.engine.create_volume(name, labels)
            made["id"] = name

    def create_network(self, name: str, subnet: str | None = None) -> str:
        with self._owned("network") as (labels, made):
            made["id"] = self.engine.create_network(name, labels, subnet)
        return str(made["id"])

    def tag(self, image: str, reference: str) -> None:
        """Name an image; the reference has a tag."""
        self.engine.tag(image, reference)

    def push(self, reference: str, login: tuple[str, str] | None = None) -> None:
        follow(self.engine.push(reference, login), self.on_progress)

    def push_as(self, image: str, reference: str, login: tuple[str, str] | None = None) -> None:
        """Name an image, and push it under that name."""
        self.tag(image, reference)
        self.push(reference, login)

    def pull(self, reference: str, login: tuple[str, str] | None = None) -> None:
        follow(self.engine.pull(reference, login), self.on_progress)

    def run_to_end(self, image: str, command: Sequence[str] | None = None, **options: Any) -> str:
        """Run a container to its end, as `docker run --rm` does; return what it printed."""
        container = self.run(image, command=command, **options)
        try:
            self.engine.wait(container)
            return self.engine.logs(container)
        finally:
            self.engine.remove_container(container)

    @contextmanager
    def _owned(self, kind: str) -> Iterator[tuple[dict[str, str], dict[str, str | None]]]:
        """Write down what is about to be made, hand out its labels, and write down its id."""
        row: dict[str, str | None] = {"kind": kind, "word": secrets.token_hex(8), "id": None}
        self.record.owned.append(row)
        self.save()
        try:
            yield {WORKSPACE: self.id, OBJECT: str(row["word"])}, row
        except EngineRefused:
            if kind != "image":  # a build that fails leaves the images of its first steps
                self.record.owned.remove(row)
            raise
        finally:
            self.save()
