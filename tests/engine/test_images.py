"""Images of the engine: how they are pushed and pulled, and which of them anyone may have."""

import base64
import json

import pytest

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.registry.client import Registry
from labrunner.registry.errors import NotARegistry, RegistryDown
from tests.fixtures.engine import chunks, eventually


def test_an_error_inside_a_real_push_is_raised(engine, unique):
    name = f"127.0.0.1:1/{unique}:latest"
    engine.tag("busybox:stable", name)
    try:
        with pytest.raises(EngineRefused, match="connection refused"):
            list(engine.push(name))
    finally:
        engine.remove_image(name)
    with pytest.raises(EngineRefused, match="connection refused"):
        list(engine.pull(name))


@pytest.mark.parametrize(
    "line",
    [
        {"errorDetail": {"message": "the disk is full"}},
        {"error": "the disk is full"},
        {"errorDetail": {"message": "the disk is full"}, "error": "full"},
    ],
)
def test_an_error_inside_a_stream_is_raised_in_either_spelling(fake, line):
    stream = chunks(b'{"status": "Pushing"}\r\n', json.dumps(line).encode() + b"\r\n")
    with fake(stream):
        for act in ("push", "pull"):
            with pytest.raises(EngineRefused) as caught:
                list(getattr(Engine(timeout=1), act)("a/b:c"))
            assert caught.value.words == "the disk is full"


def test_a_pull_asks_for_one_tag_and_never_for_all(fake):
    seen: list[str] = []
    with fake(chunks(b'{"status": "x"}\r\n'), seen=seen):
        list(Engine(timeout=1).pull("localhost:5001/my-image"))
    assert "fromImage=localhost%3A5001%2Fmy-image&tag=latest" in seen[-1]


def test_what_needs_a_login_is_not_public_even_for_those_who_have_one(
    engine, docker, unique, tmp_path, monkeypatch
):
    folder, login = ("-v", f"{tmp_path}:/auth:ro"), ("alice", "secret")
    htpasswd = docker("run", "--rm", "--entrypoint", "htpasswd", "httpd:2", "-Bbn", *login)
    (tmp_path / "htpasswd").write_text(f"{htpasswd}\n")
    settings = ("REALM=x", "PATH=/auth/htpasswd")
    words = [word for each in settings for word in ("-e", f"REGISTRY_AUTH_HTPASSWD_{each}")]
    publish = ("-p", "127.0.0.1::5000", "-e", "REGISTRY_AUTH=htpasswd")
    private = docker("run", "-d", *publish, *words, *folder, "registry:2")
    [port] = [each.host for each in engine.container(private).ports if each.host]
    assert eventually(lambda: answers(f"localhost:{port}"))
    auth = base64.b64encode(":".join(login).encode()).decode()
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {f"localhost:{port}": {"auth": auth}}})
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    name, logged_in = f"localhost:{port}/{unique}:latest", Engine()
    engine.tag("busybox:stable", name)
    list(logged_in.push(name))
    list(logged_in.pull(name))
    engine.remove_image(name)
    with pytest.raises(EngineRefused, match=r"authentication|credentials"):
        logged_in.public_digest(name)


def answers(address):
    try:
        return Registry(address).ping().status == 401
    except (RegistryDown, NotARegistry):
        return False


def test_a_registry_that_cannot_be_reached_gives_nothing_to_anyone(engine):
    with pytest.raises(EngineRefused, match="connection refused"):
        engine.public_digest("localhost:1/nothing:latest")
