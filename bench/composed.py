"""The composed course: how long it takes to start, and whether its lessons can be done in it.

Usage: python -m bench.composed [LESSON]..., by whoever may use Docker. It does these lessons, by
default those of labs 1 to 10, in Chromium: each block of their pages is run in the page's terminal,
and what the last one of a step prints is its answer. Then `run-lab --prove` is run inside. Nothing
may be left of it, and nothing else may have changed. Prints a line for each lesson.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from labrunner.course.lesson import Lesson
from labrunner.course.loader import load_course
from labrunner.engine.engine import Engine
from tests.browser.test_terminal import PROMPT, SHOWN, open_terminal, type_line, wait_for
from tests.fixtures.composed import Composed
from tests.fixtures.foreign_objects import everything
from tests.fixtures.web import launch

ROOT = Path(__file__).parent.parent
FIRST_LESSONS = 10
PATIENCE = 120_000  # milliseconds


def starts(times: int) -> list[float]:
    """Return how many seconds each of so many starts takes, from `up` to the address."""
    course = load_course(ROOT)
    taken = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            composed = Composed(Path(folder), Engine(), course.images)
            began = time.perf_counter()
            try:
                composed.up()
                taken.append(time.perf_counter() - began)
            finally:
                composed.down()
    return taken


def do_lesson(page: Page, address: str, lesson: Lesson) -> None:
    """Do a lesson with the commands of its page, in the page's terminal."""
    page.goto(f"{address.partition('?')[0]}lessons/{lesson.slug}")
    page.get_by_role("button", name="Start lab").click()
    expect(page.get_by_text("The lab is started.")).to_be_visible(timeout=PATIENCE)
    open_terminal(page)
    for step in lesson.lab.steps if lesson.lab else ():
        section = page.locator(f"section[aria-labelledby={step.id}]")
        for block in section.locator(".commands pre").all():
            page.get_by_label("Terminal input").focus()
            type_line(page, "clear")
            type_line(page, (block.text_content() or "").strip())
            wait_for(page, f"\\n.*{PROMPT}")
        if step.takes_answer:
            section.get_by_label("Your answer").fill(printed(page))
            section.get_by_role("button", name="Check my work").click()
        expect(page.locator(f"#state-{step.id}")).to_have_text("passed", timeout=PATIENCE)
    page.get_by_role("link", name="Finish lab").click()
    page.get_by_role("button", name="Remove these and finish").click()
    expect(page.get_by_role("button", name="Start lab")).to_be_visible(timeout=PATIENCE)


def printed(page: Page) -> str:
    """Return the lines on the screen that are no prompt with a command."""
    lines = page.evaluate(SHOWN).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("$ ", "# ", "> ")))


def main() -> None:
    course = load_course(ROOT)
    names = sys.argv[1:]
    lessons = (
        [each for each in course.lessons if each.slug in names]
        if names
        else [*course.lessons][:FIRST_LESSONS]
    )
    before = everything()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        composed = Composed(Path(folder), Engine(), course.images)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        try:
            page.goto(composed.up())
            for lesson in lessons:
                began = time.perf_counter()
                do_lesson(page, page.url, lesson)
                print(f"{lesson.slug}: {time.perf_counter() - began:.0f} s", flush=True)
            print(composed.compose("exec", "-T", "course", "flask", "run-lab", "--prove"))
        finally:
            browser.close()
            composed.down()
    if everything() != before:
        sys.exit("The engine is not as it was before.")


if __name__ == "__main__":
    main()
