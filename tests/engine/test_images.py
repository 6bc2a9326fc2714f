"""Images of the engine: how they are pushed and pulled."""

import json

import pytest

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from tests.fixtures.engine import chunks


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
