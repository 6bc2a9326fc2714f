"""The current step, at the foot of the pane: what the learner reads there while they work in the
terminal of the page, without a click."""

import json
import re

import pytest
from playwright.sync_api import expect

from labrunner.course import loader
from tests.browser.test_live import LIVE, RECORD
from tests.browser.test_pages import NARROW, WIDE
from tests.browser.test_terminal import PROMPT, open_terminal, type_line, wait_for
from tests.fixtures.engine import ROOT
from tests.fixtures.web import Site, end, free_port, opened_pages

LESSON = loader.load_course(ROOT).lesson_of("push-and-pull")
LAB, TITLES = LESSON.lab, LESSON.titles.values()
PATIENCE = 20_000  # milliseconds; how long it takes is measured by hand
TO, TEAM = "{registry}/{image}", "{registry}/team/hello"
BY_HAND = {  # for each step its mistakes, and at last the step itself, as a learner types them
    "tag-the-image": {
        "the port written as a tag": "docker image tag {image} {image}:{port}",
        "a slip in the path": "docker image rm {image}:{port};"
        f" docker image tag {{image}} {TO}x",
        "another tag": f"docker image rm {TO}x; docker image tag {{image}} {TO}:v1",
        "another image under the name": f"docker image tag busybox:stable {TO}",
        "": f"docker image tag {{image}} {TO}",
    },
    "push-the-image": {
        "pushed under another name": "docker image tag {image} {registry}/team/app;"
        " docker push {registry}/team/app",
        "pushed under another tag": f"docker push {TO}:v1",
        "another image under the right name": f"docker image tag busybox:stable {TO};"
        f" docker push {TO}",
        "": f"docker image tag {{image}} {TO}; docker push {TO}",
    },
    "remove-your-copies": {
        "pulled without removing it first": f"docker pull {TO}",
        "a container still uses it": f"docker create --name user-{{name}} {TO}",
        "only one of its names removed": "docker rm user-{name}; docker image rm {image}",
        "": f"docker image rm {TO} {TO}:v1 {{registry}}/team/app",
    },
    "pull-it-back": {
        "built again instead of pulled": f"echo FROM busybox:stable | docker build -t {TO}"
        " --label a=b -",
        "": f"docker pull {TO}",
    },
    "run-it": {
        "created, but not started": f"docker create --name user-{{name}} {TO}",
        "run by the short name": f"docker image tag {TO} {{image}}; docker run --rm {{image}}",
        "": f"docker rm user-{{name}}; docker run --rm {TO}",
    },
    "offer-a-second-name": {
        "named, but not pushed": f"docker image tag {TO} {TEAM}:2.0",
        "pushed without the tag": f"docker image rm {TEAM}:2.0; docker image tag {TO} {TEAM};"
        f" docker push {TEAM}",
        "the name is still on the engine": f"docker image tag {TO} {TEAM}:2.0;"
        f" docker push {TEAM}:2.0",
        "": f"docker image rm {TEAM}:2.0",
    },
}
LEFT_BY_THE_STEP_BEFORE = {"tagged, but not pushed"}

pytestmark = pytest.mark.usefixtures("bash")


@pytest.fixture(scope="module")
def site(tmp_path_factory, engine):
    site = Site(ROOT, tmp_path_factory.mktemp("course") / "instance", free_port())
    yield site
    end(site, engine)


@pytest.fixture(scope="module")
def page(site, chromium):
    """A page of the lab, started and with its terminal open."""
    with opened_pages(chromium) as open_page:
        page = open_page(site, "/lessons/push-and-pull", **WIDE)
        page.get_by_role("button", name="Start lab").click()
        expect(page.locator("#live")).to_have_text(LIVE, timeout=PATIENCE)
        open_terminal(page)
        yield page


@pytest.fixture(scope="module")
def values(site, page):
    """The values of the lab, which its commands have."""
    [record] = site.instance.glob("workspaces/*/record.json")
    return json.loads(record.read_text())["values"]


def said(page, name):
    return page.locator(f"#current-said dt:text-is('{name}') + dd")


def test_if_it_fails_opens_when_the_terminal_shows_that_error(page, values):
    opened = page.locator("details.failure[open]")
    expect(opened).to_have_count(0)
    type_line(page, f"docker image tag not-there {TO}".format_map(values))
    expect(opened).to_have_count(1, timeout=PATIENCE)
    expect(opened).to_contain_text("No such image: …")


@pytest.mark.long
def test_each_mistake_gets_its_advice_as_it_is_made(page, values):
    page.evaluate(RECORD)
    title = page.locator("#current-title")
    for number, step in enumerate(LAB.steps, 1):
        acts = BY_HAND[step.id]
        mistakes = {each.name: each for each in step.mistakes}
        assert mistakes.keys() - LEFT_BY_THE_STEP_BEFORE == acts.keys() - {""}
        expect(title).to_contain_text(f"Step {number} of {len(LAB.steps)}: ", timeout=PATIENCE)
        expect(title).to_contain_text("not done yet")
        expect(page.locator("#current-said")).to_contain_text(plain(step.goal, values))
        found = ""
        for name, command in acts.items():
            type_line(page, command.format_map(values))
            if name:
                expect(said(page, "Found")).not_to_have_text(found, timeout=PATIENCE)
                expect(said(page, "Next")).to_contain_text(plain(mistakes[name].advice, values))
                expect(title).to_contain_text("not there yet")
                found = said(page, "Found").inner_text()
        expect(page.locator(f"#state-{step.id}")).to_have_text("passed", timeout=PATIENCE)
    expect(title).to_have_text(f"All {len(LAB.steps)} steps are done")
    heard = "|".join(rf"{re.escape(each)}: (not there yet|passed)\." for each in TITLES)
    heard += rf"|\d of {len(LAB.steps)} steps are done\."
    assert all(re.fullmatch(heard, each) for each in told(page))
    expect(page.get_by_label("Terminal input")).to_be_focused()


def plain(text, values):
    return text.format_map(values).replace("`", "")


def told(page):
    """What was said aloud, but for what the terminal's errors mean."""
    return [each for each in page.evaluate("said") if not each.startswith("The error is explained")]


def test_the_current_step_is_seen_wherever_the_text_is(page):
    current = page.locator("#current")
    for options in (WIDE, NARROW):
        page.set_viewport_size(options["viewport"])
        for place in ("#run-it", "#tag-the-image"):
            page.locator(place).scroll_into_view_if_needed()
            expect(current).to_be_in_viewport(ratio=0.99)
            assert current.bounding_box()["height"] <= 0.45 * options["viewport"]["height"] + 1
    page.set_viewport_size(WIDE["viewport"])


def test_an_error_in_the_terminal_is_explained_beside_it(page, values):
    meaning, asked = page.locator("#terminal-meaning"), []
    wrong = f"docker pull {values['registry']}/nothing"
    page.on("request", lambda request: asked.append(request.url))
    type_line(page, f"{wrong} 2> words; clear; cat words")  # nothing fails
    wait_for(page, rf"nothing[^]*{PROMPT}")
    type_line(page, wrong)
    expect(meaning).to_have_text(re.compile("^What this error means: "), timeout=PATIENCE)
    meaning.locator("summary").click()
    expect(meaning.locator("dt").first).to_have_text("Means")
    assert sum(each.endswith("/decode") for each in asked) == 1
    expect(page.locator("#announce")).to_contain_text("The error is explained below the terminal")
    page.get_by_label("Terminal input").focus()
    type_line(page, "true")
    expect(meaning).to_be_empty()
    page.get_by_label("Explain errors").uncheck()
    page.get_by_label("Terminal input").focus()
    type_line(page, f"clear; {wrong}; echo do''ne")
    wait_for(page, "^done")
    expect(meaning).to_be_empty()
    page.reload()
    expect(page.get_by_label("Explain errors")).not_to_be_checked()
    page.get_by_label("Explain errors").check()
