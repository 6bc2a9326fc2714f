"""What the tests of workspaces share: the labs that they open, and the usual port."""

import random
from dataclasses import replace

import pytest

from labrunner.workspaces import manager as module
from labrunner.workspaces import ports


@pytest.fixture
def lab(real_course):
    return real_course.labs["run-a-registry"]


@pytest.fixture
def push_and_pull(real_course):
    return real_course.labs["push-and-pull"]


@pytest.fixture
def sample_lab(push_and_pull):
    """A lab that is given an image and nothing else."""
    return replace(push_and_pull, registry=False)


@pytest.fixture
def naming(lab):
    """A lab whose learner makes things under a name of the lab's."""
    lab = replace(lab, values={}, setups=[])

    @lab.value
    def volume(workspace):
        return workspace.unused("lab-data")

    return lab


@pytest.fixture
def workspace(workspaces, lab):
    return workspaces.open(lab, "headless")


@pytest.fixture
def preferred(monkeypatch):
    """Another usual port, so that whatever has 5000 on this machine does not matter. It and the
    next one are free, and none that a system hands out by itself."""
    choices = random.sample(range(20_000, 32_000), 100)
    port = next(each for each in choices if not any(map(ports.is_in_use, (each, each + 1))))
    monkeypatch.setattr(module, "PREFERRED_PORT", port)
    return port
