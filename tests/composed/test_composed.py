"""The course as the README's `docker compose up` starts it: its image, and an engine of its own."""

import json
import os
import signal
import socket
import subprocess

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.test_hour import LESSON, STEPS, run_each_step_from_its_text
from tests.browser.test_terminal import type_line
from tests.fixtures.composed import Composed, find_address
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.foreign_objects import everything
from tests.fixtures.web import free_port

NOBODY = "http://127.0.0.1:1"
NAME = "registry-lab:latest"
MADE = {"containers": 3, "volumes": 3, "networks": 1, "images": 0, "layers": 0}
PATIENCE = 60_000  # milliseconds, for what waits for the engine


@pytest.fixture
def image(engine, machine_network, pytestconfig):
    """The image of the course. A worker's engine reaches no network, so the machine's builds it,
    with what is the same as last time from its cache."""
    worker = hasattr(pytestconfig, "workerinput")
    machine = {**os.environ}
    if worker:
        del machine["DOCKER_HOST"]
    with machine_network():
        words = [ROOT / "script/image"]
        built = subprocess.run(words, env=machine, capture_output=True, text=True)
        assert built.returncode == 0, built.stdout + built.stderr
    if worker:
        saving = ["docker", "save", NAME]
        with subprocess.Popen(saving, env=machine, stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "load", "-q"], stdin=saved.stdout, check=True)
    yield engine.image(NAME)
    if worker:
        engine.remove_image(NAME)


@pytest.fixture
def before(image):
    """What was on the engine before the course was there, and is again when it is gone."""
    return everything()


@pytest.fixture
def composed(tmp_path, engine, before):
    composed = Composed(tmp_path, engine, LESSON.lab.images)
    composed.environment["HTTPS_PROXY"] = NOBODY
    yield composed
    composed.down()
    assert everything() == before


@pytest.fixture
def page(chromium):
    """A page that may complain: the server goes while it is open."""
    how = {"reduced_motion": "reduce", "viewport": {"width": 1440, "height": 900}}
    with chromium.new_context(**how) as context:
        yield context.new_page()


@pytest.mark.long
def test_a_course_beside_an_engine_of_its_own(composed, page, before):
    """One test, so that it is started once."""
    address = composed.up()
    expect_only_its_own(composed, address, added(before))
    page.goto(address)
    do_the_lesson(page, address)
    assert added(before) == MADE
    expect_to_outlive_a_killed_engine(composed, page)
    composed.compose("down", "--timeout", "1")
    page.goto(composed.up())
    page.goto(lesson_at(page.url))
    expect(page.locator("#tally")).to_have_text(f"{len(STEPS)} of {len(STEPS)}")
    expect_the_service_host_to_do_labs_as_the_learner(composed)
    expect_its_parts_to_be_listed()


def added(before):
    return {kind: len(now - before[kind]) for kind, now in everything().items()}


def expect_only_its_own(composed, address, added):
    assert address.startswith(f"http://127.0.0.1:{composed.port}/?token=")
    assert requests.get(address, timeout=20).ok
    assert requests.get(address.partition("?")[0], timeout=20).status_code == 401
    assert added == MADE
    told = composed.run("docker", "exec", composed.container("engine").id, "env")
    assert f"HTTPS_PROXY={NOBODY}" in told.splitlines()
    published = {
        (service, port)
        for service in ("network", "engine", "course")
        for port in composed.run("docker", "port", composed.container(service).id).splitlines()
    }
    assert published == {("network", f"{composed.port}/tcp -> 127.0.0.1:{composed.port}")}


def lesson_at(address):
    return f"{address.partition('?')[0]}lessons/{LESSON.slug}"


def do_the_lesson(page, address):
    """With the page's own commands in the page's terminal."""
    page.goto(lesson_at(address))
    page.get_by_role("button", name="Start lab").click()
    expect(page.get_by_text("The lab is started.")).to_be_visible(timeout=PATIENCE)
    run_each_step_from_its_text(page)


def expect_to_outlive_a_killed_engine(composed, page):
    """It comes back with its images, and the lab is found again."""
    images, killed = composed.images(), composed.container("engine")
    words = ["docker", "inspect", "--format", "{{.State.Pid}}", killed.id]
    os.kill(int(composed.run(*words)), signal.SIGKILL)
    assert eventually(lambda: composed.container("engine").started > killed.started, 30)
    page.get_by_role("button", name="Check all").click()
    state, verdict = (page.locator(f"#{part}-push-the-image") for part in ("state", "verdict"))
    expect(verdict).to_contain_text("docker start registry", timeout=PATIENCE)
    assert composed.images() == images
    page.get_by_label("Terminal input").focus()
    type_line(page, "docker start registry")
    expect(state).to_have_text("passed", timeout=PATIENCE)


def expect_the_service_host_to_do_labs_as_the_learner(composed):
    """On the engine that runs it, as the owner of the folder, and published on one address."""
    owner = 1234  # neither root nor the image's user
    os.chown(composed.folder, owner, owner)
    name, port = f"course{composed.port}-host", free_port()
    composed.compose("run", "-d", "--name", name, "-e", f"LABRUNNER_PORT={port}", "host")
    try:
        said = eventually(lambda: find_address(composed.run("docker", "logs", name)), 60)
        assert said.startswith(f"http://127.0.0.1:{port}/?token="), said
        assert requests.get(said, timeout=20).ok
        with pytest.raises(ConnectionRefusedError):  # another address, though of this machine too
            socket.create_connection(("127.0.0.2", port), timeout=10)
        assert (composed.folder / "instance/secret").stat().st_uid == owner
        user = f"{owner}:{os.stat(composed.socket).st_gid}"
        mounting = "lock-the-door"  # a file of its folder
        composed.run("docker", "exec", "--user", user, name, "script/lab", "run-lab", mounting)
    finally:
        composed.run("docker", "rm", "--force", "--volumes", name)


def expect_its_parts_to_be_listed():
    listed = json.loads((ROOT / "instance/registry-lab.cdx.json").read_text())["components"]
    assert {each["name"] for each in listed} >= {"flask", "docker", "@xterm/xterm", "curl"}
