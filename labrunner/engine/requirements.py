"""What the course needs of the engine. Starts, headless runs and `doctor` ask for the same."""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterator

from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck

from .connection import NEWEST_API, OLDEST_API, api_number
from .description import DOCKER, EngineInfo
from .engine import Engine

OLDEST_ENGINE = "20.10"  # the first with `OLDEST_API`
BRIDGE = "bridge"  # the network that containers are in by default
IN_CONTAINER = " (containerized)"  # what an engine in a container adds to its system's name


class EngineUnsuitable(CannotCheck):
    """The course cannot be taken on this engine."""


def require_engine(engine: Engine) -> None:
    """Raise `EngineUnsuitable` with the first requirement that the engine does not meet."""
    for unmet in find_unmet(engine):
        raise unmet


def find_unmet(engine: Engine) -> Iterator[EngineUnsuitable]:
    """Yield the requirements that the engine does not meet, with what to do."""
    if host := engine.remote_host:
        yield EngineUnsuitable(
            Sentence(
                "Your engine is on another machine, `{host}`, so its registry is not on this "
                "machine's `localhost`.",
                host=host,
            ),
            next="Run this course on that machine, or use an engine on this one: "
            "`docker context use default`.",
        )
    version = engine.version()
    name = f"{version.product} {version.version}"
    if version.product != DOCKER:
        yield EngineUnsuitable(
            Sentence(
                "The engine at `{address}` is {name}, not {docker}.",
                address=engine.address,
                name=name,
                docker=DOCKER,
            ),
            next=Sentence(
                "Install {docker} {oldest} or newer, which the course needs, and point "
                "`DOCKER_HOST` or your Docker context to it.",
                docker=DOCKER,
                oldest=OLDEST_ENGINE,
            ),
        )
        return
    if api_number(version.api) < api_number(OLDEST_API):
        yield EngineUnsuitable(
            Sentence(
                "{name} is too old: the course needs {oldest} or newer.",
                name=name,
                oldest=OLDEST_ENGINE,
            ),
            next="Update it (docs.docker.com/engine/install).",
        )
    if api_number(version.oldest_api) > api_number(NEWEST_API):
        yield EngineUnsuitable(
            Sentence(
                "{name} is too new: it speaks API {oldest} and newer, but the course speaks "
                "{newest} and older.",
                name=name,
                oldest=version.oldest_api,
                newest=NEWEST_API,
            ),
            next=Sentence("Update the course, or use an older {docker}.", docker=DOCKER),
        )
    yield from _find_unmet_by_bridge(engine)


def _find_unmet_by_bridge(engine: Engine) -> Iterator[EngineUnsuitable]:
    builtin = engine.networks(type="builtin")
    bridge = next((each for each in builtin if each.name == BRIDGE), None)
    if not bridge:
        yield EngineUnsuitable(
            Sentence(
                "The engine has no network `{bridge}`, so no container can publish a port.",
                bridge=BRIDGE,
            ),
            next='Remove `"bridge": "none"` from `/etc/docker/daemon.json`, or `--bridge=none` '
            "from the options of `dockerd`, and restart the engine.",
        )
    elif _is_lost(bridge.interface) and _is_on_this_system(engine.info()):
        yield EngineUnsuitable(
            Sentence(
                "The interface `{interface}` of the engine's network `{bridge}` is missing, so no "
                "container can start.",
                interface=bridge.interface,
                bridge=BRIDGE,
            ),
            next="Restart the engine: `sudo systemctl restart docker`.",
        )


def _is_lost(interface: str) -> bool:
    return interface not in {"", *(name for _, name in socket.if_nameindex())}


def _is_on_this_system(engine: EngineInfo) -> bool:
    """Return whether this program would see the engine's interfaces. It sees none of an engine that
    is in a virtual machine, in another container, or rootless."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:  # not Linux
        return False
    same = engine.is_here and engine.system.removesuffix(IN_CONTAINER) == system
    return same and not engine.rootless
