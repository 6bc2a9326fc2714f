"""Checks whether this machine has what the course needs, and says what to do if not."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labrunner.engine.models import EngineInfo
from labrunner.kit.kit import Kit

from .engine.engine import Engine
from .verdicts import CannotCheck
from .workspaces.labels import WORKSPACE
from .workspaces.record import find_unreadable

PROGRAMS = ("docker", "curl", "openssl", "bash")  # used by the commands on the pages
LEAST_DISK = 2 << 30  # bytes; the kit and a second engine take about 0.5 GiB
OLDEST_ENGINE = (20, 10)


@dataclass(frozen=True)
class Finding:
    """The result of one check. A `note` needs no action, a `problem` does.

    found: what was found. next: what to do.
    """

    kind: Literal["ok", "note", "problem"]
    found: str
    next: str = ""


def examine(kit: Kit, own_port: int, workspaces: Path) -> list[Finding]:
    """Return all findings. own_port: the port that the pages are served on. workspaces: the folder
    of the labs' workspaces."""
    findings = []
    try:
        info = kit.engine.info()
        findings += [*_engine(kit.engine, info), *_kit(kit), *_disk(info)]
        findings += _workspaces(kit.engine, workspaces)
    except CannotCheck as error:
        findings.append(Finding("problem", error.found, error.next))
    findings += [
        _port(kit.engine, 5000, "the registry", "Labs will use the next free one."),
        _port(kit.engine, own_port, "these pages", "Give another: `script/server --port N`."),
        *_programs(),
    ]
    return findings


def _engine(engine: Engine, info: EngineInfo) -> Iterator[Finding]:
    found = (
        f"Docker Engine {info.version}, API {info.api}, image store {info.image_store}, "
        f"{info.system}, at `{engine.address}`."
    )
    numbers = tuple(int(part) for part in info.version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < OLDEST_ENGINE:
        yield Finding("problem", found, "This is too old: the course needs 20.10 or newer.")
    elif host := engine.remote_host:
        yield Finding(
            "problem",
            f"{found} It is on another machine, `{host}`.",
            "Run the course there, or choose an engine of this machine: "
            "`docker context use default`.",
        )
    else:
        yield Finding("ok", found)


def _kit(kit: Kit) -> Iterator[Finding]:
    for image in kit.status():
        if image.present:
            yield Finding("ok", f"`{image.reference}` is here, made from {image.made_from}.")
        else:
            yield Finding(
                "problem", f"`{image.reference}` is missing.", "Run `script/lab kit get`."
            )


def _disk(info: EngineInfo) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(info.root).free
    except OSError:  # the engine's folder is in a virtual machine, or may not be read
        return
    found = f"{free / (1 << 30):.1f} GiB free for the engine, in `{info.root}`."
    if free < LEAST_DISK:
        yield Finding("problem", found, "Make room: `docker system df` shows what takes it.")
    else:
        yield Finding("ok", found)


def _workspaces(engine: Engine, folder: Path) -> Iterator[Finding]:
    """Say how to remove what labs made whose records cannot be read: their labels tell it."""
    for path in find_unreadable(folder):
        label = f"{WORKSPACE}={path.parent.name}"
        images = [tag for each in engine.images(label=label) for tag in each.tags or (each.id,)]
        removals = (
            ("docker rm -f -v", [each.name for each in engine.containers(label=label)]),
            ("docker volume rm", [each.name for each in engine.volumes(label=label)]),
            ("docker network rm", [each.name for each in engine.networks(label=label)]),
            ("docker image rm", images),
        )
        commands = [f"`{' '.join([act, *names])}`" for act, names in removals if names]
        yield Finding(
            "problem",
            f"`{path}` cannot be read, so its lab cannot be continued.",
            f"Take your files out of `{path.parent / 'work'}`. Then remove what the lab made: "
            f"{', '.join([*commands, f'`rm -r {path.parent}`'])}.",
        )


def _port(engine: Engine, port: int, purpose: str, next: str) -> Finding:
    try:
        holders = [
            f"container `{each.name}`" for each in engine.containers() if each.publishes(port)
        ]
    except CannotCheck:
        holders = []
    if not holders and _is_answered(port):
        holders = ["a program of this machine"]
    if holders:
        return Finding("note", f"Port {port}, for {purpose}, is taken by {holders[0]}.", next)
    return Finding("ok", f"Port {port}, for {purpose}, is free.")


def _is_answered(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _programs() -> Iterator[Finding]:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        yield Finding(
            "problem",
            f"Missing: {', '.join(missing)}.",
            "Install it; the lessons' commands use it.",
        )
    else:
        yield Finding("ok", f"The lessons' programs are here: {', '.join(PROGRAMS)}.")
