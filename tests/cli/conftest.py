"""What the tests of several commands share."""

import pytest

from tests.fixtures.commands import Commands


@pytest.fixture
def broken(tmp_path, instance):
    """A course of one good lab and one that is refused."""
    root = tmp_path / "course"
    for name, text in {
        "labs/good/lab.py": """
from labrunner import Lab, NotYet
lab = Lab(title="Good", images=["busybox:stable"])

@lab.step(lasting=True)
def name_a_volume(workspace):
    "There is a volume `{name}`."
    if not workspace.engine.volume(workspace.name):
        raise NotYet(expected="A volume.", found="None.", next="Make one.")
    return "It is there."

@name_a_volume.solution
def _(workspace):
    workspace.create_volume(workspace.name)
""",
        "lessons/01-good.md": "---\ntitle: G\nlab: good\n---\n## N {#name-a-volume .step}\n",
        "labs/bad/lab.py": "lab = (\n",
        "lessons/02-bad.md": "---\ntitle: B\nlab: bad\n---\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Commands(instance, root)
