"""Tracks that run side by side, each in a process of its own."""

import errno
import os
import signal
import threading
import time

import pytest

from labrunner.engine.connection import EngineDown
from labrunner.headless.track import Settings, Track
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import eventually
from tests.fixtures.headless import only, raise_engine_down

TWO_MISTAKES = (
    '    workspace.create_volume(f"{workspace.name}-x")\n',
    '    workspace.create_volume(f"{workspace.name}-x")\n\n\n'
    '@make_a_volume.mistake("nothing done", advice="elsewhere", reason="missing")\n'
    "def _(workspace):\n"
    "    pass\n",
)


def test_the_result_does_not_depend_on_how_many_tracks_run_side_by_side(headless):
    """One of the mistakes is weak, and the parts come in another order."""

    def without_seconds(run):
        report = run.as_dict()
        for part in (report, *report["labs"], *report["labs"][0]["steps"]):
            assert part.pop("seconds") >= 0
        return report

    ended = []
    alone = headless(TWO_MISTAKES, prove=True)
    beside = headless(
        TWO_MISTAKES, prove=True, jobs=3, ended=lambda lab, step: ended.append(step.step)
    )
    assert without_seconds(alone) == without_seconds(beside)
    assert [row["mistake"] for row in only(beside).proved["mistakes"]] == [
        "a slip in its name",
        "nothing done",
    ]
    assert only(beside).status == "failed" and "does not contain" in only(beside).found
    assert ended == ["make-a-volume"]
    assert beside.leftovers == [] and headless.workspaces.all() == []


def test_ctrl_c_ends_all_that_run_side_by_side_after_cleaning_up(headless, engine):
    """It comes once, by the process that was asked; each of the others cleans up for itself."""
    slow = 'workspace.run_to_end("busybox:stable", ["sleep", "300"])'
    change = ("workspace.create_volume(workspace.name)\n", slow + "\n")

    def runs():
        labels = [f"{WORKSPACE}={workspace.id}" for workspace in headless.workspaces.all()]
        return any(engine.containers(status="running", label=label) for label in labels)

    def interrupt():
        assert eventually(runs)
        os.kill(os.getpid(), signal.SIGTERM)

    stop = threading.Thread(target=interrupt)
    stop.start()
    began = time.monotonic()
    run = headless(change, prove=True, jobs=2)
    stop.join()
    assert run.interrupted and run.leftovers == [] and time.monotonic() - began < 60
    assert headless.workspaces.all() == []


def test_no_engine_raises_also_side_by_side(headless, monkeypatch):
    headless()
    monkeypatch.setattr(Track, "open", raise_engine_down)
    headless.runner.jobs = 2
    headless.runner.settings = Settings(prove=True)
    with pytest.raises(EngineDown, match="Gone"):
        headless.runner.run(headless.lessons)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_said_also_side_by_side_and_is_no_fault_of_the_lab(
    headless, monkeypatch, jobs
):
    monkeypatch.setattr(Track, "open", raise_disk_full)
    run = headless(prove=True, jobs=jobs)
    assert run.status == "unknown" and run.could_not_run
    assert "Nothing can be written to `/full`: No space left on device." in run.labs[0].reason


def raise_disk_full(track):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full")
