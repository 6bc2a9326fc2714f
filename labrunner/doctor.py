"""Checks whether this machine has what the course needs, and says what to do if not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal

from labrunner.address import LOCAL, Address
from labrunner.engine.description import EngineInfo
from labrunner.engine.requirements import find_unmet
from labrunner.kit.kit import Kit
from labrunner.workspaces import manager, ports

from .engine.engine import Engine
from .verdicts import CannotCheck
from .workspaces.labels import WORKSPACE
from .workspaces.record import find_unreadable

PROGRAMS = ("docker", "curl", "openssl", "bash")  # used by the commands on the pages
IN_CONTAINER = Path("/.dockerenv")  # which Docker makes in each
MOUNTS = Path("/proc/self/mountinfo")
HOSTS = re.compile(r"/containers/([0-9a-f]{64})/hosts /etc/hosts ")  # its engine's file for it
LEAST_DISK = 2 << 30  # bytes; the kit and a second engine take about 0.5 GiB
CURLS_PROXIES = ("http_proxy", "all_proxy", "ALL_PROXY")  # not `HTTP_PROXY`: others read that
NOT_BY_PROXY = ("localhost", "127.0.0.1")  # the hosts of the learner's registry


@dataclass(frozen=True)
class Finding:
    """The result of one check. A `note` needs no action, a `problem` does.

    found: what was found. next: what to do.
    """

    kind: Literal["ok", "note", "problem"]
    found: str
    next: str = ""


def examine(kit: Kit, address: Address, workspaces: Path) -> list[Finding]:
    """Return all findings. address: that of the pages. workspaces: the folder of the labs'
    workspaces."""
    return [
        Finding("ok", f"The course runs {_place(kit.engine)}; its pages are {_pages(address)}."),
        *_engine(kit, workspaces),
        _port(
            kit.engine, manager.PREFERRED_PORT, "the registry", "Labs will use the next free one."
        ),
        _port(
            kit.engine, address.port, "these pages", "Choose another one: `script/server --port N`."
        ),
        *_proxy(),
        *_programs(),
    ]


def _place(engine: Engine) -> str:
    """Return where the course runs, and on which engine its labs, as far as the engine answers."""
    inside = IN_CONTAINER.exists()
    place = "in a container" if inside else "on this machine"
    try:
        if not inside:
            used = None if engine.remote_host else "this machine's engine"
        elif (own := HOSTS.search(MOUNTS.read_text())) and engine.container(own[1]):
            used = "the engine that runs the container"
        elif engine.info().is_here:
            used = "an engine beside it, in the same network namespace"
        else:
            used = None
    except CannotCheck:
        used = None
    return f"{place}, and its labs on {used}" if used else place


def _pages(address: Address) -> str:
    """Return where browsers find the pages."""
    if f"http://{LOCAL[0]}:{address.port}" in address.origins:
        return f"at `{address.url}`"
    return f"at `{address.url}`, behind a server that passes requests on to port {address.port}"


def _engine(kit: Kit, workspaces: Path) -> Iterator[Finding]:
    """Yield what is found of the engine and on it, as far as it answers."""
    engine, suitable = kit.engine, True
    try:
        for unmet in find_unmet(engine):
            suitable = False
            yield Finding("problem", unmet.found, unmet.next)
        version, info = engine.version(), engine.info()
        if suitable:
            yield Finding(
                "ok",
                f"{version.product} {version.version}, API {version.api}, image store "
                f"{info.image_store}, {info.system}, at `{engine.address}`.",
            )
        yield from _kit(kit)
        yield from _disk(info)
        yield from _workspaces(engine, workspaces)
    except CannotCheck as error:
        yield Finding("problem", error.found, error.next)


def _kit(kit: Kit) -> Iterator[Finding]:
    for image in kit.status():
        if image.present:
            yield Finding("ok", f"`{image.reference}` is here, made from {image.made_from}.")
        elif kit.is_compiled(image.reference):
            next = "You get it when you start a lab that needs it, or with `script/lab kit get`."
            yield Finding("note", f"`{image.reference}` is missing.", next)
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
        yield Finding("problem", found, "Make room: `docker system df` shows what uses it.")
    else:
        yield Finding("ok", found)


def _workspaces(engine: Engine, folder: Path) -> Iterator[Finding]:
    """Say how to remove what labs made whose records cannot be read: their labels tell it."""
    for path in find_unreadable(folder):
        label = f"{WORKSPACE}={path.parent.name}"
        images = [tag for each in engine.images(label=label) for tag in each.tags or (each.id,)]
        removals = (
            ("docker rm -f -v", [each.name for each in engine.containers(label=label)]),
            # -f: those without a name are gone with their containers.
            ("docker volume rm -f", [each.name for each in engine.volumes(label=label)]),
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
    if not holders and ports.is_in_use(port):
        holders = ["a program on this machine"]
    if holders:
        return Finding("note", f"Port {port}, for {purpose}, is taken by {holders[0]}.", next)
    return Finding("ok", f"Port {port}, for {purpose}, is free.")


def _proxy() -> Iterator[Finding]:
    proxies = (*CURLS_PROXIES, "HTTP_PROXY")
    name = next((each for each in proxies if os.environ.get(each)), None)
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    missing = [host for host in NOT_BY_PROXY if not _is_excepted(host, no_proxy)]
    if not name or not missing:
        return
    asks = "the lessons' `curl` asks" if name in CURLS_PROXIES else "some programs ask"
    hosts = " and ".join(f"`{host}`" for host in missing)
    wanted = ",".join([no_proxy, *missing] if no_proxy else missing)
    yield Finding(
        "problem" if name in CURLS_PROXIES else "note",
        f"`{name}` is set, and `no_proxy` lacks {hosts}, so {asks} the proxy for your "
        "registry, which it does not know.",
        f"`export no_proxy={shlex.quote(wanted)}`, here and before `script/server`.",
    )


def _is_excepted(host: str, no_proxy: str) -> bool:
    """Return whether `curl` asks no proxy for a host; see `NO_PROXY` in its manual."""
    names = no_proxy.replace(",", " ").split()
    return names == ["*"] or any(
        host == name.lower().lstrip(".") or _is_within(host, name) for name in names
    )


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a name
        return False


def _programs() -> Iterator[Finding]:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        yield Finding(
            "problem",
            f"Missing: {', '.join(missing)}.",
            "Install what is missing: the lessons' commands use it.",
        )
    else:
        yield Finding("ok", f"The lessons' programs are here: {', '.join(PROGRAMS)}.")
