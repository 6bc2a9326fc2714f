"""Pages where something is missing, broken or out of reach: the engine, a file, the progress."""

import os
import re
import socket
import subprocess
import sys

import pytest

from app import create_app
from tests.fixtures.engine import ROOT, UNSUITABLE, eventually, response, standing_in
from tests.fixtures.pages import CHECK_VOLUME, failed, text
from tests.fixtures.web import HERE, HTMX, JSON, LESSON


@pytest.mark.skipif(not os.path.exists("/sys"), reason="only Linux has a folder that nobody fills")
def test_a_server_whose_instance_cannot_be_written_ends_with_a_sentence():
    given = "instance='/sys/registry-lab'"
    ended = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", f"app:create_app({given})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = ended.stdout + ended.stderr
    assert "Nothing can be written to `/sys/registry-lab`: " in said
    assert "Traceback" not in said and ended.returncode == 3


def test_without_an_engine_the_lessons_can_be_read_and_say_what_to_do(serve):
    site = serve(DOCKER_HOST="unix:///nonexistent/docker.sock")
    visitor = site.visitor()
    for path in ("/", "/lessons/tiny"):
        said = text(visitor.get(path))
        assert "No engine answers at unix:///nonexistent/docker.sock. Start it:" in said
    assert "docker volume create <word>" in said
    visitor.submit("/lessons/tiny/start")
    assert "No engine answers" in eventually(lambda: failed(visitor))


def test_without_the_docker_context_that_is_chosen_the_pages_say_so(serve):
    visitor = serve(DOCKER_HOST="", DOCKER_CONTEXT="gone").visitor()
    said = text(visitor.get("/lessons/tiny"))
    assert "The Docker context gone, which DOCKER_CONTEXT names, does not exist." in said


def test_a_lab_is_not_started_on_an_engine_that_the_course_cannot_use(serve, tmp_path):
    answers, why = UNSUITABLE["Podman"]
    with standing_in(tmp_path / "podman.sock", answers) as address:
        visitor = serve(DOCKER_HOST=address).visitor()
        visitor.submit("/lessons/tiny/start")
        assert why in eventually(lambda: failed(visitor))


def test_an_engine_that_hangs_does_not_hold_up_a_page(serve, tmp_path):
    path = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen(50)
        visitor = serve(DOCKER_HOST=f"unix://{path}").visitor()
        for page in ("/", "/lessons/tiny"):
            assert "did not answer within 1 second" in text(visitor.get(page))


@pytest.mark.parametrize(
    "body", ["null", "{}", "[{}]", '"text"', "[" * 100_000], ids=lambda body: body[:10]
)
def test_an_engine_that_answers_in_another_form_breaks_no_page(tiny, instance, fake, body):
    values = {"slug": "tiny", "step_id": "say-it", "filename": "css/page.css", "id": "x"}
    with fake(response(body)):
        app = create_app(tiny, instance, 8000, "x")
        browser = app.test_client()
        browser.get("/?token=x", base_url=HERE)
        for rule in app.url_map.iter_rules():
            if "GET" in rule.methods:
                path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], rule.rule)
                answer = browser.get(path, base_url=HERE)
                assert answer.status_code != 500, path
                if path in ("/", "/lessons/tiny"):
                    assert "but not like a Docker Engine" in answer.text


def test_an_engine_that_went_away_makes_a_verdict_unknown(serve, instance):
    site = serve()
    site.visitor().start()
    site.stop()
    second = serve(port=site.port, DOCKER_HOST="unix:///nonexistent/docker.sock", token="second")
    visitor = second.visitor()
    visitor.submit(CHECK_VOLUME)
    said = text(visitor.get("/lessons/tiny"))
    assert "Could not be checked. This does not count against you. Found No engine answers" in said
    assert "0 of 2 done" in said
    assert visitor.get("/lessons/tiny/finish").status_code == 503


def test_a_broken_file_is_named_and_the_other_lessons_are_served(serve, tiny):
    (tiny / "labs/bad").mkdir()
    (tiny / "labs/bad/lab.py").write_text("lab = \n")
    (tiny / "lessons/03-bad.md").write_text(LESSON.replace("lab: tiny", "lab: bad"))
    visitor = serve().visitor()
    said = text(visitor.get("/"))
    assert "labs/bad/lab.py, line 1: Python cannot read this" in said
    assert "A tiny lesson" in said
    refused = visitor.get("/lessons/bad")
    assert refused.status_code == 404
    assert "This lesson cannot be shown" in refused.text
    assert "labs/bad/lab.py, line 1" in text(refused)
    assert visitor.get("/lessons/tiny").ok


def test_a_record_that_is_cut_short_is_named_on_the_course_page(tiny, instance):
    record = instance / "workspaces" / "0a1b2c3d" / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"id": "0a1b2c3d", "la')
    browser = create_app(tiny, instance, 8000, "x").test_client()
    browser.get("/?token=x", base_url=HERE)
    said = browser.get("/", base_url=HERE).text
    assert f"<code>{record}</code> cannot be read" in said and "script/lab doctor" in said


def test_a_damaged_progress_file_is_told_and_checks_still_work(site):
    visitor = site.visitor()
    visitor.start()
    (site.instance / "progress.db").write_bytes(b"no database" * 1000)
    for path in ("/", "/lessons/tiny"):
        said = text(visitor.get(path))
        assert said.count("cannot be read or written") == 1
        assert "Move the file away to start a new one" in said
        assert " left" not in said and "Start with" not in said
    answer = visitor.submit(CHECK_VOLUME, allow_redirects=False)
    assert answer.status_code == 200 and "Not there yet. Expected A volume" in text(answer)
    assert "Not there yet" in visitor.submit(CHECK_VOLUME, headers=HTMX).text
    assert visitor.submit("/lessons/tiny/check", headers=JSON).json()["status"] == "failed"
    assert (site.instance / "progress.db").read_bytes().startswith(b"no database")
