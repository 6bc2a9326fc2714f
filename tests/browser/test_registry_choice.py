"""The choice between the registries in a real browser: by keyboard, narrow and in dark colours."""

from playwright.sync_api import expect

from tests.fixtures.axe import violations
from tests.fixtures.web import LESSON

NARROW = {"width": 390, "height": 844}


def test_the_registry_is_chosen_by_keyboard_and_the_page_follows(serve, tiny, open_page):
    words = LESSON.replace("Now the word.", "Now the word of {{ registry_image }}.")
    (tiny / "lessons/01-tiny.md").write_text(words)
    how = {"viewport": NARROW, "color_scheme": "dark"}
    page = open_page(serve(), "/lessons/tiny", **how)
    group = page.get_by_role("group", name="Commands and outputs for")
    two, three = (group.get_by_role("button", name=f"registry {each}") for each in "23")
    expect(two).to_have_attribute("aria-pressed", "true")
    expect(page.locator("main")).to_contain_text("Now the word of registry:2.")
    two.focus()
    page.keyboard.press("Tab")
    expect(three).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Now the word of registry:3.")
    expect(three).to_have_attribute("aria-pressed", "true")
    expect(two).to_have_attribute("aria-pressed", "false")
    expect(group).to_be_in_viewport()
    boxes = [each.bounding_box() for each in (two, three)]
    assert boxes[0]["y"] == boxes[1]["y"] and min(box["height"] for box in boxes) >= 24
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert violations(page) == []
