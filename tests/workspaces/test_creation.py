"""The objects that a workspace makes: what it starts, and what it does not take for its own."""

import socket
from contextlib import closing

import pytest

from labrunner.engine.connection import EngineRefused
from labrunner.workspaces import resources
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import eventually
from tests.fixtures.workspaces import close


def test_what_the_product_starts_is_published_on_this_machine_only(workspace, engine):
    container = engine.container(workspace.run_registry())
    assert [port.address for port in container.ports] == ["127.0.0.1"]


def test_a_start_that_fails_leaves_no_container(workspace, engine, unique):
    with closing(socket.create_server(("", 0))) as program:
        port = program.getsockname()[1]
        with pytest.raises(EngineRefused, match="address already in use"):
            workspace.run("registry:2", name=unique, ports={5000: port})
    assert engine.container(unique) is None
    with pytest.raises(EngineRefused, match="No such image"):
        workspace.run(f"{unique}:latest", name=unique)
    assert engine.containers(label=f"{WORKSPACE}={workspace.id}") == []


def test_a_volume_that_exists_is_refused_and_not_taken_for_ours(
    workspaces, workspace, docker, unique, engine
):
    docker("volume", "create", unique)
    with pytest.raises(EngineRefused):
        workspace.create_volume(unique)
    assert close(workspaces, workspace) == []
    assert engine.volume(unique)


def test_an_object_made_but_not_written_down_is_found_by_its_word(workspaces, workspace, engine):
    container = workspace.create("busybox:stable")
    workspace.record.owned[-1]["id"] = None  # as after a kill between the two
    workspace.save()
    [again] = workspaces.all()
    assert [item.id for item in resources.find_resources(again)] == [container]
    assert close(workspaces, again) == [] and engine.container(container) is None


def test_an_act_that_runs_to_its_end_gives_what_it_printed_and_is_gone(workspace, engine):
    assert workspace.run_to_end("busybox:stable", ["echo", "hello"]) == "hello\n"
    assert not eventually(lambda: engine.containers(label=f"{WORKSPACE}={workspace.id}"), 0)
