"""Scan the workspace's registry over its API, in a bounded time and number of requests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from labrunner.registry.budget import Budget
from labrunner.registry.client import Registry
from labrunner.registry.errors import BudgetSpent, NotARegistry, RegistryDown
from labrunner.workspaces import troubleshooting
from labrunner.workspaces.workspace import Workspace

from . import history
from .contents import ManifestEntry, RegistryContents, State, Tag
from .disk_usage import DiskUsage
from .history import UNREADABLE

MAX_REPOSITORIES = 12
MAX_TAGS = 30
MAX_REQUESTS = 60
TIMEOUT = 3  # seconds for all responses
ENDED = (BudgetSpent, RegistryDown)  # what ends a scan, which then has what it found until then


class Scanner:
    """Scans registries, and keeps the sizes of their volumes between two scans."""

    def __init__(self) -> None:
        self._disk_usage = DiskUsage()

    def scan(self, workspace: Workspace, login: tuple[str, str] | None = None) -> RegistryContents:
        """Return the contents of the workspace's registry, within `TIMEOUT` seconds.

        The repositories of the lab come first, the others by their names. Raises `CannotCheck`.
        """
        explain = partial(troubleshooting.explain, workspace)
        budget = Budget(seconds=TIMEOUT, requests=MAX_REQUESTS)
        registry = Registry(
            workspace.registry, budget=budget, explain=explain, login=login, any_tls=True
        )
        path = workspace.folder / "shelf.json"
        scan = _Scan(registry, history.load(path))
        own = workspace.record.values.values()
        names = sorted(registry.repositories(), key=lambda name: (name not in own, name))
        scan.run(names)
        contents = self._disk_usage.add_to(scan.contents(len(names)), workspace)
        history.save(path, contents, scan.unchecked)
        return contents


class _Scan:
    """One scan, with what it has found so far. Manifests are kept by repository and digest."""

    def __init__(self, registry: Registry, previous: Sequence[ManifestEntry]) -> None:
        self.registry = registry
        self.previous = {entry.key: entry for entry in previous}
        self.tag_names: dict[str, list[str]] = {}  # by repository, also those that are not read
        self.tags: list[Tag] = []
        self.manifests: dict[tuple[str, str], ManifestEntry] = {}
        self.deleted: set[tuple[str, str]] = set()
        self.collected: set[tuple[str, str]] = set()

    @property
    def unchecked(self) -> list[ManifestEntry]:
        """Manifests of earlier scans that were not asked for this time."""
        checked = self.manifests.keys() | self.collected
        return [entry for key, entry in self.previous.items() if key not in checked]

    @property
    def repositories(self) -> list[str]:
        """Those of which a tag was read, and those that have none."""
        read = {tag.repository for tag in self.tags}
        return [name for name, tags in self.tag_names.items() if name in read or not tags]

    def contents(self, repositories: int) -> RegistryContents:
        """Return what was found in a registry that has so many repositories."""
        manifests, read = tuple(self.manifests.values()), self.repositories
        return RegistryContents(
            tuple(dict.fromkeys([*read, *(entry.repository for entry in manifests)])),
            tuple(self.tags),
            manifests,
            unread_repositories=repositories - len(read),
            unread_tags=sum(len(self.tag_names[name]) for name in read) - len(self.tags),
        )

    def run(self, repositories: Sequence[str]) -> None:
        """Read the tags of these repositories, then the manifests that had a tag before. Raises
        what ended the scan if nothing was read until then."""
        incomplete = set(repositories)  # they may have tags that were not read
        try:
            for repository in repositories[:MAX_REPOSITORIES]:
                if self._read_tags(repository):
                    incomplete.remove(repository)
        except ENDED:
            if not self.repositories:
                raise
        for check in (self._check_untagged, self._check_deleted):
            for entry in self.previous.values():
                if entry.key not in self.manifests and entry.repository not in incomplete:
                    with suppress(*ENDED):
                        check(entry)

    def _read_tags(self, repository: str) -> bool:
        """Read the tags of a repository, and return whether these are all."""
        names = sorted(self.registry.tags(repository) or ())
        self.tag_names[repository] = names
        read = names[: MAX_TAGS - len(self.tags)]
        for name in read:
            entry = self._read_manifest(repository, name, "named")
            self.tags.append(Tag(repository, name, entry.digest if entry else ""))
        return read == names

    def _read_manifest(self, repository: str, reference: str, state: State) -> ManifestEntry | None:
        """Read a manifest, and as many images of an index as the budget allows."""
        try:
            response = self.registry.raw_manifest(repository, reference)
            entry = ManifestEntry.from_response(repository, response) if response else None
        except (NotARegistry, *UNREADABLE):  # no JSON object, or one that is too large
            return None
        if not entry:
            return None
        if entry.key in self.manifests:
            return self.manifests[entry.key]
        previous = self.previous.get(entry.key)
        previous_tags = previous.previous_tags if previous else ()
        self.manifests[entry.key] = replace(entry, state=state, previous_tags=previous_tags)
        for child in entry.children:
            if (repository, child.digest) not in self.manifests:
                with suppress(*ENDED):
                    self._read_manifest(repository, child.digest, state)
        return entry

    def _check_untagged(self, entry: ManifestEntry) -> None:
        if not self._read_manifest(entry.repository, entry.digest, "untagged"):
            self.deleted.add(entry.key)

    def _check_deleted(self, entry: ManifestEntry) -> None:
        """Find out whether a deleted manifest has been collected, by a blob that only it names."""
        if entry.key not in self.deleted:
            return
        available = {
            blob.digest
            for other in self.manifests.values()
            if other.available
            for blob in other.blobs
        }
        own = [blob.digest for blob in entry.blobs if blob.digest not in available]
        path = f"{quote(entry.repository)}/blobs/"
        if own and self.registry.request("HEAD", path + quote(own[0], safe=":")).status == 200:
            self.manifests[entry.key] = replace(entry, state="deleted")
        else:
            self.collected.add(entry.key)
