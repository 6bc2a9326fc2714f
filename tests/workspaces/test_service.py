"""What serves the port of a workspace, each case on the real engine."""

import subprocess

import pytest

from tests.fixtures.engine import eventually, is_registry, proxying


@pytest.fixture(scope="module")
def workspace(shared_workspaces):
    """Without a container; each test removes those that it makes."""
    return shared_workspaces.open(shared_workspaces.labs["run-a-registry"], "headless")


@pytest.fixture
def behind(docker, unique):
    """The name and the address of a registry on another port than the lab's."""
    docker("run", "-d", "--name", unique, "-p", "127.0.0.1::5000", "registry:2")
    address = docker("port", unique, "5000/tcp")
    assert eventually(lambda: is_registry(address))
    return unique, address


def ask(workspace, path):
    """Ask the port as a client does that has a name."""
    url = f"http://{workspace.registry}/v2/{path}"
    subprocess.run(["curl", "-s", "-A", "client", url], check=True, capture_output=True)


def asked(workspace):
    return [each.path for each in workspace.requests() if each.agent == "client"]


def test_a_container_that_could_not_have_the_port_does_not_serve_it(
    workspace, docker, foreign_registry
):
    with proxying(foreign_registry, workspace.port):
        publish = ("-p", f"{workspace.port}:5000")
        docker("create", *publish, "--name", workspace.name, "registry:2")
        docker("start", workspace.name, fails=True)
        service = workspace.service()
    assert (service.container, service.candidate.name) == (None, workspace.name)
    assert "address already in use" in service.candidate.error


def test_a_registry_on_the_hosts_network_serves(workspace, docker, unique):
    address = f"REGISTRY_HTTP_ADDR=127.0.0.1:{workspace.port}"
    docker("run", "-d", "--name", unique, "--network", "host", "-e", address, "registry:2")
    workspace.wait_for_registry()
    assert workspace.service().container.name == unique
    ask(workspace, "_catalog")
    assert asked(workspace) == ["/v2/_catalog"]


def test_a_registry_behind_a_program_serves_and_its_log_is_read(workspace, behind):
    name, address = behind
    with proxying(address, workspace.port):
        assert workspace.service().container.name == name
        ask(workspace, "_catalog")
        assert asked(workspace) == ["/v2/_catalog"]
    assert workspace.service().container is None


def test_a_registry_behind_a_container_serves_and_that_is_its_front(
    workspace, docker, behind, unique
):
    inside = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", behind[0])
    forward = ("nc", "-ll", "-p", "5000", "-e", "nc", inside, "5000")
    publish = ("-p", f"{workspace.port}:5000", "--name", f"{unique}-proxy")
    docker("run", "-d", *publish, "busybox:stable", *forward)
    workspace.wait_for_registry()
    service = workspace.service()
    assert (service.container.name, service.front.name) == (unique, f"{unique}-proxy")


def test_a_log_without_what_the_port_is_asked_is_not_read(workspace, behind):
    """As that of a registry behind a proxy that asks for the password itself."""
    with proxying(behind[1], workspace.port, login="Authorization: "):
        assert workspace.client(login=("a", "b")).ping().status == 200
        assert workspace.service().container is None
        assert workspace.requests() == []
