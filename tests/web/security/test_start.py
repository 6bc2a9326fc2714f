"""How a server starts: on this machine alone, without a debugger, and with its address once."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import requests

from app import create_app
from labrunner.course.loader import load_course
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.web import TOKEN, free_port


def test_flask_run_prints_an_address_and_logs_no_token(tmp_path):
    port = free_port()
    environ = {name: text for name, text in os.environ.items() if name != "LABRUNNER_TOKEN"}
    script = f"app:create_app(instance='{tmp_path}')"
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "flask", "--app", script, "run", "--port", str(port)],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert eventually(lambda: "Press CTRL+C" in log.read_text(), 60)
        printed = log.read_text()
        address = next(each.split()[1] for each in printed.splitlines() if "Open http" in each)
        token = address.partition("token=")[2]
        assert address == f"http://127.0.0.1:{port}/?token={token}" and len(token) >= 32
        assert requests.get(address, timeout=30).status_code == 200
        with pytest.raises(ConnectionRefusedError):  # another address, though of this machine too
            socket.create_connection(("127.0.0.2", port), timeout=10)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
    rest = log.read_text().replace(address, "")
    assert "GET /?token=…" in rest and token not in rest


def test_flask_run_serves_no_other_machine(commands):
    everywhere = "0.0.0.0"  # noqa: S104 - it is refused
    with commands.start("run", "--host", everywhere, "--port", str(free_port())) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Leave out --host" in err and "Traceback" not in out + err


@pytest.mark.parametrize(("words", "debug"), [(["--debug"], "0"), (["--debugger"], "0"), ([], "1")])
def test_flask_run_has_no_debugger(commands, monkeypatch, words, debug):
    monkeypatch.setattr("flask.cli.run_simple", lambda *_, **options: pytest.fail("served"))
    code, _, err = commands("run", "--no-reload", *words, FLASK_DEBUG=debug)
    assert (code, err.count("\n")) == (2, 1)
    assert "Leave out --debug" in err


def test_a_start_of_the_server_removes_what_a_killed_run_left(tiny, instance, engine):
    workspaces = Workspaces(instance / "workspaces", engine, load_course(tiny).labs)
    killed = workspaces.open(workspaces.labs["tiny"], "headless")
    killed.create_volume(killed["word"])
    killed.lock.release()
    create_app(tiny, instance, 8000, TOKEN)
    assert eventually(lambda: not workspaces.all())
    assert engine.volume(killed["word"]) is None


def test_commands_print_no_address(tmp_path):
    script = f"app:create_app(instance='{tmp_path}')"
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", script, "labs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0 and "token" not in done.stdout + done.stderr
