"""Starting a lab, which goes on beside the request."""

import os
from concurrent.futures import ThreadPoolExecutor

from labrunner.file_lock import FileLock
from tests.fixtures.engine import eventually
from tests.fixtures.pages import failed, open_workspaces, text
from tests.fixtures.web import JSON


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
