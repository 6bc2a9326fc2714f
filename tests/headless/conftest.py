"""What the tests of headless runs share: a course of one lab, and how it is run."""

import pytest

from tests.fixtures.engine import close_all
from tests.fixtures.headless import Runs


@pytest.fixture
def headless(course, instance, engine):
    runs = Runs(course, instance, engine)
    yield runs
    close_all(runs.workspaces)
