"""A step's commands and its verdict are seen together: on a screen of 1440 by 900 pixels, nobody
scrolls from the one to the other. On a narrow one, the verdict is at the foot of the window: see
`test_current.py`."""

import json
from dataclasses import asdict

import pytest

from labrunner.course import loader
from labrunner.progress.store import Progress
from labrunner.verdicts import Verdict
from labrunner.workspaces.record import Record
from tests.fixtures.engine import ROOT
from tests.fixtures.web import Site, free_port, load

COURSE = loader.load_course(ROOT)
SCREEN = {"width": 1440, "height": 900}
USUAL = {"registry": "localhost:5000", "port": "5000", "name": "registry", "image": "my-image"}
# Two lines and three, which few verdicts have more of.
FOUND = "On your engine, `localhost:5000/my-image:1.0` is another image, `sha256:8f65496ee751…`."
NEXT = (
    "`docker image tag my-image localhost:5000/my-image`, then `docker push "
    "localhost:5000/my-image`. The tag will move to your image."
)
HEIGHTS = """() => Object.fromEntries([...document.querySelectorAll(".step")].map((step) => {
    const blocks = [...step.querySelectorAll(".commands")];
    const check = step.querySelector(".check");
    const first = blocks.find((block) => !block.closest("details")) ?? check;
    const height = check.getBoundingClientRect().bottom - first.getBoundingClientRect().top;
    return [step.getAttribute("aria-labelledby"), Math.ceil(height)];
}))"""


@pytest.fixture
def site(tmp_path):
    """A server of the course for a learner who has started all labs, and whose steps have all been
    checked in vain. Nothing of that is on the engine."""
    instance = tmp_path / "instance"
    progress = Progress(instance / "progress.db")
    for number, lesson in enumerate(COURSE.lessons):
        lab = lesson.lab
        made = {name: f"{name}-1a2b" for name in lab.values}
        record = Record(f"{number:08}", lab.name, "learner", "open", 0, {})
        record.values = {**made, **USUAL, **lab.usual}
        folder = instance / "workspaces" / record.id
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(asdict(record)))
        for step in lab.steps:
            goal = step.goal.format_map(record.values)
            progress.record(lab.name, step, Verdict("failed", goal, FOUND, NEXT))
    site = Site(ROOT, instance, free_port())
    yield site
    site.stop()


def test_a_steps_commands_and_its_verdict_are_seen_together(site, open_page):
    page = open_page(site, java_script_enabled=False, viewport=SCREEN)  # so it stays as it came
    too_high = {}
    for lesson in COURSE.lessons:
        load(page, f"{site.url}/lessons/{lesson.slug}")
        assert page.get_by_text("Not there yet.").count() >= len(lesson.steps)
        heights = page.evaluate(HEIGHTS)
        assert heights.keys() == lesson.steps.keys()
        too_high |= {step: high for step, high in heights.items() if high > SCREEN["height"]}
    assert too_high == {}
