"""The learner's own way and the report in Chromium: with and without JavaScript, by keyboard, on
paper. `open_page` sees to it that no page complains or calls elsewhere."""

import subprocess

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import DARK, NARROW, WIDE, start
from tests.fixtures.axe import violations
from tests.fixtures.engine import ROOT

PATIENCE = 60_000  # milliseconds, for what waits for the engine
MARK = """() => {
    window.here = true;
    for (const part of document.querySelectorAll("h2, form, button, input, .highlight, nav"))
        part.marked = true;
}"""
MARKED = """() => window.here && [...document.querySelectorAll(
    "h2, form, button, input, .highlight, nav")].every(part => part.marked)"""


@pytest.fixture
def site(started_site):
    return started_site


def step(page, id):
    return page.locator(f"section[aria-labelledby={id}]")


def focused(page):
    return page.evaluate("document.activeElement.textContent.trim()")


def test_a_step_is_skipped_in_place_and_the_focus_stays(site, open_page):
    page = open_page(site, "/lessons/tiny", **WIDE)
    page.evaluate(MARK)
    step(page, "make-a-volume").get_by_role("button", name="Skip").focus()
    page.keyboard.press("Enter")
    verdict = page.locator("#verdict-make-a-volume")
    expect(verdict).to_contain_text("You can still do it; the next step needs it.")
    assert focused(page) == "Skip" and page.evaluate(MARKED)
    expect(page.locator("#state-make-a-volume")).to_have_text("skipped")
    expect(page.locator("#tick-make-a-volume")).to_have_text("skipped")
    expect(page.locator("#lab-foot p")).to_have_text("0 of 2 done, 1 skipped")
    expect(page.locator("#announce")).to_have_text("Make a volume: skipped.")


def test_a_step_is_done_for_the_learner_in_place(site, open_page, engine):
    page = open_page(site, "/lessons/tiny", **WIDE)
    page.evaluate(MARK)
    name = page.locator(".commands code").first.inner_text().split()[-1]
    section = step(page, "make-a-volume")
    section.get_by_role("button", name="Do it for me").focus()
    page.keyboard.press("Enter")
    verdict = page.locator("#verdict-make-a-volume")
    expect(verdict).to_contain_text("These commands do the same:", timeout=PATIENCE)
    assert engine.volume(name)
    assert focused(page) == "Do it for me" and page.evaluate(MARKED)
    expect(verdict.locator("pre").first).to_have_text(f"docker volume create {name}")
    expect(page.locator("#state-make-a-volume")).to_have_text("done for you")
    expect(page.locator("#announce")).to_have_text("Make a volume: done for you.")
    expect(page.locator("#lab-foot p")).to_have_text("0 of 2 done, 1 for you")
    page.reload()
    expect(verdict).to_contain_text("Reset to try it yourself.")
    expect(section.get_by_role("button", name="Do it for me")).to_be_hidden()
    expect(step(page, "say-it").get_by_role("button", name="Do it for me")).to_be_visible()


def test_a_passed_step_has_a_tick_and_offers_no_other_way(site, open_page, docker):
    page = open_page(site, "/lessons/tiny", **WIDE)
    name = page.locator(".commands code").first.inner_text().split()[-1]
    docker("volume", "create", name)
    section = step(page, "make-a-volume")
    section.get_by_role("button", name="Check my work").click()
    expect(page.locator("#tick-make-a-volume")).to_contain_text("✓")
    expect(page.locator("#tick-make-a-volume .visually-hidden")).to_have_text("passed")
    expect(section.get_by_role("button", name="Skip")).to_be_hidden()
    expect(section.get_by_role("button", name="Do it for me")).to_be_hidden()
    page.goto(site.url)
    page.get_by_role("link", name="Continue: lesson 1, Say it").click()
    expect(page).to_have_url(f"{site.url}/lessons/tiny#say-it")


def test_a_solution_that_fails_is_told_in_place(serve, tiny, open_page):
    source = tiny / "labs/tiny/lab.py"
    make = '    workspace.create_volume(workspace["word"])\n'
    source.write_text(source.read_text().replace(make, f"    1 / 0\n{make}", 1))
    page = open_page(serve(), "/lessons/tiny")
    start(page)
    step(page, "make-a-volume").get_by_role("button", name="Do it for me").click()
    verdict = page.locator("#verdict-make-a-volume")
    expect(verdict).to_contain_text("This step could not be done for you", timeout=PATIENCE)
    expect(verdict).to_contain_text("division by zero (lab.py, line ")
    expect(verdict).to_contain_text("Or go back to this step")
    assert violations(page) == []


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_by_keyboard_a_lab_is_solved_gone_back_in_and_reset(site, open_page, javascript):
    page = open_page(site, "/lessons/tiny", java_script_enabled=javascript)

    def press(role, name, within=page):
        """Go there with the keyboard alone, and press it."""
        within.get_by_role(role, name=name).first.wait_for()
        focus = within.locator(":focus")
        for _ in range(80):
            page.keyboard.press("Tab")
            if focused(page) == name and focus.count():
                expect(focus).to_have_role(role)
                page.keyboard.press("Enter")
                return
        raise AssertionError(f"No way to {name} by keyboard")

    for id in ("make-a-volume", "say-it"):
        press("button", "Do it for me", step(page, id))
        expect(page.locator(f"#state-{id}")).to_have_text("done for you", timeout=PATIENCE)
    press("link", "Go back to this step", step(page, "say-it"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Go back to “Say it”")
    press("button", "Remove these and go back")
    expect(page.locator("#state-make-a-volume")).to_have_text("done for you", timeout=PATIENCE)
    expect(page.locator("#state-say-it")).to_have_text("not done yet")
    page.get_by_text("Start it again, or reset it").click()
    press("link", "Reset lab")
    press("button", "Remove these and reset")
    expect(page.locator("#state-make-a-volume")).to_have_text("not done yet", timeout=PATIENCE)


def test_the_report_can_be_read_printed_and_taken_along(site, open_page, tmp_path):
    page = open_page(site, "/lessons/tiny")
    page.get_by_label("Your answer").fill("no")
    page.keyboard.press("Enter")
    expect(page.locator("#state-say-it")).to_have_text("not there yet")
    step(page, "make-a-volume").get_by_role("button", name="Skip").click()
    expect(page.locator("#state-make-a-volume")).to_have_text("skipped")
    page.locator("#lab-foot").get_by_role("link", name="What you did").click()
    expect(page.locator("main")).to_contain_text("Of 2 steps, 0 done by you, 1 skipped.")
    row = page.get_by_role("row").filter(has_text="Say it")
    expect(row.get_by_role("cell")).to_have_text(["not there yet", "not yet", "1"])
    expect(page.locator(".met")).to_contain_text("“another word”")
    page.get_by_role("link", name="for the whole course").click()

    page.emulate_media(media="print")
    for hidden in (page.locator("form.bring"), page.locator(".top"), page.locator(".keep")):
        expect(hidden).to_be_hidden()
    expect(page.get_by_role("table")).to_be_visible()
    page.emulate_media(media="screen")

    with page.expect_download() as saving:
        page.get_by_role("link", name="Save your progress").click()
    assert saving.value.suggested_filename == "registry-lab-progress.jsonl"
    file = tmp_path / "saved.jsonl"
    saving.value.save_as(file)
    page.get_by_label("A file of saved progress").set_input_files(file)
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_text("Your progress was imported. Labs: 1, steps: 2.")).to_be_visible()


def test_a_bad_file_is_refused_with_its_line(shared_site, chromium):
    context = chromium.new_context(**NARROW, **DARK)  # its console rightly complains of the 400
    page = context.new_page()
    page.goto(f"{shared_site.url}/report?token={shared_site.token}")
    assert violations(page) == []
    bad = {"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"<b>no</b>"}
    page.get_by_label("A file of saved progress").set_input_files(bad)
    page.get_by_role("button", name="Import it").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 1: This is not a JSON object")
    assert violations(page) == []
    context.close()


def test_what_is_skipped_and_done_for_the_learner_is_accessible_and_fits(site, open_page):
    page = open_page(site, "/lessons/tiny")
    step(page, "make-a-volume").get_by_role("button", name="Do it for me").click()
    expect(page.locator("#verdict-make-a-volume")).to_contain_text("do the same:", timeout=PATIENCE)
    page.get_by_label("Your answer").fill("no")
    page.keyboard.press("Enter")
    page.get_by_text("You said no").first.wait_for()
    step(page, "say-it").get_by_role("button", name="Skip").click()
    page.get_by_text("You can still do it.").wait_for()
    for size, colours in ((WIDE, "light"), (NARROW, "dark")):
        page.set_viewport_size(size["viewport"])
        page.emulate_media(color_scheme=colours)
        for path in ("/lessons/tiny", "/", "/report", "/lessons/tiny/report"):
            page.goto(site.url + path)
            assert violations(page) == [], (path, size)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["viewport"]["width"], (path, size)


def test_nothing_of_a_script_in_an_answer_runs_in_the_report(site, open_page):
    page = open_page(site, "/lessons/tiny")
    page.get_by_label("Your answer").fill("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    page.locator("#verdict-say-it").get_by_text("<img").wait_for()
    page.goto(f"{site.url}/report")
    page.get_by_text("You said <img src=x onerror=alert(1)>").wait_for()
    assert page.locator("img").count() == 0


def test_a_real_step_is_done_for_the_learner_with_the_commands_of_its_page(serve, open_page):
    """In the real course: the registry that was started answers."""
    site = serve(ROOT)
    page = open_page(site, "/lessons/your-own-registry", **WIDE)
    start(page)
    section = step(page, "start-a-registry")
    shown = section.locator(".commands code").first.inner_text()
    section.get_by_role("button", name="Do it for me").click()
    verdict = page.locator("#verdict-start-a-registry")
    expect(verdict).to_contain_text("These commands do the same:", timeout=PATIENCE)
    expect(verdict.locator("pre").first).to_have_text(shown)
    port = shown.split("-p ")[1].split(":")[0]
    asked = subprocess.run(
        ["curl", "-sS", f"http://localhost:{port}/v2/"], capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "{}"
