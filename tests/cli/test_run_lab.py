"""`run-lab`: what it prints, its exit codes, and what is left after it ends in any way."""

import json
import os
import pty
import signal
import time
import xml.etree.ElementTree as ET

import pytest

from labrunner.engine.engine import Engine
from tests.fixtures.engine import eventually


def test_run_lab_prints_one_object_and_writes_a_report(broken, tmp_path):
    report = tmp_path / "report.xml"
    code, out, err = broken("run-lab", "good", "--prove", "--json", "--junit", str(report))
    run = json.loads(out)
    assert code == 0, err
    assert (run["status"], run["leftovers"]) == ("passed", [])
    assert run["labs"][0]["steps"][0]["proved"]["before"] == "failed"
    case = ET.parse(report).getroot().find("testsuite/testcase")  # noqa: S314 - our own file
    assert (case.get("classname"), case.get("name")) == ("good", "name-a-volume")


def test_a_refused_lab_exits_2_with_file_and_line_and_the_others_still_run(broken):
    code, out, err = broken("run-lab")
    assert code == 2
    assert "labs/bad/lab.py, line 1" in err
    assert "good: 1 of 1 steps" in out
    code, out, err = broken("run-lab", "bad")
    assert (code, out) == (2, "")
    assert "labs/bad/lab.py, line 1" in err


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("busybox:stable", "127.0.0.1:1/none:x", 3, "127.0.0.1:1 cannot be reached"),
        ("create_volume(workspace.name)", 'run("none:x")', 3, "The engine refused: No such image"),
        ("create_volume(workspace.name)", "no_such_act()", 1, "failed: `AttributeError"),
        ("images=", 'requires=[lambda engine: "No second host."], images=', 3, "No second host."),
    ],
    ids=["no image", "refused by the engine", "a fault of the lab", "not on this machine"],
)
def test_a_run_that_this_machine_keeps_from_running_exits_3_and_one_of_a_bad_lab_does_not(
    broken, tmp_path, old, new, code, says
):
    file = tmp_path / "course/labs/good/lab.py"
    file.write_text(file.read_text().replace(old, new))
    ended, out, err = broken("run-lab", "good")
    assert ended == code, err
    assert says in out


def test_what_is_kept_is_listed_and_goes_with_the_next_run(broken):
    code, out, _ = broken("run-lab", "good", "--keep")
    name = next(line.split()[-1] for line in out.splitlines() if line.startswith("Kept: volume"))
    assert code == 0
    assert Engine().volume(name)
    assert broken("run-lab", "good")[0] == 0
    assert Engine().volume(name) is None


def test_ctrl_c_cleans_up_and_exits_130(commands):
    engine = Engine()
    with commands.start("run-lab", "--prove") as process:
        end = time.monotonic() + 30
        while not [each for each in engine.containers() if each.name.startswith("registry-")]:
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert "Left behind" not in out


def test_two_runs_of_a_lab_at_once_both_pass(broken):
    runs = [broken.start("run-lab", "good") for _ in range(2)]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, out + err


def test_a_run_whose_terminal_is_closed_cleans_up(commands, engine):
    """The terminal and its shell tell of it both, and nothing can be printed there any more."""
    ours, theirs = pty.openpty()
    before = signal.signal(signal.SIGHUP, lambda *_: None)  # else it may be ignored, as by `nohup`
    try:
        process = commands.start("run-lab", "push-and-pull", stdin=theirs, output=theirs)
    finally:
        signal.signal(signal.SIGHUP, before)
    os.close(theirs)
    assert eventually(lambda: headless_registries(engine))
    os.close(ours)
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 130
    assert headless_registries(engine) == []


def headless_registries(engine):
    return [each for each in engine.containers() if each.name.startswith("registry-")]
