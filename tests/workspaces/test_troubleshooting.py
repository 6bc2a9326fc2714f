"""What stands where the registry should be, each case on the real engine."""

import re
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from labrunner import TLS_SETTINGS, issue_certificate
from labrunner.engine.connection import EngineDown
from labrunner.registry.errors import NotARegistry, RegistryDown
from labrunner.text import clock, in_order
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.troubleshooting import RUN, diagnose
from tests.fixtures.engine import eventually, request_of, response


@pytest.fixture
def says(workspace):
    """What a ping of the workspace's registry finds, and what to do next."""

    def says():
        with pytest.raises((RegistryDown, NotARegistry)) as caught:
            workspace.api.ping()
        return caught.value.found, caught.value.next

    return says


def run(workspace):
    return f"`docker run -d -p {workspace.port}:5000 --name {workspace.name} registry:2`"


def nothing(workspace):
    return f"Nothing answers on `{workspace.registry}`"


def test_no_container(workspace, says):
    assert says() == (
        f"{nothing(workspace)}, and there is no container for it.",
        f"Start one: {run(workspace)}.",
    )
    assert workspace.registry_container() is None


def test_created_but_not_started(workspace, says):
    port = {5000: workspace.port}
    workspace.create("registry:2", name=workspace.name, ports=port)
    assert says() == (
        f"{nothing(workspace)}. The container `{workspace.name}` was created, but not started.",
        f"`docker start {workspace.name}`.",
    )


def test_created_and_its_start_failed(workspace, says, docker, engine):
    """The failed start leaves a container, and the engine's reason stands in it."""
    with closing(socket.create_server(("", workspace.port))):
        publish = f"{workspace.port}:5000"
        docker("create", "-p", publish, "--name", workspace.name, "registry:2")
        docker("start", workspace.name, fails=True)
    found, todo = says()
    assert "was created, but not started. Its start failed: " in found
    assert "address already in use" in found and todo.startswith("Fix that, then ")


def test_exited_and_it_could_not_be_started_again(workspace, says, docker):
    """The engine's reason stands in the container, as after a first start that fails."""
    workspace.run_registry()
    docker("stop", workspace.name)
    with closing(socket.create_server(("", workspace.port))):
        docker("start", workspace.name, fails=True)
    found, todo = says()
    assert f"The container `{workspace.name}` exited " in found
    assert " It could not be started again: " in found and "address already in use" in found
    assert todo == f"Fix that, then `docker start {workspace.name}`."


def test_stopped_by_hand(workspace, says, engine):
    """Its log has requests, and not that it serves: a setting keeps that out of it."""
    container = workspace.run_registry(environment={"REGISTRY_LOG_LEVEL": "warn"})
    engine.kill(container)
    found, todo = says()
    when = clock(engine.container(container).finished)
    assert f"The container `{workspace.name}` exited {when} with code 137." in found
    assert todo.startswith(f"`docker start {workspace.name}`. What you pushed is still there.")


def test_died_of_its_own_fault(workspace, says, engine):
    options = {"ports": {5000: workspace.port}, "environment": {"REGISTRY_AUTH": "htpasswd"}}
    engine.wait(workspace.run("registry:2", name=workspace.name, **options))
    found, todo = says()
    assert "with code 2, before it served anything. Its log says `panic: unable to c" in found
    assert todo.startswith(f"`docker logs {workspace.name}` has the rest.")
    assert todo.endswith(f"`docker rm -f {workspace.name}`, then {run(workspace)}.")


def test_options_after_the_image_end_it_without_an_error(workspace, says, docker):
    publish = ("-p", f"{workspace.port}:5000", "--name", workspace.name)
    docker("run", *publish, "registry:2", "-e", "REGISTRY_LOG_LEVEL=info")
    found, todo = says()
    assert "with code 0, before it served anything." in found
    assert todo.endswith(f"`docker rm -f {workspace.name}`, then {run(workspace)}.")


def test_stopped_after_a_fault_that_was_mended(workspace, says, engine):
    """What the log says of an earlier start is not why it ended."""
    (workspace.work / "certs").mkdir()
    options = {
        "ports": {5000: workspace.port},
        "volumes": {"/certs": str(workspace.work / "certs")},
        "environment": TLS_SETTINGS,
    }
    container = workspace.run("registry:2", name=workspace.name, **options)
    engine.wait(container)
    assert " Its log says `open /certs/registry.crt: no such file or directory`." in says()[0]
    issue_certificate(workspace.work, "DNS:localhost")
    engine.start(container)
    workspace.wait_for_registry()
    engine.stop(container)
    assert "Its log says" not in says()[0]


def test_it_ends_again_and_again(workspace, says, docker):
    """The last line of the log is not the end of a panic's stack, but what the panic says."""
    policy = ("--restart", "unless-stopped", "-e", "REGISTRY_AUTH=htpasswd")
    publish = ("-p", f"{workspace.port}:5000", "--name", workspace.name)
    docker("run", "-d", *publish, *policy, "registry:2")
    assert eventually(lambda: "restarts again and again" in says()[0])
    found, todo = says()
    container = f"The container `{workspace.name}` restarts again and again, "
    assert found.startswith(f"{nothing(workspace)}. {container}")
    assert " times so far. The last line of its log: `panic: unable to configure auth" in found
    times = int(re.search(r"again and again, (\d+) times", found)[1])
    assert 2 <= times <= workspace.engine.container(workspace.name).restart_count
    assert "docker start" not in todo
    assert f"`docker logs {workspace.name}` has the rest." in todo
    assert todo.endswith(f"`docker rm -f {workspace.name}`, then {run(workspace)}.")


def test_paused(workspace, says, docker):
    docker("pause", workspace.run_registry())
    api = workspace.api
    api.timeout = 0.2
    with pytest.raises(RegistryDown) as caught:
        api.ping()
    assert caught.value.found.endswith(f"The container `{workspace.name}` is paused.")
    assert caught.value.next == f"`docker unpause {workspace.name}`."


def test_no_port_published(workspace, says):
    workspace.run("registry:2", name=workspace.name)
    assert says() == (
        f"{nothing(workspace)}. The container `{workspace.name}` publishes no port.",
        f"Create it again: `docker rm -f {workspace.name}`, then {run(workspace)}.",
    )


def test_another_port_published_under_another_name(workspace, says, docker, unique):
    docker("run", "-d", "--name", unique, "-P", "registry:2")
    found, todo = says()
    assert f"The container `{unique}` publishes " in found
    assert found.endswith(f", not {workspace.port}.") and "publishes no" not in found
    assert todo == f"Leave it if you need it, and start one for this lab: {run(workspace)}."


def test_the_wrong_port_of_the_container(workspace, says):
    workspace.run("registry:2", name=workspace.name, ports={5001: workspace.port})
    assert says() == (
        f"The container `{workspace.name}` publishes {workspace.port} to its own port 5001, where "
        "nothing listens. A registry listens on 5000.",
        f"Create it again: `docker rm -f {workspace.name}`, then {run(workspace)}.",
    )


def test_a_registry_that_runs_and_does_not_answer(workspace, says, engine, unique):
    image = f"{unique}/registry:latest"
    engine.tag("busybox:stable", image)
    try:
        options = {"command": ["sleep", "60"], "ports": {5000: workspace.port}}
        container = workspace.run(image, name=workspace.name, **options)
        name = f"`{workspace.name}`"
        assert says() == (
            f"The container {name} is running and publishes {workspace.port}, but does not answer.",
            f"Wait a moment. If that does not help, read `docker logs {workspace.name}`.",
        )
        engine.remove_container(container)
    finally:
        engine.remove_image(image)


def test_the_name_is_taken_by_something_else(workspace, says):
    workspace.run("busybox:stable", name=workspace.name, command=["sleep", "60"])
    found, todo = says()
    taken = f"The name `{workspace.name}` is taken by a container of `busybox:stable`."
    assert found == f"{nothing(workspace)}. {taken}"
    assert f"-p {workspace.port}:5000 --name my-registry registry:2" in todo
    assert f"`docker rm -f {workspace.name}`" in todo


def test_a_start_in_two_parts_gets_another_name_and_can_still_be_translated(workspace):
    workspace.run("busybox:stable", name=workspace.name, command=["sleep", "60"])
    start = in_order("`mkdir auth`", RUN, stop=False)
    renamed = diagnose(workspace, RegistryDown("", next=""), start).next.values["renamed"]
    named = run(workspace).replace(f"--name {workspace.name}", "--name my-registry")
    assert renamed == f"`mkdir auth`, then {named}"
    assert renamed.template == "{some}, then {other}"


@pytest.mark.parametrize("command", [["sleep", "60"], ["httpd", "-f", "-p", "5000"]])
def test_the_name_and_the_port_are_taken_by_something_else_and_the_advice_works(
    workspace, says, docker, command
):
    options = ("-p", f"{workspace.port}:5000", "--stop-signal", "KILL", "--name", workspace.name)
    docker("run", "-d", *options, "busybox:stable", *command)
    if command[0] == "httpd":
        assert eventually(lambda: "it is not a registry" in says()[0])
    else:
        assert f"The name `{workspace.name}` and the port are taken by a container" in says()[0]
    for advised in re.findall("`docker (.*?)`", says()[1])[:2]:
        docker(*advised.split())
    workspace.wait_for_registry()
    assert workspace.service().container.name == "my-registry"


def test_the_port_is_taken_by_something_else_that_is_silent(workspace, says, unique):
    ports = {5000: workspace.port}
    workspace.run("busybox:stable", name=unique, command=["sleep", "60"], ports=ports)
    found, todo = says()
    assert f"The container `{unique}`, made from `busybox:stable`, is meant for that port" in found
    assert todo == f"Stop it with `docker stop {unique}`, then start a registry: {run(workspace)}."


def test_a_container_that_answers_otherwise(workspace, says, unique):
    serve = ["httpd", "-f", "-p", "5000"]
    ports = {5000: workspace.port}
    workspace.run("busybox:stable", name=unique, command=serve, ports=ports)
    eventually(lambda: "but it is not a registry" in says()[0])
    assert says() == (
        f"The container `{unique}`, made from `busybox:stable`, answers on "
        f"`{workspace.registry}`, but it is not a registry.",
        f"Stop it with `docker stop {unique}`, then {run(workspace)}.",
    )


@contextmanager
def program(port):
    """A program of this machine that answers on the port, and not as a registry."""

    def serve(server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                request_of(connection)
                connection.sendall(response("It works!"))

    with socket.create_server(("127.0.0.1", port)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_program_that_is_no_container(workspace, says):
    with program(workspace.port):
        found, todo = says()
    assert found.startswith("A program on this machine, not in a container, answers on ")
    assert f"sport = :{workspace.port}" in todo


def test_a_renamed_image_of_the_registry_is_one(workspace, says, engine, unique):
    engine.tag("registry:2", f"{unique}:latest")
    try:
        workspace.create(f"{unique}:latest", name=workspace.name, ports={5000: workspace.port})
        assert "was created, but not started" in says()[0]
    finally:
        for item in engine.containers(name=workspace.name):
            engine.remove_container(item.id)
        engine.remove_image(f"{unique}:latest")


def test_an_engine_that_is_down_is_what_is_said(workspace, monkeypatch, tmp_path):
    from labrunner.engine.engine import Engine

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(workspace, "engine", Engine(timeout=1))
    with pytest.raises(EngineDown):
        workspace.api.ping()
    monkeypatch.undo()


def test_a_registry_that_never_answers_is_said_with_what_stands_there(
    workspaces, workspace, monkeypatch
):
    monkeypatch.setattr("labrunner.workspaces.workspace.STARTUP", 0.2)
    workspace.run("busybox:stable", name=workspace.name, command=["sleep", "60"])
    with pytest.raises(CannotCheck) as caught:
        workspace.wait_for_registry()
    assert f"The name `{workspace.name}` is taken" in caught.value.found
