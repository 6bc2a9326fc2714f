"""The learner's hour: lesson 4 in Chromium, in the page's own terminal, from the first to the last
step, without a press of "Check my work". Run from its text, it is done in `test_composed.py`; by
outer shell and button, and with JavaScript off, in `test_lessons.py`."""

import pytest
from playwright.sync_api import expect

from labrunner.course import loader
from tests.browser.test_pages import WIDE
from tests.browser.test_terminal import END, PROMPT, open_terminal, type_line, wait_for
from tests.fixtures.engine import ROOT
from tests.fixtures.web import load

LESSON = loader.load_course(ROOT).lesson("push-and-pull")
STEPS = LESSON.lab.steps
ADDRESS = f"/lessons/{LESSON.slug}"
PATIENCE = 60_000  # milliseconds, for what waits for the engine
MOST_TABS = 150  # from the top of a lesson to its end
COUNT = """() => {
    window.pressed = 0;
    document.addEventListener("submit", event =>
        window.pressed += event.target.action.includes("/check"), true);
}"""

pytestmark = pytest.mark.usefixtures("bash")


@pytest.fixture
def site(serve, tmp_path):
    return serve(ROOT, HOME=str(tmp_path))


def expect_started(page):
    """The page of the lab that is started, with its scripts: the start makes a container, whose
    network comes while the page is loaded."""
    expect(page.get_by_text("The lab is started.")).to_be_visible(timeout=PATIENCE)
    page.wait_for_load_state()
    if page.locator("#terminal-tools").is_hidden():
        load(page, page.url)
    page.evaluate(COUNT)


def number_the_prompts(page):
    """From now on each prompt has a line of its own and says how many commands were run."""
    type_line(page, r"PS1='\n\#>'")
    wait_for(page, f"^2>{END}")
    return 2


def blocks_of(page, step):
    return page.locator(f"section[aria-labelledby={step.id}] .commands")


def hints_of(page, step):
    """Those with commands in them, which are folded."""
    return page.locator(f"section[aria-labelledby={step.id}] details:has(.commands) > summary")


def commands_of(page, step):
    return [
        command
        for block in blocks_of(page, step).all()
        for command in block.locator("pre").text_content().splitlines()
    ]


def expect_passed(page, step):
    expect(page.locator(f"#state-{step.id}")).to_have_text("passed", timeout=PATIENCE)
    expect(page.locator(f"#verdict-{step.id}")).to_contain_text("Passed at ")


def expect_all_passed(page):
    expect(page.locator("#tally")).to_have_text(f"{len(STEPS)} of {len(STEPS)}")
    assert page.evaluate("pressed") == 0


def tab_to(page, name):
    """Press Tab until what has this name has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent.trim()")
        if focused == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def run_each_step_from_its_text(page):
    """In the page's terminal; each step passes by itself."""
    open_terminal(page)
    prompt = number_the_prompts(page)
    for step in STEPS:
        for hint in hints_of(page, step).all():
            hint.click()
        for block in blocks_of(page, step).all():
            block.get_by_role("button", name="Run in terminal").click()
            prompt += len(block.locator("pre").text_content().splitlines())
            wait_for(page, f"^{prompt}>{END}")
        expect_passed(page, step)


@pytest.mark.long
def test_the_lesson_is_typed_from_the_course_page_to_its_end_by_keyboard_alone(site, open_page):
    page = open_page(site, **WIDE)
    tab_to(page, f"Lesson {LESSON.number}: {LESSON.title}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(LESSON.title)
    tab_to(page, "Start lab")
    page.keyboard.press("Enter")
    expect_started(page)
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="Open terminal")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Terminal input")).to_be_focused()
    wait_for(page, PROMPT)
    prompt = number_the_prompts(page)
    for step in STEPS:
        for command in commands_of(page, step):
            if prompt > 2:  # the terminal takes each key as it took those of the first command
                page.keyboard.insert_text(command)
                command = ""
            page.keyboard.type(f"{command}\n")
            prompt += 1
            wait_for(page, f"^{prompt}>{END}")
        expect_passed(page, step)
    expect_all_passed(page)
    page.keyboard.press("F6")
    expect(page.get_by_role("button", name="Close terminal")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "Finish lab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Finish the lab")
    tab_to(page, "Remove these and finish")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start lab")).to_be_visible(timeout=PATIENCE)
    load(page, site.url)
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=LESSON.title))
    expect(row.locator(".word")).to_have_text("done")
