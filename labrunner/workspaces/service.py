"""What serves the port of a workspace.

A container that publishes the port serves it. One that only asks for the port does not, as after a
start that failed. A registry on the host's network or behind a proxy publishes nothing: it is known
by its log, which has what the port is asked.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, ContainerSummary
from labrunner.registry import access_log
from labrunner.registry.access_log import Request
from labrunner.registry.client import Registry
from labrunner.registry.errors import RegistryDown
from labrunner.registry.versions import CONFIG_FILES
from labrunner.verdicts import CannotCheck

from .labels import WORKSPACE
from .record import Record

LOGGED = 1  # seconds until a request stands in the log
LAST_LINES = 200  # of a log, in which its last words and a request of this moment are


@dataclass(frozen=True)
class Service:
    """What serves the port of a workspace.

    container: the registry's. None where a program or another engine's container answers, or
    nothing. front: the container that takes what the port is asked: a proxy's, or the registry's
    own. candidate: where no container serves, the one that was made to, or has the lab's name, or
    has run a registry since the lab was opened.
    """

    container: Container | None = None
    front: Container | None = None
    candidate: Container | None = None


def find_service(engine: Engine, record: Record, api: Registry) -> Service:
    """Return what serves the port of the workspace that has this record.

    A container of another workspace is none but on the port. api: the registry on the port.
    """
    port, listed = int(record.values["port"]), engine.containers()
    publisher = next((each for each in listed if each.publishes(port)), None)
    front = engine.container(publisher.id) if publisher else None
    if front and runs_registry(engine, front):
        return Service(front, front)
    own = [each for each in listed if _may_serve(record, each) and each != publisher]
    registries = [each for each in own if each.state == "running" and runs_registry(engine, each)]
    behind = _find_by_log(engine, registries, api)
    if container := behind or front:
        return Service(container, front or container)
    return Service(candidate=_find_candidate(engine, record, own))


def runs_registry(engine: Engine, container: Container | ContainerSummary) -> bool:
    """Return whether the container was made from an image of a registry."""
    if container.image.split("@")[0].split("/")[-1].split(":")[0] == "registry":
        return True
    known = map(engine.image, CONFIG_FILES)
    return any(image and image.id == container.image_id for image in known)


def read_requests(
    engine: Engine, container: Container, api: Registry, since: float, tail: int
) -> list[Request]:
    """Return what the port was asked since then, from the last `tail` lines of the container's log,
    oldest first. Empty where that is not the log of what answers, or has no requests in it.

    A log comes a little after the requests. So the port is asked something of ours first: once the
    log has that, it has all before it.
    """
    word, answered = _ask(api)
    end = time.monotonic() + (LOGGED if container.running else 0)
    while True:
        log = engine.logs(container.id, since=since, tail=tail, errors=False)
        found = access_log.parse_log(log)
        others = [each for each in found if word not in each.path]
        logged = len(others) < len(found)
        if logged or time.monotonic() > end:
            whole = logged or not answered
            return [each for each in others if whole and each.time >= int(since)]
        time.sleep(0.05)


def _may_serve(record: Record, container: ContainerSummary) -> bool:
    """Return whether a container has the lab's name, or is new and of no other workspace."""
    new = container.id not in record.before["containers"]
    ours = container.labels.get(WORKSPACE, record.id) == record.id
    return container.name == record.values["name"] or (new and ours)


def _find_by_log(
    engine: Engine, containers: Sequence[ContainerSummary], api: Registry
) -> Container | None:
    """Return the one of these containers that gets what the port is asked."""
    if not containers:
        return None
    word, answered = _ask(api)
    end = time.monotonic() + LOGGED
    while answered:
        for each in containers:
            if word in last_lines(engine, each.id):
                return engine.container(each.id)
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    return None


def last_lines(engine: Engine, container: str, since: float = 0) -> str:
    """Return the end of a container's log since then; nothing where it keeps none."""
    try:
        return engine.logs(container, since=since, tail=LAST_LINES)
    except EngineRefused:
        return ""


def _ask(api: Registry) -> tuple[str, bool]:
    """Ask the port for something of ours. Return a word that the log of what answers then has, and
    whether anything does answer."""
    word = secrets.token_hex(8)
    try:
        api.request("GET", f"{word}/tags/list")
    except RegistryDown:
        return word, False
    except CannotCheck:
        pass
    return word, True


def _find_candidate(
    engine: Engine, record: Record, own: Sequence[ContainerSummary]
) -> Container | None:
    """Return the container that the learner most likely means by the registry."""
    port, name = int(record.values["port"]), record.values["name"]
    own = sorted(own, key=lambda each: each.name != name)
    containers = [container for each in own if (container := engine.container(each.id))]
    registries = [each for each in containers if runs_registry(engine, each)]
    ranks = (
        [each for each in registries if each.binds(port)],
        registries,
        [each for each in containers if each.name == name],
        [each for each in containers if each.binds(port)],
    )
    return next((found[0] for found in ranks if found), None)
