"""axe-core finds nothing on any page, narrow in dark colours and wide in light ones. What it looks
at is kept as pictures in the folder that LABRUNNER_SHOTS names, if it names one."""

import os
import re

import pytest
from playwright.sync_api import expect

from labrunner.course import loader
from labrunner.workspaces.manager import Workspaces
from tests.browser.test_pages import start
from tests.fixtures.axe import violations
from tests.fixtures.engine import ROOT, close_all, services_of
from tests.fixtures.web import Site, free_port, load, opened_pages

COURSE = loader.load_course(ROOT)
LESSONS = [pytest.param(each, id=each.slug) for each in COURSE.lessons]
SIZES = {"narrow": {"width": 390, "height": 844}, "wide": {"width": 1280, "height": 900}}
# No style depends on size and colours together, so each size is looked at in one of the two.
COLOURS = {"narrow": "dark", "wide": "light"}
PATIENCE = 120_000  # milliseconds, for what waits for the engine
SCREEN = ".xterm-rows"
# A page that was loaded narrow has its pane folded. Other pages must not find it chosen so.
OPEN_PANE = """() => {
    if (document.documentElement.dataset.pane === "folded")
        document.getElementById("pane-fold")?.click();
    localStorage.removeItem("pane");
}"""
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def look_at():
    """Has axe look at a page in each size, once in dark and once in light colours, and takes its
    picture.

    address: load it first. Narrow, its pane is folded; wide it is open. sizes: these only.
    """
    folder = os.environ.get("LABRUNNER_SHOTS")

    def look(page, name, address=None, sizes=tuple(SIZES)):
        found = []
        for size in sizes:
            viewport = SIZES[size]
            page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=COLOURS[size])
            if address and size == sizes[0]:
                load(page, address)
            if size == "wide":
                page.evaluate(OPEN_PANE)
            page.evaluate("for (const each of document.querySelectorAll('details')) each.open = 1")
            if page.locator(SCREEN).count():  # xterm.js draws what can be seen, a frame later
                page.locator(SCREEN).scroll_into_view_if_needed()
                page.evaluate(PAINTED)
            if folder:
                shot = f"{folder}/{name}-{size}.png"
                page.screenshot(path=shot, full_page=True, timeout=PATIENCE)
            found += [f"{name} {size} {each}" for each in violations(page)]
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert found == []

    return look


@pytest.fixture
def visit(chromium):
    """Opens a page in a context of its own, which may have complaints in its console: a browser
    writes each refusal there."""
    contexts = []

    def open(address):
        contexts.append(chromium.new_context(viewport=SIZES["narrow"]))
        page = contexts[-1].new_page()
        page.goto(address)
        return page

    yield open
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory, engine):
    """The services of the server of the real course, in this process."""
    instance = tmp_path_factory.mktemp("course") / "instance"
    workspaces = Workspaces(instance / "workspaces", engine, COURSE.labs)
    yield services_of(COURSE, instance, workspaces)
    close_all(workspaces)


@pytest.fixture(scope="module")
def course(services):
    site = Site(ROOT, services.progress.path.parent, free_port())
    yield site
    site.stop()


@pytest.fixture(scope="module")
def course_page(course, chromium):
    """A page for all tests that only read the real course."""
    with opened_pages(chromium) as open_page:
        yield open_page(course, "/")


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_before_its_start(course, lesson, course_page, look_at):
    """The lessons take turns: all are made of the same parts, which others see in both sizes."""
    name = f"lesson-{lesson.slug}-before-its-start"
    size = list(SIZES)[lesson.number % 2]
    look_at(course_page, name, f"{course.url}/lessons/{lesson.slug}", [size])


def look_at_verdicts(lesson, course, services, open_page, look_at):
    """Start its lab, pass one step, fail the others and look at the lesson; return its page."""
    workspace = services.session(lesson.lab).start(lambda line: None)
    first = lesson.lab.steps[0]
    answer = first.solve(workspace) or ""
    page = open_page(course, f"/lessons/{lesson.slug}")
    section = page.locator(f"section[aria-labelledby={first.id}]")
    if first.takes_answer:
        section.get_by_label("Your answer").fill(answer)
    section.get_by_role("button", name="Check my work").click()
    expect(page.locator(f"#state-{first.id}")).to_have_text("passed", timeout=PATIENCE)
    page.get_by_role("button", name="Check all").click()
    last = page.locator(f"#verdict-{lesson.lab.steps[-1].id}")
    expect(last).to_contain_text("Not there yet.", timeout=PATIENCE)
    look_at(page, f"lesson-{lesson.slug}", f"{course.url}/lessons/{lesson.slug}")
    return page


def finish(lesson, services):
    session = services.session(lesson.lab)
    assert session.finish({item.id for item in session.resources()}) == []


def test_a_lesson_with_answers_with_one_step_passed_and_the_others_failed(
    course, services, open_page, look_at
):
    lesson = COURSE.lesson("inside-a-registry")
    look_at_verdicts(lesson, course, services, open_page, look_at)
    finish(lesson, services)


@pytest.mark.long
def test_a_lesson_without_answers_likewise_then_with_its_terminal_open_and_its_registry_filled(
    course, services, open_page, look_at
):
    lesson = COURSE.lesson("push-and-pull")
    page = look_at_verdicts(lesson, course, services, open_page, look_at)
    second = lesson.lab.steps[1]
    assert second.solve
    second.solve(services.session(lesson.lab).workspace)
    page.get_by_role("button", name="Open terminal").click()
    expect(page.get_by_label("Terminal input")).to_be_focused(timeout=PATIENCE)
    expect(page.locator(SCREEN)).to_contain_text(re.compile("[$#]"), timeout=PATIENCE)
    page.keyboard.type("ls --color=always /\n")
    expect(page.locator(SCREEN)).to_contain_text("etc", timeout=PATIENCE)
    shown = page.locator("#picture svg").filter(visible=True)
    expect(shown.first).to_contain_text("latest", timeout=PATIENCE)
    look_at(page, "terminal-and-registry")
    expect(page.locator(SCREEN)).to_be_visible()
    finish(lesson, services)


@pytest.mark.long
def test_the_course_and_the_tools(course, course_page, look_at):
    page = course_page
    for name, path in {
        "course": "/",
        "names": "/names",
        "names-digest": f"/names?name=localhost:5000/team/app:1@sha256:{'3f1c' * 16}",
        "names-refused": "/names?name=localhost:5000/My-Image",
    }.items():
        look_at(page, name, course.url + path)
    page.goto(f"{course.url}/decode")
    page.get_by_label("What your terminal says").fill(
        "The push refers to repository [localhost:5000/apps/x]\nno basic auth credentials\n"
        "http: server gave HTTP response to HTTPS client\ndenied: requested access"
    )
    page.get_by_role("button", name="Explain it").click()
    page.locator("#decoded .finding").first.wait_for()
    look_at(page, "decode")


def test_the_list_of_keys(shared_site, open_page, look_at):
    page = open_page(shared_site, "/lessons/tiny")
    page.get_by_role("button", name="Keys").click()
    look_at(page, "keys")


def test_a_start_that_runs(site, open_page, look_at):
    slow = site.root / "labs/tiny/slow"
    os.mkfifo(slow)  # whoever reads it waits until something is written
    page = open_page(site, "/lessons/tiny")
    page.get_by_role("button", name="Start lab").click()
    page.get_by_text("Starting the lab.").first.wait_for()
    look_at(page, "starting", f"{site.url}/lessons/tiny")
    page.goto(f"{site.url}/lessons/tiny/start")
    look_at(page, "starting-without-javascript")
    page.goto(f"{site.url}/lessons/tiny")
    slow.write_text("0")
    page.get_by_text("The lab is started.").wait_for(timeout=PATIENCE)


def test_a_step_that_is_being_done(tiny, serve, open_page, look_at):
    wait = tiny / "labs/tiny/wait"
    os.mkfifo(wait)
    lab = tiny / "labs/tiny/lab.py"
    solution = 'def _(workspace):\n    workspace.create_volume(workspace["word"])'
    slow = solution.replace("\n", '\n    (workspace.lab.folder / "wait").read_text()\n')
    assert solution in lab.read_text()
    lab.write_text(lab.read_text().replace(solution, slow))
    site = serve()
    page = open_page(site, "/lessons/tiny")
    start(page)
    page.get_by_role("button", name="Do it for me").first.click()
    page.get_by_text("This step is being done for you.").first.wait_for(timeout=PATIENCE)
    look_at(page, "solving")
    page.goto(f"{site.url}/lessons/tiny/steps/make-a-volume/solve")
    look_at(page, "solving-without-javascript")
    page.goto(f"{site.url}/lessons/tiny")
    wait.write_text("")
    expect(page.locator("#state-make-a-volume")).to_have_text("done for you", timeout=PATIENCE)


def test_what_belongs_to_a_lab(started_site, open_page, look_at):
    page = open_page(started_site, "/lessons/tiny")
    page.get_by_role("button", name="Check all").click()
    page.get_by_text("Not there yet.").first.wait_for()
    for name, path in {
        "registry": "/lessons/tiny/registry",
        "reset": "/lessons/tiny/reset",
        "back": "/lessons/tiny/steps/say-it/back",
        "finish": "/lessons/tiny/finish",
        "report-of-a-lab": "/lessons/tiny/report",
        "report": "/report",
    }.items():
        assert page.request.get(started_site.url + path).ok, path
        look_at(page, name, started_site.url + path)


def test_what_went_wrong(serve, tiny, visit, look_at):
    (tiny / "lessons/03-bad.md").write_text("---\n")
    (tiny / "labs/tiny/full").write_text("")
    site = serve()
    page = visit(f"{site.url}/lessons/tiny")
    look_at(page, "login")
    page.goto(f"{site.url}/?token=wrong")
    look_at(page, "login-refused")
    page.goto(f"{site.url}/?token={site.token}")
    look_at(page, "course-with-problems")
    for name, path in {
        "not-found": "/no",
        "not-started": "/lessons/tiny/finish",
        "lesson-refused": "/lessons/bad",
    }.items():
        look_at(page, name, site.url + path)
    page.goto(f"{site.url}/lessons/tiny")
    page.get_by_role("button", name="Start lab").click()
    page.get_by_text("could not be started").first.wait_for()
    look_at(page, "start-failed", f"{site.url}/lessons/tiny")


def test_a_lesson_without_an_engine(serve, visit, look_at):
    site = serve(DOCKER_HOST="unix:///nonexistent/docker.sock")
    page = visit(f"{site.url}/lessons/tiny?token={site.token}")
    look_at(page, "no-engine")
