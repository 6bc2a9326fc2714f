"""Looks into the workspace's registry, and says what is on its shelf.

It is read over the registry's API in bounded work. The API lists no manifest that has lost its
tag, so each look is remembered in the workspace's folder: what was seen once and has no tag any
more is asked for by its digest, until garbage collection has taken it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from labrunner.engine.models import Container
from labrunner.registry.client import Registry
from labrunner.registry.errors import NotARegistry, RegistryDown
from labrunner.registry.models import Response
from labrunner.verdicts import CannotCheck
from labrunner.workspaces import troubleshooting
from labrunner.workspaces.workspace import Workspace

from .contents import ManifestEntry, RegistryContents, State, Tag

MOST_REPOSITORIES = 12
MOST_TAGS = 30
MOST_REQUESTS = 60
ENOUGH = 2  # seconds after which nothing new is asked
LONGEST = 3  # seconds for all of it
MOST_REMEMBERED = 50  # manifests without a tag
BELIEVED = 30  # seconds for which the size of a disk is, while nothing changes on the shelf
COLLECTED = 3  # the same where there is garbage: no log tells when that is collected
MOST_WEIGHED = 20  # workspaces
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)  # odd JSON raises
ROOT = "/var/lib/registry"  # where registry:2 keeps its files, unless it is told otherwise
ELSEWHERE = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"


Content = frozenset[object]


class BudgetSpent(Exception):
    """This look has asked as much as it may."""


class BoundedRegistry(Registry):
    """A registry that is asked `MOST_REQUESTS` times at most, nothing new after `ENOUGH` seconds,
    and that has `LONGEST` seconds for all its answers. What is beyond that raises `Spent`, unless
    it is the very first answer."""

    def __init__(self, address: str, **how: Any) -> None:
        super().__init__(address, **how)
        self.asked = 0
        self.began = time.monotonic()

    def request(self, method: str, path: str, *, accept: str = "application/json") -> Response:
        past = time.monotonic() - self.began
        if self.asked == MOST_REQUESTS or past > ENOUGH:
            raise BudgetSpent
        self.timeout = LONGEST - past
        try:
            answer = super().request(method, path, accept=accept)
        except RegistryDown:
            if self.asked:
                raise BudgetSpent from None
            raise
        self.asked += 1
        return answer


def scan(workspace: Workspace, login: tuple[str, str] | None = None) -> RegistryContents:
    """Look into the workspace's registry, for `LONGEST` seconds at most. Raises `CannotCheck`.

    The repositories of the lab come first, the others by their names.
    """
    explain = partial(troubleshooting.explain, workspace)
    registry = BoundedRegistry(workspace.registry, explain=explain, login=login, any_tls=True)
    path = workspace.folder / "shelf.json"
    look = _Look(registry, _recall(path))
    ours = workspace.record.values.values()
    try:
        names = sorted(registry.repositories(), key=lambda name: (name not in ours, name))
    except BudgetSpent:
        found = f"`{workspace.registry}` takes too long to list its repositories."
        raise CannotCheck(found, next="Wait a moment.") from None
    look.at(names)
    shelf = RegistryContents(
        tuple(dict.fromkeys([*look.repositories, *(held.repository for held in look.manifests)])),
        tuple(look.tags),
        tuple(look.manifests),
        more_repositories=len(names) - len(look.repositories),
        more_tags=look.more_tags,
    )
    shelf = _weigh(shelf, _disk(workspace, shelf))
    _remember(path, shelf, look.unasked)
    return shelf


class _Look:
    """One look, with what it has found so far. Manifests go by repository and digest."""

    def __init__(self, registry: BoundedRegistry, before: Sequence[ManifestEntry]) -> None:
        self.registry = registry
        self.before = {held.key: held for held in before}
        self.repositories: list[str] = []
        self.tags: list[Tag] = []
        self.more_tags = 0
        self.found: dict[tuple[str, str], ManifestEntry] = {}
        self.deleted: set[tuple[str, str]] = set()
        self.collected: set[tuple[str, str]] = set()

    @property
    def manifests(self) -> list[ManifestEntry]:
        return list(self.found.values())

    @property
    def unasked(self) -> list[ManifestEntry]:
        """Seen before, and not asked for this time."""
        gone = self.found.keys() | self.collected
        return [held for key, held in self.before.items() if key not in gone]

    def at(self, repositories: Sequence[str]) -> None:
        """Look at the tags of these repositories, then for what had a tag before."""
        unsure = set(repositories)  # those that may have tags which were not looked at
        with suppress(BudgetSpent):
            for repository in repositories[:MOST_REPOSITORIES]:
                tags = sorted(self.registry.tags(repository) or ())
                drawn = tags[: MOST_TAGS - len(self.tags)]
                self.repositories.append(repository)
                self.more_tags += len(tags)
                for tag in drawn:
                    held = self._take(repository, tag, "named")
                    self.tags.append(Tag(repository, tag, held.digest if held else ""))
                    self.more_tags -= 1
                if drawn == tags:
                    unsure.remove(repository)
        for seek in (self._seek_untagged, self._seek_deleted):
            for held in self.before.values():
                if held.key not in self.found and held.repository not in unsure:
                    with suppress(BudgetSpent):
                        seek(held)

    def _take(self, repository: str, reference: str, state: State) -> ManifestEntry | None:
        """The manifest, and the children of an index as far as there are requests left."""
        try:
            answer = self.registry.document(repository, reference)
            held = ManifestEntry.read(repository, answer) if answer else None
        except (NotARegistry, *UNREADABLE):  # no JSON object, or one that is too large
            return None
        if not held:
            return None
        if held.key in self.found:
            return self.found[held.key]
        was = self.before[held.key].was if held.key in self.before else ()
        self.found[held.key] = replace(held, state=state, was=was)
        for child in held.children:
            if (repository, child.digest) not in self.found:
                with suppress(BudgetSpent):
                    self._take(repository, child.digest, state)
        return held

    def _seek_untagged(self, held: ManifestEntry) -> None:
        if not self._take(held.repository, held.digest, "untagged"):
            self.deleted.add(held.key)

    def _seek_deleted(self, held: ManifestEntry) -> None:
        """Whether a deleted manifest has been collected: a blob that it had for itself tells."""
        if held.key not in self.deleted:
            return
        alive = {blob.digest for other in self.manifests for blob in other.blobs if other.there}
        own = [blob.digest for blob in held.blobs if blob.digest not in alive]
        path = f"{quote(held.repository)}/blobs/"
        if own and self.registry.request("HEAD", path + quote(own[0], safe=":")).status == 200:
            self.found[held.key] = replace(held, state="deleted")
        else:
            self.collected.add(held.key)


# On disk


def _weigh(shelf: RegistryContents, disk: int | None) -> RegistryContents:
    """The shelf with the bytes on its disk. A disk with less on it than there must be is not this
    registry's; with less than there would be with the deleted, those have been collected: a
    registry that ran meanwhile goes on saying that it has them."""
    if disk is None or disk < shelf.stored:
        return shelf
    if disk < shelf.stored + shelf.garbage:
        kept = tuple(held for held in shelf.manifests if held.there)
        shelf = replace(shelf, manifests=kept)
    return replace(shelf, disk=disk)


@dataclass(frozen=True)
class _Weighed:
    """What an engine told of a volume with this content, and when (by `time.monotonic`)."""

    volume: str
    content: Content
    size: int | None
    time: float

    def holds(self, volume: str, shelf: RegistryContents) -> bool:
        long = COLLECTED if shelf.garbage and self.size is not None else BELIEVED
        recent = time.monotonic() - self.time < long
        return recent and (self.volume, self.content) == (volume, _content(shelf))


_weighed: dict[str, _Weighed] = {}  # by the workspace's id


def _disk(workspace: Workspace, shelf: RegistryContents) -> int | None:
    """The bytes on the registry's disk. An engine goes through all that it has for that, and one
    before 23 refuses the learner's own `docker system df` meanwhile: so it is asked seldom."""
    with suppress(CannotCheck):
        container = workspace.registry_container()
        volume = _volume(container) if container else None
        if not volume:
            return None
        last = _weighed.get(workspace.id)
        if last and last.holds(volume, shelf):
            return last.size
        size = None
        try:
            size = workspace.engine.volume_size(volume)
        finally:
            if len(_weighed) >= MOST_WEIGHED:
                _weighed.clear()
            _weighed[workspace.id] = _Weighed(volume, _content(shelf), size, time.monotonic())
        return size
    return None


def _content(shelf: RegistryContents) -> Content:
    """What takes room, or has a name."""
    return frozenset({*shelf.tags, *((*held.key, held.state) for held in shelf.manifests)})


def _volume(container: Container) -> str | None:
    """The volume that the registry keeps its files in, if that is one."""
    root = container.environment.get(ELSEWHERE, ROOT)
    above = [each for each in container.mounts if f"{root}/".startswith(f"{each.target}/")]
    nearest = max(above, key=lambda each: len(each.target), default=None)
    return nearest.source if nearest and nearest.kind == "volume" else None


def _recall(path: Path) -> list[ManifestEntry]:
    """What the last look saw; nothing where that cannot be read."""
    try:
        return [ManifestEntry.remembered(row) for row in json.loads(path.read_text())]
    except (OSError, *UNREADABLE):
        return []


def _remember(path: Path, shelf: RegistryContents, unasked: Sequence[ManifestEntry]) -> None:
    """Write down what was seen, whole or not at all; a full disk costs only the memory."""
    tagged = [
        replace(held, was=tuple(names)) if (names := shelf.names(held)) else held
        for held in shelf.manifests
    ]
    others = [*(held for held in tagged if held.state != "named"), *unasked][-MOST_REMEMBERED:]
    rows = [asdict(held) for held in [*others, *(h for h in tagged if h.state == "named")]]
    text = json.dumps(rows)
    draft = path.with_name(f"shelf.{threading.get_ident()}.new")
    with suppress(OSError):
        if not path.exists() or path.read_text() != text:
            draft.write_text(text)
            os.replace(draft, path)
