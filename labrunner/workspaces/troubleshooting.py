"""Why the learner's registry does not answer as one: what was found in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Port
from labrunner.registry.errors import NotARegistry, RegistryDown
from labrunner.text import clock
from labrunner.verdicts import CannotCheck

from .service import last_lines, runs_registry
from .workspace import Workspace, free

RUN = "`docker run -d -p {port}:5000 --name {name} {registry_image}`"
WHICH_PROGRAM = (
    "`sudo ss -ltnp 'sport = :{port}'` names it on Linux; on a Mac it may be the AirPlay Receiver."
)
STABLE = 10  # seconds that a container runs before the engine counts its restart as a success
LONGEST = 300  # characters of a log's line


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


def describe_state(engine: Engine, container: Container, start: str) -> Diagnosis:
    """Say in which state a container is that does not serve. start: the command that starts a new
    one in its place."""
    name, start_again = f"The container `{container.name}`", f"`docker start {container.name}`"
    log = f"`docker logs {container.name}`"
    if container.state == "paused":
        return Diagnosis("paused", f"{name} is paused.", f"`docker unpause {container.name}`.")
    if container.state == "created":
        found = f"{name} was created, but not started."
        if container.error:
            found += f" Its start failed: {container.error}."
            return Diagnosis("start-failed", found, f"Fix that, then {start_again}.")
        return Diagnosis("created", found, f"{start_again}.")
    if _restarts_again_and_again(engine, container):
        return Diagnosis(
            "restarting",
            f"{name} restarts again and again, {container.restart_count} times so far. The last "
            f"line of its log: `{_last_words(engine, container)}`.",
            f"{log} has the rest. Fix what it says, then create the container again: "
            f"`docker rm -f {container.name}`, then {start}.",
        )
    if container.state == "restarting":
        found = f"{name} has ended, and the engine is starting it again."
        return Diagnosis("restarting", found, f"Wait a moment. If that does not help, read {log}.")
    if container.running:
        found = f"{name} is running, but does not answer."
        return Diagnosis(
            "not-answering", found, f"Wait a moment. If that does not help, read {log}."
        )
    found = f"{name} exited {clock(container.finished)} with code {container.exit_code}."
    if container.error:
        found += f" It could not be started again: {container.error}."
        return Diagnosis("exited", found, f"Fix that, then {start_again}.")
    return Diagnosis(
        "exited",
        found,
        f"{start_again}. What you pushed is still there. If it exits again, {log} says why.",
    )


def _restarts_again_and_again(engine: Engine, container: Container) -> bool:
    """Return whether the container's process ends each time soon after its start."""
    if container.restart_count < 2:
        return False
    runs = engine.now() - container.started if container.running else 0
    return runs < STABLE and (container.running or container.state == "restarting")


def _last_words(engine: Engine, container: Container) -> str:
    """Return the last line of a container's log; of a program that panicked, the line before its
    stack."""
    lines = [line.strip() for line in last_lines(engine, container.id).splitlines()]
    panics = [line for line in lines if line.startswith("panic: ")]
    words = (panics or [line for line in lines if line] or ["nothing"])[-1]
    return words.replace("`", "'")[:LONGEST]


def _explain_no_response(workspace: Workspace, run: str) -> Diagnosis:
    container = workspace.registry_container()
    nothing = workspace.fill("Nothing answers on `{registry}`")
    if container is None:
        found = f"{nothing}, and there is no container for it."
        return Diagnosis("no-container", found, f"Start one: {run}.")
    name = f"`{container.name}`"
    again = f"Create it again: `docker rm -f {container.name}`, then {run}."
    if not runs_registry(workspace.engine, container):
        return _explain_other_container(workspace, container, run)
    here = [port for port in _ports(container) if port.host == workspace.port]
    if not here and (container.running or not container.on_host_network):
        found = f"{nothing}. The container {name} {_elsewhere(workspace, container)}."
        if container.name != workspace.name:  # it may be there for something else
            again = f"Leave it if you need it, and start one for this lab: {run}."
        return Diagnosis("unpublished", found, again)
    state = describe_state(workspace.engine, container, run)
    if state.reason != "not-answering":
        return replace(state, found=f"{nothing}. {state.found}")
    if here[0].container != 5000:
        found = (
            f"The container {name} publishes {workspace.port} to its own port "
            f"{here[0].container}, where nothing listens. A registry listens on 5000."
        )
        return Diagnosis("wrong-container-port", found, again)
    found = f"The container {name} is running and publishes {workspace.port}, but does not answer."
    return replace(state, found=found)


def _explain_other_container(workspace: Workspace, container: Container, run: str) -> Diagnosis:
    """For a container that is no registry, on the port or by the name of the lab."""
    nothing, name = workspace.fill("Nothing answers on `{registry}`"), container.name
    holds = container.publishes(workspace.port)
    if name != workspace.name:
        stop = f"Stop it with `docker stop {name}`, then start" if holds else "Start"
        return Diagnosis(
            "other-container",
            f"{nothing}. The container `{name}`, made from `{container.image}`, is meant for that "
            "port, but is not a registry.",
            f"{stop} a registry: {run}.",
        )
    taken = "The name `{}` and the port are" if holds else "The name `{}` is"
    stop = f"`docker stop {name}`, then " if holds else ""
    return Diagnosis(
        "name-taken",
        f"{nothing}. {taken.format(name)} taken by a container of `{container.image}`.",
        f"Give your registry another name: {stop}{_rename(workspace, run)}. "
        f"Or remove that container, if it is yours: `docker rm -f {name}`, then {run}.",
    )


def _rename(workspace: Workspace, run: str) -> str:
    """Return a command that starts a registry, with a name that no container has."""
    name = free("my-registry", {each.name for each in workspace.engine.containers()})
    return run.replace(f"--name {workspace.name} ", f"--name {name} ")


def _explain_wrong_service(workspace: Workspace, run: str) -> Diagnosis:
    for each in workspace.engine.containers(status="running"):
        if each.publishes(workspace.port):
            again = _rename(workspace, run) if each.name == workspace.name else run
            return Diagnosis(
                "wrong-service",
                f"The container `{each.name}`, made from `{each.image}`, answers on "
                f"`{workspace.registry}`, but it is not a registry.",
                f"Stop it with `docker stop {each.name}`, then {again}.",
            )
    return Diagnosis(
        "wrong-program",
        f"A program on this machine, not in a container, answers on `{workspace.registry}`, but "
        "it is not a registry.",
        f"Stop that program, then {run}. {workspace.fill(WHICH_PROGRAM)}",
    )


def _ports(container: Container) -> tuple[Port, ...]:
    """Return the ports that a container publishes, or will once it is started."""
    return container.ports if container.running else container.bindings


def _elsewhere(workspace: Workspace, container: Container) -> str:
    """Return where a container listens that does not publish the workspace's port."""
    if container.on_host_network:
        return f"is on the host's network, and does not listen on {workspace.port} there"
    hosts = sorted({str(port.host) for port in _ports(container) if port.host})
    if not hosts:
        return "publishes no port"
    return f"publishes {' and '.join(hosts)}, not {workspace.port}"
