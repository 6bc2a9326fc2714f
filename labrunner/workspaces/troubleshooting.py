"""Why the learner's registry does not answer as one: what stands where it should be."""

from __future__ import annotations

import re
from dataclasses import replace

from labrunner.engine.models import Container
from labrunner.registry.client import RegistryDown
from labrunner.text import ago
from labrunner.verdicts import CannotCheck, Verdict

from .workspace import Workspace

RUN = "`docker run -d -p {port}:5000 --name {name} registry:2`"


def explain_no_response(workspace: Workspace) -> tuple[str, str]:
    """Nothing answers on the workspace's port: what was found instead, and what to do next."""
    container = workspace.registry_container()
    run = workspace.fill(RUN)
    nothing = workspace.fill("Nothing answers on `{registry}`")
    if container is None:
        return f"{nothing}, and there is no container for it.", f"Start one: {run}."
    name = f"`{container.name}`"
    again = f"Make it anew: `docker rm -f {container.name}`, then {run}."
    if not workspace.runs_registry(container):
        if container.name != workspace.name:
            return (
                f"{nothing}. The container {name}, made from `{container.image}`, is meant for "
                "that port, and is no registry.",
                f"Stop it with `docker stop {container.name}`, then start a registry: {run}.",
            )
        return (
            f"{nothing}. The name {name} is taken by a container of `{container.image}`.",
            "Give your registry another name: "
            f"`docker run -d -p {workspace.port}:5000 --name my-registry registry:2`. "
            f"Or remove that container, if it is yours: `docker rm -f {container.name}`.",
        )
    ports = [port for port in container.ports if port.host == workspace.port]
    if container.running and ports and ports[0].container != 5000:
        return (
            f"The container {name} publishes {workspace.port} to its own port "
            f"{ports[0].container}, where nothing listens; a registry listens on 5000.",
            again,
        )
    if container.running and ports:
        return (
            f"The container {name} runs and publishes {workspace.port}, but does not answer.",
            f"Wait a moment; else read `docker logs {container.name}`.",
        )
    if not ports:
        found = f"{nothing}. The container {name} publishes {_published(workspace, container)}."
        if container.name != workspace.name:  # it may be there for something else
            return found, f"Leave it if you need it, and start one for this lab: {run}."
        return found, again
    return _not_running(workspace, container, nothing)


def explain_wrong_service(workspace: Workspace) -> tuple[str, str]:
    """Something answers on the workspace's port that is no registry: what, and what to do next."""
    run = workspace.fill(RUN)
    for each in workspace.engine.containers(status="running"):
        if each.publishes(workspace.port):
            return (
                f"The container `{each.name}`, made from `{each.image}`, answers on "
                f"`{workspace.registry}`, but not as a registry does.",
                f"Stop it with `docker stop {each.name}`, then {run}.",
            )
    return (
        f"A program of this machine, not a container, answers on `{workspace.registry}`, and "
        "not as a registry does.",
        f"Stop that program, then {run}. `sudo ss -ltnp 'sport = :{workspace.port}'` names it on "
        "Linux; on a Mac it may be the AirPlay Receiver.",
    )


AGO = re.compile(r"\b\d+ (day|hour|minute|second)s? ago\b|\bjust now\b")


def verdict_changed(old: Verdict | None, new: Verdict) -> bool:
    """Whether a verdict says anything else than the one before but how long ago something was."""
    if old is None:
        return new.passed
    first, second = (replace(each, found=AGO.sub("", each.found or "")) for each in (old, new))
    return first != second


def _not_running(workspace: Workspace, container: Container, nothing: str) -> tuple[str, str]:
    name = f"`{container.name}`"
    start = f"`docker start {container.name}`"
    if container.state == "paused":
        return f"{nothing}. The container {name} is paused.", f"`docker unpause {container.name}`."
    if container.state == "created":
        found = f"{nothing}. The container {name} was created, but not started."
        if container.error:
            return f"{found} Its start failed: {container.error}.", f"Mend that, then {start}."
        return found, f"{start}."
    when = ago(workspace.engine.info().time - container.finished)
    return (
        f"{nothing}. The container {name} exited {when} with code {container.exit_code}.",
        f"{start}; what you pushed is still in it. If it exits again, "
        f"`docker logs {container.name}` says why.",
    )


def _published(workspace: Workspace, container: Container) -> str:
    """The ports that a container publishes, which are not the workspace's."""
    hosts = sorted({str(port.host) for port in container.ports if port.host})
    return f"{' and '.join(hosts)}, not {workspace.port}" if hosts else "no port"


def explain(workspace: Workspace, error: CannotCheck) -> CannotCheck:
    """The same error, saying what stands where the registry should be."""
    say = explain_no_response if isinstance(error, RegistryDown) else explain_wrong_service
    error.found, error.next = say(workspace)
    return error
