"""A reverse proxy in front of the learner's registry: nginx in a container that has the lab's name
`proxy`, in the lab's network `network`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from labrunner.engine.models import Container
from labrunner.language import Sentence
from labrunner.text import in_order
from labrunner.verdicts import NotYet
from labrunner.workspaces.service import runs_registry
from labrunner.workspaces.troubleshooting import describe_state
from labrunner.workspaces.workspace import Workspace

from .acts import wait_until
from .answers import last_line
from .files import with_files
from .registry import require_registry

NO_NAMES = {"bridge", "host", "none"}  # networks in which no container is known by its name
LONGEST = 100  # characters of an address that a verdict repeats


def require_proxied_registry(
    workspace: Workspace, start: str, behind: str, proxy: str, files: Mapping[str, str]
) -> Container:
    """Return the container of the registry that answers over TLS, itself or through a proxy; say
    what the proxy does where there is one and no registry answers through it.

    start, behind, proxy: the commands that start the registry by itself, the registry behind the
    proxy, and the proxy. Where the first is empty, there should be a proxy. files: as in
    `with_files`.
    """

    def complete(*runs: str) -> Sentence:
        return with_files(workspace, in_order(*runs, stop=False), files)

    engine, name = workspace.engine, workspace.name
    own, front = engine.container(name), engine.container(workspace["proxy"])
    if own and front and front.running and not own.running:  # nginx may wait for it long
        state = describe_state(engine, own, complete(behind))
        restart = Sentence("Then `docker restart {container}`.", container=front.name)
        todo = Sentence.joined(state.next, restart)
        raise NotYet(state.reason, found=state.found, next=todo)
    both = complete(behind, proxy)
    wanted = complete(start) or both
    try:
        return require_registry(workspace, start=wanted, tls=True, login=workspace.login)
    except NotYet as failure:
        if not front:
            if start or failure.reason != "unpublished" or not own or exposure(own):
                raise
            found = "The container `{container}` publishes no port, and no proxy is in front of it."
            todo = in_order(complete(proxy))
            raise NotYet("no-proxy", found=found, next=todo, container=name) from None
        if front.running and not failure.reason.startswith("wrong-"):
            raise _silence(workspace, front, complete(proxy)) from None
        reason, found, said = failure.reason, failure.found, ""
        if not front.running:
            state = describe_state(engine, front, complete(proxy))
            if state.reason not in ("exited", "restarting"):  # its log does not say why
                raise NotYet(state.reason, found=state.found, next=state.next) from None
            reason, said = "proxy-ended", last_line(engine.logs(front.id)).replace("`", "'")
            log = Sentence("The last line of its log: `{said}`.")
            found = Sentence.joined(state.found, log)
        todo = Sentence(
            "`docker logs {front}` says why. Correct that, then `docker rm -f {container} "
            "{front}`, then {both}.",
            front=front.name,
            container=name,
            both=both,
        )
        raise NotYet(reason, found=found, next=todo, said=said) from None


def _silence(workspace: Workspace, front: Container, proxy: str) -> NotYet:
    """Return the verdict on a proxy that runs while nothing answers on the registry's port."""
    values = {"front": front.name, "port": workspace.port}
    again = in_order(f"`docker rm -f {front.name}`", proxy)
    inside = [each.container for each in front.ports if each.host == workspace.port]
    if not inside:
        found = "The container `{front}` runs, but does not publish {port}."
        return NotYet("proxy-unpublished", found=Sentence(found, **values), next=again)
    found = (
        "The container `{front}` publishes {port} to its own port {inside}, where nothing listens."
    )
    todo = (
        "nginx reads those files in `proxy` whose names end in `.conf`. Compare "
        "`proxy/registry.conf` with the step that starts nginx, then {again}"
    )
    found = Sentence(found, inside=inside[0], **values)
    return NotYet("proxy-silent", found=found, next=todo, again=again)


def exposure(container: Container) -> tuple[str, str] | None:
    """Return a reason and a sentence: how a registry can be reached without the proxy in front of
    it; None where it cannot."""
    if not container.on_host_network and not container.ports:
        return None
    found = (
        "The container `{container}` is on the host's network. Clients that go there send the "
        "password without TLS."
    )
    ports, *others = sorted({f"{port.host}" for port in container.ports}) or [""]
    if ports:
        found = (
            "The container `{container}` publishes {ports}. Clients that go there send the "
            "password without TLS."
        )
    for other in others:
        ports = Sentence("{some} and {other}", some=ports, other=other)
    return "published", Sentence(found, container=container.name, ports=ports)


def hiding_fault(workspace: Workspace, container: Container) -> tuple[str, str] | None:
    """Return a reason and a sentence: why a container is no registry that only a proxy can reach,
    by its name; None where it is."""
    if not runs_registry(workspace.engine, container):
        found = "The container `{container}` runs `{image}`, which is not a registry."
        values = {"container": container.name, "image": container.image}
        return "other-image", Sentence(found, **values)
    if fault := exposure(container):
        return fault
    if container.addresses.keys() - NO_NAMES:
        return None
    found = (
        "The container `{container}` is only in the network that all containers share by default. "
        "There, a proxy cannot find it by its name."
    )
    return "no-network", Sentence(found, container=container.name)


def upload_fault(workspace: Workspace, place: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why clients cannot send an upload where the registry wants
    it; None where they can. place: the scheme and the host of its `Location`; empty for one that
    has only a path."""
    address, shown = urlsplit(place), place[:LONGEST].replace("`", "'")
    hosts = [name.partition("/")[0] for name in workspace.spellings("x")]
    if place and address.netloc not in hosts:
        found = "The registry sends uploads to `{place}`, where clients cannot find it."
        return "other-host", Sentence(found, place=shown)
    if place and address.scheme != "https":
        found = "The registry sends uploads to `{place}`: in plain HTTP, to a port for TLS."
        return "other-scheme", Sentence(found, place=shown)
    return None


def start_behind_proxy(
    workspace: Workspace, image: str, configuration: str, **options: Any
) -> None:
    """Run the registry in the lab's network, and in front of it nginx with this configuration and
    the lab's `certs`. options: of the registry's container, as in `Workspace.run`."""
    network, folder = workspace["network"], workspace.work / "proxy"
    folder.mkdir(exist_ok=True)
    (folder / "registry.conf").write_text(configuration)
    start_in_network(workspace, image, **options)
    workspace.remove_own(workspace["proxy"])
    volumes = {"/etc/nginx/conf.d:ro": str(folder), "/certs:ro": str(workspace.work / "certs")}
    how: dict[str, Any] = {"ports": {443: workspace.port}, "volumes": volumes, "network": network}
    workspace.run("nginx:latest", name=workspace["proxy"], **how)
    workspace.wait_for_registry()


def restart_proxy(workspace: Workspace) -> None:
    """Restart the proxy, and wait until the registry answers through it."""
    workspace.engine.restart(workspace["proxy"])
    workspace.wait_for_registry()


def start_in_network(workspace: Workspace, image: str, **options: Any) -> None:
    """Run the registry in the lab's network, without a published port. options: as in
    `Workspace.run`."""
    network = workspace["network"]
    if network not in [each.name for each in workspace.engine.networks()]:
        workspace.create_network(network)
    workspace.remove_own(workspace.name, workspace.port)
    workspace.run(image, **{"name": workspace.name, "network": network, **options})


def wait_until_refused(workspace: Workspace, status: int, path: str) -> None:
    """Wait until the proxy has logged that it refused something with this status: it does when the
    client hangs up. path: what the request's path contains."""

    def refused() -> bool:
        asked = workspace.requests(front=True)
        return any(each.status == status and path in each.path for each in asked)

    wait_until(refused)
