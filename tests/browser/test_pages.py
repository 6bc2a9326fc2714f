"""The pages in a real browser. `open_page` sees to it that none complains or calls elsewhere."""

import subprocess

import pytest

from tests.fixtures.engine import eventually
from tests.fixtures.web import load, opened_pages, wait_until

EVIL = "<img src=x onerror=alert(1)>"
DARK = {"color_scheme": "dark"}
NARROW = {"viewport": {"width": 390, "height": 844}}
WIDE = {"viewport": {"width": 1280, "height": 900}}


def start(page) -> None:
    page.get_by_role("button", name="Start lab").click()
    page.get_by_text("The lab is started.").wait_for(timeout=30_000)


def test_a_lab_is_started_with_its_progress_on_the_page(site, open_page):
    (site.root / "labs/tiny/slow").write_text("1")
    page = open_page(site, "/lessons/tiny")
    page.get_by_role("button", name="Start lab").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Starting the lab.").first.wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Start lab"
    page.get_by_text("The lab is started.").wait_for(timeout=30_000)
    assert page.evaluate("document.activeElement.id") == "lab"
    assert page.get_by_role("button", name="Check my work").count() == 2


def test_a_start_that_fails_is_told_on_the_page(site, open_page):
    (site.root / "labs/tiny/full").write_text("")
    page = open_page(site, "/lessons/tiny")
    page.get_by_role("button", name="Start lab").click()
    page.get_by_text("The disk is full of").first.wait_for()
    assert "could not be started" in page.locator("#announce").inner_text()
    (site.root / "labs/tiny/full").unlink()
    start(page)


def test_only_the_verdict_changes_and_the_focus_stays(started_site, open_page):
    page = open_page(started_site, "/lessons/tiny")
    page.evaluate("""() => {
        window.here = true;
        for (const part of document.querySelectorAll("h2, form, button, input, .highlight, nav"))
            part.marked = true;
        window.announced = [];
        new MutationObserver(() => announced.push(announce.textContent))
            .observe(announce, {childList: true, characterData: true, subtree: true});
    }""")
    button = page.get_by_role("button", name="Check my work").first
    button.focus()
    top = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    page.locator("#verdict-make-a-volume").get_by_text("Not there yet.").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Check my work"
    assert page.evaluate("scrollY") == top
    assert page.evaluate("window.here")
    assert page.evaluate("""() => [...document.querySelectorAll(
        "h2, form, button, input, .highlight, nav")].every(part => part.marked)""")
    assert page.evaluate("announced") == ["Make a volume: not there yet."]
    assert page.locator("#state-make-a-volume").inner_text() == "not there yet"
    assert page.locator("#tally").inner_text() == "0 of 2"

    name = page.locator(".commands code").first.inner_text().split()[-1]
    subprocess.run(["docker", "volume", "create", name], check=True, capture_output=True)
    try:
        page.keyboard.press("Enter")
        page.locator("#verdict-make-a-volume").get_by_text("is there").wait_for()
        assert page.evaluate("announced.at(-1)") == "Make a volume: passed."
        assert page.locator("#state-make-a-volume").inner_text() == "passed"
        assert page.locator("#tally").inner_text() == "1 of 2"
        assert page.locator("#word").inner_text() == "1 of 2"
    finally:
        subprocess.run(["docker", "volume", "rm", name], check=True, capture_output=True)

    page.get_by_role("button", name="Check all").click()
    page.locator("#verdict-make-a-volume").get_by_text("but no longer passes").wait_for()
    assert wait_until(page, "() => announced.at(-1) === '0 of 2 steps are done.'")
    assert page.evaluate("document.activeElement.textContent") == "Check all"


def test_a_script_in_an_answer_is_text_in_the_browser(started_site, open_page):
    page = open_page(started_site, "/lessons/tiny")
    page.get_by_label("Your answer").fill(EVIL)
    page.keyboard.press("Enter")
    page.locator("#verdict-say-it").get_by_text(EVIL).wait_for()
    assert page.locator("img").count() == 0
    assert page.get_by_label("Your answer").input_value() == EVIL
    page.reload()
    page.locator("#verdict-say-it").get_by_text(EVIL).wait_for()
    assert page.locator("img").count() == 0


def test_if_it_fails_opens_once_where_it_explains_what_was_found(started_site, open_page):
    page = open_page(started_site, "/lessons/tiny")
    fold = page.get_by_role("group").filter(has=page.get_by_text("If it fails"))

    def answer(words):
        page.get_by_label("Your answer").fill(words)
        page.keyboard.press("Enter")
        page.locator("#verdict-say-it").get_by_text(f"You said {words}", exact=True).wait_for()
        return fold.get_attribute("open") is not None

    assert not answer("no")
    assert answer("something")
    page.get_by_text("If it fails").click()
    assert not answer("something else")


def test_scripts_and_styles_that_are_lost_on_the_way_are_asked_for_again(shared_site, chromium):
    context = chromium.new_context()
    page = context.new_page()
    lost: set[str] = set()

    def lose(route):
        name = route.request.url.split("?")[0].rsplit("/")[-1]
        if name in (*lost, "lost.js"):
            route.continue_()
        else:
            lost.add(name)
            route.abort()

    page.route("**/static/**", lose)
    page.goto(f"{shared_site.url}/lessons/tiny?token={shared_site.token}")
    there = "Boolean(window.htmx && document.styleSheets.length)"
    assert eventually(lambda: page.evaluate(there), 60)

    def opens() -> bool:
        page.locator("#keys-open").click()
        return page.get_by_role("dialog").is_visible()

    assert eventually(opens, 60)
    assert {"style.css", "chosen.js", "theme.js", "keys.js"} <= lost
    context.close()


def test_a_server_that_is_gone_is_told_beside_the_button(site, chromium):
    context = chromium.new_context()  # its console rightly complains
    page = context.new_page()
    page.goto(f"{site.url}/lessons/tiny?token={site.token}")
    start(page)
    site.stop()
    page.get_by_role("button", name="Check my work").first.click()
    page.locator("#verdict-make-a-volume").get_by_text("The server does not answer.").wait_for()
    context.close()


def test_a_start_goes_on_when_an_answer_is_lost(site, chromium):
    """Chromium drops requests when the machine's networks change, as they do in a lab."""
    (site.root / "labs/tiny/slow").write_text("4")
    context = chromium.new_context()
    page = context.new_page()
    asked = []

    def lose(route):
        asked.append(route.request.url)
        route.abort() if len(asked) in (1, 2) else route.continue_()

    page.route("**/lessons/tiny/start?*", lose)
    page.goto(f"{site.url}/lessons/tiny?token={site.token}")
    start(page)
    assert len(asked) > 2
    context.close()


def test_a_server_that_goes_during_a_start_is_told(site, chromium):
    (site.root / "labs/tiny/slow").write_text("20")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/lessons/tiny?token={site.token}")
    page.get_by_role("button", name="Start lab").click()
    page.locator("#start progress").wait_for()
    site.stop()
    page.locator("#start").get_by_text("The server does not answer.").wait_for()
    context.close()


def test_the_whole_way_works_with_javascript_off(site, open_page):
    page = open_page(site, "/lessons/tiny", java_script_enabled=False)
    start(page)
    page.get_by_role("button", name="Check my work").first.click()
    assert page.url == f"{site.url}/lessons/tiny#make-a-volume"
    page.get_by_text("Not there yet.").wait_for()
    page.get_by_label("Your answer").fill("no")
    page.get_by_role("button", name="Check my work").last.click()
    page.get_by_text("You said no").wait_for()
    page.get_by_role("button", name="Check all").click()
    page.get_by_role("link", name="Finish lab").click()
    page.get_by_role("button", name="inish").click()
    page.get_by_role("button", name="Start lab").wait_for()


@pytest.fixture(scope="module")
def tab(shared_site, chromium):
    """A page for all tests that only read."""
    with opened_pages(chromium) as open_page:
        yield open_page(shared_site, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def page(shared_site, tab):
    """The lesson, wide."""
    tab.set_viewport_size(WIDE["viewport"])
    load(tab, f"{shared_site.url}/lessons/tiny")
    return tab


def test_commands_can_be_copied(page):
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "docker volume create <word>"


def test_the_outline_is_beside_the_text_or_folded_above_it(page):
    link = page.locator(".outline").get_by_role("link", name="Only to read")
    assert link.is_visible()
    page.set_viewport_size(NARROW["viewport"])
    page.reload()
    assert not link.is_visible()
    page.get_by_text("Lessons", exact=True).click()
    assert link.is_visible()


def test_no_page_scrolls_sideways_on_a_narrow_screen(shared_site, page):
    page.set_viewport_size(NARROW["viewport"])
    for path in ("/", "/lessons/tiny", "/lessons/reading"):
        load(page, shared_site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_that_asks_for_the_token_lets_in(shared_site, chromium):
    context = chromium.new_context()  # whose console names the refusal
    page = context.new_page()
    page.goto(f"{shared_site.url}/lessons/tiny")
    page.get_by_label("Token").fill(shared_site.token)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="A tiny lesson").wait_for()
    context.close()


def test_the_page_of_a_start_leads_on_to_the_lesson(site, open_page):
    (site.root / "labs/tiny/slow").write_text("2")
    page = open_page(site, "/lessons/tiny")
    page.get_by_role("button", name="Start lab").click()
    page.locator("#start progress").wait_for()
    page.goto(f"{site.url}/lessons/tiny/start")
    page.get_by_text("Starting the lab.").wait_for()
    page.get_by_text("The lab is started.").wait_for(timeout=30_000)
    assert page.url == f"{site.url}/lessons/tiny#lab"
