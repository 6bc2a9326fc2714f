"""How long an engine may take, and how much it may send, with each call: stand-ins on a socket."""

import base64
import json
import time
from contextlib import contextmanager
from functools import partial

import pytest

from labrunner.course.lab import Lab, Step
from labrunner.engine import connection, containers, transport
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from labrunner.registry.budget import Budget
from labrunner.workspaces import workspace as workspace_module
from labrunner.workspaces.record import Record
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import VERSION, request_of, response, serving
from tests.fixtures.engine_calls import CALLS, QUERIES

STAT = base64.b64encode(json.dumps({"size": 1}).encode()).decode()
HEAD = (
    f"HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: {STAT}\r\nTransfer-Encoding: chunked\r\n\r\n"
).encode()
KNOWN = {"/version": VERSION, "/containers/a/exec": {"Id": "a"}}


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Makes an engine that answers as it should only what it must for a call to begin, and whose
    connection has a fault in all else."""

    @contextmanager
    def start(fault, *, timeout=5, tcp=False):
        def serve(connection):
            while head := request_of(connection):
                for path, row in KNOWN.items():
                    if f"{path} HTTP" in head:
                        body = response(json.dumps(row))
                        connection.sendall(body.replace(b"Connection: close\r\n", b""))
                        break
                else:
                    fault(connection)
                    return

        with serving(serve, unix=None if tcp else tmp_path / "engine.sock") as address:
            monkeypatch.setenv("DOCKER_HOST", f"{'tcp' if tcp else 'unix'}://{address}")
            engine = Engine()
            engine.version()
            engine.timeout = timeout
            yield engine

    return start


def wait(connection):
    while connection.recv(65536):
        pass


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["at once", "in the answer"])
def test_every_call_is_given_up_where_the_engine_falls_silent(faulty, monkeypatch, sent):
    monkeypatch.setattr(connection, "ACTION_TIMEOUT", 0.02)

    def fall_silent(connection):
        connection.sendall(sent)
        wait(connection)

    with faulty(fall_silent, timeout=0.02) as engine:
        for name in CALLS.keys() - ({"file_size"} if sent else ()):  # its answer is the head
            with pytest.raises(EngineDown, match="did not answer within"):
                raise AssertionError((name, CALLS[name](engine)))


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX: ", HEAD], ids=["head", "answer"])
def test_a_query_has_its_time_in_all_however_slowly_the_engine_answers(faulty, begin, tcp):
    def drip(connection):
        connection.sendall(begin)
        for _ in range(60):
            connection.sendall(b"1\r\n \r\n" if begin == HEAD else b"x")
            time.sleep(0.005)

    with faulty(drip, timeout=0.03, tcp=tcp) as engine:
        for name in QUERIES.keys() - {"file_size" if begin == HEAD else ""}:
            with pytest.raises(EngineDown, match=r"did not answer within 0\.03 seconds"):
                raise AssertionError((name, QUERIES[name](engine)))


def test_the_requests_of_one_call_have_their_time_together(faulty):
    def answer(connection):
        time.sleep(0.02)
        connection.sendall(response('{"message": "unable to find image"}', "500 Internal Error"))

    down = pytest.raises(EngineDown, match=r"did not answer within 0\.1 seconds")
    with faulty(answer, timeout=0.1) as engine, down:
        raise AssertionError(engine.images())


def flood(connection):
    connection.sendall(HEAD)
    for _ in range(20):
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
    connection.sendall(b"0\r\n\r\n")


def test_an_answer_to_a_query_has_a_largest_size(faulty, monkeypatch):
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 100_000)
    with faulty(flood) as engine:
        for name in QUERIES.keys() - {"file_size", "logs"}:
            with pytest.raises(EngineDown, match=r"An answer from .* is too large"):
                raise AssertionError((name, QUERIES[name](engine)))


@pytest.mark.parametrize("query", ["containers", "events"])
def test_an_answer_to_a_query_takes_little_memory(faulty, query):
    rows = ("[" + "{}," * 300_000 + "{}]").encode()  # 0.9 MB, and 20 MB once it is read

    def answer(connection):
        connection.sendall(HEAD + f"{len(rows):x}\r\n".encode() + rows + b"\r\n0\r\n\r\n")

    with faulty(answer) as engine, pytest.raises(EngineDown, match="is too large"):
        raise AssertionError(QUERIES[query](engine))


@pytest.mark.parametrize("call", ["logs", "execute"])
def test_what_has_no_end_however_little_is_wanted_is_given_up(faulty, monkeypatch, call):
    monkeypatch.setattr(containers, "LARGEST_LOG", 100_000)
    times = iter(range(20))

    def flood_often(connection):
        if next(times, None) is not None:
            flood(connection)

    down = pytest.raises(EngineDown, match=r"An answer from .* is too large")
    with faulty(flood_often) as engine, down:
        raise AssertionError(CALLS[call](engine))


def test_a_check_ends_although_each_answer_of_the_engine_comes_in_time(
    faulty, monkeypatch, tmp_path
):
    monkeypatch.setattr(workspace_module, "Budget", partial(Budget, seconds=0.2))

    def ask(workspace):
        """The goal."""
        for _ in range(100):
            workspace.engine.containers()
        return "Done."

    def answer(connection):
        time.sleep(0.01)
        connection.sendall(response("[]"))

    record = Record("1", "look", "headless", "open", 0, {}, {})
    with faulty(answer) as engine:
        workspace = Workspace(tmp_path, record, Lab("Look", name="look"), engine)
        verdict = Step(ask).judge(workspace)
        assert (verdict.status, verdict.reason) == ("unknown", "engine-down")
        assert engine.containers() == []  # the limit is that of the check


def test_no_call_is_left_out_of_these_tests():
    calls = {name for name in dir(Engine) if not name.startswith("_")}
    assert calls - CALLS.keys() == {"address", "remote_host", "version"}
