"""The registry's picture on the lesson page, in Chromium, with a real registry."""

import json
import re
import time

import pytest
import requests
from playwright.sync_api import expect

from labrunner.registry.client import Registry
from labrunner.verdicts import CannotCheck
from tests.browser.test_pages import NARROW, WIDE
from tests.fixtures.axe import violations
from tests.fixtures.engine import eventually, request_of, serving
from tests.fixtures.web import free_port
from tests.inspector.test_scan import answering

EVIL = "<img src=x onerror=alert(1)>"
PATIENCE = 60_000  # milliseconds, for what waits for the engine
CHECKED = "document.dispatchEvent(new CustomEvent('lab:checked', {detail: {step: 'x'}}))"
CHANGED = "document.dispatchEvent(new Event('visibilitychange'))"
HIDE = "Object.defineProperty(document, 'hidden', {configurable: true, value: true})"
HIDDEN = f"{HIDE}; {CHANGED}"
LIVE = "document.dispatchEvent(new CustomEvent('lab:live'))"
ALWAYS_THE_SAME = """() => {
    window.looked = 0;
    const text = async () => '<p id="summary">As before.</p>';
    window.fetch = async () => (looked++, { ok: true, text });
}"""
SHOWN = f"delete document.hidden; {CHANGED}"


@pytest.fixture
def site(started_site):
    return started_site


@pytest.fixture
def registry(docker, engine):
    """Runs a registry, on a port that nobody else can take meanwhile, for the lab that was started,
    and pushes images there; afterwards the names of those are gone."""
    pushed = []

    class Learners:
        address = ""

        def run(self, site):
            delete = "REGISTRY_STORAGE_DELETE_ENABLED=true"
            container = docker(
                "run", "-d", "-p", f"127.0.0.1:{free_port()}:5000", "-e", delete, "registry:2"
            )
            port = docker("port", container, "5000").rpartition(":")[2]
            self.address = f"localhost:{port}"
            place(site, registry=self.address, port=port)
            assert eventually(self.up, 60)
            return container

        def up(self):
            try:
                return Registry(self.address).ping()
            except CannotCheck:
                return None

        def push(self, name, image="busybox:stable"):
            reference = f"{self.address}/{name}"
            docker("tag", image, reference)
            pushed.append(reference)
            docker("push", "-q", reference)

    yield Learners()
    for reference in dict.fromkeys(pushed):
        engine.remove_image(reference)


def place(site, **values):
    """Give the lab that was started another registry. The server may be writing its record down
    just now, so look whether it stays."""
    [path] = (site.instance / "workspaces").glob("*/record.json")

    def placed():
        row = json.loads(path.read_text())
        if row["values"].items() >= values.items():
            return True
        draft = path.with_name("placed")
        draft.write_text(json.dumps({**row, "values": {**row["values"], **values}}))
        draft.replace(path)
        time.sleep(0.7)
        return False

    assert eventually(placed, 60)


def picture(page):
    return page.locator("#picture")


def drawn(page, kind):
    """What there is of a kind, in the one of the two forms that is shown."""
    return page.locator(f".drawn:visible svg.{kind}")


# Writes down each thing that is marked as new, which it is for a moment only.
MARKS = """() => {
  window.marks = [];
  new MutationObserver(() => {
    for (const each of document.querySelectorAll("#picture .new")) {
      if (each.checkVisibility()) marks.push(each.dataset.key);
    }
  }).observe(document.getElementById("picture"), { childList: true });
}"""


def names(page, kind):
    return page.locator(f".drawn:visible svg.{kind} .name").all_text_contents()


def new(page):
    """The last word of what was marked as new since `MARKS`."""
    return sorted({key.split()[-1] for key in page.evaluate("marks")})


@pytest.mark.long
def test_the_picture_follows_by_itself_what_is_pushed_and_deleted_in_a_terminal(
    site, open_page, registry
):
    """No press of a button, and nothing loaded again: the engine's events tell of a push, the
    registry's log of a deletion by curl, which no engine sees."""
    page = open_page(site, "/lessons/tiny", **WIDE)
    expect(picture(page)).to_contain_text("there is no container for it", timeout=PATIENCE)
    page.evaluate("window.same = true")
    registry.run(site)
    expect(picture(page)).to_contain_text("is empty", timeout=PATIENCE)

    registry.push("team/box:1.0")
    expect(drawn(page, "tag")).to_have_count(1, timeout=PATIENCE)
    assert names(page, "repository") == ["team/box"]
    expect(drawn(page, "blob")).to_have_count(2, timeout=PATIENCE)
    expect(picture(page)).to_contain_text(re.compile(r"On disk \d"), timeout=PATIENCE)
    expect(picture(page)).to_contain_text("Your push of team/box:1.0 made", timeout=PATIENCE)
    expect(picture(page)).to_contain_text("one layer was sent (")

    page.evaluate(MARKS)
    registry.push("team/box:2.0")
    expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
    assert new(page) == ["2.0"]
    expect(drawn(page, "manifest")).to_have_count(1, timeout=PATIENCE)
    expect(picture(page)).to_contain_text(
        "one layer was there already and not sent", timeout=PATIENCE
    )
    expect(page.locator("#picture .drawn:visible .new")).to_have_count(0, timeout=PATIENCE)

    digest = Registry(registry.address).manifest("team/box", "1.0").digest
    where = f"http://{registry.address}/v2/team/box/manifests/{digest}"
    deleted = requests.delete(where, headers={"User-Agent": "curl/8"}, timeout=5)
    assert deleted.status_code == 202
    expect(drawn(page, "manifest.deleted")).to_have_count(1, timeout=PATIENCE)
    expect(drawn(page, "tag.gone")).to_have_count(2, timeout=PATIENCE)
    expect(picture(page)).to_contain_text("that only deleted manifests name", timeout=PATIENCE)
    expect(picture(page)).to_contain_text("A deletion of team/box@sha256:", timeout=PATIENCE)
    assert page.evaluate("window.same") is True
    assert violations(page) == []


WORDS = """() => {
  const found = { size: Infinity, over: [] };
  for (const box of document.querySelectorAll("#picture .drawn svg")) {
    if (!box.checkVisibility()) continue;
    const inside = box.querySelector("rect").getBoundingClientRect();
    let end = inside.left;
    for (const text of box.querySelectorAll("text")) {
      const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
      const place = text.getBoundingClientRect();
      found.size = Math.min(found.size, size);
      const below = text.classList.contains("below");
      if (place.left < (below ? inside.left : end) || place.right > inside.right) {
        found.over.push(text.textContent);
      }
      end = place.right;
    }
  }
  return found;
}"""


def test_its_words_can_be_read_and_lie_over_nothing_at_any_width(site, open_page, registry):
    page = open_page(site, "/lessons/tiny", viewport={"width": 1500, "height": 900})
    registry.run(site)
    registry.push("team/a-repository:a-long-tag-of-it", "registry:2")
    registry.push("box:1.0")
    page.evaluate(CHECKED)
    expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
    digest = Registry(registry.address).manifest("box", "1.0").digest
    Registry(registry.address).delete("box", digest)
    page.evaluate(CHECKED)
    expect(drawn(page, "manifest.deleted")).to_have_count(1, timeout=PATIENCE)
    forms = set()
    for rem in (18, 20, 24, 27, 30, 36, 44):
        page.evaluate(f"document.documentElement.style.setProperty('--pane', '{rem}rem')")
        found = page.evaluate(WORDS)
        assert (found["size"] >= 11.9, found["over"]) == (True, []), (rem, found)
        forms.add(page.locator("#picture .drawn:visible").get_attribute("class"))
    assert forms == {"drawn narrow", "drawn wide"}
    page.set_viewport_size(NARROW["viewport"])
    if page.locator("#pane-fold").get_attribute("aria-expanded") == "false":
        page.locator("#pane-fold").click()
    found = page.evaluate(WORDS)
    assert (found["size"] >= 12, found["over"]) == (True, [])


def test_after_a_registry_was_down_only_what_is_new_is_marked(site, open_page, registry, docker):
    page = open_page(site, "/lessons/tiny", **WIDE)
    container = registry.run(site)
    registry.push("box:1.0")
    page.evaluate(CHECKED)
    expect(drawn(page, "tag")).to_have_count(1, timeout=PATIENCE)
    docker("stop", "-t", "1", container)
    page.evaluate(CHECKED)
    expect(picture(page)).to_contain_text("exited", timeout=PATIENCE)
    page.evaluate(MARKS)
    docker("start", container)
    assert eventually(registry.up, 60)
    registry.push("box:2.0")
    page.evaluate(CHECKED)
    expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
    assert new(page) == ["2.0"]


def test_what_is_open_stays_open_and_the_focus_stays(site, open_page, registry):
    page = open_page(site, "/lessons/tiny", **WIDE)
    registry.run(site)
    registry.push("box:1.0")
    page.get_by_role("link", name="Look into it now").click()
    expect(page.locator("#announce")).to_contain_text("1 tag,", timeout=PATIENCE)
    table = page.get_by_text("The same as a table")
    table.click()
    page.get_by_text("The requests").first.click()
    expect(page.get_by_role("cell", name="1.0", exact=True)).to_be_visible()
    table.focus()
    registry.push("box:2.0")
    page.evaluate(CHECKED)
    expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
    assert page.evaluate("document.activeElement.textContent") == "The same as a table"
    expect(page.get_by_role("cell", name="1.0, 2.0", exact=True)).to_be_visible()
    opened = page.locator(".transfers details[open] li code")
    expect(opened.filter(has_text="PUT /v2/box/manifests/1.0").first).to_be_visible()


@pytest.fixture
def page(site, open_page):
    """A narrow page, on which the pane is closed, with a clock that stands still. `looked` counts
    how often it looks at a registry that is always the same."""
    page = open_page(site, "/lessons/tiny", **NARROW)
    page.clock.install()
    page.reload()
    page.clock.pause_at(time.time() + 3600)
    page.evaluate(ALWAYS_THE_SAME)
    return page


# The registry's answers, one for each look: what is drawn of it, and whether that is all.
IN_PARTS = """answers => {
    window.fetch = async () => {
        const { boxes, whole } = answers.shift();
        const drawing = boxes.map((box) => `<i data-key="${box}">${box}</i>`).join("");
        const text = `<div ${whole ? "" : "data-incomplete"}>${drawing}</div><p id="summary"></p>`;
        return { ok: true, text: async () => text };
    };
}"""


def test_what_one_look_could_not_read_is_not_new_in_the_next(page):
    see_the_registry(page)
    looks = [("ab", True), ("a", False), ("abc", True)]
    page.evaluate(IN_PARTS, [{"boxes": [*boxes], "whole": whole} for boxes, whole in looks])
    page.evaluate(MARKS)
    for boxes, _ in looks:
        page.evaluate(CHECKED)
        page.clock.run_for(2000)
        expect(picture(page)).to_have_text(boxes)
    assert page.evaluate("marks") == ["c"]


# Each look gets its answer when the test gives it: what it says is how many looks there were.
IN_TIME = """() => {
    window.looked = 0;
    window.fetch = () => new Promise((answer) => {
        const number = ++looked;
        const text = async () => `<p id="summary">Look ${number}.</p>`;
        window.give = () => answer({ ok: true, text });
    });
}"""


def test_who_asks_during_a_look_is_told_what_the_next_one_finds(page):
    page.evaluate(IN_TIME)
    see_the_registry(page)
    page.get_by_role("link", name="Look into it now").click()
    page.evaluate("give()")
    expect(picture(page)).to_have_text("Look 1.")
    expect(page.locator("#announce")).to_be_empty()
    page.clock.run_for(2000)
    page.evaluate("give()")
    expect(page.locator("#announce")).to_have_text("Look 2.")


def pass_seconds(page, seconds, event):
    """Let the page's clock go on; ten times a second it is told this."""
    page.evaluate(f"happens = setInterval(() => {event}, 100)")
    page.clock.run_for(1000 * seconds)
    page.evaluate("clearInterval(happens)")
    return page.evaluate("looked")


def see_the_registry(page):
    page.locator("#pane-fold").click()
    page.locator("#registry").scroll_into_view_if_needed()
    assert eventually(lambda: page.clock.run_for(10) or page.evaluate("looked === 1"))


def test_it_looks_at_most_once_a_second_and_only_while_it_is_seen(page):
    assert pass_seconds(page, 2, CHECKED) == 0
    see_the_registry(page)
    assert pass_seconds(page, 5, CHECKED) in (5, 6)


def test_it_looks_less_and_less_often_while_nothing_changes_there(page):
    see_the_registry(page)
    assert 3 <= pass_seconds(page, 10, LIVE) <= 4
    before = page.evaluate("looked")
    assert pass_seconds(page, 1, CHECKED) > before


def test_a_hidden_page_does_not_look_until_it_is_shown_again(page):
    see_the_registry(page)
    page.evaluate(f"{CHECKED}; {HIDDEN}")  # hidden while a drawing waits for its turn
    assert pass_seconds(page, 3, CHECKED) == 1
    page.evaluate(SHOWN)
    assert pass_seconds(page, 1, "null") == 2


def test_it_works_without_javascript(site, open_page, registry):
    page = open_page(site, "/lessons/tiny", java_script_enabled=False)
    registry.run(site)
    registry.push("box:1.0")
    page.get_by_role("link", name="Look into it now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your registry")
    expect(drawn(page, "tag")).to_have_count(1, timeout=PATIENCE)
    registry.push("box:2.0")
    page.get_by_role("link", name="Look again").click()
    expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
    page.get_by_role("link", name="Back to the lesson").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A tiny lesson")


def test_hostile_names_are_text_and_no_wider_than_the_picture(site, open_page):
    page = open_page(site)
    long = EVIL + "w" * 500
    bodies = {
        "_catalog": {"repositories": [long]},
        "tags/list": {"tags": [long, "\u202e" + "\u5bbd" * 300]},
        "manifests": {
            "config": {"digest": EVIL, "size": 10**18},
            "layers": [{"digest": long, "size": 0}],
        },
    }
    with answering(bodies) as address:
        place(site, registry=address)
        for size, colours in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size(size["viewport"])
            page.emulate_media(color_scheme=colours)
            page.goto(f"{site.url}/lessons/tiny/registry")
            expect(drawn(page, "tag")).to_have_count(2, timeout=PATIENCE)
            assert page.locator("img").count() == 0
            assert EVIL[:9] in page.locator(".drawn:visible svg.tag .name").first.text_content()
            page.get_by_text("The same as a table").click()
            assert page.locator("td:not(:first-child, [data-head])").count() == 0
            width = page.viewport_size["width"]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            frame = page.locator(".drawn:visible").bounding_box()
            for box in page.locator(".drawn:visible svg").all():
                inside = box.bounding_box()
                assert inside["x"] + inside["width"] <= frame["x"] + frame["width"] + 1
            assert violations(page) == []


LOCKED = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BROKEN = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "values", "words"),
    [
        (LOCKED, {}, "asks for a user name and a password, so its contents are not shown here."),
        (LOCKED, {"user": "a", "password": "b"}, "and does not accept this lab&#39;s."),
        (BROKEN, {}, "answers with HTTP 500."),
    ],
)
def test_what_keeps_the_picture_from_being_drawn_is_said(site, answer, values, words):
    visitor = site.visitor()

    def refuse(connection):
        request_of(connection)
        connection.sendall(answer.encode())

    with serving(refuse) as address:
        place(site, registry=address, **values)
        page = visitor.get("/lessons/tiny/registry")
    assert page.ok
    assert words in page.text and 'class="drawn' not in page.text


def test_a_lab_that_is_not_started_has_no_picture(shared_site, open_page):
    page = open_page(shared_site, "/lessons/tiny")
    expect(page.locator("#registry")).to_contain_text("Once the lab is started")
    answer = page.request.get(f"{shared_site.url}/lessons/tiny/registry")
    assert answer.status == 409
    assert page.request.get(f"{shared_site.url}/lessons/reading/registry").status == 404
