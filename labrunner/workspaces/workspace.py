"""What one run of a lab works with: its names, its port, its registry, and its objects.

Its record is in a folder of its own, which is removed when the workspace is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.events import Event
from labrunner.engine.models import Container, Image
from labrunner.engine.transport import within
from labrunner.file_lock import FileLock
from labrunner.language import Sentence
from labrunner.registry.access_log import Request
from labrunner.registry.budget import Budget
from labrunner.registry.client import Registry
from labrunner.registry.errors import NotARegistry, OtherScheme, RegistryDown
from labrunner.registry.models import Manifest
from labrunner.registry.transport import LOOPBACK
from labrunner.verdicts import CannotCheck

from . import ports
from .creation import Creation
from .image_match import is_same
from .labels import WORKSPACE
from .record import Record
from .service import LOGGED, Service, find_service, read_requests

STARTUP = 15  # seconds for a registry to answer
MOST_LINES = 20_000  # of a registry's log, its latest; three or so for each request

Say = Callable[[str], None]


class Workspace(Creation):
    """Each value is `workspace["registry"]`; the common ones are attributes as well.

    lock: is held while a headless run works with it. work: the folder that the learner works in.
    """

    def __init__(
        self,
        folder: Path,
        record: Record,
        lab: Lab,
        engine: Engine,
        explain: Callable[[Workspace, CannotCheck], CannotCheck] = lambda workspace, error: error,
    ) -> None:
        super().__init__(folder, record, engine)
        self.lab = lab
        self.explain: Callable[[CannotCheck], CannotCheck] = partial(explain, self)
        self.lock = FileLock(folder / "lock")
        self.work = folder / "work"
        self.reserved: set[str] = set()  # names of other workspaces, while this one is opened
        self._budget: Budget | None = None
        self._service: Service | None = None  # in a look

    def __getitem__(self, name: str) -> str:
        return self.record.values[name]

    @property
    def files(self) -> list[str]:
        """Return the names of what is in its folder."""
        return sorted(path.name for path in self.work.glob("*"))

    @property
    def kept_folder(self) -> Path:
        """Return where its folder is moved to when the learner keeps it."""
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
    def registry_image(self) -> str:
        """Return the image that the workspace's registry is run from."""
        return self["registry_image"]

    @property
    def image(self) -> str:
        return self["image"]

    @property
    def login(self) -> tuple[str, str]:
        """Return the lab's user and password."""
        return self["user"], self["password"]

    @property
    def sample(self) -> str:
        """Return the id of the image that the lab built as `image`."""
        return self.record.sample

    def is_sample(
        self, manifest: Manifest, repository: str = "", registry: Registry | None = None
    ) -> bool:
        """Return whether an image in the workspace's registry is the one that the lab built.
        repository: the sample image's, unless it is given. registry: as `api`, with a login."""
        where = registry or self.api, repository or self.image
        return is_same(*where, manifest, self.sample, self.record.layers)

    @property
    def api(self) -> Registry:
        """Return the HTTP API of the workspace's registry. Its errors say what is found there."""
        return self.client()

    def client(self, address: str = "", /, **how: Any) -> Registry:
        """Return the same with a `login`, or over TLS with `name` and `ca`; see `Registry`.
        address: of another registry, whose errors are not explained."""
        explain = None if address else self.explain
        how = {"explain": explain, "budget": self._budget, **how}
        return Registry(address or self.registry, **how)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Give all that the block asks of the registry one budget, and the engine as many seconds;
        find out once what serves the port."""
        self._budget, self._service = Budget(), None
        try:
            with within(self._budget.seconds):
                yield
        finally:
            self._budget = self._service = None

    def service(self) -> Service:
        """Return what serves the workspace's port. In a look it is found out once."""
        if self._budget is None:
            return find_service(self.engine, self.record, self._prober())
        if self._service is None:
            self._service = find_service(self.engine, self.record, self._prober())
        return self._service

    def registry_container(self) -> Container | None:
        """Return the container that serves the workspace's port, or the candidate for it."""
        service = self.service()
        return service.container or service.candidate

    def requests(
        self, since: float = 0, tail: int = MOST_LINES, *, front: bool = False
    ) -> list[Request]:
        """Return what the registry on the workspace's port was asked since then (seconds since
        1970), or since the lab was opened; from the last `tail` lines of its container's log,
        oldest first. Empty where the log is out of reach. front: from the log of the proxy in front
        of it, where there is one, which also has what the registry never saw."""
        service = self.service()
        container = service.container or service.candidate
        if not container or (container.running and not service.container):
            return []
        if front:
            container = service.front or container
        since = max(since, self.record.opened)
        return read_requests(self.engine, container, self._prober(), since, tail)

    def _prober(self) -> Registry:
        """Return a client to find out who answers, whatever it speaks."""
        return self.client(timeout=LOGGED, any_tls=True, explain=None)

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
        return self.engine.events(self.record.opened, self.engine.now(), **filters)

    def keep(self) -> None:
        """Leave all as it is, to be looked at; the next headless run removes it."""
        self.record.state = "kept"
        self.save()
        self.lock.release()

    def unused(self, name: str) -> str:
        """Return a name for things that the learner will make, which nothing on the engine has:
        this one or, where it is taken, one with a number. What gets it belongs to the lab."""
        if self.record.kind == "headless":
            chosen = f"{name}-{self.id}"
        else:
            chosen = free(name, taken_names(self.engine) | self.reserved)
        self.record.names.append(chosen)
        return chosen

    def unused_port(self, port: int) -> str:
        """Return a port of this machine that nobody has, for one more server of the lab: this one
        or one that follows."""
        headless = self.record.kind == "headless"
        likely = ports.for_headless_run() if headless else range(port, port + 100)
        reserved = {*self.reserved, *self.record.values.values()}
        return str(ports.first_free(self.engine, likely, reserved))

    # The registry, for solutions and mistakes

    def run_registry(self, image: str = "", **options: Any) -> str:
        """Start a registry on the workspace's port, wait until it answers; return its full id.

        image: another one than the workspace's.
        A container that this workspace made before for the name or the port is removed first.
        """
        options = {"name": self.name, "ports": {5000: self.port}, **options}
        self.remove_own(options["name"], self.port)
        container = self.run(image or self.registry_image, **options)
        self.wait_for_registry()
        return container

    def remove_own(self, name: str, port: int | None = None) -> None:
        """Remove the containers that this workspace made by that name or for that port."""
        made = [row["id"] for row in self.record.owned if row["kind"] == "container" and row["id"]]
        for container in map(self.engine.container, made):
            if container and (container.name == name or (port and container.binds(port))):
                self.engine.remove_container(container.id)

    def wait_for_registry(self, address: str = "") -> None:
        """Return once the registry answers, or another one at that address; raise `CannotCheck`
        after `STARTUP` seconds."""
        end = time.monotonic() + STARTUP
        while True:
            try:
                Registry(address or self.registry, any_tls=True).ping()
                return
            except OtherScheme:
                return
            except (RegistryDown, NotARegistry):
                if time.monotonic() > end:
                    self.client(address).ping()
                time.sleep(0.01)

    # Opening

    def prepare(self, say: Say) -> None:
        """Bring what the lab gives, where it is missing: registry, sample image, and its own."""
        new = self.lab.sample and not self.sample
        with self._building_sample(say) if new else nullcontext():
            if self.lab.registry:
                self._provide_registry(say)
        if self.lab.sample and not self._has_sample():
            with self._building_sample(say):
                pass
        for give in self.lab.setups:
            give(self)

    @contextmanager
    def _building_sample(self, say: Say) -> Iterator[None]:
        """Build the sample image while the block runs. Where the engine refuses something there,
        it goes again, for its name may be chosen anew."""
        say(Sentence("Building the image {image}.", image=self.image))
        try:
            with self.building(self.lab.folder, self.image, ballast=self.lab.ballast) as made:
                yield
        except EngineRefused:
            self.engine.remove_image(f"{self.image}:latest")
            raise
        self.record.sample = str(made["id"])
        image = self.engine.image(self.record.sample)
        self.record.layers = list(image.layers if image else ())
        self.save()

    def _provide_registry(self, say: Say) -> None:
        try:
            self.api.ping()
            return
        except CannotCheck:
            say(Sentence("Starting a registry on {registry}.", registry=self.registry))
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
        return pushed is not None and self.is_sample(pushed)


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
