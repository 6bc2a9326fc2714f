"""What a run that was stopped leaves behind, and the sweep that removes it and nothing else."""

import errno
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from labrunner.engine.connection import EngineDown
from labrunner.verdicts import CannotCheck
from labrunner.workspaces import resources
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import ROOT, eventually, nothing, traces
from tests.fixtures.workspaces import built, images


def down(workspace):
    raise EngineDown("No engine answers.", next="Start it.")


def test_an_opening_that_fails_while_the_engine_goes_says_why_and_is_swept(
    workspaces, lab, monkeypatch
):
    def fail(workspace):
        monkeypatch.setattr(resources, "find_certain", down)
        raise CannotCheck("No room.", next="Make some.")

    for kind in ("headless", "learner"):
        with pytest.raises(CannotCheck, match="No room"):
            workspaces.open(replace(lab, values={"word": fail}), kind)
        monkeypatch.undo()
        [left] = workspaces.all()
        assert workspaces.sweep() == [] and not left.folder.exists()


def test_what_was_never_written_down_goes_with_the_next_sweep(workspaces, lab, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Workspace, "save", full)
    monkeypatch.setattr(resources, "find_certain", down)
    with pytest.raises(OSError, match="No space"):
        workspaces.open(lab, "headless")
    monkeypatch.undo()
    kept = workspaces.folder / "0a1b2c3d/work/notes.txt"  # somebody's, whatever has become of it
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert len(folders(workspaces)) == 2
    assert workspaces.sweep() == []
    assert folders(workspaces) == [kept.parents[1]]


def folders(workspaces):
    return [each for each in workspaces.folder.iterdir() if each.is_dir()]


RUN = """
import sys
from pathlib import Path
from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.kit import Kit
from labrunner.workspaces.manager import Workspaces
course = loader.load_course(Path.cwd())
engine = Engine()
workspaces = Workspaces(Path(sys.argv[1]), engine, course.labs)
headless = Runner(workspaces, Kit(engine, course.images), Settings(prove=True), jobs=2)
print("ready", flush=True)
run = headless.run([course.lesson_of("push-and-pull")])
print(run.leftovers)
sys.exit(130 if run.interrupted else 0)
"""


@pytest.fixture
def headless_run(workspaces):
    """A run of a lab in another process, that has just begun."""
    words = [sys.executable, "-c", RUN, str(workspaces.folder)]
    run = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout and run.stdout.readline() == "ready\n"
    yield run
    run.kill()
    run.wait()
    run.stdout.close()


def ids(workspaces):
    return {path.name for path in workspaces.folder.glob("*/")}


@pytest.mark.parametrize("moment", range(3))
def test_after_kill_9_at_any_moment_a_sweep_finds_all(
    headless_run, workspaces, engine, docker, moment
):
    before = images(docker)
    time.sleep(random.uniform(0.05, 0.8) * (moment + 1))  # noqa: S311 - no secret
    headless_run.send_signal(signal.SIGKILL)
    headless_run.wait()
    left = ids(workspaces)

    # its processes end after it, and the engine ends what it was making
    assert eventually(lambda: workspaces.sweep() == [] and not ids(workspaces))
    assert eventually(lambda: traces(engine, left) == nothing())
    assert built(docker, before, left) == []
    assert ids(workspaces) == set()


@pytest.mark.parametrize("moment", range(2))
def test_ctrl_c_cleans_up(headless_run, workspaces, engine, docker, moment):
    before = images(docker)
    time.sleep(random.uniform(0.1, 0.8) * (moment + 1))  # noqa: S311 - no secret
    made = ids(workspaces)
    headless_run.send_signal(signal.SIGINT)
    output, _ = headless_run.communicate(timeout=60)

    assert headless_run.returncode == 130 and output == "[]\n"
    assert traces(engine, made) == nothing()
    assert built(docker, before, made) == []
    assert ids(workspaces) == set()


def test_a_sweep_leaves_alone_what_is_open_at_work_or_kept(workspaces, lab, engine):
    learner = workspaces.open(lab, "learner")
    at_work = workspaces.open(lab, "headless")
    kept = workspaces.open(lab, "headless")
    kept.create_volume(f"volume-{kept.id}")
    kept.keep()

    assert workspaces.sweep() == []
    assert {each.id for each in workspaces.all()} == {learner.id, at_work.id, kept.id}

    assert workspaces.sweep(kept=True) == []
    assert {each.id for each in workspaces.all()} == {learner.id, at_work.id}
    assert engine.volume(f"volume-{kept.id}") is None


def test_a_lab_that_opens_while_a_sweep_looks_at_it_is_left_alone(workspaces, lab, monkeypatch):
    """The record was read while the lab was opening; by now it is open and its lock is free."""
    workspace = workspaces.open(lab, "learner")
    read = workspaces._read
    first: list[Workspace] = []

    def stale(*words):
        for each in read(*words):
            if not first:
                first.append(each)
                each.record.state = "opening"
            yield each

    monkeypatch.setattr(workspaces, "_read", stale)
    assert workspaces.sweep() == [] and first
    assert workspaces.find_open(lab.name).id == workspace.id
