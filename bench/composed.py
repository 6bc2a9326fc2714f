"""The composed course: how long it takes to start, and whether its lessons can be done in it.

Usage: python -m bench.composed [LESSON]..., by whoever may use Docker, after script/image. It does
these lessons, by default the first ten, in Chromium: each line of their commands is typed into the
page's terminal, and what those of a step print is its answer. Then the labs prove their checks
inside, with `flask run-lab --prove`. Prints a line for each lesson and lab. Nothing may be left of
it, and nothing else on the engine may have changed.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from labrunner.course.lab import Step
from labrunner.course.lesson import Lesson
from labrunner.course.loader import load_course
from labrunner.engine.engine import Engine
from labrunner.text import TERMINAL_SEQUENCE
from tests.browser.test_terminal import open_terminal, type_line
from tests.fixtures.composed import Composed
from tests.fixtures.foreign_objects import everything
from tests.fixtures.web import launch

ROOT = Path(__file__).parent.parent
FIRST_LESSONS = 10
PATIENCE = 60  # seconds
PRINTED = re.compile(r"\x1b\[\?2004l\r?(.*?)\x1b\[\?2004h", re.DOTALL)  # from line to prompt


def starts(times: int) -> list[float]:
    """Return how many seconds each of so many starts takes, from `up` to the address. The images
    are in a file."""
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


class Terminal:
    """The terminal of a page, and what its shell has written, without the breaks of a screen."""

    def __init__(self, page: Page) -> None:
        self._page, self._written = page, b""
        page.on("websocket", lambda socket: socket.on("framereceived", self._hear))
        open_terminal(page)

    def _hear(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._written += frame

    def run(self, code: str) -> str:
        """Type these lines, each at a prompt of its own; return what they print."""
        before = len(self._outputs())
        lines = code.strip().splitlines()
        for number, line in enumerate(lines, before + 1):
            self._page.get_by_label("Terminal input").focus()
            type_line(self._page, line)
            end = time.monotonic() + PATIENCE
            while len(self._outputs()) < number:
                if time.monotonic() > end:
                    raise TimeoutError(self._written.decode(errors="replace"))
                self._page.wait_for_timeout(20)
        return "".join(self._outputs()[before:])

    def _outputs(self) -> list[str]:
        """Return what was printed between each line that was typed and the next prompt."""
        found = PRINTED.findall(self._written.decode(errors="replace"))
        return [TERMINAL_SEQUENCE.sub("", each).replace("\r\n", "\n") for each in found]


def do_lesson(page: Page, address: str, lesson: Lesson) -> None:
    """Do a lesson with the commands of its page, in the page's terminal, and finish it."""
    page.goto(f"{address}/lessons/{lesson.slug}")
    page.get_by_role("button", name="Start lab").click()
    expect(page.get_by_text("The lab is started.")).to_be_visible(timeout=PATIENCE * 1000)
    terminal = Terminal(page)
    for step in lesson.lab.steps if lesson.lab else ():
        do_step(page, terminal, step)
    page.get_by_role("link", name="Finish lab").click()
    page.get_by_role("button", name="Remove these and finish").click()
    expect(page.get_by_role("button", name="Start lab")).to_be_visible(timeout=PATIENCE * 1000)


def do_step(page: Page, terminal: Terminal, step: Step) -> None:
    section = page.locator(f"section[aria-labelledby={step.id}]")
    printed = ""
    for block in section.locator(".commands pre").all():
        printed = terminal.run(block.text_content() or "")
    if step.takes_answer:
        section.get_by_label("Your answer").fill(printed.strip())
    state = page.locator(f"#state-{step.id}")
    with suppress(AssertionError):  # what the engine does not see, as a file, passes by the button
        expect(state).to_have_text("passed", timeout=1 if step.takes_answer else 3000)
        return
    section.get_by_role("button", name="Check my work").click()
    try:
        expect(state).to_have_text("passed", timeout=PATIENCE * 1000)
    except AssertionError:
        sys.exit(f"{step.id} did not pass:\n{section.inner_text()}\nThe terminal:\n{printed}")


def main() -> None:
    course = load_course(ROOT)
    lessons = [each for each in course.lessons if each.slug in sys.argv[1:]]
    before = everything()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        composed = Composed(Path(folder), Engine(), course.images)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        try:
            page.goto(composed.up())
            address = page.url.partition("/?")[0].rstrip("/")
            for lesson in lessons or course.lessons[:FIRST_LESSONS]:
                began = time.perf_counter()
                do_lesson(page, address, lesson)
                print(f"{lesson.slug}: {time.perf_counter() - began:.0f} s", flush=True)
            print(composed.compose("exec", "-T", "course", "flask", "run-lab", "--prove"))
        finally:
            browser.close()
            composed.down()
    if everything() != before:
        sys.exit("The engine is not as it was before.")


if __name__ == "__main__":
    main()
