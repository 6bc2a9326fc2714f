"""The engines that let tests run side by side leave nothing behind."""

import subprocess
import sys

import pytest

from tests.fixtures import workers
from tests.fixtures.engine import ROOT

KILLED = """
import os, signal
from tests.fixtures.workers import Engines
engines = Engines(1)
engines.start()
print(engines.run, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(bool(workers.missing()), reason=workers.missing())
def test_what_a_killed_run_left_behind_is_swept_by_the_next(engine):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True
    )
    run = killed.stdout.strip()
    assert run, killed.stderr
    folders = [folder / run for folder in (workers.RUNS, workers.DATA)]
    assert all(folder.exists() for folder in folders)
    workers.sweep()
    assert not any(folder.exists() for folder in folders)
    assert list(workers.NETWORKS.glob(f"labrunner-{run}-*")) == []
    assert run not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
