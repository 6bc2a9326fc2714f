"""Why the learner's registry does not answer as one: what was found in its place."""

from __future__ import annotations

from dataclasses import dataclass

from labrunner.engine.models import Container
from labrunner.registry.errors import NotARegistry, RegistryDown
from labrunner.text import clock
from labrunner.verdicts import CannotCheck

from .workspace import Workspace

RUN = "`docker run -d -p {port}:5000 --name {name} registry:2`"


@dataclass(frozen=True)
class Diagnosis:
    """What was found where the registry should be, and what to do next, in sentences. reason: a
    word for it, as in a verdict."""

    reason: str
    found: str
    next: str


def explain(workspace: Workspace, error: CannotCheck) -> CannotCheck:
    """Return an error of the same kind that says what was found where the registry should be."""
    diagnosis = diagnose(workspace, error)
    return type(error)(diagnosis.found, next=diagnosis.next, reason=diagnosis.reason)


def diagnose(workspace: Workspace, error: CannotCheck, start: str = RUN) -> Diagnosis:
    """Say why the workspace's registry does not answer. start: the command that starts the wanted
    registry, with names of values in braces."""
    run = workspace.fill(start)
    if isinstance(error, RegistryDown):
        return _explain_no_response(workspace, run)
    if isinstance(error, NotARegistry):
        return _explain_wrong_service(workspace, run)
    return Diagnosis(error.reason, error.found, error.next)


def _explain_no_response(workspace: Workspace, run: str) -> Diagnosis:
    container = workspace.registry_container()
    nothing = workspace.fill("Nothing answers on `{registry}`")
    if container is None:
        found = f"{nothing}, and there is no container for it."
        return Diagnosis("no-container", found, f"Start one: {run}.")
    name = f"`{container.name}`"
    again = f"Create it again: `docker rm -f {container.name}`, then {run}."
    if not workspace.runs_registry(container):
        return _explain_other_container(workspace, container, run)
    ports = [port for port in container.ports if port.host == workspace.port]
    if container.running and ports and ports[0].container != 5000:
        found = (
            f"The container {name} publishes {workspace.port} to its own port "
            f"{ports[0].container}, where nothing listens; a registry listens on 5000."
        )
        return Diagnosis("wrong-container-port", found, again)
    if container.running and ports:
        found = f"The container {name} runs and publishes {workspace.port}, but does not answer."
        todo = f"Wait a moment. If that does not help, read `docker logs {container.name}`."
        return Diagnosis("not-answering", found, todo)
    if not ports:
        found = f"{nothing}. The container {name} publishes {_published(workspace, container)}."
        if container.name != workspace.name:  # it may be there for something else
            again = f"Leave it if you need it, and start one for this lab: {run}."
        return Diagnosis("not-published", found, again)
    return _explain_not_running(container, nothing)


def _explain_other_container(workspace: Workspace, container: Container, run: str) -> Diagnosis:
    """For a container that is no registry, on the port or by the name of the lab."""
    nothing, name = workspace.fill("Nothing answers on `{registry}`"), f"`{container.name}`"
    if container.name != workspace.name:
        return Diagnosis(
            "other-container",
            f"{nothing}. The container {name}, made from `{container.image}`, is meant for that "
            "port, and is no registry.",
            f"Stop it with `docker stop {container.name}`, then start a registry: {run}.",
        )
    renamed = run.replace(f"--name {workspace.name} ", "--name my-registry ")
    return Diagnosis(
        "name-taken",
        f"{nothing}. The name {name} is taken by a container of `{container.image}`.",
        f"Give your registry another name: {renamed}. "
        f"Or remove that container, if it is yours: `docker rm -f {container.name}`.",
    )


def _explain_not_running(container: Container, nothing: str) -> Diagnosis:
    name, start = f"`{container.name}`", f"`docker start {container.name}`"
    if container.state == "paused":
        found = f"{nothing}. The container {name} is paused."
        return Diagnosis("paused", found, f"`docker unpause {container.name}`.")
    if container.state == "created":
        found = f"{nothing}. The container {name} was created, but not started."
        if container.error:
            found += f" Its start failed: {container.error}."
            return Diagnosis("start-failed", found, f"Fix that, then {start}.")
        return Diagnosis("created", found, f"{start}.")
    return Diagnosis(
        "exited",
        f"{nothing}. The container {name} exited {clock(container.finished)} with code "
        f"{container.exit_code}.",
        f"{start}; what you pushed is still in it. If it exits again, "
        f"`docker logs {container.name}` says why.",
    )


def _explain_wrong_service(workspace: Workspace, run: str) -> Diagnosis:
    for each in workspace.engine.containers(status="running"):
        if each.publishes(workspace.port):
            return Diagnosis(
                "wrong-service",
                f"The container `{each.name}`, made from `{each.image}`, answers on "
                f"`{workspace.registry}`, but not as a registry does.",
                f"Stop it with `docker stop {each.name}`, then {run}.",
            )
    return Diagnosis(
        "wrong-program",
        f"A program of this machine, not a container, answers on `{workspace.registry}`, and "
        "not as a registry does.",
        f"Stop that program, then {run}. `sudo ss -ltnp 'sport = :{workspace.port}'` names it on "
        "Linux; on a Mac it may be the AirPlay Receiver.",
    )


def _published(workspace: Workspace, container: Container) -> str:
    """Return the ports that a container publishes, none of which is the workspace's."""
    hosts = sorted({str(port.host) for port in container.ports if port.host})
    return f"{' and '.join(hosts)}, not {workspace.port}" if hosts else "no port"
