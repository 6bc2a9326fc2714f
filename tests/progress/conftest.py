"""What the tests of progress share: a file of progress, and a step of each kind."""

import pytest

from labrunner.course.lab import Step
from labrunner.progress.store import Progress


def a_step(workspace):
    """A goal."""


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "instance" / "progress.db")


@pytest.fixture
def lasting():
    return Step(a_step, lasting=True)


@pytest.fixture
def once():
    return Step(a_step, lasting=False)
