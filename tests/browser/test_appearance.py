"""How the pages look and are worked with, in a real browser: colours, pane, keys, paper, weight."""

import re
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import DARK, NARROW, WIDE, start
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.web import Site, free_port, weights

MIDDLE = {"width": 900, "height": 900}
GROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT_GROUND, DARK_GROUND = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
PICTURE = "/lessons/push-and-pull"
FRAMES = "/lessons/tags-and-digests"
FULL = "/lessons/inside-a-registry"  # its lab fills a registry, whose picture is large
MOST = 60_000  # bytes of a lesson page without a terminal, compressed, headers and all
MOST_HTML = 14_000  # of these, before its lab is started


@pytest.fixture(scope="module")
def course_site(tmp_path_factory):
    """A server of the real course for all tests that only read its pages."""
    site = Site(ROOT, tmp_path_factory.mktemp("course") / "instance", free_port())
    yield site
    site.stop()


# Colours


def test_the_system_chooses_the_colours_until_somebody_does(shared_site, open_page):
    page = open_page(shared_site, "/", **DARK)
    assert page.evaluate(GROUND) == DARK_GROUND
    expect(page.get_by_label("System")).to_be_checked()
    page.get_by_label("Light").check()
    assert page.evaluate(GROUND) == LIGHT_GROUND
    page.goto(f"{shared_site.url}/lessons/tiny")
    assert page.evaluate(GROUND) == LIGHT_GROUND
    expect(page.get_by_label("Light")).to_be_checked()
    page.get_by_label("System").check()
    assert page.evaluate(GROUND) == DARK_GROUND
    page.reload()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(GROUND) == LIGHT_GROUND


def test_no_frame_is_painted_in_the_other_colours(shared_site, open_page):
    page = open_page(shared_site, "/lessons/tiny")
    page.get_by_label("Dark").check()
    page.add_init_script("""
        window.painted = new Set();
        const look = () => {
            if (document.body) painted.add(getComputedStyle(document.body).backgroundColor);
            requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    """)
    page.reload()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("[...painted]") == [DARK_GROUND]


def test_the_pictures_of_a_lesson_follow_the_colours_chosen_by_hand(course_site, open_page):
    page = open_page(course_site, PICTURE, **WIDE)
    shots = {}
    for system in ("light", "dark"):
        page.emulate_media(color_scheme=system)
        page.reload()
        for choice in ("System", "Light", "Dark"):
            page.get_by_label(choice).check()
            shots[system, choice] = page.locator("main img").first.screenshot()
    light, dark = shots["light", "System"], shots["dark", "System"]
    assert light != dark
    assert shots["dark", "Light"] == shots["light", "Light"] == light
    assert shots["light", "Dark"] == shots["dark", "Dark"] == dark


def test_a_picture_has_no_words_where_it_is_too_small_for_them(course_site):
    pictures = re.findall(
        r'<img src="(/static/pictures/[^?#"]+)', course_site.visitor().get("/").text
    )
    assert len(pictures) == 13
    for path in pictures:
        small = (ROOT / path[1:]).read_text().partition("@media (max-width: 200px)")[2]
        assert small.lstrip(" {\n").startswith("text { display: none; }"), path


@pytest.mark.parametrize("path", sorted((ROOT / "static/css").glob("*.css")), ids=lambda p: p.name)
def test_no_style_asks_the_system_for_its_colours(path: Path):
    """It would not follow the choice by hand; `light-dark()` does."""
    assert "prefers-color-scheme" not in path.read_text()


# Pictures in order

IN_ORDER = {  # by lesson: the picture and the number of its views
    "push-and-pull": ("push", 4),
    "inside-a-registry": ("shared-layer", 3),
    "tags-and-digests": ("tag-moves", 3),
    "delete-and-reclaim": ("delete-collect", 3),
}


def test_a_push_a_shared_layer_a_tag_that_moves_and_a_deletion_are_shown_in_order(course_site):
    visitor = course_site.visitor()
    for slug, (picture, count) in IN_ORDER.items():
        page = visitor.get(f"/lessons/{slug}").text
        [frames] = re.findall('class="frames".*?</ol>', page, re.DOTALL)
        views = re.findall(rf'src="[^"]*/{picture}\.svg[^"]*(#[a-z-]+)"', frames)
        assert len(set(views)) == frames.count("<li") == count, slug


def test_pictures_in_order_are_stepped_through_by_buttons_and_arrow_keys(course_site, open_page):
    page = open_page(course_site, FRAMES, **WIDE)
    group = page.get_by_role("group", name="3 pictures in order")
    shown = group.get_by_role("listitem").filter(visible=True)
    place = group.locator("p span")
    expect(shown).to_have_count(1)
    height = box(page, ".frames")["height"]

    def expect_frame(number, words):
        expect(place).to_have_text(f"{number} of 3")
        expect(shown).to_have_count(1)
        expect(shown).to_contain_text(words)
        expect(page.locator("#announce")).to_contain_text(f"{number} of 3. {words}")
        assert box(page, ".frames")["height"] == height

    forward = group.get_by_role("button", name="Next")
    forward.click()
    expect_frame(2, "You push another image")
    page.keyboard.press("ArrowRight")
    expect_frame(3, "You roll back.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Alt+Shift+ArrowRight")
    expect_frame(3, "You roll back.")
    assert forward.get_attribute("aria-disabled") == "true"
    assert page.evaluate(FOCUS) == "Next"
    page.keyboard.press("Home")
    expect_frame(1, "You push 1.0.")
    page.keyboard.press("End")
    expect_frame(3, "You roll back.")
    group.get_by_role("button", name="Previous").press("Enter")
    expect_frame(2, "You push another image")
    page.keyboard.press("ArrowLeft")
    expect_frame(1, "You push 1.0.")


def test_one_picture_passes_into_the_next_unless_it_is_to_stay_still(course_site, open_page):
    page = open_page(course_site, FRAMES, reduced_motion="no-preference")
    takes = "getComputedStyle(document.querySelector('.frames li')).transitionDuration"
    assert page.evaluate(takes) != "0s"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(takes) == "0s"


def test_without_javascript_and_on_paper_all_pictures_are_there_in_order(course_site, open_page):
    page = open_page(course_site, FRAMES, java_script_enabled=False)
    pictures = page.locator(".frames img")
    assert len({picture.screenshot() for picture in pictures.all()}) == 3
    expect(page.locator(".frames button").first).to_be_hidden()
    page = open_page(course_site, FRAMES)
    page.emulate_media(media="print")
    expect(page.locator(".frames li").filter(visible=True)).to_have_count(3)
    tops = [item.bounding_box()["y"] for item in page.locator(".frames li").all()]
    assert tops == sorted(set(tops))


# The text and the pane beside it


def box(page, selector):
    found = page.locator(selector).bounding_box()
    assert found, selector
    return found


def test_a_line_of_text_has_about_65_characters(course_site, open_page):
    page = open_page(course_site, PICTURE, **WIDE)
    lines = page.evaluate("""() => [...document.querySelectorAll("main > p")].map(p => {
        const range = document.createRange();
        range.selectNodeContents(p);
        const tops = new Set([...range.getClientRects()].map(r => Math.round(r.bottom / 12)));
        return [p.textContent.length, tops.size];
    }).filter(([, lines]) => lines > 3)""")
    per_line = sum(text for text, _ in lines) / sum(count - 0.5 for _, count in lines)
    assert 55 < per_line < 75


@pytest.fixture
def lab_page(shared_site, open_page):
    """Opens the page of a lab that is started, so that there is something in the pane."""

    def open(**options):
        page = open_page(shared_site, "/lessons/tiny", **options)
        if page.get_by_role("button", name="Start lab", exact=True).count():
            start(page)
        expect(page.locator("#pane")).to_be_attached()
        return page

    return open


def test_the_pane_is_beside_the_text_below_it_or_folded_by_the_width(lab_page):
    page = lab_page(**WIDE)
    assert box(page, "#pane")["x"] > box(page, "main")["x"] + 500
    assert page.locator("#work").is_visible() and page.locator("#grip").is_visible()
    text = box(page, "main")
    page.locator("#pane").evaluate("pane => pane.remove()")  # as before it has come
    assert box(page, "main")["x"] == text["x"]
    page.set_viewport_size(MIDDLE)
    page.reload()
    assert box(page, "#pane")["y"] >= box(page, "main")["y"] + box(page, "main")["height"]
    assert page.locator("#work").is_visible() and not page.locator("#grip").is_visible()
    page.set_viewport_size(NARROW["viewport"])
    page.reload()
    assert box(page, "#pane")["y"] > box(page, "#lab-foot")["y"]
    assert not page.locator("#work").is_visible()
    stuck = """() => Array.from(document.querySelectorAll("body *"))
        .filter((each) => ["sticky", "fixed"].includes(getComputedStyle(each).position))
        .map((each) => each.id)"""
    assert page.evaluate(stuck) == ["current"]
    page.get_by_role("button", name="Open pane").click()
    assert page.locator("#work").is_visible()


def test_the_pane_is_closed_and_moved_below_and_stays_so(lab_page):
    page = lab_page(**WIDE)
    close = page.locator("#pane-fold")
    close.focus()
    page.keyboard.press("Enter")
    assert not page.locator("#work").is_visible()
    assert page.evaluate("document.activeElement.id") == "pane-fold"
    page.reload()
    assert not page.locator("#work").is_visible() and close.inner_text().startswith("Open")
    page.keyboard.press("Tab")
    close.press("Enter")
    page.get_by_role("button", name="Move below").press("Enter")
    under = box(page, "main")["y"] + box(page, "main")["height"]
    assert box(page, "#pane")["y"] >= under and not page.locator("#grip").is_visible()
    page.reload()
    assert box(page, "#pane")["y"] >= under
    page.get_by_role("button", name="Move beside").press("Enter")
    assert box(page, "#pane")["y"] < under


def test_the_pane_is_made_wider_by_mouse_and_keyboard_and_stays_so(lab_page):
    page = lab_page(viewport={"width": 1600, "height": 900})
    grip = page.get_by_role("separator", name="Width of the work pane")
    before = box(page, "#pane")["width"]
    at = grip.bounding_box()
    page.mouse.move(at["x"] + at["width"] / 2, 400)
    page.mouse.down()
    page.mouse.move(at["x"] - 100, 400, steps=4)
    page.mouse.up()
    dragged = box(page, "#pane")["width"]
    assert dragged == pytest.approx(before + 100, abs=10)
    grip.press("ArrowRight")
    assert box(page, "#pane")["width"] == pytest.approx(dragged - 32, abs=10)
    grip.press("ArrowLeft")
    assert box(page, "#pane")["width"] == pytest.approx(dragged, abs=10)
    grip.press("Home")
    assert box(page, "#pane")["width"] == 18 * 16
    assert grip.get_attribute("aria-valuenow") == grip.get_attribute("aria-valuemin") == "18"
    grip.press("End")
    assert grip.get_attribute("aria-valuenow") == grip.get_attribute("aria-valuemax")
    widest = box(page, "#pane")["width"]
    page.reload()
    assert box(page, "#pane")["width"] == pytest.approx(widest, abs=10)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1600


def test_nothing_is_in_the_way_without_javascript(lab_page):
    page = lab_page(java_script_enabled=False, **WIDE)
    assert page.locator("#work").is_visible()
    for part in ("#grip", "#pane-fold", "#pane-place", "#keys-open", ".theme", "#keys"):
        assert not page.locator(part).is_visible(), part


# Keys

FOCUS = "document.activeElement.id || document.activeElement.textContent.trim()"


def test_steps_are_gone_through_and_checked_by_keys(lab_page):
    page = lab_page(**WIDE)
    page.keyboard.press("j")
    assert page.evaluate(FOCUS) == "make-a-volume"
    page.keyboard.press("c")
    page.locator("#verdict-make-a-volume").get_by_text("Not there yet.").wait_for()
    assert page.evaluate(FOCUS) == "make-a-volume"
    page.keyboard.press("j")
    assert page.evaluate(FOCUS) == "say-it"
    page.keyboard.press("j")
    assert page.evaluate(FOCUS) == "say-it"
    page.keyboard.press("k")
    assert page.evaluate(FOCUS) == "make-a-volume"
    page.keyboard.press("o")
    assert "A tiny lesson" in page.evaluate(FOCUS)


def test_before_the_start_the_key_for_checking_leads_to_where_it_is_started(course_site, open_page):
    page = open_page(course_site, PICTURE)
    page.keyboard.press("c")
    assert page.evaluate(FOCUS) == "lab"


def test_the_outline_is_unfolded_by_its_key(shared_site, open_page):
    page = open_page(shared_site, "/lessons/tiny", **NARROW)
    page.keyboard.press("o")
    expect(page.locator(".outline").get_by_role("link", name="Only to read")).to_be_visible()


def test_the_keys_are_listed_and_escape_closes_the_list(shared_site, open_page):
    page = open_page(shared_site, "/lessons/tiny")
    opener = page.get_by_role("button", name="Keys")
    opener.focus()
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keys")
    expect(shown).to_be_visible()
    page.keyboard.press("j")
    assert shown.evaluate("dialog => dialog.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(shown).not_to_be_visible()
    assert page.evaluate(FOCUS) == "keys-open"
    opener.click()
    shown.get_by_role("button", name="Close").click()
    expect(shown).not_to_be_visible()


def test_keys_are_letters_where_somebody_writes_and_with_others_held(lab_page):
    page = lab_page(**WIDE)
    answer = page.get_by_label("Your answer")
    answer.press_sequentially("jcko?t")
    assert answer.input_value() == "jcko?t"
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Check all").focus()
    page.keyboard.press("Control+j")
    assert page.evaluate(FOCUS) == "Check all"


def test_keys_can_be_switched_off_and_stay_off(shared_site, open_page):
    page = open_page(shared_site, "/lessons/tiny")
    page.keyboard.press("?")
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("?")
        assert page.evaluate("document.activeElement.id") != "make-a-volume"
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.reload()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate(FOCUS) == "make-a-volume"


# Motion, paper, weight


def test_nothing_moves_for_those_who_want_it_still(lab_page):
    page = lab_page(**WIDE)
    moving = """[...document.querySelectorAll("*")].filter(element => {
        const style = getComputedStyle(element);
        return style.animationName !== "none" || style.scrollBehavior === "smooth"
            || style.transitionDuration !== "0s";
    }).map(element => element.outerHTML.slice(0, 80))"""
    assert page.evaluate(moving) == []


def test_a_lesson_is_printed_with_its_commands_and_the_addresses_of_its_links(
    course_site, open_page
):
    page = open_page(course_site, PICTURE, **DARK)
    page.emulate_media(media="print")
    for part in (".outline", "form", ".pane", ".top", ".copy"):
        for each in page.locator(part).all():
            assert not each.is_visible(), part
    assert page.evaluate(GROUND) == LIGHT_GROUND
    expect(page.get_by_text("docker image tag my-image").first).to_be_visible()
    expect(page.get_by_text("The new name has three parts")).to_be_visible()
    link = page.locator("main a[href$='/cli/docker/image/tag/']")
    shown = link.evaluate("a => getComputedStyle(a, '::after').content")
    assert "https://docs.docker.com/reference/cli/docker/image/tag/" in link.get_attribute("href")
    assert "docs.docker.com" in shown or "attr(href)" in shown
    overflow = """[...document.querySelectorAll("main pre")].filter(
        pre => pre.scrollWidth > pre.clientWidth + 1).length"""
    assert page.evaluate(overflow) == 0


NEEDED = {"style.css", "htmx-4.0.1.min.js", "terminal.js", "registry.js", "live.js", "keep.js"}
NEEDED |= {"registry"}  # the picture of it


def all_loaded(page, found):
    """Whether all that a page needs has come by now."""
    page.wait_for_timeout(0)  # lets Playwright read what the browser says
    return {re.sub(r".*/|\?.*", "", address) for address in found} >= NEEDED


@pytest.mark.parametrize("path", [PICTURE, FULL])
def test_a_lesson_page_without_its_terminal_is_light(serve, open_page, path):
    page = open_page(serve(ROOT), path)
    start(page)
    for _ in range(5):  # Chromium drops some when a container's network comes or goes
        found = weights(page)
        page.reload(wait_until="load")
        if eventually(partial(all_loaded, page, found), 5):
            break
    assert all_loaded(page, found)
    assert found.total() < MOST, found


def test_the_html_of_each_lesson_leaves_room_for_all_that_its_page_loads(course_site, real_course):
    """Scripts and styles are those of the pages that are weighed, and pictures differ little."""
    visitor, how = course_site.visitor(), {"headers": {"Accept-Encoding": "br"}, "stream": True}
    paths = [f"/lessons/{lesson.slug}" for lesson in real_course.lessons]
    pages = {path: len(visitor.get(path, **how).raw.read()) for path in paths}
    assert len(pages) == 13 and max(pages.values()) < MOST_HTML, pages


SHIFTS = """new Promise(done => new PerformanceObserver(
    list => done(list.getEntries().map(each => each.value)))
    .observe({type: "layout-shift", buffered: true}) || setTimeout(() => done([]), 500))"""


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_course_page_is_light_and_nothing_on_it_moves(course_site, open_page, size):
    page = open_page(course_site, "/", **size)
    found = weights(page)
    page.reload(wait_until="load")
    page.evaluate("for (const each of document.images) each.loading = 'eager'")
    loaded = "[...document.images].every(each => each.complete && each.naturalWidth)"
    assert eventually(lambda: page.evaluate(loaded), 20)
    assert page.locator(".lessons img").count() == 13
    assert {"style.css", "push-pull.svg"} <= {re.sub(r".*/|\?.*", "", each) for each in found}
    assert found.total() < MOST, found
    # The page may be painted when half of its top has come; nothing below it may move.
    assert sum(page.evaluate(SHIFTS)) < 0.01


def test_each_style_sheet_is_in_the_one_that_is_served_and_short(shared_site):
    style = shared_site.visitor().get("/static/style.css").text
    for path in (ROOT / "static/css").glob("*.css"):
        sheet = path.read_text()
        assert sheet in style, path.name
        assert len(sheet.splitlines()) < 300, path.name
