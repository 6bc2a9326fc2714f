"""What one run of a lab works with: its names, its port, and the objects that it owns.

A workspace labels all that it creates, and writes down each object before it creates it, so that
what is left after a crash can be found and nothing else is ever taken for it. Its record lies in
a folder of its own, which goes when the workspace is closed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from filelock import FileLock

from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Event, Image
from labrunner.engine.progress import ProgressCallback, follow, silent
from labrunner.registry import access_log
from labrunner.registry.access_log import Request
from labrunner.registry.client import LOOPBACK, Registry
from labrunner.registry.errors import NotARegistry, OtherScheme, RegistryDown
from labrunner.verdicts import CannotCheck

from .labels import OBJECT, WORKSPACE
from .record import Record

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
STARTUP = 15  # seconds for a registry to answer
MOST_LINES = 20_000  # of a registry's log, its latest; three or so for each request
LOGGED = 1  # seconds until a request stands in the log

Say = Callable[[str], None]


class Workspace:
    """The values stand in `workspace["registry"]` and as attributes for the common ones."""

    def __init__(
        self,
        folder: Path,
        record: Record,
        lab: Lab,
        engine: Engine,
        explain: Callable[[Workspace, CannotCheck], CannotCheck] = lambda workspace, error: error,
    ) -> None:
        self.folder = folder
        self.record = record
        self.lab = lab
        self.engine = engine
        self.explain: Callable[[CannotCheck], CannotCheck] = partial(explain, self)
        self.alive = FileLock(folder / "lock")
        self.work = folder / "work"
        self.bar: ProgressCallback = silent  # how far a push or pull is
        self.reserved: set[str] = set()  # names of other workspaces, while this one is opened

    def __getitem__(self, name: str) -> str:
        return self.record.values[name]

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def files(self) -> list[str]:
        """The names of what is in its folder."""
        return sorted(path.name for path in self.work.glob("*"))

    @property
    def kept(self) -> Path:
        """Where the folder goes when the learner keeps it."""
        return self.folder.parents[1] / "kept" / f"{self.record.lab}-{self.id}"

    @property
    def port(self) -> int:
        return int(self["port"])

    @property
    def name(self) -> str:
        return self["name"]

    @property
    def registry(self) -> str:
        return self["registry"]

    @property
    def image(self) -> str:
        return self["image"]

    @property
    def sample(self) -> str:
        """The id of the image that the lab built as `image`."""
        return self.record.sample

    @property
    def api(self) -> Registry:
        """The HTTP API of the workspace's registry. When it fails, it says what stands there."""
        return self.client()

    def client(self, **how: Any) -> Registry:
        """The same with a `login`, or over TLS with `name` and `ca`; see `Registry`."""
        return Registry(self.registry, **{"explain": self.explain, **how})

    def registry_container(self) -> Container | None:
        """Return the container that serves the workspace's port; else one that was made to, or has
        its name, or has run a registry since the lab was opened. Never one of another
        workspace, except on the port."""
        listed = self.engine.containers()
        for each in listed:
            if each.publishes(self.port):
                return self.engine.container(each.id)
        new = [
            each
            for each in listed
            if each.id not in self.record.before["containers"]
            and each.labels.get(WORKSPACE, self.id) == self.id
        ]
        candidates = [each for each in listed if each.name == self.name]
        candidates += [each for each in new if each not in candidates]
        found = [container for each in candidates if (container := self.engine.container(each.id))]
        ranks = (
            lambda each: each.publishes(self.port),
            self.runs_registry,
            lambda each: each.name == self.name,
        )
        for rank in ranks:
            for container in found:
                if rank(container):
                    return container
        return None

    def runs_registry(self, container: Container) -> bool:
        """Return whether the container was made from an image of a registry."""
        if container.image.split("@")[0].split(":")[0].split("/")[-1] == "registry":
            return True
        image = self.engine.image("registry:2")
        return image is not None and image.id == container.image_id

    def requests(self, since: float = 0, tail: int = MOST_LINES) -> list[Request]:
        """What the registry on the workspace's port was asked since then (seconds since 1970), or
        since the lab was opened; from the last `tail` lines of its container's log, oldest first.

        A log comes a little after the requests. So the registry is asked something of ours first:
        once the log has that, it has all before it. Empty where the log is out of reach.
        """
        container = self.registry_container()
        if not container:
            return []
        began, word = max(since, self.record.opened), secrets.token_hex(8)
        with suppress(CannotCheck):
            self.client(timeout=LOGGED, any_tls=True).request("GET", f"{word}/tags/list")
        end = time.monotonic() + (LOGGED if container.running else 0)
        while True:
            log = self.engine.logs(container.id, since=began, tail=tail, errors=False)
            found = access_log.parse_log(log)
            others = [each for each in found if word not in each.path]
            if len(others) < len(found) or time.monotonic() > end:
                return [each for each in others if each.time >= int(began)]
            time.sleep(0.05)

    def fill(self, text: str, **more: str) -> str:
        """Return the text with each `{name}` replaced by the workspace's value of that name, or by
        one of those given here. All other braces stay as they are."""
        values = {**self.record.values, **more}
        return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)

    def ref(self, repository: str | None = None, tag: str = "latest") -> str:
        """Return the reference of a repository in the workspace's registry; without one, of the
        sample image there."""
        return f"{self.registry}/{repository or self.image}:{tag}"

    def spellings(self, repository: str | None = None, tag: str = "latest") -> list[str]:
        """Return the same reference with each host that a registry on loopback has."""
        return [f"{host}:{self.port}/{repository or self.image}:{tag}" for host in LOOPBACK]

    def find_image(self, repository: str | None = None, tag: str = "latest") -> Image | None:
        """Return the engine's image of that reference, whichever host stands in it."""
        images = map(self.engine.image, self.spellings(repository, tag))
        return next((image for image in images if image), None)

    def events(self, **filters: Any) -> list[Event]:
        """Return what happened on the engine since the lab was opened, as far as the engine
        remembers it (its last 256 events). filters: those of `docker events --filter`."""
        return self.engine.events(self.record.opened, self.engine.info().time, **filters)

    def save(self) -> None:
        """Write the record down, whole or not at all."""
        draft = self.folder / "record.json.new"
        draft.write_text(json.dumps(asdict(self.record)))
        os.replace(draft, self.folder / "record.json")

    def keep(self) -> None:
        """Leave all as it is, to be looked at; the next headless run removes it."""
        self.record.state = "kept"
        self.save()
        self.alive.release()

    def unused(self, name: str) -> str:
        """A name for things that the learner will make, which nothing on the engine has: this one
        or, where it is taken, one with a number. What gets it belongs to the lab."""
        if self.record.kind == "headless":
            chosen = f"{name}-{self.id}"
        else:
            chosen = free(name, taken_names(self.engine) | self.reserved)
        self.record.names.append(chosen)
        return chosen

    # Acts, for solutions and mistakes

    def run(self, image: str, *, name: str | None = None, **options: Any) -> str:
        """Create and start a container that the workspace owns; its full id.

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
        """Create a container that the workspace owns, and do not start it; its full id."""
        with self._owned("container") as (labels, made):
            made["id"] = self.engine.create_container(image, name=name, labels=labels, **options)
        return str(made["id"])

    def build(self, folder: Path, name: str, **values: str) -> str:
        """Build an image that no other workspace can have, as `name:latest`; return its id.

        Its context is the folder without the lab's own file. In all text files there, `{workspace}`
        is replaced by the workspace's id, and `{name}` by each value of that name; the Dockerfile
        has them as build arguments, in capitals.
        """
        values = {"workspace": self.id, **values}
        arguments = {key.upper(): value for key, value in values.items()}
        with self._owned("image") as (labels, made):
            context = self._context(folder, values)
            self.engine.build(context, f"{name}:latest", arguments, labels)
            image = self.engine.image(f"{name}:latest")
            made["id"] = image.id if image else None
        return str(made["id"])

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
        follow(self.engine.push(reference, login), self.bar)

    def push_as(self, image: str, reference: str, login: tuple[str, str] | None = None) -> None:
        """Name an image, and push it under that name."""
        self.tag(image, reference)
        self.push(reference, login)

    def pull(self, reference: str, login: tuple[str, str] | None = None) -> None:
        follow(self.engine.pull(reference, login), self.bar)

    def run_to_end(self, image: str, command: Sequence[str] | None = None, **options: Any) -> str:
        """Run a container to its end, as `docker run --rm` does; what it printed."""
        container = self.run(image, command=command, **options)
        try:
            self.engine.wait(container)
            return self.engine.logs(container)
        finally:
            self.engine.remove_container(container)

    def run_registry(self, **options: Any) -> str:
        """Start `registry:2` on the workspace's port, wait until it answers; return its full id.

        A container that this workspace made before for the name or the port is removed first.
        """
        options = {"name": self.name, "ports": {5000: self.port}, **options}
        self._remove_own(options["name"])
        container = self.run("registry:2", **options)
        self.wait_for_registry()
        return container

    def _remove_own(self, name: str) -> None:
        made = [row["id"] for row in self.record.owned if row["kind"] == "container" and row["id"]]
        for container in map(self.engine.container, made):
            if container and (container.name == name or container.publishes(self.port)):
                self.engine.remove_container(container.id)

    def wait_for_registry(self) -> None:
        """Return once the registry answers; raise `CannotCheck` after `STARTUP` seconds."""
        end = time.monotonic() + STARTUP
        while True:
            try:
                Registry(self.registry).ping()
                return
            except OtherScheme:
                return
            except (RegistryDown, NotARegistry):
                if time.monotonic() > end:
                    self.api.ping()
                time.sleep(0.05)

    # Opening

    def prepare(self, say: Say) -> None:
        """Bring what the lab gives: registry, sample image, and its own. Again at will."""
        if self.lab.registry:
            self._provide_registry(say)
        if self.lab.sample and not self._has_sample():
            say(f"Building the image {self.image}.")
            self.record.sample = self.build(self.lab.folder, self.image)
            self.save()
        for give in self.lab.setups:
            give(self)

    def _provide_registry(self, say: Say) -> None:
        try:
            self.api.ping()
            return
        except CannotCheck:
            say(f"Starting a registry on {self.registry}.")
        stopped = self.engine.container(self.name)
        if stopped and stopped.labels.get(WORKSPACE) == self.id:
            self.engine.start(stopped.id)
            self.wait_for_registry()
        else:
            self.run_registry()

    def _has_sample(self) -> bool:
        """On the engine, or where the learner pushed it before removing it there."""
        if self.sample and self.engine.image(self.sample):
            return True
        pushed = self.api.manifest(self.image, "latest") if self.lab.registry else None
        return pushed is not None and self.sample in pushed.ids

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


def taken_names(engine: Engine) -> set[str]:
    """Return the names of all containers, volumes, networks and images."""
    names = {each.name for each in engine.containers()}
    names |= {each.name for each in engine.volumes()}
    names |= {each.name for each in engine.networks()}
    return names | image_names(engine)


def image_names(engine: Engine) -> set[str]:
    """Return the names of all images, without their tags."""
    return {tag.rpartition(":")[0] for image in engine.images() for tag in image.tags}


def free(name: str, taken: set[str]) -> str:
    """Return the name, or the first one with a number behind that is not taken."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)
