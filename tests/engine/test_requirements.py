"""What the course needs of an engine."""

import platform
import socket

import pytest

from labrunner.engine.engine import Engine
from labrunner.engine.requirements import EngineUnsuitable, find_unmet, require_engine
from tests.fixtures.engine import BRIDGE, INFO, UNSUITABLE, standing_in


def test_the_engine_of_the_tests_meets_all_requirements(engine):
    assert list(find_unmet(engine)) == []


@pytest.mark.parametrize(("answers", "why"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_an_engine_that_the_course_cannot_use_is_refused_with_the_reason(
    tmp_path, monkeypatch, answers, why
):
    with standing_in(tmp_path / "engine.sock", answers) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(EngineUnsuitable) as caught:
            require_engine(Engine(timeout=5))
    assert why in caught.value.found
    assert caught.value.next


def test_a_bridge_without_its_interface_is_said(engine, monkeypatch):
    [bridge] = [each for each in engine.networks(type="builtin") if each.name == "bridge"]
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo")])
    with pytest.raises(EngineUnsuitable) as caught:
        require_engine(engine)
    assert f"The interface `{bridge.interface}` of the engine's network" in caught.value.found
    assert "systemctl restart docker" in caught.value.next


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"OperatingSystem": "Docker Desktop"},
        {"Name": "colima"},
        {"KernelVersion": "6.6.12-linuxkit"},
        {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]},
    ],
    ids=str,
)
def test_a_bridge_that_cannot_be_seen_from_here_is_not_missed(tmp_path, monkeypatch, elsewhere):
    here = {
        "Name": socket.gethostname(),
        "KernelVersion": platform.release(),
        "OperatingSystem": platform.freedesktop_os_release()["PRETTY_NAME"],
    }
    options = {"com.docker.network.bridge.name": "no-such-bridge"}
    answers = {
        "/networks": [{**BRIDGE, "Options": options}],
        "/info": {**INFO, **here, **elsewhere},
    }
    with standing_in(tmp_path / "engine.sock", answers) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert list(find_unmet(Engine(timeout=5))) == []
