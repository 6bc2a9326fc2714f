"""Why the learner's registry does not answer as one: what was found in its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, Port
from labrunner.language import Sentence
from labrunner.registry.access_log import parse_log
from labrunner.registry.errors import NotARegistry, RegistryDown
from labrunner.text import clock, fold
from labrunner.verdicts import CannotCheck

from .service import LAST_LINES, last_lines, runs_registry
from .workspace import Workspace, free

RUN = Sentence("`docker run -d -p {port}:5000 --name {name} {registry_image}`")
WHICH_PROGRAM = (
    "`sudo ss -ltnp 'sport = :{port}'` names it on Linux; on a Mac it may be the AirPlay Receiver."
)
SERVES = "listening on"  # in a registry's log, once it does
ANEW = (
    "`docker logs {container}` has the rest. Fix what it says, then create the container again: "
    "`docker rm -f {container}`, then {start}."
)
STABLE = 10  # seconds that a container runs before the engine counts its restart as a success
NO_NETWORK = re.compile(  # in an engine's error. A container keeps the id of its network
    r"network \S+ not found|IP address is supported only when connecting to networks with"
)
NO_FILE = "Are you trying to mount a directory onto a file"  # in an engine's error, too
LONGEST = 300  # characters of a log's line
FAULT = re.compile(  # what a registry says when its settings end it
    r'level=fatal msg="((?:[^"\\]|\\.)*)"|^(panic: .+)|^(configuration error: .+)', re.MULTILINE
)


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
    if isinstance(error, RegistryDown):
        return _explain_no_response(workspace, start)
    if isinstance(error, NotARegistry):
        return _explain_wrong_service(workspace, start)
    return Diagnosis(error.reason, error.found, error.next)


def describe_state(engine: Engine, container: Container, start: str) -> Diagnosis:
    """Say in which state a container is that does not serve. start: the command that starts a new
    one in its place."""
    values = {"container": container.name, "error": container.error, "start": Sentence.of(start)}

    def diagnosis(reason: str, found: str, next: str, **more: object) -> Diagnosis:
        return Diagnosis(
            reason, Sentence(found, **values, **more), Sentence(next, **values, **more)
        )

    fix = "Fix that, then `docker start {container}`."
    if NO_NETWORK.search(container.error):
        fix = "Fix that, then `docker rm -f {container}`, then {start}."
    if container.state == "paused":
        found = "The container `{container}` is paused."
        return diagnosis("paused", found, "`docker unpause {container}`.")
    if container.state == "created" and container.error:
        found = (
            "The container `{container}` was created, but not started. Its start failed: {error}."
        )
        if NO_FILE in container.error:
            fix = (
                "Docker makes a folder in place of a file that is mounted and not there. `docker "
                "rm -f {container}`, then {start}."
            )
        return diagnosis("start-failed", found, fix)
    if container.state == "created":
        found = "The container `{container}` was created, but not started."
        return diagnosis("created", found, "`docker start {container}`.")
    if _restarts_again_and_again(engine, container):
        return diagnosis(
            "restarting",
            "The container `{container}` restarts again and again, {times} times so far. The last "
            "line of its log: `{words}`.",
            ANEW,
            times=container.restart_count,
            words=_last_words(last_lines(engine, container.id)),
        )
    wait = "Wait a moment. If that does not help, read `docker logs {container}`."
    if container.state == "restarting":
        found = "The container `{container}` has ended, and the engine is starting it again."
        return diagnosis("restarting", found, wait)
    if container.running:
        return diagnosis(
            "not-answering", "The container `{container}` is running, but does not answer.", wait
        )
    ended = {"time": clock(container.finished), "code": container.exit_code}
    if container.error:
        return diagnosis(
            "exited",
            "The container `{container}` exited {time} with code {code}. It could not be started "
            "again: {error}.",
            fix,
            **ended,
        )
    begun = container.started - 1  # it may write before the engine notes that it runs
    log = last_lines(engine, container.id, since=begun)
    if _never_served(log) and runs_registry(engine, container):
        return diagnosis(
            "exited",
            "The container `{container}` exited {time} with code {code}, before it served "
            "anything. Its log says `{words}`.",
            ANEW,
            words=_last_words(log),
            **ended,
        )
    return diagnosis(
        "exited",
        "The container `{container}` exited {time} with code {code}.",
        "`docker start {container}`. What you pushed is still there. If it exits again, `docker "
        "logs {container}` says why.",
        **ended,
    )


def _restarts_again_and_again(engine: Engine, container: Container) -> bool:
    """Return whether the container's process ends each time soon after its start."""
    if container.restart_count < 2:
        return False
    runs = engine.now() - container.started if container.running else 0
    return runs < STABLE and (container.running or container.state == "restarting")


def _never_served(log: str) -> bool:
    """Return whether a registry's log has all since its start, and neither that it serves, which a
    setting may keep out of it, nor a request."""
    return 0 < log.count("\n") < LAST_LINES and SERVES not in log and not parse_log(log)


def _last_words(log: str) -> str:
    """Return what a registry says at its end: the fault in its settings, or its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if faults := FAULT.findall(log):  # of several starts: an earlier one may be mended
        lines.append("".join(faults[-1]))
    said = lines[-1].replace('\\"', '"').replace("`", "'").strip() if lines else ""
    return said[:LONGEST] or Sentence("nothing")


def _explain_no_response(workspace: Workspace, start: str) -> Diagnosis:
    container, run = workspace.registry_container(), workspace.fill(start)
    if container is None:
        found = "Nothing answers on `{registry}`, and there is no container for it."
        todo = Sentence("Start one: {start}.", start=run)
        return Diagnosis("no-container", workspace.fill(found), todo)
    anew = "Create it again: `docker rm -f {container}`, then {start}."
    again = Sentence(anew, container=container.name, start=run)
    if not runs_registry(workspace.engine, container):
        return _explain_other_container(workspace, container, start)
    here = [port for port in _ports(container) if port.host == workspace.port]
    if not here and (container.running or not container.on_host_network):
        if container.name != workspace.name:  # it may be there for something else
            leave = "Leave it if you need it, and start one for this lab: {start}."
            again = Sentence(leave, start=run)
        return Diagnosis("unpublished", _elsewhere(workspace, container), again)
    state = describe_state(workspace.engine, container, run)
    if state.reason != "not-answering":
        nothing = workspace.fill("Nothing answers on `{registry}`.")
        return replace(state, found=Sentence.joined(nothing, state.found))
    values = {"container": container.name, "port": workspace.port, "inside": here[0].container}
    if here[0].container != 5000:
        found = (
            "The container `{container}` publishes {port} to its own port {inside}, where nothing "
            "listens. A registry listens on 5000."
        )
        return Diagnosis("wrong-container-port", Sentence(found, **values), again)
    found = "The container `{container}` is running and publishes {port}, but does not answer."
    return replace(state, found=Sentence(found, **values))


def _explain_other_container(workspace: Workspace, container: Container, start: str) -> Diagnosis:
    """For a container that is no registry, on the port or by the name of the lab."""
    holds = container.publishes(workspace.port)
    values = {
        "registry": workspace.registry,
        "container": container.name,
        "image": container.image,
        "start": workspace.fill(start),
    }
    if container.name != workspace.name:
        at_once = "Start a registry: {start}."
        stop = "Stop it with `docker stop {container}`, then start a registry: {start}."
        return Diagnosis(
            "other-container",
            Sentence(
                "Nothing answers on `{registry}`. The container `{container}`, made from "
                "`{image}`, is meant for that port, but is not a registry.",
                **values,
            ),
            Sentence(stop if holds else at_once, **values),
        )
    values["renamed"] = _rename(workspace, start)
    if holds:
        found = (
            "Nothing answers on `{registry}`. The name `{container}` and the port are taken by a "
            "container of `{image}`."
        )
        todo = (
            "Give your registry another name: `docker stop {container}`, then {renamed}. Or remove "
            "that container, if it is yours: `docker rm -f {container}`, then {start}."
        )
    else:
        found = (
            "Nothing answers on `{registry}`. The name `{container}` is taken by a container of "
            "`{image}`."
        )
        todo = (
            "Give your registry another name: {renamed}. Or remove that container, if it is yours: "
            "`docker rm -f {container}`, then {start}."
        )
    return Diagnosis("name-taken", Sentence(found, **values), Sentence(todo, **values))


def _rename(workspace: Workspace, start: str) -> Sentence:
    """Return the command that starts a registry, with a name that no container has."""
    name = free("my-registry", {each.name for each in workspace.engine.containers()})
    given = f"--name {workspace.name} "
    if given in start:  # a lab has filled it in already
        start = start.replace(given, f"--name {name} ")
    return workspace.fill(start, name=name)


def _explain_wrong_service(workspace: Workspace, start: str) -> Diagnosis:
    run = workspace.fill(start)
    for each in workspace.engine.containers(status="running"):
        if each.publishes(workspace.port):
            again = _rename(workspace, start) if each.name == workspace.name else run
            found = (
                "The container `{container}`, made from `{image}`, answers on `{registry}`, but it "
                "is not a registry."
            )
            return Diagnosis(
                "wrong-service",
                Sentence(found, container=each.name, image=each.image, registry=workspace.registry),
                Sentence(
                    "Stop it with `docker stop {container}`, then {start}.",
                    container=each.name,
                    start=again,
                ),
            )
    return Diagnosis(
        "wrong-program",
        workspace.fill(
            "A program on this machine, not in a container, answers on `{registry}`, but it is "
            "not a registry."
        ),
        Sentence.joined(
            Sentence("Stop that program, then {start}.", start=run),
            workspace.fill(WHICH_PROGRAM),
        ),
    )


def _ports(container: Container) -> tuple[Port, ...]:
    """Return the ports that a container publishes, or will once it is started."""
    return container.ports if container.running else container.bindings


def _elsewhere(workspace: Workspace, container: Container) -> Sentence:
    """Return where a container listens that does not publish the workspace's port."""
    hosts = sorted({str(port.host) for port in _ports(container) if port.host})
    if container.on_host_network:
        found = (
            "Nothing answers on `{registry}`. The container `{container}` is on the host's "
            "network, and does not listen on {port} there."
        )
    elif not hosts:
        found = "Nothing answers on `{registry}`. The container `{container}` publishes no port."
    else:
        found = (
            "Nothing answers on `{registry}`. The container `{container}` publishes {ports}, not "
            "{port}."
        )
    return Sentence(
        found,
        registry=workspace.registry,
        container=container.name,
        port=workspace.port,
        ports=fold(hosts, "{some} and {other}"),
    )
