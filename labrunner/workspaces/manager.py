"""All workspaces of this instance: opened with free names and a free port, found again, swept.

They are in one folder, each in a folder of its own with its record, a lock and a folder to work in.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import ContainerSummary
from labrunner.engine.transfer_progress import ProgressCallback, silent
from labrunner.file_lock import FileLock, LockTaken
from labrunner.language import Sentence
from labrunner.registry.client import Registry
from labrunner.registry.versions import FIRST, version_values
from labrunner.text import listed
from labrunner.verdicts import CannotCheck

from . import ports, resources
from .builds import StillBuilding
from .record import Kind, Record, read_records
from .registry_choice import RegistryChoice
from .resources import Leftover
from .troubleshooting import explain
from .workspace import Say, Workspace, free, image_names

PREFERRED_PORT = 5000
FREE_IT = "Free that port, or give another."
MOST_PORTS = 5  # that the engine may refuse before a lab cannot be opened


class Workspaces:
    """folder: where they are. labs: the labs of the course by name, to find that of each one."""

    def __init__(self, folder: Path, engine: Engine, labs: Mapping[str, Lab]) -> None:
        self.folder = folder
        self.engine = engine
        self.labs = labs
        self.registry_choice = RegistryChoice(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def all(self) -> list[Workspace]:
        """Return those with a readable record. A record of another version is passed over."""
        return list(self._read())

    def find_open(self, lab: str) -> Workspace | None:
        """Return the learner's open workspace of a lab."""
        for workspace in self._read():
            record = workspace.record
            if record.kind == "learner" and record.lab == lab and record.state == "open":
                return workspace
        return None

    def one_at_a_time(self, lab: str) -> FileLock:
        """Return the lock to start or finish a learner's lab, which all processes share."""
        return FileLock(self.folder / f"{lab}.lock")

    def turn(self, lab: str) -> FileLock:
        """Return the lock to check a step of a learner's lab or to change the lab, which all
        processes share: one waits for the other."""
        return FileLock(self.folder / f"{lab}.turn")

    def open(
        self,
        lab: Lab,
        kind: Kind,
        say: Say = lambda line: None,
        on_progress: ProgressCallback = silent,
        *,
        port: int | None = None,
        registry: str = FIRST,
    ) -> Workspace:
        """Choose names and a port, and bring what the lab gives. Nothing is left if it fails.

        on_progress: shows the bytes of what is pulled and pushed for it. port: this one and no
        other; raises `CannotCheck` where it is taken. registry: the image of the chosen one, of a
        headless run; of a learner it is known.
        """
        now, before = self.engine.ask_time(), resources.snapshot(self.engine)
        record = Record(secrets.token_hex(4), lab.name, kind, "opening", now, before)
        workspace = Workspace(self.folder / record.id, record, lab, self.engine, explain)
        workspace.on_progress = on_progress
        try:
            with self._choosing():  # a sweep takes a folder without a record for one that was left
                workspace.work.mkdir(parents=True, mode=0o700)
                workspace.lock.acquire(timeout=0)
                workspace.save()
            self._choose_and_prepare(workspace, port, registry, say)
            record.state = "open"
            workspace.save()
        except BaseException:
            with suppress(CannotCheck, OSError):  # the next sweep removes it
                self.close(workspace, resources.find_certain(workspace))
            workspace.lock.release()
            raise
        if kind == "learner":
            workspace.lock.release()
        return workspace

    def close(self, workspace: Workspace, items: Sequence[resources.Resource]) -> list[Leftover]:
        """Remove these, and the workspace itself if nothing of them is left; return what is. A
        learner's files that are not among them are moved to another folder."""
        left = resources.remove(workspace, items)
        if not left:
            if workspace.record.kind == "learner" and workspace.files:
                workspace.kept_folder.parent.mkdir(exist_ok=True)
                workspace.work.rename(workspace.kept_folder)
            workspace.lock.release()
            shutil.rmtree(workspace.folder, ignore_errors=True)
        return left

    def sweep(self, *, kept: bool = False) -> list[Leftover]:
        """Remove what crashed runs left behind; with `kept` also what `--keep` left on purpose."""
        left: list[Leftover] = []
        self._remove_unrecorded()
        for workspace in self._read():
            if not _left_behind(workspace, kept):
                continue
            try:
                workspace.lock.acquire(timeout=0)
            except (LockTaken, FileNotFoundError):  # it is at work, or has just been closed
                continue
            with workspace.lock:
                for again in self._read(workspace.id):  # it may have opened or closed meanwhile
                    if _left_behind(again, kept):
                        with suppress(StillBuilding):  # the next one removes it
                            left += self.close(again, resources.find_certain(again))
        return left

    def _remove_unrecorded(self) -> None:
        """Remove the folders that were made for workspaces of which nothing was written down."""
        with self._choosing():
            for folder in filter(Path.is_dir, self.folder.iterdir()):
                if not (folder / "record.json").exists() and not any((folder / "work").glob("*")):
                    shutil.rmtree(folder, ignore_errors=True)

    def preview(self, lab: Lab) -> dict[str, str]:
        """Return the values that the lab would likely get now."""
        adopted = self._adoptable() if lab.registry else None
        port, name = adopted or (self._first_free(_likely_ports()), None)
        return {**lab.usual, **self._named(port, name, lab)}

    def _read(self, id: str = "*") -> Iterator[Workspace]:
        chosen = self.registry_choice.image
        for record in read_records(self.folder, id):
            lab = self.labs.get(record.lab) or Lab(record.lab, name=record.lab)
            if record.kind == "learner" and record.values:  # it may have been chosen since
                record.values |= version_values(lab.registry_image(chosen))
            yield Workspace(self.folder / record.id, record, lab, self.engine, explain)

    # Choosing

    def _choose_and_prepare(
        self, workspace: Workspace, port: int | None, registry: str, say: Say
    ) -> None:
        """Choose names and a port, and bring what the lab gives. Only the engine knows for sure
        whether a port is free; where it refuses the registry's, the next one is taken."""
        refused: set[int] = set()
        while True:
            self._choose(workspace, port, registry, refused)
            try:
                workspace.prepare(say)
                return
            except EngineRefused as error:
                if not ports.is_refused_as_taken(error):
                    raise
                if port or len(refused) == MOST_PORTS:
                    raise EngineRefused(error.words, next=FREE_IT) from error
                refused.add(workspace.port)

    def _choose(
        self, workspace: Workspace, port: int | None, registry: str, refused: set[int]
    ) -> None:
        """Fill in the values, and the note that explains a port which is not the usual one."""
        record, lab = workspace.record, workspace.lab
        with self._choosing():
            record.values, record.names = {}, []
            workspace.save()
            workspace.reserved = self._reserved()
            if port and (str(port) in self._reserved() or ports.is_taken(self.engine, port)):
                raise CannotCheck(self._why_not(port), next=FREE_IT)
            if record.kind == "headless":
                chosen = port or self._first_free(ports.for_headless_run(), refused)
                record.values = _values(chosen, f"registry-{record.id}", lab, registry)
                if lab.sample:
                    record.values["image"] = f"my-image-{record.id}"
            elif adopted := self._adoptable() if lab.registry else None:
                record.values = self._named(*adopted, lab)
                note = "It is the container `{container}`, which is running already."
                record.note = Sentence(note, container=adopted[1])
            else:
                chosen = port or self._first_free(_likely_ports(), refused)
                record.values = self._named(chosen, None, lab)
                if chosen != PREFERRED_PORT:
                    record.note = self._why_not(PREFERRED_PORT)
            for name, make in lab.values.items():
                record.values[name] = make(workspace)
            record.names.append(workspace.name)
            workspace.save()

    def _choosing(self) -> FileLock:
        """Return the lock to begin a workspace, and to choose its names and port."""
        return FileLock(self.folder / "choosing.lock")

    def _first_free(self, likely: Iterable[int], refused: Collection[int] = ()) -> int:
        """Return the first port that no container, no program and no other workspace has, and
        that the engine has not refused."""
        reserved = {*self._reserved(), *map(str, refused)}
        return ports.first_free(self.engine, likely, reserved)

    def _named(self, port: int, name: str | None, lab: Lab) -> dict[str, str]:
        """Return values with the usual names, with a number behind where one is taken: the
        registry's by a container, the image's by an image."""
        reserved = self._reserved()
        if not name:
            containers = {each.name for each in self.engine.containers()}
            name = free("registry", containers | reserved)
        values = _values(port, name, lab, self.registry_choice.image)
        if lab.sample:
            values["image"] = free("my-image", image_names(self.engine) | reserved)
        return values

    def _reserved(self) -> set[str]:
        """Return the values of all workspaces, names among them."""
        return {value for each in self.all() for value in each.record.values.values()}

    def _why_not(self, port: int) -> Sentence:
        if container := ports.container_on(self.engine, port):
            taken = "{port} is taken by the container `{container}`."
            return Sentence(taken, port=port, container=container.name)
        taken = "{port} is taken by another program, or reserved for another lab."
        return Sentence(taken, port=port)

    # The learner's registry, which goes from lab to lab

    def remember_registry(self, workspace: Workspace) -> None:
        """Note the container that serves the workspace's port, for labs that need a registry."""
        if container := self._serving(workspace):
            note = {"container": container.id, "port": workspace.port}
            (self.folder / "registry.json").write_text(json.dumps(note))

    def find_resources(self, workspace: Workspace) -> list[resources.Resource]:
        """Return all that belongs to the workspace or may do so; of its registry, say which other
        open labs use it. Raises `StillBuilding`."""
        found = resources.find_resources(workspace)
        records = [each.record for each in self.all() if each.id != workspace.id]
        users = [each for each in records if (each.kind, each.state) == ("learner", "open")]
        for number, item in enumerate(found):
            place = {"name": item.name, "port": workspace.record.values.get("port")}
            labs = [each.lab for each in users if place.items() <= each.values.items()]
            if labs and item.kind == "container":
                why = Sentence("{why}; also used by {labs}", why=item.why, labs=listed(labs))
                found[number] = replace(item, why=why)
        return found

    def _serving(self, workspace: Workspace) -> ContainerSummary | None:
        before = workspace.record.before.get("containers", ())
        for each in self.engine.containers(status="running"):
            if each.publishes(workspace.port) and each.id not in before:
                return each
        return None

    def _adoptable(self) -> tuple[int, str] | None:
        """Return port and container name of the learner's registry, if it runs: one that serves the
        port of an open lab, or that a check has seen do so. Never one that is older than that."""
        for workspace in self.all():
            record = workspace.record
            learners = record.kind == "learner" and record.state == "open"
            container = self._serving(workspace) if learners else None
            if container and _answers(workspace.port):
                return workspace.port, container.name
        try:
            note = json.loads((self.folder / "registry.json").read_text())
            found = self.engine.container(note["container"])
            serves = found and found.running and found.publishes(note["port"])
            if found and serves and _answers(note["port"]):
                return int(note["port"]), found.name
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None


def _likely_ports() -> range:
    """Return the ports that a learner's registry may get, the usual one first."""
    return range(PREFERRED_PORT, PREFERRED_PORT + 100)


def _answers(port: int) -> bool:
    """Return whether a plain registry answers: none that wants a password or TLS."""
    try:
        return Registry(f"localhost:{port}").ping().status == 200
    except CannotCheck:
        return False


def _left_behind(workspace: Workspace, kept: bool) -> bool:
    record = workspace.record
    if record.state == "kept":
        return kept
    return not (record.kind == "learner" and record.state == "open")


def _values(port: int, name: str, lab: Lab, registry: str) -> dict[str, str]:
    """Return the values that every workspace has. registry: the image of the chosen one."""
    place = {"registry": f"localhost:{port}", "port": str(port), "name": name}
    return place | version_values(lab.registry_image(registry))
