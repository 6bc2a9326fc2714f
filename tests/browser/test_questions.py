"""The prediction and the questions of a lesson in a real browser: by keyboard, and as they come."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_live import LIVE, RECORD
from tests.fixtures.axe import violations
from tests.fixtures.engine import ASKED
from tests.fixtures.web import Site, end, free_port, write_tiny

KEPT = "Your prediction is saved. The step “Make a volume” shows what is right."


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory, engine):
    """A server of the tiny course with questions."""
    folder = tmp_path_factory.mktemp("shared")
    root = write_tiny(folder / "tiny")
    (root / "lessons/01-tiny.toml").write_text(ASKED)
    site = Site(root, folder / "instance", free_port())
    yield site
    end(site, engine)


def test_what_was_predicted_is_told_beside_the_verdict_without_a_click(
    started_site, open_page, docker
):
    page = open_page(started_site, "/lessons/tiny")
    expect(page.locator("#live")).to_have_text(LIVE)
    page.evaluate(RECORD)
    group = page.get_by_role("group", name="Is there a volume?")
    keep = page.get_by_role("button", name="Save my prediction")
    keep.click()  # nothing is chosen, so the browser asks for it
    assert page.evaluate("said") == []
    group.get_by_role("radio", name="yes").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")  # to the first
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#prediction-said")).to_contain_text(KEPT)
    expect(keep).to_be_focused()
    assert len(page.evaluate("said")) == 1 and KEPT in page.evaluate("said")[0]

    group.get_by_role("radio", name="perhaps").check()
    page.get_by_role("heading", name="Make a volume").click()  # what has the focus would wait
    word = re.search(r"word-\w+", page.locator(".commands code").first.inner_text())[0]
    docker("volume", "create", word)
    says = "You predicted: no. That was wrong. You make it."
    for place in ("#verdict-make-a-volume", "#prediction", "#current-said"):
        expect(page.locator(place)).to_contain_text(says)
    expect(page.locator("#current-said")).to_contain_text(f"Make a volume. {says}")
    expect(group).to_have_count(0)
    told = [each for each in page.evaluate("said") if "You predicted" in each]
    assert told == [f"Make a volume: passed. {says}"]
    assert violations(page) == []


def test_what_is_chosen_but_not_kept_yet_outlives_a_verdict(started_site, open_page):
    page = open_page(started_site, "/lessons/tiny")
    chosen = page.get_by_role("radio", name="perhaps")
    chosen.check()
    page.get_by_role("button", name="Check my work").first.click()
    expect(page.locator("#state-make-a-volume")).to_have_text("not there yet")
    expect(chosen).to_be_checked()


def test_a_question_is_answered_in_place_by_keyboard(started_site, open_page):
    page = open_page(started_site, "/lessons/reading")
    page.evaluate(RECORD)
    question = page.locator(".review form").filter(has_text="What is it?")
    button = question.get_by_role("button", name="Answer")
    for option, says in (("an image", "Wrong."), ("a volume", "Right.")):
        question.get_by_role("radio", name=option).focus()
        page.keyboard.press("Space")
        button.focus()
        page.keyboard.press("Enter")
        expect(question.locator(".said")).to_contain_text(f"{says} It is a volume.")
        expect(button).to_be_focused()
    assert page.evaluate("said") == ["Wrong. It is a volume.", "Right. It is a volume."]
    assert violations(page) == []
    question.get_by_role("link").click()
    expect(page).to_have_url(re.compile("/lessons/tiny#make-a-volume$"))


def test_without_javascript_a_question_has_a_page_of_its_own(started_site, open_page):
    page = open_page(started_site, "/lessons/reading", java_script_enabled=False)
    question = page.locator(".review form").filter(has_text="What is it?")
    question.get_by_role("radio", name="an image").check()
    question.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("You answered: an image.")).to_be_visible()
    page.get_by_role("link", name="Back to the lesson").click()
    expect(page.locator("#questions")).to_be_in_viewport()
