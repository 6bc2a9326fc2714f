"""What labs ask of the learner's registry and of the container that serves it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.registry.client import Registry
from labrunner.registry.errors import (
    BudgetSpent,
    NotARegistry,
    OtherScheme,
    RegistryDown,
    RegistrySlow,
)
from labrunner.registry.models import MANIFEST_TYPES
from labrunner.verdicts import CannotCheck, NotYet
from labrunner.workspaces.troubleshooting import RUN, WHICH_PROGRAM, describe_state, diagnose
from labrunner.workspaces.workspace import Workspace

from .files import with_files
from .history import pushed_repositories, recent_requests

VERSION = re.compile(r"\sv?(\d+\.[\w.]+)")
SEARCH = 8  # requests of a search, however much the registry has


@dataclass(frozen=True)
class Search:
    """Where a registry has an image.

    place: a `repository:tag`, or None. unread: a sentence that says how much was searched; empty
    where that was the whole registry.
    """

    place: str | None
    unread: str = ""


def require_registry(
    workspace: Workspace,
    start: str = RUN,
    expected: str = "",
    *,
    anew: bool = False,
    tls: bool = False,
    login: tuple[str, str] | None = None,
) -> Container:
    """Return the container that serves the learner's registry.

    start: the command that starts the wanted registry, as the advice has it. expected: as in
    `NotYet`, which is raised where no registry answers or no container serves it. Where one runs,
    but answers too slowly, `RegistrySlow` is. anew: one that has exited is to be replaced, not
    started. tls: a registry that speaks only TLS is right as well, whatever its certificate. login:
    user and password, for a proxy that lets no other request through to the registry.
    """
    try:
        _ping(workspace, login, any_tls=tls)
    except (RegistryDown, NotARegistry) as error:
        if isinstance(error, RegistrySlow) and _runs(workspace.registry_container()):
            raise
        why, exited = diagnose(workspace, error, start), workspace.registry_container()
        todo: str = why.next
        if anew and exited and why.reason == "exited":
            todo = Sentence(
                "`docker rm {container}`, then {start}.",
                container=exited.name,
                start=Sentence.of(start),
            )
        raise NotYet(why.reason, expected=expected, found=why.found, next=todo) from None
    except OtherScheme:
        if not tls:
            raise
    service = workspace.service()
    if service.container:
        return service.container
    found = Sentence("A registry answers there, but no container publishes that port.")
    if (candidate := service.candidate) and candidate.binds(workspace.port):
        state = describe_state(workspace.engine, candidate, start)
        found, start = Sentence.joined(found, state.found), f"`docker start {candidate.name}`"
    raise NotYet(
        "no-container-serves",
        expected=expected,
        found=found,
        next=Sentence.joined(
            Sentence("Stop the program that answers, then {start}.", start=Sentence.of(start)),
            WHICH_PROGRAM,
        ),
    )


def _runs(container: Container | None) -> bool:
    """Return whether a container runs and is not paused."""
    return container is not None and container.state == "running"


def _ping(workspace: Workspace, login: tuple[str, str] | None, *, any_tls: bool) -> None:
    try:
        workspace.client(explain=None, any_tls=any_tls).ping()
    except NotARegistry:
        if not login:
            raise
        workspace.client(explain=None, login=login, any_tls=any_tls).ping()


def require_started(workspace: Workspace, expected: str = "") -> Container:
    """Return the container that serves the learner's registry, or did before it ended. Raises
    `NotYet` where there is none."""
    service = workspace.service()
    if service.container:
        return service.container
    container = service.candidate
    if not container or not container.binds(workspace.port):
        raise NotYet(
            "no-container",
            expected=expected,
            found="There is no such container.",
            next=Sentence("Start one, as in the first step: {start}.", start=RUN),
        )
    if not container.started:
        state = describe_state(workspace.engine, container, RUN)
        raise NotYet(state.reason, expected=expected, found=state.found, next=state.next)
    return container


def find_tag(workspace: Workspace, **client: object) -> Search:
    """Look in the registry for the image that the lab has built: in the repositories that it may
    have been pushed to; where the registry's log does not have all pushes since then, in a few
    others. client: options of `Workspace.client`."""
    registry = workspace.client(**client)
    registry.budget = registry.budget.part(SEARCH)
    searched: set[str] = set()
    requests, whole = recent_requests(workspace)
    likely = pushed_repositories(workspace, requests)
    try:
        for repository in chain(likely, () if whole else _first_repositories(registry)):
            if repository in searched:
                continue
            for tag in registry.tags(repository) or ():
                manifest = registry.manifest(repository, tag)
                if manifest and workspace.is_sample(manifest, repository, registry):
                    return Search(f"{repository}:{tag}")
            searched.add(repository)
    except BudgetSpent:
        unread = "The search ended after {count} of its repositories."
        return Search(None, Sentence(unread, count=len(searched)))
    return Search(None)


def _first_repositories(registry: Registry) -> Iterator[str]:
    """Yield the first names in the catalog, more than a search can read."""
    yield from registry.repositories(most=SEARCH)


def has_blob(workspace: Workspace, repository: str, digest: str) -> bool:
    """Return whether a repository in the learner's registry has this digest as a configuration or
    layer; a manifest is neither, though registry 3 has it as a blob as well."""
    api, types = workspace.api, ", ".join(MANIFEST_TYPES)
    return (
        api.request("HEAD", f"{repository}/blobs/{digest}").status == 200
        and api.request("HEAD", f"{repository}/manifests/{digest}", accept=types).status != 200
    )


def require_version(
    workspace: Workspace, version: int, start: str, files: Mapping[str, str]
) -> tuple[Container, str]:
    """Return the container that serves the learner's registry, which runs this version, and how to
    replace it by what the command `start` starts. The lab's user is logged in. files: as in
    `with_files`."""
    start = with_files(workspace, start, files)
    container = require_registry(workspace, start=start, login=workspace.login)
    found = read_version(workspace, container)
    todo = Sentence(
        "`docker rm -f {container}`, then {start}.",
        container=container.name,
        start=Sentence.of(start),
    )
    if not found.startswith(f"{version}."):
        runs = "`{container}` runs registry {version}."
        found = Sentence(runs, container=container.name, version=found)
        raise NotYet("version", found=found, next=todo)
    return container, todo


def read_version(workspace: Workspace, container: Container) -> str:
    """Return the version of the registry in a container, such as `2.8.3`. Raises `CannotCheck`
    where its program does not say it."""
    return _read_version(workspace.engine, container.id)


@lru_cache(maxsize=100)
def _read_version(engine: Engine, container: str) -> str:
    said = engine.query(container, ["registry", "--version"])[1]
    if found := VERSION.search(said):
        return found[1]
    raise CannotCheck(
        "The registry in your container does not say its version.",
        next="Run `registry:2` or `registry:3`, as the lesson shows.",
    )
