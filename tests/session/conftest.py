"""What the tests of the report share with those of progress as a file."""

import pytest

from labrunner.progress.store import Progress
from tests.fixtures.commands import Commands
from tests.fixtures.engine import LAB
from tests.fixtures.report import WATERS


@pytest.fixture
def waters(course):
    """A course of three labs with one step each."""
    names = ("lake", "river", "sea")
    files = {f"labs/{name}/lab.py": LAB for name in names}
    files |= {f"lessons/0{n}-{name}.md": WATERS.format(name) for n, name in enumerate(names, 1)}
    loaded = course(files)
    assert loaded.problems == ()
    return loaded


@pytest.fixture
def progress(instance):
    return Progress(instance / "progress.db")


@pytest.fixture
def step(waters):
    return waters.labs["lake"].steps[0]


@pytest.fixture
def terminal(instance, waters, tmp_path):
    return Commands(instance, tmp_path / "course")


@pytest.fixture
def visitor(site):
    return site.visitor()


@pytest.fixture
def tiny_progress(site):
    return Progress(site.instance / "progress.db")
