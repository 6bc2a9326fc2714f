"""CONTRIBUTING alone is enough to add a lesson and a lab."""

import re
from pathlib import Path

from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.kit import Kit
from labrunner.workspaces.manager import Workspaces

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
FILES = re.compile(r"^`([^`]+)`\n\n(`{3,4})\w+\n(.*?)^\2$", re.DOTALL | re.MULTILINE)


def test_a_lab_made_from_the_guide_alone_proves_itself_and_its_page(tmp_path):
    files = {match[1]: match[3] for match in FILES.finditer(GUIDE)}
    assert sorted(files) == ["labs/say-hello/lab.py", "lessons/90-say-hello.md"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)

    course = loader.load_course(tmp_path)
    engine = Engine()
    workspaces = Workspaces(tmp_path / "workspaces", engine, course.labs)
    kit = Kit(engine, course.images)
    proof = Runner(workspaces, kit, Settings(prove=True)).run(course.lessons)
    page = Runner(workspaces, kit, Settings(shell=True)).run(course.lessons)

    assert course.problems == ()
    assert [proof.status, page.status] == ["passed", "passed"], (proof.as_dict(), page.as_dict())
    assert [row["status"] for row in proof.labs[0].steps[0].proved["mistakes"]] == ["failed"]
    assert proof.leftovers == page.leftovers == []


def test_the_guide_fits_on_one_screen_for_a_lesson_and_a_lab():
    guide, _, _ = GUIDE.partition("## Change the code")
    assert len(guide.splitlines()) < 90
