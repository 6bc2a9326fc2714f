"""The real lessons as a learner has them: their pages in Chromium, the commands that these show in
bash, on the real engine. What each lab's checks promise beyond that is in `tests/labs`."""

import os
import re
import socket
import subprocess
from contextlib import suppress
from itertools import zip_longest

import pytest
from playwright.sync_api import expect

from labrunner.course import loader
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.workspaces.manager import Workspaces
from tests.browser.test_pages import NARROW, WIDE
from tests.fixtures.engine import ROOT, close_all, nothing, services_of, traces
from tests.fixtures.web import Site, free_port, load, opened_pages

COURSE = loader.load_course(ROOT)
LESSONS = [pytest.param(each, id=each.slug) for each in COURSE.lessons if each.lab]

# All mistakes and near misses are proved by the runner, in test_labs.py. A page shows a kind of
# verdict in the same way whichever lab it comes from, so here stands one of each kind.
WRONG_WAYS = [
    ("run-a-registry", "start-a-registry"),  # a mistake in a state that lasts
    ("push-and-pull", "remove-your-copies"),  # in one of a moment
    ("pin-it", "move-the-tag"),  # with an answer
    # With a reason that the registry's log gives, and then near misses.
    ("lock-the-door", "ask-for-a-password", "be-refused"),
    ("name-that-image", "complete-a-short-name"),  # near misses
]
# The blocks of all pages are run by the items of `labs/`, and here those of a lab with a login and
# a password of its own, of one beside another registry, and of one that is all answers. Beside
# another registry, the others are done without pages, in test_labs.py; without JavaScript, a lab
# without answers is done in test_pages.py.
FOLLOWED = ["lock-the-door"]
BESIDE_ANOTHER = ["run-a-registry"]
WITHOUT_JAVASCRIPT = ["name-that-image"]
PATIENCE = 20_000  # milliseconds, for what waits for the engine


@pytest.fixture(scope="module")
def services(tmp_path_factory, engine):
    """The services of the server, in this process."""
    instance = tmp_path_factory.mktemp("course") / "instance"
    workspaces = Workspaces(instance / "workspaces", engine, COURSE.labs)
    kit = Kit(engine, COURSE.images)
    for image in COURSE.images:
        with suppress(ImageUnavailable):  # a lab that needs it says so
            kit.get(image)
    return services_of(COURSE, instance, workspaces)


@pytest.fixture(scope="module")
def site(services):
    """A server of the real course for all tests of this file."""
    site = Site(ROOT, services.progress.path.parent, free_port())
    yield site
    site.stop()


@pytest.fixture(scope="module")
def page(site, chromium):
    """A page for all tests that go straight to a lesson."""
    with opened_pages(chromium) as open_page:
        yield open_page(site, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture(autouse=True)
def clean_up(services):
    """A test that fails leaves nothing on the engine either."""
    yield
    close_all(services.workspaces)


@pytest.fixture
def terminal(tmp_path, engine):
    """Runs commands as a learner types them; what they print. `fails`: the words they fail with."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": str(tmp_path / ".docker"),
        "DOCKER_HOST": engine.address,
    }

    def run(code, fails=None):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", code],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        printed = done.stdout + done.stderr if fails else done.stdout
        said = f"{code}\n{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == (fails is not None), said
        assert fails is None or fails in printed, said
        return printed.strip()

    return run


@pytest.fixture
def taken(engine, docker, unique):
    """Port 5000 and the name `registry` are taken, by us or whoever has them already."""
    publish = []
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 5000)):
            publish = ["-p", "5000:5000"]
    if publish or not engine.container("registry"):
        name = unique if engine.container("registry") else "registry"
        docker("run", "-d", "--name", name, *publish, "registry:2")


def open_lesson(open_page, site, lesson, **options):
    """From the course page to the lesson."""
    page = open_page(site, "/", **options)
    page.locator(".lessons h3").get_by_role("link", name=lesson.title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(lesson.title)
    return page


def start(page, services, lesson):
    page.get_by_role("button", name="Start lab").click()
    expect(page.get_by_text("The lab is started.")).to_be_visible(timeout=PATIENCE)
    return services.session(lesson.lab).workspace


def check(page, step, answer):
    section = page.locator(f"section[aria-labelledby={step.id}]")
    if step.takes_answer:
        section.get_by_label("Your answer").fill(answer)
    # The verdict before may have the words that are waited for next.
    with page.expect_response(lambda response: response.url.endswith(f"/{step.id}/check")):
        section.get_by_role("button", name="Check my work").click()


def follow(page, lesson, terminal):
    """Do each step with the commands that the page shows, and have it checked."""
    steps = lesson.lab.steps
    for done, step in enumerate(steps):
        expect(page.locator("#tally")).to_have_text(f"{done} of {len(steps)}")
        blocks = page.locator(f"section[aria-labelledby={step.id}] .commands").all()
        assert blocks
        for block in blocks:
            fails = block.locator(".fails code").all_text_contents()
            printed = terminal(block.locator("pre").text_content(), *fails)
        check(page, step, printed)
        expect(page.locator(f"#state-{step.id}")).to_have_text("passed", timeout=PATIENCE)
        expect(page.locator(f"#verdict-{step.id}")).to_contain_text("Passed at ")
    expect(page.locator("#tally")).to_have_text(f"{len(steps)} of {len(steps)}")


def finish(page):
    page.get_by_role("link", name="Finish lab").click()
    page.get_by_role("button", name="Remove these and finish").click()
    expect(page.get_by_role("button", name="Start lab")).to_be_visible(timeout=PATIENCE)


def of_labs(names):
    return [each for each in LESSONS if each.values[0].lab.name in names]


@pytest.mark.parametrize("lesson", of_labs(WITHOUT_JAVASCRIPT))
def test_a_lesson_is_done_without_javascript(lesson, site, open_page, terminal, services, engine):
    page = open_lesson(open_page, site, lesson, java_script_enabled=False)
    do_lesson(page, lesson, site, terminal, start(page, services, lesson), engine)


@pytest.mark.parametrize("lesson", of_labs(FOLLOWED))
def test_a_lesson_is_done_with_the_commands_of_its_page(
    lesson, site, open_page, terminal, services, engine
):
    page = open_lesson(open_page, site, lesson)
    do_lesson(page, lesson, site, terminal, start(page, services, lesson), engine)


def do_lesson(page, lesson, site, terminal, workspace, engine):
    """Do what is left of a lesson that is started, and finish it."""
    follow(page, lesson, terminal)
    finish(page)
    page.goto(site.url)
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=lesson.title))
    expect(row.locator(".word")).to_have_text("done")
    assert engine.container(workspace.name) is None
    assert traces(engine, {workspace.id}) == nothing()
    if password := workspace.record.values.get("password"):
        assert password not in site.log.read_text()


def expect_advice(page, step, advice):
    verdict = page.locator(f"#verdict-{step.id}")
    told = verdict.locator("dt:text-is('Next') + dd")
    expect(told).to_contain_text(advice.replace("`", ""), timeout=PATIENCE)
    expect(told).not_to_contain_text("`")
    expect(verdict).to_contain_text("Not there yet.")
    expect(verdict.locator("dt:text-is('Found') + dd")).not_to_be_empty()
    expect(page.locator(f"#state-{step.id}")).to_have_text("not there yet")


@pytest.mark.parametrize("wrong", WRONG_WAYS, ids="/".join)
def test_a_mistake_or_near_misses_get_their_advice_on_the_page(wrong, site, page, services, engine):
    lesson = COURSE.lesson_of(wrong[0])
    session = services.session(lesson.lab)
    workspace = session.start(lambda line: None)
    for number, step in enumerate(lesson.lab.steps):
        if step.id in wrong:
            changing = [each for each in step.mistakes if not each.only_an_answer]
            mistakes = changing[:1] or step.mistakes
            answers = [each.make(workspace) or "" for each in mistakes]
            load(page, f"{site.url}/lessons/{lesson.slug}")
            for mistake, answer in zip(mistakes, answers, strict=True):
                check(page, step, answer)
                expect_advice(page, step, workspace.fill(mistake.advice))
            done = int(page.locator("#tally").inner_text().split()[0])
            assert done <= number  # those before it, found done by themselves
        if step.id == wrong[-1]:
            break
        step.solve(workspace)
    assert session.finish({item.id for item in session.resources()}) == []
    assert traces(engine, {workspace.id}) == nothing()


@pytest.mark.parametrize("lesson", of_labs(BESIDE_ANOTHER))
def test_a_registry_of_the_learners_own_is_left_alone(
    lesson, site, open_page, terminal, services, engine, taken, docker
):
    listed = engine.containers()
    theirs = [each for each in listed if each.name == "registry" or each.publishes(5000)]
    names = [f"the container {each.name}" for each in theirs if each.publishes(5000)]
    facts = "{{.Id}} {{json .State}} {{.RestartCount}} {{json .HostConfig.RestartPolicy}}"
    look = ("inspect", "--format", facts, *[each.id for each in theirs])
    seen = docker(*look)
    page = open_lesson(open_page, site, lesson)
    workspace = start(page, services, lesson)
    if any(name in ("registry", "port") for name, _ in lesson.values):
        by = names[0] if names else "another program"
        said = rf"Your registry is localhost:50(?!00)\d\d\. 5000 is taken by {by}"
        expect(page.locator("#main > .notice").first).to_have_text(re.compile(said))
    do_lesson(page, lesson, site, terminal, workspace, engine)
    assert docker(*look) == seen


COPY_ALL = """async () => {
    const found = [];
    for (const block of document.querySelectorAll(".commands")) {
        await navigator.clipboard.writeText("");
        const button = block.querySelector("button");
        button.click();
        while (button.textContent !== "Copied") await new Promise(done => setTimeout(done));
        found.push([block.querySelector("pre").textContent, await navigator.clipboard.readText()]);
    }
    return found;
}"""


# How many pixels a block of commands is too high to be seen on a phone with the current step below
# it, which takes a fifth of the window, and more only for a long advice. Those of hints are folded.
TOO_HIGH = """() => Math.max(...Array.from(document.querySelectorAll(".commands"))
    .filter((block) => !block.closest("details"))
    .map((block) => block.getBoundingClientRect().height)) - 0.8 * innerHeight"""

SPLIT = """() => Array.from(document.querySelectorAll("main .whole"))
    .filter((word) => word.getClientRects().length > 1).map((word) => word.textContent)"""
UNFOLD = "for (const each of document.querySelectorAll('main details')) each.open = true"
SIDEWAYS = """() => Array.from(document.querySelectorAll(".scroll"))
    .filter((table) => table.scrollWidth > table.clientWidth).map((table) => table.innerText)"""


def test_each_block_is_copied_as_it_stands_and_each_lesson_leads_on_to_the_next(site, page):
    load(page, f"{site.url}/lessons/{COURSE.lessons[0].slug}")
    button = page.locator(".commands").first.get_by_role("button")
    button.click()
    expect(button).to_have_text("Copied")
    for lesson, following in zip_longest(COURSE.lessons, COURSE.lessons[1:]):
        page.set_viewport_size(NARROW["viewport"])
        assert page.evaluate(TOO_HIGH) < 0
        page.evaluate(UNFOLD)
        assert page.evaluate(SPLIT) == []
        page.set_viewport_size(WIDE["viewport"])
        assert page.evaluate(SIDEWAYS) == []
        blocks = page.evaluate(COPY_ALL)
        assert len(blocks) >= len(lesson.steps)
        assert all(code and copied == code for code, copied in blocks)
        if following:
            link = page.locator(".following").get_by_role("link", name=following.title, exact=True)
            link.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(following.title)
            page.wait_for_load_state()
    expect(page.locator(".following")).to_have_count(0)
