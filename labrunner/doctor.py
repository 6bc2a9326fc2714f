"""Looks over a machine: has it what the course needs, and if not, what to do."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from labrunner.engine.models import EngineInfo
from labrunner.kit.kit import Kit

from .engine.engine import Engine
from .verdicts import CannotCheck

PROGRAMS = ("docker", "curl", "openssl", "bash")  # what the commands on the pages use
LEAST_DISK = 2 << 30  # bytes; the kit, with a second engine, takes about 0.5 GiB
OLDEST_ENGINE = (20, 10)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. A `note` needs nothing done; a `problem` does."""

    kind: Literal["ok", "note", "problem"]
    says: str
    todo: str = ""


def examine(kit: Kit, own_port: int) -> list[Finding]:
    """All findings. `own_port` is the one that the pages are served on."""
    findings = []
    try:
        about = kit.engine.info()
        findings += [*_engine(kit.engine, about), *_kit(kit), *_disk(about)]
    except CannotCheck as error:
        findings.append(Finding("problem", error.found, error.next))
    registry_port = "Labs will use the next free one."
    findings += [
        _port(kit.engine, 5000, "the registry", registry_port),
        _port(kit.engine, own_port, "these pages", "Give another: `script/server --port N`."),
        *_programs(),
    ]
    return findings


def _engine(engine: Engine, about: EngineInfo) -> Iterator[Finding]:
    says = (
        f"Docker Engine {about.version}, API {about.api}, image store {about.image_store}, "
        f"{about.system}, at `{engine.address}`."
    )
    numbers = tuple(int(part) for part in about.version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < OLDEST_ENGINE:
        yield Finding("problem", says, "This is too old: the course needs 20.10 or newer.")
    elif host := engine.remote_host:
        yield Finding(
            "problem",
            f"{says} It is on another machine, `{host}`.",
            "Run the course there, or choose an engine of this machine: "
            "`docker context use default`.",
        )
    else:
        yield Finding("ok", says)


def _kit(kit: Kit) -> Iterator[Finding]:
    for image in kit.status():
        if image.present:
            yield Finding("ok", f"`{image.reference}` is here, made from {image.made_from}.")
        else:
            yield Finding(
                "problem", f"`{image.reference}` is missing.", "Run `script/lab kit get`."
            )


def _disk(about: EngineInfo) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(about.root).free
    except OSError:  # the engine's folder is in a virtual machine, or not ours to see
        return
    says = f"{free / (1 << 30):.1f} GiB free for the engine, in `{about.root}`."
    if free < LEAST_DISK:
        yield Finding("problem", says, "Make room: `docker system df` shows what takes it.")
    else:
        yield Finding("ok", says)


def _port(engine: Engine, port: int, whose: str, todo: str) -> Finding:
    try:
        holders = [
            f"container `{each.name}`" for each in engine.containers() if each.publishes(port)
        ]
    except CannotCheck:
        holders = []
    if not holders and _answers(port):
        holders = ["a program of this machine"]
    if holders:
        return Finding("note", f"Port {port}, for {whose}, is taken by {holders[0]}.", todo)
    return Finding("ok", f"Port {port}, for {whose}, is free.")


def _answers(port: int) -> bool:
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
