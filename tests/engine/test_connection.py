"""The connection to the engine: what is said where none answers, and what every call has."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from types import SimpleNamespace

import pytest

from labrunner.engine import connection
from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.description import EngineInfo
from labrunner.engine.engine import Engine
from tests.fixtures.engine import VERSION, chunks, request_of, response, serving
from tests.fixtures.engine_calls import CALLS, UNREAD


@pytest.mark.parametrize("ask", [Engine.images, Engine.containers])
@pytest.mark.parametrize(
    "words",
    ["rpc error: desc = content digest sha256:1: not found", "unable to find image sha256:1"],
)
def test_a_list_is_had_although_an_image_goes_meanwhile(tmp_path, monkeypatch, ask, words):
    """The containerd store refuses the whole list then."""
    refusal = json.dumps({"message": words})
    answers = [response(refusal, "500 Internal Server Error")] * 2 + [response("[]")]

    def serve(connection):
        head = request_of(connection).split("\r\n")[0]
        connection.sendall(response(json.dumps(VERSION)) if "/version" in head else answers.pop(0))

    with serving(serve, unix=tmp_path / "engine.sock") as path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        assert ask(Engine()) == []
        answers += [response('{"message": "lost"}', "500 Internal Server Error")]
        with pytest.raises(EngineRefused, match="lost"):
            ask(Engine())


def test_what_is_not_there_is_none(engine, unique):
    for ask in (engine.container, engine.image, engine.volume):
        assert ask(unique) is None
    for name in ("", "Not A Reference", "a:b:c", "../../etc"):
        assert engine.image(name) is None


def test_about_tells_version_store_and_clock(engine):
    version, about = engine.version(), engine.info()
    assert version.version and version.api and about.image_store != "?"
    assert abs(engine.ask_time() - time.time()) < 60


@pytest.mark.parametrize("here", [True, False])
def test_after_this_machine_was_suspended_its_engine_is_not_thought_to_be_in_the_past(
    engine, unique, monkeypatch, here
):
    """What counts on in a process stands still meanwhile: until the engine was asked again, nothing
    that a learner did was seen."""
    monkeypatch.setattr(EngineInfo, "is_here", here)
    own = Engine()
    assert own.now() >= time.time() - 0.1
    suspended = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() - 30)
    monkeypatch.setattr(connection, "time", suspended)
    began = time.time()
    engine.tag("busybox:stable", f"{unique}:1")
    engine.remove_image(f"{unique}:1")
    seen = own.events(began - 1, own.now(), type="image", event="tag")
    assert [each.attributes["name"] for each in seen if unique in each.attributes["name"]]


def test_removing_what_is_gone_is_no_complaint(engine, unique):
    engine.remove_container("0" * 64)
    engine.remove_volume(unique)
    engine.remove_network("0" * 64)
    engine.remove_image(f"{unique}:latest")


def test_a_refusal_has_the_engines_own_words(engine, unique):
    with pytest.raises(EngineRefused) as caught:
        engine.create_container(f"{unique}:latest")
    assert f"No such image: {unique}:latest" in caught.value.words
    assert caught.value.found.startswith("The engine refused: ")


def test_no_engine_is_said_at_once_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineDown, match="No engine answers at") as caught:
        Engine().info()
    assert "script/bootstrap" in caught.value.next


def test_an_engine_that_takes_no_connection_is_given_up(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as waiting:
        hung.bind(f"{tmp_path}/engine.sock")
        hung.listen(0)  # so one connection waits, and no other can
        waiting.connect(f"{tmp_path}/engine.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        with pytest.raises(EngineDown, match="No engine answers at"):
            Engine(timeout=5).info()


def test_no_permission_on_the_socket_is_said_with_what_to_do():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as closed:
        closed.bind(f"{folder}/engine.sock")
        closed.listen()
        os.chmod(f"{folder}/engine.sock", 0)
        os.chmod(folder, 0o755)  # noqa: S103 - the other user must reach the socket to be refused
        script = f"""
            import os
            from labrunner.engine.connection import EngineDown
            from labrunner.engine.engine import Engine
            os.environ.update(DOCKER_HOST="unix://{folder}/engine.sock", HOME="{folder}")
            if os.getuid() == 0:  # root may use any socket
                os.setgroups([])
                os.setuid(65534)
            try:
                Engine().info()
            except EngineDown as down:
                print(down.found, down.next)
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "You are not allowed to use the engine's socket" in said
    assert "usermod -aG docker" in said


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://[", "unix:/nowhere"])
def test_an_address_that_cannot_be_used_is_said(monkeypatch, address):
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineDown):
        Engine(timeout=1).info()


def test_an_engine_that_never_answers_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with serving(lambda connection: time.sleep(60), unix=path):
        began = time.monotonic()
        with pytest.raises(EngineDown, match=r"did not answer within 0\.3 seconds"):
            Engine(timeout=0.3).containers()
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[",
        chunks(b'{"status": "Pushing"}\r\n', end=False),
        chunks(b'{"status": "Pushing"}\r\n')[:-30],
        chunks(b'{"status": "Pu'),
        chunks(b"rubbish"),
    ],
    ids=["at once", "in the body", "after a line", "in a chunk", "in a line", "rubbish"],
)
def test_an_engine_that_dies_in_a_call_is_down_and_nothing_else(fake, answer):
    with fake(answer):
        for name in CALLS.keys() - (UNREAD if answer.endswith(b"\r\n0\r\n\r\n") else set()):
            with pytest.raises(EngineDown):
                raise AssertionError((name, CALLS[name](Engine(timeout=1))))


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.43", "1.24", "1.43"),
        ("1.52", "1.44", "1.44"),
        ("1.53", "1.40", "1.44"),
        ("1.60", "1.50", "1.50"),
    ],
)
def test_the_version_is_one_that_both_speak(fake, newest, oldest, spoken):
    seen: list[str] = []
    version = {"Version": "x", "ApiVersion": newest, "MinAPIVersion": oldest}
    with fake(chunks(b"[]"), version, seen):
        assert Engine(timeout=1).containers() == []
    assert seen[-1].startswith(f"GET /v{spoken}/containers/json")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("unix:///var/run/docker.sock", None),
        ("npipe:////./pipe/docker_engine", None),
        ("tcp://localhost:2375", None),
        ("tcp://[::1]:2375", None),
        ("tcp://192.0.2.7:2376", "192.0.2.7"),
        ("ssh://me@build.example", "build.example"),
        ("build.example:2376", "build.example"),
    ],
)
def test_an_engine_on_another_machine_is_known_by_its_host(monkeypatch, address, host):
    monkeypatch.setenv("DOCKER_HOST", address)
    assert Engine().remote_host == host


def test_the_engine_in_use_is_the_one_of_the_tests():
    assert Engine().remote_host is None, os.environ.get("DOCKER_HOST")
