"""Answers of another form than an engine's, which say nothing of its objects."""

import json

import pytest

from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from tests.fixtures.engine import response
from tests.fixtures.engine_calls import ACTS, QUERIES

ROW: dict[str, object] = {
    "Id": "a",
    "Names": ["/b"],
    "Image": "c",
    "ImageID": "d",
    "State": "running",
    "Status": "Up",
    "Ports": [{"PrivatePort": 5000}],
    "Labels": {},
}
ODD = ("null", "5", '"text"', "{}", "[{}]", "[null]", '{"Id": 5, "Volumes": {}}', "[" * 100_000)


@pytest.mark.parametrize("body", ODD, ids=[body[:30] for body in ODD])
def test_an_answer_of_another_form_is_no_answer(fake, body):
    with fake(response(body)):
        for name, call in {**QUERIES, "wait": ACTS["wait"]}.items():
            with pytest.raises(EngineDown, match="but not like a Docker Engine"):
                raise AssertionError((name, call(Engine(timeout=5))))


def test_an_error_of_another_form_is_no_answer(fake):
    for body in ("null", "[]", "{}", '{"message": 5}'):
        with fake(response(body, "404 Not Found")), pytest.raises(EngineDown):
            raise AssertionError((body, Engine(timeout=5).containers()))


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({"Id": None}, "containers"),
        ({"Labels": {"a": {}}}, "containers"),
        ({"Ports": [{"PrivatePort": "x"}]}, "containers"),
        ({"State": 1}, "containers"),
        ({"RepoTags": "a:b"}, "images"),
        ({"RepoTags": [5]}, "images"),
        ({"Size": "big"}, "images"),
    ],
)
def test_a_part_of_another_form_is_no_answer(fake, change, call):
    image = {"Id": "a", "Size": 1, "RepoTags": ["a:b"]}
    row = {"containers": ROW, "images": image}[call]
    with fake(response(json.dumps([row]))):
        assert len(getattr(Engine(timeout=5), call)()) == 1
    with fake(response(json.dumps([{**row, **change}]))), pytest.raises(EngineDown):
        raise AssertionError(getattr(Engine(timeout=5), call)())


@pytest.mark.parametrize(
    "version",
    [
        None,
        [],
        {},
        "1.41",
        {"ApiVersion": None},
        {"ApiVersion": "new"},
        {"ApiVersion": "1.1", "MinAPIVersion": "1.0"},
    ],
)
def test_an_engine_that_does_not_say_its_version_is_none(fake, version):
    with fake(response("[]"), version=version), pytest.raises(EngineDown):
        raise AssertionError(Engine(timeout=5).containers())
