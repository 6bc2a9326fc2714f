"""Live verdicts in a real browser: what the learner sees without a click, and where there are none.

Pages that lose their server complain in the console, rightly: those open in contexts of their own.
"""

import os
import re
import signal
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.fixtures.engine import eventually
from tests.fixtures.started_lab import start_tiny
from tests.fixtures.web import wait_until
from tests.fixtures.wire import Wire
from tests.session.test_live_stream import Stream

LIVE = "Each step is checked as you work."
BY_BUTTON = "Each step is checked when you press Check my work."
AWAY = "The server does not answer, so these verdicts may be old. This page waits for it."
LOST = "The engine does not answer, so these verdicts may be old. This page waits for it."
RECORD = """() => {
    window.said = [];
    window.told = [];
    new MutationObserver(() => said.push(announce.textContent))
        .observe(announce, {childList: true, characterData: true, subtree: true});
    document.addEventListener("lab:checked", (event) => told.push(event.detail.step));
}"""
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNT = """() => {
    window.streams = [];
    window.heard = 0;
    const Plain = window.EventSource;
    window.EventSource = class extends Plain {
        constructor(url) {
            super(url);
            window.streams.push(this);
            this.addEventListener("steps", () => window.heard++);
        }
    };
}"""
SILENCE = 10_000  # milliseconds; so long a page waits for a stream that is silent or was refused


@pytest.fixture
def site(started_site):
    return started_site


def watch(page):
    """Count what the page's stream brings from now on, by `heard`, with its beginning as the first.
    A page that is shown again has another stream."""
    page.evaluate(COUNT)
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    assert wait_until(page, "() => heard === 1")


@pytest.fixture
def other_page(site):
    """Another page of the lab, which has the verdicts when they have come."""
    stream = Stream(site.visitor())
    yield stream
    stream.close()


def state(page, step):
    return page.locator(f"#state-{step}")


def says(page, words):
    """What is said aloud last; of a stream that was cut and opened again, how many are done."""
    again = r"\d of \d steps are done\."
    expect(page.locator("#announce")).to_have_text(re.compile(f"^({re.escape(words)}|{again})$"))


@pytest.fixture
def own_page(chromium):
    """Opens a page whose console may complain, and whose clock can be put forward."""
    with ExitStack() as opened:

        def start(site, path):
            context = chromium.new_context(reduced_motion="reduce")
            opened.callback(context.close)
            page = context.new_page()
            page.clock.install()
            page.goto(f"{site.url}{path}?token={site.token}")
            expect(page.locator("#live")).to_have_text(LIVE)
            return page

        yield start


@pytest.fixture
def volume(docker):
    """Makes and removes the volume that the page wants."""

    def command(verb, page):
        name = re.search(r"word-\w+", page.locator(".commands code").first.inner_text())[0]
        docker("volume", verb, name)

    return command


def test_a_step_that_breaks_later_says_so(site, open_page, volume):
    page = open_page(site, "/lessons/tiny")
    expect(page.locator("#live")).to_have_text(LIVE)
    page.evaluate(RECORD)
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    volume("rm", page)
    expect(state(page, "make-a-volume")).to_have_text("no longer passes")
    expect(page.locator("#verdict-make-a-volume")).to_contain_text("but no longer passes.")
    says(page, "Make a volume: no longer passes.")
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    says(page, "Make a volume: passed.")


def test_the_button_tells_the_other_parts_as_well(site, open_page):
    page = open_page(site, "/lessons/tiny")
    expect(page.locator("#live")).to_have_text(LIVE)
    watch(page)
    page.evaluate(RECORD)
    page.get_by_role("button", name="Check my work").first.click()
    expect(state(page, "make-a-volume")).to_have_text("not there yet")
    assert wait_until(page, "() => heard >= 2")  # the stream brings the same again
    # Twice, where the stream is faster than the answer to the button.
    assert set(page.evaluate("told")) == {"make-a-volume"}
    assert page.evaluate("said") == ["Make a volume: not there yet."]


def test_a_verdict_with_the_focus_in_it_waits_until_the_focus_leaves(site, open_page, volume):
    page = open_page(site, "/lessons/tiny")
    expect(page.locator("#live")).to_have_text(LIVE)
    page.get_by_role("button", name="Check my work").first.click()
    verdict = page.locator("#verdict-make-a-volume")
    expect(verdict).to_contain_text("Not there yet.")
    page.evaluate("""() => {
        const held = document.querySelector("#verdict-make-a-volume strong");
        held.tabIndex = -1;
        held.focus();
    }""")
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    assert page.evaluate("document.activeElement.textContent") == "Not there yet."
    page.get_by_role("button", name="Check all").focus()
    expect(verdict).to_contain_text("Passed at")


def test_a_hidden_page_has_no_stream_and_catches_up_when_it_is_shown(
    site, open_page, volume, other_page
):
    page = open_page(site, "/lessons/tiny")
    watch(page)
    page.evaluate(HIDE, True)
    assert page.evaluate("streams.map(each => each.readyState)") == [2]
    volume("create", page)
    assert eventually(lambda: other_page.passed)
    expect(state(page, "make-a-volume")).to_have_text("not done yet")
    page.evaluate(HIDE, False)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    assert page.evaluate("streams.map(each => each.readyState)") == [2, 1]


def test_a_page_without_a_place_has_its_button(site, own_page, volume, other_page):
    """That the server then answers so is tested with as many pages in `test_live_stream.py`."""
    page = own_page(site, "/lessons/tiny")
    page.route("**/live?*", lambda route: route.fulfill(status=503))
    page.reload()
    expect(page.locator("#live")).to_have_text(BY_BUTTON)
    volume("create", page)
    assert eventually(lambda: other_page.passed)
    expect(state(page, "make-a-volume")).to_have_text("not done yet")
    page.get_by_role("button", name="Check my work").first.click()
    expect(state(page, "make-a-volume")).to_have_text("passed")
    page.unroute("**/live?*")
    page.clock.fast_forward(SILENCE)
    expect(page.locator("#live")).to_have_text(LIVE)


def test_an_open_page_recovers_when_the_server_comes_back(serve, own_page, volume, engine):
    first = serve()
    start_tiny(first, engine)
    page = own_page(first, "/lessons/tiny")
    page.evaluate("window.here = true")
    first.stop()
    expect(page.locator("#live")).to_have_text(AWAY)
    expect(state(page, "make-a-volume")).to_have_text("not done yet")
    volume("create", page)
    serve(port=first.port, token="another")
    expect(page.locator("#live")).to_have_text(LIVE)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    assert page.evaluate("window.here")  # it was not loaded again


def test_a_page_whose_server_slept_says_so_and_catches_up(site, own_page, volume):
    page = own_page(site, "/lessons/tiny")
    pid = site.process.pid
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGSTOP)
    try:
        volume("create", page)
        page.clock.fast_forward(SILENCE)
        expect(page.locator("#live")).to_have_text(AWAY)
        expect(state(page, "make-a-volume")).to_have_text("not done yet")
    finally:
        os.kill(int(worker), signal.SIGCONT)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    expect(page.locator("#live")).to_have_text(LIVE)


def test_while_the_engine_is_away_the_page_says_so_and_keeps_its_verdicts(
    serve, own_page, volume, engine, tmp_path
):
    wire = Wire(engine, tmp_path / "engine.sock")
    wire.connect()
    site = serve(DOCKER_HOST=f"unix://{wire.path}")
    start_tiny(site, engine)
    page = own_page(site, "/lessons/tiny")
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    page.evaluate(RECORD)
    wire.cut()
    expect(page.locator("#live")).to_have_text(LOST)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    volume("rm", page)
    wire.connect()
    expect(state(page, "make-a-volume")).to_have_text("no longer passes")
    expect(page.locator("#live")).to_have_text(LIVE)
    says(page, "Make a volume: no longer passes.")


def test_a_browser_without_event_streams_has_the_button(site, open_page, volume):
    page = open_page(site, "/")
    page.add_init_script("delete window.EventSource;")
    page.goto(f"{site.url}/lessons/tiny")
    expect(page.locator("#live")).to_have_text(BY_BUTTON)
    volume("create", page)
    page.get_by_role("button", name="Check my work").first.click()
    expect(state(page, "make-a-volume")).to_have_text("passed")
    expect(page.locator("#live")).to_have_text(BY_BUTTON)


def test_the_page_says_where_and_how_a_step_is_done(site, serve, open_page, engine):
    switched_off = serve(LABRUNNER_TERMINAL="off")
    start_tiny(switched_off, engine)
    for server, javascript in product((site, switched_off), (True, False)):
        page = open_page(server, "/lessons/tiny", java_script_enabled=javascript)
        expect(page.locator("#live")).to_have_text(LIVE if javascript else BY_BUTTON)
        here = ", or in the one on this page" if server is site and javascript else ""
        said = page.locator("#lab p").first
        expect(said).to_be_visible()
        wanted = f"The lab is started. Do each step in a terminal of your own{here}."
        assert said.inner_text() == wanted


def test_a_lab_that_is_finished_elsewhere_is_said(site, own_page):
    page = own_page(site, "/lessons/tiny")
    assert site.visitor().submit("/lessons/tiny/finish").ok
    expect(page.locator("#live")).to_have_text("This lab is finished. Reload the page.")
