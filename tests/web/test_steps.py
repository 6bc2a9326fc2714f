"""The learner's own way over HTTP, without JavaScript: skip, do it for me, reset, go back; and what
is there again after everything was switched off."""

import html
import json
import os
import re

import pytest

from labrunner.progress.store import Progress
from tests.fixtures.engine import eventually
from tests.fixtures.web import HTMX, JSON

STEP = "/lessons/tiny/steps/make-a-volume"
SAY = "/lessons/tiny/steps/say-it"


def text(answer) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub("<[^>]+>", "", answer.text)).split())


def word(visitor) -> str:
    return re.search(r"word-\w+", text(visitor.get("/lessons/tiny")))[0]


def stored(site):
    """All progress, as it is on disk."""
    return Progress(site.instance / "progress.db").load()


def progress(site):
    return stored(site).steps.get("tiny", {})


def settled(visitor, path) -> dict:
    """What a step has come to, once it is not being done any more."""

    def answer():
        found = visitor.get(f"{path}/solve", headers=JSON).json()
        return found if found["status"] != "solving" else None

    return eventually(answer)


def started(visitor) -> bool:
    return visitor.get("/lessons/tiny/start", headers=JSON).json()["status"] == "started"


def items(visitor, path) -> list[str]:
    return re.findall(r'name="item" value="([^"]+)"', visitor.get(path).text)


def test_a_step_is_skipped_and_can_still_be_done(started_site, visitor, docker):
    answer = visitor.submit(f"{STEP}/skip", allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/lessons/tiny#make-a-volume"
    page = visitor.get("/lessons/tiny")
    assert re.search(
        r"Skipped at \d\d:\d\d\. You can still do it; the next step needs it\.", text(page)
    )
    assert "Make a volume skipped" in text(page)
    assert "0 of 2 done, 1 skipped" in text(page)
    visitor.submit(f"{SAY}/skip")
    assert re.search(
        r"Skipped at \d\d:\d\d\. You can still do it\. ",
        text(visitor.get(page.url[len(started_site.url) :])),
    )
    docker("volume", "create", word(visitor))
    visitor.submit(f"{STEP}/check")
    assert re.search(r"Passed at \d\d:\d\d\.", text(visitor.get("/lessons/tiny")))
    assert "1 of 2 done, 1 skipped" in text(visitor.get("/lessons/tiny"))
    assert visitor.submit(f"{STEP}/skip", headers=JSON).json() == {
        "step": "make-a-volume",
        "status": "passed",
    }


def test_a_step_is_done_for_the_learner_and_shown_with_its_commands(started_site, visitor, engine):
    name = word(visitor)
    answer = visitor.submit(f"{STEP}/solve", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{STEP}/solve")
    assert settled(visitor, STEP) == {"step": "make-a-volume", "status": "solved"}
    assert engine.volume(name)
    answer = visitor.get(f"{STEP}/solve", allow_redirects=False)
    assert answer.headers["Location"] == "/lessons/tiny#make-a-volume"
    page = visitor.get("/lessons/tiny")
    assert re.search(
        rf"Done for you at \d\d:\d\d. These commands do the same: docker volume create {name} "
        rf"docker volume inspect {name}-x {name} is there\. Reset to try it yourself\.",
        text(page),
    )
    assert f'href="{STEP}/back"' in page.text
    assert "0 of 2 done, 1 for you" in text(page)
    visitor.submit(f"{STEP}/check")
    assert progress(started_site)["make-a-volume"].state == "solved"

    visitor.submit(f"{SAY}/solve")
    assert settled(visitor, SAY)["status"] == "solved"
    assert "done, 2 for you" in text(visitor.get("/"))


def test_a_page_waits_for_a_solution_beside_the_request(serve, tiny):
    source = tiny / "labs/tiny/lab.py"
    make = '    workspace.create_volume(workspace["word"])\n'
    wait = tiny / "labs/tiny/wait"
    os.mkfifo(wait)  # whoever reads it waits until something is written
    slow = f'    (workspace.lab.folder / "wait").read_text()\n{make}'
    source.write_text(source.read_text().replace(make, slow, 1))
    site = serve()
    visitor = site.visitor()
    visitor.start()
    answer = visitor.submit(f"{STEP}/solve")
    assert '<meta http-equiv="refresh" content="1">' in answer.text
    assert "This step is being done for you." in text(answer)
    for path in ("/", "/lessons/tiny", "/lessons/reading"):
        assert visitor.get(path).ok
    fragment = visitor.submit(f"{STEP}/solve", headers=HTMX)
    assert "This step is being done for you." in fragment.text and "<html" not in fragment.text
    assert visitor.get(f"{STEP}/solve", headers=HTMX).status_code == 204
    with wait.open("w") as line:  # which waits until the solution reads
        assert visitor.submit("/lessons/tiny/finish").status_code == 409
        line.write("on")
    assert settled(visitor, STEP)["status"] == "solved"
    fragment = visitor.get(f"{STEP}/solve", headers=HTMX)
    assert 'id="verdict-make-a-volume" hx-swap-oob' in fragment.text
    assert "Make a volume: done for you." in text(fragment)


def test_a_solution_that_fails_says_what_to_do(visitor, docker):
    docker("volume", "create", word(visitor))  # in the way
    visitor.submit(f"{STEP}/solve")
    assert settled(visitor, STEP)["status"] == "unknown"
    said = text(visitor.get("/lessons/tiny"))
    assert "Found This step could not be done for you: " in said
    assert "Or go back to this step: the lab then starts again" in said
    assert "0 of 2 done" in said and "for you at" not in said


def test_a_lab_is_reset_after_the_learner_has_seen_what_goes(started_site, visitor, engine, docker):
    name = word(visitor)
    port = re.search(r"Your registry is localhost:(\d+)", text(visitor.get("/lessons/tiny")))[1]
    goes = docker("create", "-p", f"{port}:5000", "busybox:stable")
    stays = docker("create", "-p", f"{port}:5000", "busybox:stable")
    visitor.submit(f"{STEP}/solve")
    settled(visitor, STEP)
    page = visitor.get("/lessons/tiny/reset")
    assert "These will be removed." in text(page)
    assert "your progress in it is reset" in text(page)
    asked = items(visitor, "/lessons/tiny/reset")
    assert {goes, stays, name} <= set(asked)
    answer = visitor.submit(
        "/lessons/tiny/reset",
        {"item": [each for each in asked if each != stays]},
        allow_redirects=False,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/lessons/tiny/start")
    assert eventually(lambda: started(visitor))
    assert engine.container(goes) is None and engine.volume(name) is None
    assert engine.container(stays)
    assert word(visitor) != name
    assert progress(started_site) == {}
    assert "solved" in [
        event.kind
        for event in Progress(started_site.instance / "progress.db").load_archive().events
    ]
    assert "0 of 2 done" in text(visitor.get("/lessons/tiny"))


def test_one_goes_back_to_a_step_with_those_before_it_done_for_one(
    started_site, visitor, engine, docker
):
    name = word(visitor)
    docker("volume", "create", name)
    visitor.submit(f"{STEP}/check")
    visitor.submit("/lessons/tiny/steps/say-it/check", {"answer": name})
    assert "2 of 2 done" in text(visitor.get("/lessons/tiny"))
    page = visitor.get(f"{SAY}/back")
    assert "Go back to “Say it”" in text(page)
    assert "The steps before this one are done for you, and recorded as such." in text(page)
    visitor.submit(f"{SAY}/back", {"item": items(visitor, f"{SAY}/back")})
    assert eventually(lambda: started(visitor))
    assert word(visitor) != name and engine.volume(word(visitor))
    assert {id: step.state for id, step in progress(started_site).items()} == {
        "make-a-volume": "solved"
    }
    assert "0 of 2 done, 1 for you" in text(visitor.get("/lessons/tiny"))


def test_what_cannot_be_removed_keeps_the_lab_as_it_is(visitor, docker, unique):
    port = re.search(r"Your registry is localhost:(\d+)", text(visitor.get("/lessons/tiny")))[1]
    docker("create", "-p", f"{port}:5000", "-v", f"{unique}:/x", "--name", unique, "registry:2")
    visitor.submit("/lessons/tiny/check")
    name = word(visitor)
    answer = visitor.submit("/lessons/tiny/reset", {"item": [unique]})  # a volume in use
    assert answer.status_code == 409
    assert "volume is in use" in text(answer) and "Fix that, then reset again" in text(answer)
    assert word(visitor) == name
    docker("rm", "-v", unique)
    docker("volume", "rm", unique)


def test_no_way_is_open_before_the_start_and_none_by_a_link(site):
    visitor = site.visitor()
    for path in (f"{STEP}/skip", f"{STEP}/solve", "/lessons/tiny/reset", f"{SAY}/back"):
        assert visitor.submit(path).status_code == 409
        assert visitor.post(path).status_code == 400  # without the form's token
        assert visitor.submit(path, {"command": "rm -rf /"}).status_code == 400
    visitor.start()
    before = site.state()
    assert visitor.get(f"{STEP}/skip").status_code == 405
    for path in (f"{STEP}/solve", "/lessons/tiny/reset", f"{SAY}/back"):
        visitor.get(path)
    for path in ("/lessons/tiny/steps/no/skip", "/lessons/no/steps/say-it/solve"):
        assert visitor.submit(path).status_code == 404
    assert site.state() == before


def test_a_damaged_progress_file_is_told_where_a_step_is_skipped_and_left(site, engine):
    visitor = site.visitor()
    visitor.start()
    (site.instance / "progress.db").write_bytes(b"no database" * 1000)
    answer = visitor.submit(f"{STEP}/skip")
    assert answer.status_code == 503 and "Move the file away" in text(answer)
    visitor.submit(f"{STEP}/solve", headers=HTMX)
    told = eventually(
        lambda: "cannot be read or written" in text(visitor.get(f"{STEP}/solve", headers=HTMX))
    )
    assert told and engine.volume(word(visitor))
    assert "Move the file away" in text(visitor.get(f"{STEP}/solve"))
    assert (site.instance / "progress.db").read_bytes().startswith(b"no database")


def test_after_a_kill_and_a_new_start_progress_and_workspace_are_found_again(serve, docker):
    first = serve()
    visitor = first.visitor()
    visitor.start()
    name = word(visitor)
    docker("volume", "create", name)
    visitor.submit(f"{STEP}/check")
    visitor.submit(f"{SAY}/skip")
    before = text(visitor.get("/lessons/tiny"))
    assert "Passed at" in before and "Skipped at" in before
    first.kill()

    second = serve(port=first.port, token="another")
    after = second.visitor()
    assert text(after.get("/lessons/tiny")) == before
    assert visitor.get("/lessons/tiny").ok  # the page that was open has a good cookie
    assert "Continue" not in text(after.get("/")) and " left" not in text(after.get("/"))
    after.submit(f"{STEP}/check")
    assert "1 of 2 done, 1 skipped" in text(after.get("/lessons/tiny"))
    docker("volume", "rm", name)
    visitor.submit(f"{STEP}/check")
    assert "but no longer passes" in text(visitor.get("/lessons/tiny"))
    assert "Continue: lesson 1, Make a volume" in text(visitor.get("/"))
    docker("volume", "create", name)  # to be removed with the others


def test_killed_while_a_step_is_being_done_the_step_is_open_again(serve, tiny):
    source = tiny / "labs/tiny/lab.py"
    at_it = '    (workspace.lab.folder / "at-it").touch()\n    time.sleep(600)\n'
    slow = source.read_text().replace('    return workspace["word"]\n', at_it)
    source.write_text(slow)
    first = serve()
    visitor = first.visitor()
    visitor.start()
    visitor.submit(f"{SAY}/solve", headers=HTMX)
    assert eventually((tiny / "labs/tiny/at-it").exists)
    assert first.visitor().submit("/lessons/tiny/finish").status_code == 409
    first.kill()
    second = serve(port=first.port)
    visitor = second.visitor()
    assert visitor.get(f"{SAY}/solve", headers=JSON).json()["status"] == "not started"
    visitor.submit(f"{SAY}/check", {"answer": "no"})
    assert "Not there yet. Expected The word. Found You said no" in text(
        visitor.get("/lessons/tiny")
    )


def test_what_was_done_for_the_learner_when_the_server_was_killed_is_never_theirs(
    serve, tiny, engine
):
    source = tiny / "labs/tiny/lab.py"
    make = '    workspace.create_volume(workspace["word"])\n'
    source.write_text(source.read_text().replace(make, f"{make}    time.sleep(600)\n", 1))
    first = serve()
    visitor = first.visitor()
    visitor.start()
    name = word(visitor)
    visitor.submit(f"{STEP}/solve", headers=HTMX)
    assert eventually(lambda: engine.volume(name), 60)
    first.kill()
    after = serve(port=first.port).visitor()
    after.submit(f"{STEP}/check")
    assert "0 of 2 done, 1 for you" in text(after.get("/lessons/tiny"))
    assert progress(first)["make-a-volume"].state == "solved"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is at hand on Linux alone")
def test_a_full_disk_is_told_and_the_step_is_done_once_there_is_room(started_site, visitor, engine):
    [record] = started_site.instance.glob("workspaces/*/record.json")
    full = record.with_name("record.json.new")
    full.symlink_to("/dev/full")
    visitor.submit(f"{STEP}/solve")
    settled(visitor, STEP)
    said = text(visitor.get("/lessons/tiny"))
    assert "could not be done for you: Nothing can be written: No space left on device." in said
    assert "Free some disk space, or allow this program to write there. Then try again." in said
    visitor.submit(f"{SAY}/check", {"answer": "no"})
    assert "Not there yet. Expected The word." in text(visitor.get("/lessons/tiny"))
    assert engine.volume(word(visitor)) is None
    full.unlink()
    visitor.submit(f"{STEP}/solve")
    assert settled(visitor, STEP)["status"] == "solved"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is at hand on Linux alone")
def test_a_full_disk_keeps_nobody_from_finishing_which_frees_some(started_site, visitor, docker):
    port = re.search(r"Your registry is localhost:(\d+)", text(visitor.get("/lessons/tiny")))[1]
    [record] = started_site.instance.glob("workspaces/*/record.json")
    record.with_name("record.json.new").symlink_to("/dev/full")
    name = json.loads(record.read_text())["values"]["name"]
    made = docker("create", "-p", f"{port}:5000", "--name", name, "registry:2")  # not noted yet
    listed = items(visitor, "/lessons/tiny/finish")
    assert made in listed
    assert visitor.submit("/lessons/tiny/finish", {"item": listed}).ok
    assert docker("ps", "-aq", "--no-trunc", "--filter", f"id={made}") == ""
    assert not record.exists()
