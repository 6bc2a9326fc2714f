"""Checking a step or a lab over HTTP, without JavaScript, as JSON and for htmx."""

import re
import sqlite3
import subprocess
from contextlib import closing

from app import create_app
from labrunner.session.services import get_services
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import close_all
from tests.fixtures.pages import CHECK_VOLUME, CHECK_WORD, open_workspaces, text, word
from tests.fixtures.web import HTMX, JSON


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


def test_a_wrong_answer_after_the_step_has_passed_is_said_to_be_wrong(visitor):
    visitor.submit(CHECK_WORD, {"answer": word(visitor)})
    said = r"Passed at \d\d:\d\d\. The step stays as it is, but this answer would not pass now: You"
    for headers in ({}, HTMX):
        answer = visitor.submit(CHECK_WORD, {"answer": "no"}, headers=headers)
        assert re.search(f"{said} said no", text(answer)), headers
    assert "Say it: passed. The step stays as it is" in text(answer)  # aloud, too
    assert re.search(r"Passed at \d\d:\d\d\. The word is", text(visitor.get("/lessons/tiny")))


def test_a_verdict_that_cannot_be_kept_is_shown_where_there_is_no_javascript(started_site, visitor):
    csrf = visitor.csrf
    with closing(sqlite3.connect(started_site.instance / "progress.db")) as other:
        other.execute("begin immediate")  # it can be read meanwhile, as on a full disk
        said = text(visitor.post(CHECK_VOLUME, data={"csrf_token": csrf}))
    assert "Not there yet." in said and "There is <i>none</i>." in said
    assert "Not there yet." not in text(visitor.get("/lessons/tiny"))
