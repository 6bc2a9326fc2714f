"""The pages over HTTP, without JavaScript: lessons, starting, checking, finishing, and faults."""

import html
import os
import re
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from app import create_app
from labrunner.file_lock import FileLock
from labrunner.session.services import get_services
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import (
    ROOT,
    UNSUITABLE,
    close_all,
    eventually,
    response,
    standing_in,
)
from tests.fixtures.web import HTMX, JSON, LESSON

HERE = "http://127.0.0.1:8000"
CHECK_VOLUME = "/lessons/tiny/steps/make-a-volume/check"
CHECK_WORD = "/lessons/tiny/steps/say-it/check"


def text(answer: requests.Response) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub("<[^>]+>", "", answer.text)).split())


def word(visitor) -> str:
    found = re.search(r"word-\w+", text(visitor.get("/lessons/tiny")))
    assert found
    return found[0]


def port_of(visitor) -> str:
    found = re.search(r"Your registry is localhost:(\d+)", text(visitor.get("/lessons/tiny")))
    assert found
    return found[1]


def open_workspaces(site) -> list[str]:
    return [path.parent.name for path in site.instance.glob("workspaces/*/record.json")]


def test_the_course_page_lists_the_lessons_with_a_word_for_progress(site):
    said = text(site.visitor().get("/"))
    assert "A tiny lesson 2 steps, about 5 minutes not started" in said
    assert "Start with lesson 1 About 5 minutes left" in said
    assert "Only to read to read" in said


def test_a_lesson_can_be_read_before_its_lab_is_started(site):
    visitor = site.visitor()
    answer = visitor.get("/lessons/tiny")
    assert "Your registry will be localhost:50" in text(answer)
    assert "docker volume create <word>" in text(answer)
    assert "Goal There is a volume <word>." in text(answer)
    assert "Start lab" in answer.text and "Check my work</button>" not in answer.text
    reading = visitor.get("/lessons/reading")
    assert "Text with a | table." in text(reading) and "Start lab" not in reading.text


def test_a_lab_is_started_checked_and_finished_without_javascript(site, engine):
    visitor = site.visitor()
    visitor.start()
    page = visitor.get("/lessons/tiny")
    assert re.search(r"Your registry is localhost:\d+\.", text(page))
    assert "0 of 2 done" in text(page) and "Start lab<" not in page.text

    answer = visitor.submit(CHECK_VOLUME, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/lessons/tiny#make-a-volume"
    said = text(visitor.get("/lessons/tiny"))
    name = word(visitor)
    assert "Make a volume not there yet" in said
    assert f"Not there yet. Expected A volume {name}. Found There is <i>none</i>." in said
    assert f"Next Run docker volume create {name}." in said

    subprocess.run(["docker", "volume", "create", name], check=True, capture_output=True)
    try:
        visitor.submit(CHECK_VOLUME)
        said = text(visitor.get("/lessons/tiny"))
        assert re.search(rf"Passed at \d\d:\d\d\. {name} is there\.", said)
        assert "1 of 2 done" in said
        said = text(visitor.get("/"))
        assert "A tiny lesson 2 steps, about 3 minutes left 1 of 2" in said
        assert "Continue: lesson 1, Say it About 5 minutes left" in said
    finally:
        subprocess.run(["docker", "volume", "rm", name], check=True, capture_output=True)
    visitor.submit("/lessons/tiny/check")
    said = text(visitor.get("/lessons/tiny"))
    assert "Make a volume no longer passes" in said
    assert re.search(r"Passed at \d\d:\d\d, but no longer passes\. Expected", said)

    visitor.submit(CHECK_WORD, {"answer": name})
    said = text(visitor.get("/lessons/tiny"))
    assert f"The word is {name}. An earlier step is still open: Make a volume." in said

    (workspace,) = open_workspaces(site)
    asked = visitor.get("/lessons/tiny/finish")
    assert "Untick what you want to keep" in asked.text or "nothing to remove" in asked.text
    done = visitor.submit("/lessons/tiny/finish", allow_redirects=False)
    assert (done.status_code, done.headers["Location"]) == (303, "/lessons/tiny#lab")
    assert open_workspaces(site) == []
    assert engine.containers(label=f"{WORKSPACE}={workspace}") == []
    assert "Start lab" in visitor.get("/lessons/tiny").text


def test_finishing_lists_what_goes_with_the_reason_and_removes_only_what_is_ticked(
    visitor, engine, docker
):
    port = f"{port_of(visitor)}:5000"
    ours = docker("run", "-d", "-p", port, "registry:2")
    doubtful = [docker("create", "-p", port, "registry:2") for _ in range(2)]
    names = {each: engine.container(each).name for each in (ours, *doubtful)}
    asked = visitor.get("/lessons/tiny/finish")
    assert f'value="{ours}" checked' in asked.text
    assert f"container {names[ours]} it is on your registry's port" in text(asked)
    assert "These may not be the lab's, so they stay." in text(asked)
    for each in doubtful:
        assert f'value="{each}">' in asked.text
        why = "it asks for your registry's port, but never had it"
        assert f"container {names[each]} {why}" in text(asked)
    listed = visitor.get("/lessons/tiny/finish", headers=JSON).json()["belongings"]
    assert {each["id"]: each["certain"] for each in listed}.items() >= {
        (ours, True),
        *((each, False) for each in doubtful),
    }
    assert visitor.submit("/lessons/tiny/finish", {"item": [doubtful[0]]}).ok
    assert engine.container(doubtful[0]) is None
    assert engine.container(doubtful[1]) and engine.container(ours)


def test_what_cannot_be_removed_is_listed_and_the_lab_stays_open(
    started_site, visitor, docker, unique
):
    port = port_of(visitor)
    docker("create", "-p", f"{port}:5000", "-v", f"{unique}:/x", "--name", unique, "registry:2")
    visitor.submit("/lessons/tiny/check")
    answer = visitor.submit("/lessons/tiny/finish", {"item": [unique]})  # a volume in use
    assert answer.status_code == 409
    assert f"The volume {unique}:" in text(answer) and "volume is in use" in text(answer)
    assert len(open_workspaces(started_site)) == 1
    docker("rm", "-v", unique)
    docker("volume", "rm", unique)


def test_the_same_addresses_speak_json(visitor):
    answer = visitor.submit(CHECK_VOLUME, headers=JSON)
    assert answer.headers["Content-Type"] == "application/json"
    step = answer.json()
    assert step.pop("seconds") < 5
    name = word(visitor)
    assert step == {
        "step": "make-a-volume",
        "status": "failed",
        "expected": f"A volume `{name}`.",
        "found": "There is <i>none</i>.",
        "next": f"Run `docker volume create {name}`.",
    }
    lab = visitor.submit("/lessons/tiny/check", headers=JSON).json()
    assert (lab["lab"], lab["status"]) == ("tiny", "failed")
    assert [each["status"] for each in lab["steps"]] == ["failed", "failed"]
    assert lab["steps"][1]["found"] == "There is no answer yet."
    right = visitor.submit(CHECK_WORD, {"answer": f" {name} "}, headers=JSON).json()
    assert (right["status"], right["found"]) == ("passed", f"The word is `{name}`.")
    lab = visitor.submit("/lessons/tiny/check", headers=JSON).json()
    assert [each["status"] for each in lab["steps"]] == ["failed", "passed"]
    assert visitor.get("/lessons/no", headers=JSON).json()["error"]
    items = visitor.get("/lessons/tiny/finish", headers=JSON).json()["belongings"]
    assert visitor.submit("/lessons/tiny/finish", headers=JSON).json() == {"left": []}, items


def test_htmx_gets_what_changes_and_nothing_else(visitor):
    answer = visitor.submit(CHECK_VOLUME, headers=HTMX)
    ids = re.findall(r'id="([^"]+)" hx-swap-oob', answer.text)
    assert ids == [
        *("verdict-make-a-volume", "state-make-a-volume", "tick-make-a-volume"),
        *("current-title", "current-said", "tally", "besides", "word", "all-said", "announce"),
    ]
    assert "Make a volume: not there yet." in text(answer) and "<html" not in answer.text
    answer = visitor.post(CHECK_VOLUME, headers=HTMX)
    assert answer.status_code == 400 and "Reload the page" in answer.text
    assert "<html" not in answer.text


def test_a_request_reads_each_record_once_and_opens_sqlite_twice(tiny, instance, engine, reads):
    app = create_app(tiny, instance, 8000, "x")
    services = get_services(app)
    browser = app.test_client()

    def ask(path, **options):
        return browser.open(path, base_url="http://127.0.0.1:8000", **options).text

    services.session(services.course.labs["tiny"]).start(lambda line: None)
    try:
        ask("/?token=x")
        sent = {"csrf_token": re.search(r'"csrf_token" value="([^"]+)"', ask("/lessons/tiny"))[1]}
        for path, options, opened in (
            (CHECK_VOLUME, {"headers": HTMX}, 2),
            (CHECK_VOLUME, {"headers": JSON}, 2),
            (CHECK_WORD, {"headers": HTMX, "data": {**sent, "answer": "no"}}, 2),
            ("/lessons/tiny/steps/say-it/skip", {"headers": HTMX}, 2),
            ("/lessons/tiny", {"method": "GET"}, 1),
            ("/", {"method": "GET"}, 1),
            ("/report", {"method": "GET"}, 1),
        ):
            reads.clear()
            ask(path, **{"method": "POST", "data": sent, **options})
            assert reads.pop("sqlite") == opened, path
            assert set(reads.values()) <= {1}, path
    finally:
        close_all(services.workspaces)


def test_an_answer_is_shown_as_written_and_never_as_markup(visitor):
    evil = "`<img src=x onerror=alert(1)>` <script>alert(2)</script> {{ registry }} \u202e%s"
    for headers in ({}, HTMX):
        answer = visitor.submit(CHECK_WORD, {"answer": evil}, headers=headers)
        assert "<img src=x" not in answer.text and "<script>alert" not in answer.text
        assert evil.replace("`", "").replace("\u202e", "") in text(answer)


def test_any_answer_gets_a_verdict_or_a_refusal(visitor):
    for answer in ("", " ", "--help", "\0\x1b[31m", "\u202e", "é" * 5_000, "a\r\nb", "%%{x}{0}"):
        got = visitor.submit(CHECK_WORD, {"answer": answer}, headers=JSON)
        assert got.status_code == 200 and got.json()["status"] == "failed", answer[:10]


def test_nothing_can_be_checked_or_finished_before_the_start(shared_site):
    visitor = shared_site.visitor()
    for path, fields in (
        (CHECK_VOLUME, {}),
        (CHECK_WORD, {"answer": "x"}),
        ("/lessons/tiny/check", {}),
        ("/lessons/tiny/finish", {}),
    ):
        answer = visitor.submit(path, fields)
        assert answer.status_code == 409 and "Start the lab first" in answer.text
        assert "Start the lab first" in visitor.submit(path, fields, headers=JSON).json()["error"]
    assert visitor.get("/lessons/tiny/finish").status_code == 409


# Starting goes on beside the request


def test_no_page_waits_while_a_lab_starts(site):
    slow = site.root / "labs/tiny/slow"
    os.mkfifo(slow)  # whoever reads it waits until something is written
    visitor = site.visitor()
    answer = visitor.submit("/lessons/tiny/start", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/lessons/tiny/start")
    waiting = visitor.get("/lessons/tiny/start")
    assert '<meta http-equiv="refresh" content="1">' in waiting.text
    assert "Starting the lab." in text(waiting)
    for path in ("/", "/lessons/reading", "/lessons/tiny"):
        assert visitor.get(path).ok
    assert "Starting the lab." in text(visitor.get("/lessons/tiny"))
    slow.write_text("0")
    assert eventually(lambda: "Check my work" in visitor.get("/lessons/tiny/start").text)


def test_two_starts_at_once_are_one(site, engine):
    (site.root / "labs/tiny/slow").write_text("1")
    visitors = [site.visitor() for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda each: each.submit("/lessons/tiny/start"), visitors))
    assert all(answer.ok for answer in answers)
    visitors[0].start()
    assert len(open_workspaces(site)) == 1


def test_a_start_in_another_process_is_told_and_not_doubled(site):
    visitor = site.visitor()
    with FileLock(site.instance / "workspaces" / "tiny.lock"):
        visitor.submit("/lessons/tiny/start")
        page = eventually(lambda: failed(visitor))
    assert "Something else is being done in this lab, here or in another window" in page
    visitor.start()


def failed(visitor) -> str:
    said = text(visitor.get("/lessons/tiny/start"))
    return said if "could not be started" in said else ""


def test_a_start_that_fails_says_why_leaves_nothing_and_can_be_tried_again(site):
    (site.root / "labs/tiny/full").write_text("")
    visitor = site.visitor()
    visitor.submit("/lessons/tiny/start")
    page = eventually(lambda: failed(visitor))
    assert "Found The disk is full of <b>." in page and "Next Make room." in page
    assert "could not be started" in text(visitor.get("/lessons/tiny"))
    assert open_workspaces(site) == []
    (site.root / "labs/tiny/full").unlink()
    visitor.start()


def test_json_of_the_start_says_how_the_lab_stands_now(site):
    visitor = site.visitor()
    visitor.start()
    assert visitor.submit("/lessons/tiny/finish").ok
    assert visitor.get("/lessons/tiny/start", headers=JSON).json() == {"status": "not started"}


# Faults


def test_a_verdict_that_cannot_be_kept_is_shown_where_there_is_no_javascript(started_site, visitor):
    csrf = visitor.csrf
    with closing(sqlite3.connect(started_site.instance / "progress.db")) as other:
        other.execute("begin immediate")  # it can be read meanwhile, as on a full disk
        said = text(visitor.post(CHECK_VOLUME, data={"csrf_token": csrf}))
    assert "Not there yet." in said and "There is <i>none</i>." in said
    assert "Not there yet." not in text(visitor.get("/lessons/tiny"))


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


AS_BROWSERS_DO = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def test_a_page_is_small(shared_site):
    visitor = shared_site.visitor()
    visitor.get("/lessons/tiny")
    answer = visitor.get("/lessons/tiny", headers=AS_BROWSERS_DO)
    assert answer.headers["Content-Encoding"] in ("br", "zstd")
    weight = int(answer.headers["Content-Length"])
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text):
        part = visitor.get(path, headers=AS_BROWSERS_DO, stream=True)
        weight += len(part.raw.read(decode_content=False))
    assert (
        visitor.get("/", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    )
    assert weight < 40_000
