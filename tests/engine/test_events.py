"""The events of an engine: those of a time gone by, and those that are followed as they happen."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import pytest

from labrunner.engine import events as events_module
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from tests.fixtures.engine import INFO, request_of, response, serving


def test_events_between_two_moments_are_found_by_filter(engine, docker, unique):
    began = engine.ask_time()
    docker("volume", "create", unique)
    events = engine.events(began, engine.ask_time(), type="volume", event="create")
    assert unique in [event.id for event in events]
    assert engine.events(began - 20, began - 10, type="volume", volume=unique) == []


def test_events_come_as_they_happen_with_a_pulse(engine, docker, unique, monkeypatch):
    monkeypatch.setattr(events_module, "HEARTBEAT", 1)
    events = engine.follow(type="volume", event=["create"])
    assert next(events) is None
    docker("volume", "create", unique)
    assert unique in [event.id for event in iter(lambda: next(events), None)]
    events.close()


def test_each_event_comes_once_where_one_stream_follows_another(engine, unique, monkeypatch):
    monkeypatch.setattr(events_module, "HEARTBEAT", 0.02)
    reference = f"{unique}:1"
    events = engine.follow(type="image", event=["tag"])
    assert next(events) is None
    with ThreadPoolExecutor() as pool:
        tagged = pool.submit(lambda: [engine.tag("busybox:stable", reference) for _ in range(300)])
        told = list(takewhile(lambda event: event or not tagged.done(), events))
    told += iter(lambda: next(events), None)
    events.close()
    engine.remove_image(reference)
    assert len([each for each in told if each and each.attributes["name"] == reference]) == 300


@pytest.mark.parametrize("ending", ["", "0\r\n\r\n"], ids=["cut", "in good order"])
def test_an_engine_that_ends_its_events_is_down(tmp_path, monkeypatch, ending):
    moment = json.dumps({**INFO, "SystemTime": "2026-01-01T00:00:00Z"})
    version = '{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}'

    def answer(connection):
        path = request_of(connection).split(" ")[1]
        if "/events" in path:
            head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(f"{head}{ending}".encode())
        else:
            connection.sendall(response(version if "/version" in path else moment))

    with serving(answer, unix=tmp_path / "engine.sock") as path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        events = Engine(timeout=2).follow()
        assert next(events) is None
        with pytest.raises(EngineDown):
            next(events)
