"""Live verdicts in a real browser: what the learner sees without a click, and where there are none.

Pages that lose their server complain in the console, rightly: those open in contexts of their own.
"""

import os
import re
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from labrunner.web.limits import MAX_CONNECTIONS
from tests.fixtures.engine import ROOT, eventually
from tests.session.test_watcher import Stream, Wire

LIVE = "Each step is checked as you work."
BY_BUTTON = "Each step is checked when you press Check my work."
AWAY = "The server does not answer, so these verdicts are from before. This page waits for it."
LOST = "The engine does not answer, so these verdicts are from before. This page waits for it."
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
COUNT = """
    window.streams = [];
    const Plain = window.EventSource;
    window.EventSource = class extends Plain {
        constructor(url) { super(url); window.streams.push(this); }
    };
"""


@pytest.fixture(autouse=True)
def patience():
    """What has to come is waited for, however busy the machine is."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)  # as it is by itself


def start(page):
    page.get_by_role("button", name="Start lab").click()
    expect(page.locator("#live")).to_have_text(LIVE)


def state(page, step):
    return page.locator(f"#state-{step}")


def says(page, words):
    """What is said aloud last; of a stream that was cut and opened again, how many are done."""
    again = r"\d of \d steps are done\."
    expect(page.locator("#announce")).to_have_text(re.compile(f"^({re.escape(words)}|{again})$"))


@pytest.fixture
def terminal(tmp_path, engine):
    """Runs what a block of the page says, as a learner does."""
    environment = {**os.environ, "HOME": str(tmp_path), "DOCKER_HOST": engine.address}

    def run(block):
        done = subprocess.run(
            ["bash", "-e", "-c", block.inner_text()],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def own_page(chromium):
    """Opens a page whose console may complain."""
    with ExitStack() as opened:

        def start(site, path):
            context = chromium.new_context(reduced_motion="reduce")
            opened.callback(context.close)
            page = context.new_page()
            page.goto(f"{site.url}{path}?token={site.token}")
            return page

        yield start


@pytest.fixture
def volume(docker):
    """Makes and removes the volume that the page wants."""

    def command(verb, page):
        name = re.search(r"word-\w+", page.locator(".commands code").first.inner_text())[0]
        docker("volume", verb, name)

    return command


def test_a_push_in_a_terminal_turns_the_step_without_a_click(serve, open_page, terminal):
    page = open_page(serve(ROOT), "/lessons/push-and-pull", reduced_motion="reduce")
    start(page)
    page.evaluate(RECORD)
    page.get_by_role("button", name="Check all").focus()
    for step in ("tag-the-image", "push-the-image"):
        expect(state(page, step)).to_have_text("not done yet")
        terminal(page.locator(f"section[aria-labelledby={step}] pre code").first)
        expect(state(page, step)).to_have_text("passed")
        expect(page.locator(f"#verdict-{step}")).to_contain_text("Passed at")
    expect(page.locator("#tally")).to_contain_text("2 of 5")
    heard = r"Tag the image: passed\.|Push the image: passed\.|\d of 5 steps are done\."
    assert all(re.fullmatch(heard, each) for each in page.evaluate("said"))
    assert page.evaluate("told") == ["tag-the-image", "push-the-image"]
    assert page.evaluate("document.activeElement.textContent") == "Check all"
    expect(state(page, "remove-your-copies")).to_have_text("not done yet")


def test_a_step_that_breaks_later_says_so(site, open_page, volume):
    page = open_page(site, "/lessons/tiny")
    start(page)
    page.evaluate(RECORD)
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    volume("rm", page)
    expect(state(page, "make-a-volume")).to_have_text("no longer so")
    expect(page.locator("#verdict-make-a-volume")).to_contain_text("but no longer so.")
    says(page, "Make a volume: no longer so.")
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    says(page, "Make a volume: passed.")


def test_the_button_tells_the_other_parts_as_well(site, open_page):
    page = open_page(site, "/lessons/tiny")
    start(page)
    page.evaluate(RECORD)
    page.get_by_role("button", name="Check my work").first.click()
    expect(state(page, "make-a-volume")).to_have_text("not there yet")
    page.wait_for_timeout(1500)  # the stream brings the same again
    assert page.evaluate("told") == ["make-a-volume"]
    assert page.evaluate("said") == ["Make a volume: not there yet."]


def test_a_verdict_with_the_focus_in_it_waits_until_the_focus_leaves(site, open_page, volume):
    page = open_page(site, "/lessons/tiny")
    start(page)
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


def test_a_hidden_page_has_no_stream_and_catches_up_when_it_is_shown(site, open_page, volume):
    page = open_page(site, "/lessons/tiny")
    start(page)
    page.add_init_script(COUNT)
    page.reload()
    expect(page.locator("#live")).to_have_text(LIVE)
    page.evaluate(HIDE, True)
    assert page.evaluate("streams.map(each => each.readyState)") == [2]
    volume("create", page)
    page.wait_for_timeout(1000)
    expect(state(page, "make-a-volume")).to_have_text("not done yet")
    page.evaluate(HIDE, False)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    assert page.evaluate("streams.map(each => each.readyState)") == [2, 1]


def test_a_page_without_a_place_has_its_button(site, own_page, volume):
    page = own_page(site, "/lessons/tiny")
    start(page)
    page.evaluate(HIDE, True)
    places = MAX_CONNECTIONS
    cookies, streams = site.visitor().cookies, []

    def all_taken():  # once the server has found out that the page has left its own
        streams.append(Stream(site, cookies))
        return sum(each.answer.status_code == 200 for each in streams) == places

    try:
        assert eventually(all_taken)
        with page.expect_response(lambda answer: answer.status == 503, timeout=60_000):
            page.reload()
        expect(page.locator("#live")).to_have_text(BY_BUTTON)
        volume("create", page)
        page.wait_for_timeout(1500)
        expect(state(page, "make-a-volume")).to_have_text("not done yet")
        page.get_by_role("button", name="Check my work").first.click()
        expect(state(page, "make-a-volume")).to_have_text("passed")
    finally:
        for stream in streams:
            stream.close()
    expect(page.locator("#live")).to_have_text(LIVE)


def test_an_open_page_recovers_when_the_server_comes_back(serve, own_page, volume):
    first = serve()
    page = own_page(first, "/lessons/tiny")
    start(page)
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
    start(page)
    pid = site.process.pid
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGSTOP)
    try:
        volume("create", page)
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
    page = own_page(serve(DOCKER_HOST=f"unix://{wire.path}"), "/lessons/tiny")
    start(page)
    volume("create", page)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    page.evaluate(RECORD)
    wire.cut()
    expect(page.locator("#live")).to_have_text(LOST)
    expect(state(page, "make-a-volume")).to_have_text("passed")
    volume("rm", page)
    wire.connect()
    expect(state(page, "make-a-volume")).to_have_text("no longer so")
    expect(page.locator("#live")).to_have_text(LIVE)
    says(page, "Make a volume: no longer so.")


def test_a_browser_without_event_streams_has_the_button(site, open_page, volume):
    page = open_page(site, "/")
    page.add_init_script("delete window.EventSource;")
    page.goto(f"{site.url}/lessons/tiny")
    page.get_by_role("button", name="Start lab").click()
    expect(page.locator("#live")).to_have_text(BY_BUTTON)
    volume("create", page)
    page.get_by_role("button", name="Check my work").first.click()
    expect(state(page, "make-a-volume")).to_have_text("passed")
    expect(page.locator("#live")).to_have_text(BY_BUTTON)


@pytest.mark.parametrize("terminal", ["on", "off"])
@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_the_page_says_where_and_how_a_step_is_done(serve, open_page, terminal, javascript):
    site = serve(LABRUNNER_TERMINAL=terminal)
    page = open_page(site, "/lessons/tiny", java_script_enabled=javascript)
    page.get_by_role("button", name="Start lab").click()
    expect(page.locator("#live")).to_have_text(LIVE if javascript else BY_BUTTON)
    here = ", or in the one on this page" if terminal == "on" and javascript else ""
    said = page.locator("#lab p").first
    expect(said).to_be_visible()
    assert said.inner_text() == f"The lab is started. Do each step in a terminal of your own{here}."


def test_a_lab_that_is_finished_elsewhere_is_said(site, own_page):
    page = own_page(site, "/lessons/tiny")
    start(page)
    assert site.visitor().submit("/lessons/tiny/finish").ok
    expect(page.locator("#live")).to_have_text("This lab was finished. Load the page again.")
