"""The learner's registry, which the next lab takes over where it may."""

from dataclasses import replace

import pytest

from labrunner.workspaces import resources
from tests.fixtures.workspaces import close


@pytest.fixture
def registry_lab(push_and_pull):
    """A lab that is given a registry and nothing else."""
    return replace(push_and_pull, sample=False)


def test_a_registry_of_an_open_lab_is_adopted_by_the_next(
    workspaces, lab, registry_lab, preferred, docker, engine, unique
):
    first = workspaces.open(lab, "learner")
    container = docker("run", "-d", "-p", f"{first.port}:5000", "--name", unique, "registry:2")
    first.wait_for_registry()

    second = workspaces.open(registry_lab, "learner")

    assert (second.port, second.name) == (first.port, unique)
    assert second.record.note == f"It is the container `{unique}`, which is running already."
    assert container not in {item.id for item in resources.find_resources(second)}
    [item] = [each for each in workspaces.find_resources(first) if each.id == container]
    assert item.why == f"it is on your registry's port; also used by `{registry_lab.name}`"
    assert close(workspaces, second) == []
    assert engine.container(container).running


def test_a_registry_seen_by_a_lab_that_is_finished_is_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique
):
    first = workspaces.open(lab, "learner")
    container = docker("run", "-d", "-p", f"{first.port}:5000", "--name", unique, "registry:2")
    first.wait_for_registry()
    workspaces.remember_registry(first)
    assert workspaces.close(first, []) == []
    assert workspaces.preview(registry_lab)["registry"] == first.registry

    second = workspaces.open(registry_lab, "learner")
    assert (second.port, second.name) == (first.port, unique)
    assert close(workspaces, second) == []

    docker("stop", "-t", "0", container)
    third = workspaces.open(registry_lab, "learner")
    assert third.name != unique


def test_a_foreign_registry_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, engine, unique
):
    foreign = docker("run", "-d", "-p", f"{preferred}:5000", "--name", unique, "registry:2")
    first = workspaces.open(lab, "learner")
    workspaces.remember_registry(first)
    second = workspaces.open(registry_lab, "learner")
    assert preferred not in (first.port, second.port) and second.name != unique
    assert close(workspaces, second) == []
    assert engine.container(foreign).running


def test_what_is_no_registry_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique
):
    first = workspaces.open(lab, "learner")
    serve = ("busybox:stable", "httpd", "-f", "-p", "80")
    docker("run", "-d", "-p", f"{first.port}:80", "--name", unique, *serve)
    second = workspaces.open(registry_lab, "learner")
    assert second.port != first.port and second.name != unique


def test_a_registry_that_wants_a_password_or_tls_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique, tmp_path
):
    workspace = workspaces.open(lab, "learner")
    settings = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "x"}
    settings["REGISTRY_AUTH_HTPASSWD_PATH"] = "/made/at/the/start"
    workspace.run_registry(environment=settings)
    workspaces.remember_registry(workspace)
    assert workspace.api.ping().status == 401
    assert workspaces.preview(registry_lab)["port"] != str(workspace.port)
