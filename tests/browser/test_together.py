"""A step's commands and its verdict are seen together. On a screen of 1440 by 900 pixels, nobody
scrolls from the first command to the end of the verdict, and not far from the step's heading. On a
narrow one the verdict is at the foot of the window, and the commands fit above it."""

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
SCREEN, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WHOLE = 1300  # pixels from a step's heading to the end of its verdict
LONGER = {"names#take-three-clouds-apart": 1540, "inside-a-registry#find-the-shared-layer": 2480}
MANY = 56  # steps that are higher than the screen from their heading on; there should be fewer
UNCUT = {"from-registry-2-to-3#lock-registry-2": 660}  # a whole configuration is one command
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
    const end = check.getBoundingClientRect().bottom;
    const heights = [first, step.querySelector("h2")].map(
        (place) => Math.ceil(end - place.getBoundingClientRect().top));
    return [step.getAttribute("aria-labelledby"), heights];
}))"""
# What is left of the window above the bar, as it is while the step is the current one, and the
# highest of the step's blocks of commands.
LEFT = """() => Object.fromEntries([...document.querySelectorAll(".step")].map((step) => {
    const title = document.getElementById("current-title");
    title.innerHTML = `Step 10 of 10: ${step.querySelector("h2").innerHTML}`;
    const left = innerHeight - document.getElementById("current").offsetHeight;
    const blocks = [...step.querySelectorAll(".commands")];
    const heights = blocks.map((block) => block.closest("details") ? 0 : block.offsetHeight);
    return [step.getAttribute("aria-labelledby"), [left, Math.max(0, ...heights)]];
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
    page = open_page(site, java_script_enabled=False)  # so it stays as it came
    too_high, wholes, covered = {}, {}, {}
    for lesson in COURSE.lessons:
        page.set_viewport_size(SCREEN)
        load(page, f"{site.url}/lessons/{lesson.slug}")
        assert page.get_by_text("Not there yet.").count() >= len(lesson.steps)
        heights = page.evaluate(HEIGHTS)
        assert heights.keys() == lesson.steps.keys()
        page.set_viewport_size(NARROW)
        for step, (left, high) in page.evaluate(LEFT).items():
            name, (commands, whole) = f"{lesson.slug}#{step}", heights[step]
            too_high |= {name: commands} if commands > SCREEN["height"] else {}
            wholes[name] = whole
            covered |= {name: (left, high)} if high > UNCUT.get(name, left) else {}
    long = {name: high for name, high in wholes.items() if high > LONGER.get(name, WHOLE)}
    assert (too_high, long, covered) == ({}, {}, {})
    assert sum(high > SCREEN["height"] for high in wholes.values()) <= MANY
