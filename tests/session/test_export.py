"""Progress as a file, which goes from machine to machine."""

import json
import re
import time
from typing import Any

import pytest

from labrunner.progress.records import Event
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import NewerProgress, Progress
from labrunner.session import export
from labrunner.session.export import LIMIT, BadFile
from labrunner.verdicts import Verdict
from tests.fixtures.report import FAILED, PASSED, fill, text, volume
from tests.fixtures.web import JSON


def everything(progress):
    return progress.load_archive()


def test_progress_is_the_same_on_another_machine_and_twice_is_once(progress, step, tmp_path):
    fill(progress, step)
    other = Progress(tmp_path / "other.db")
    data = export.pack(progress.load_archive())
    for _ in range(2):
        other.import_archive(export.unpack(data))
        assert everything(other) == everything(progress)
    assert export.pack(other.load_archive()) == data


def test_what_the_file_does_not_speak_of_stays_as_it_is(progress, step, tmp_path):
    other = Progress(tmp_path / "other.db")
    other.record("lake", step, PASSED)
    data = export.pack(other.load_archive())
    kept = progress.record("river", step, FAILED)
    progress.import_archive(export.unpack(data))
    assert progress.load_lab("river").steps == {"make-a-volume": kept}
    assert progress.load_lab("lake").steps == other.load_lab("lake").steps
    assert len(progress.load_archive().events) == 2


def test_newer_progress_is_replaced_only_when_that_is_said_and_its_history_stays(
    progress, step, tmp_path
):
    fill(progress, step)
    data = export.pack(progress.load_archive())
    progress.record("lake", step, FAILED)
    before = everything(progress)
    with pytest.raises(NewerProgress) as caught:
        progress.import_archive(export.unpack(data))
    assert caught.value.labs == ["lake"]
    assert everything(progress) == before
    progress.import_archive(export.unpack(data), replace=True)
    assert progress.load_lab("lake").steps["make-a-volume"].state == "passed"
    assert progress.load_archive().events == before.events


def changed(line, **fields):
    """A file whose line of that number (from 1) says something else; a field `...` is left out."""

    def change(data):
        lines = data.splitlines()
        row = {**json.loads(lines[line - 1]), **fields}
        row = {name: value for name, value in row.items() if value is not ...}
        lines[line - 1] = json.dumps(row).encode()
        return b"\n".join(lines)

    return change


HEAD, DONE, STEP, EVENT = 1, 2, 3, 6  # lines of what `fill` leaves


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda data: b"", 1, "not saved progress"),
        (lambda data: b"\x00\xff" + data, 1, "not a JSON object"),
        (lambda data: b"PK\x03\x04" + b"x" * 1000, 1, "not a JSON object"),
        (lambda data: b"[1]\n" + data, 1, "not an object"),
        (lambda data: data.split(b"\n", 1)[1], 1, "not saved progress"),
        (lambda data: data + b"\n", 12, "not a JSON object"),
        (lambda data: data + b"[" * 100_000, 12, "not a JSON object"),
        (lambda data: data + b'{"kind": "lab", "kind": "step"}', 12, "not a JSON object"),
        (lambda data: data + data.splitlines()[DONE - 1], 12, "is already in the file"),
        (lambda data: data + data.splitlines()[STEP - 1], 12, "is already in the file"),
        (lambda data: data.replace(b'"attempts": 2', b'"attempts": NaN'), STEP, "not a JSON"),
        (lambda data: data + b"x" * LIMIT, 0, "larger than 1 MB"),
        (changed(HEAD, version=2), 1, "another version"),
        (changed(HEAD, version=True), 1, "another version"),
        (changed(HEAD, version=...), 1, "not saved progress"),
        (changed(DONE, kind="labs"), DONE, "`kind` must be one of"),
        (changed(DONE, kind=[]), DONE, "`kind` must be one of"),
        (changed(DONE, more=1), DONE, "must have exactly the fields"),
        (changed(DONE, done_at=...), DONE, "must have exactly the fields"),
        (changed(DONE, done_at=None), DONE, "`done_at` must be seconds"),
        (changed(DONE, done_at=1), DONE, "`done_at` must be seconds"),
        (changed(DONE, done_at=9e12), DONE, "not in the future"),
        (changed(DONE, lab="../etc"), DONE, "`lab` must be a name"),
        (changed(STEP, step="<b>"), STEP, "`step` must be a name"),
        (changed(STEP, step="x" * 101), STEP, "`step` must be a name"),
        (changed(STEP, status="done"), STEP, "`status` must be"),
        (changed(STEP, status=["passed"]), STEP, "`status` must be"),
        (changed(STEP, status=None), STEP, "or neither"),
        (changed(STEP, passed_at=None), STEP, "must have `passed_at`"),
        (changed(STEP, found=1), STEP, "`found` must be a text"),
        (changed(STEP, found="\ud800"), STEP, "`found` must be a text"),
        (changed(STEP, attempts=-1), STEP, "`attempts` must be a whole number"),
        (changed(STEP, attempts=True), STEP, "`attempts` must be a whole number"),
        (changed(STEP, attempts=10**20), STEP, "`attempts` must be a whole number"),
        (changed(STEP, solved_at="now"), STEP, "`solved_at` must be"),
        (changed(EVENT, what="won"), EVENT, "`what` must be"),
        (changed(EVENT, mistakes=[1]), EVENT, "`mistakes` must be"),
        (changed(EVENT, mistakes="x"), EVENT, "`mistakes` must be"),
        (changed(EVENT, at=None), EVENT, "`at` must be"),
    ],
)
def test_a_file_with_a_fault_is_refused_whole_with_its_line(
    progress, step, tmp_path, change, line, says
):
    fill(progress, step)
    other = Progress(tmp_path / "other.db")
    other.record("sea", step, PASSED)
    before = everything(other)
    with pytest.raises(BadFile, match=re.escape(says)) as caught:
        other.import_archive(
            export.unpack(change(export.pack(progress.load_archive()))), replace=True
        )
    assert str(caught.value).startswith(f"Line {line}: ") or not line
    assert everything(other) == before


def test_an_import_that_cannot_be_written_changes_nothing(progress, step, tmp_path):
    fill(progress, step)
    other = Progress(tmp_path / "other.db")
    other.record("sea", step, FAILED)
    before = everything(other)
    archive = export.unpack(export.pack(progress.load_archive()))
    unkept: Any = {}  # SQLite has no such type
    archive.events.append(Event(time.time(), "lake", None, "done", found=unkept))
    with pytest.raises(ProgressUnavailable):
        other.import_archive(archive, replace=True)
    assert everything(other) == before


def test_a_file_is_never_larger_than_what_is_taken_in(progress, step, monkeypatch):
    monkeypatch.setattr(export, "LIMIT", 40_000)
    long = Verdict("failed", "é" * 5000, "é" * 5000, "é" * 5000)
    for _ in range(30):
        progress.record("lake", step, long)
    data = export.pack(progress.load_archive())
    assert len(data) <= 40_000
    archive = export.unpack(data)
    assert archive.steps["lake"]["make-a-volume"].attempts == 30
    assert 0 < len(archive.events) < 30
    assert archive.events == export.unpack(data).events
    assert archive.events[-1].at == progress.load_archive().events[-1].at


def test_progress_goes_from_machine_to_machine_by_command(terminal, progress, step, tmp_path):
    fill(progress, step)
    file = tmp_path / "progress.jsonl"
    assert terminal("progress", "export", str(file))[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600
    code, _, err = terminal("progress", "export", str(file))
    assert (code, "already exists" in err) == (2, True)
    before = everything(progress)
    progress.path.unlink()
    assert terminal("progress", "import", str(file))[0] == 0
    assert everything(progress) == before

    progress.record("lake", step, FAILED)
    code, _, err = terminal("progress", "import", str(file))
    assert (code, "`lake` is newer" in err, "--replace" in err) == (2, True, True)
    assert progress.load_lab("lake").steps["make-a-volume"].state == "broken"
    assert terminal("progress", "import", str(file), "--replace")[0] == 0
    assert progress.load_lab("lake").steps["make-a-volume"].state == "passed"

    other = tmp_path / "other.jsonl"
    other.write_bytes(file.read_bytes().replace(b'"lake"', b'"ocean"'))
    code, out, _ = terminal("progress", "import", str(other), "--replace")
    assert (code, "Kept, though not in this course: `ocean`." in out) == (0, True)

    file.write_bytes(file.read_bytes().replace(b'"skipped"', b'"skiped"'))
    code, _, err = terminal("progress", "import", str(file))
    assert (code, "Line " in err, "`what` must be" in err) == (2, True, True)
    for act in ("import", "export"):
        code, _, err = terminal("progress", act, str(tmp_path / "none" / "x"))
        assert (code, "No such file" in err) == (2, True)


def send(visitor, data, **more):
    sent = {"csrf_token": visitor.csrf, **more}
    return visitor.post("/progress", data=sent, files={"file": ("x.jsonl", data)}, headers=JSON)


def test_progress_is_saved_and_taken_in_on_the_page(visitor, tiny_progress):
    tiny_progress.record("tiny", volume(), PASSED)
    saved = visitor.get("/progress.jsonl")
    assert "attachment" in saved.headers["Content-Disposition"]
    before = everything(tiny_progress)
    tiny_progress.path.unlink()
    assert send(visitor, saved.content).json() == {"labs": ["tiny"]}
    assert everything(tiny_progress) == before

    tiny_progress.record("tiny", volume(), FAILED)
    answer = send(visitor, saved.content)
    assert answer.status_code == 409 and "`tiny` is newer" in answer.json()["error"]
    assert send(visitor, saved.content, replace="on").ok
    assert tiny_progress.load_lab("tiny").steps["make-a-volume"].state == "passed"


def test_a_file_that_is_no_progress_is_refused_on_the_page(visitor, tiny_progress):
    tiny_progress.record("tiny", volume(), PASSED)
    before = everything(tiny_progress)
    saved = visitor.get("/progress.jsonl").content
    bad = send(visitor, saved.replace(b'"attempts": 1', b'"attempts": "<b>"'))
    assert bad.status_code == 400 and "Line 2: `attempts` must be" in bad.json()["error"]
    assert send(visitor, b"x" * (LIMIT + 1)).status_code == 400
    assert send(visitor, saved, more="x").status_code == 400
    page = visitor.post("/progress", data={"csrf_token": visitor.csrf}, files={"file": b"<b>no"})
    assert "This file was not imported. Line 1: This is not a JSON" in text(page)
    assert visitor.post("/progress", files={"file": saved}).status_code == 400  # no token
    assert send(visitor, b"x" * (LIMIT + 8192)).status_code == 413
    assert everything(tiny_progress) == before


def test_no_other_form_may_be_large_and_no_stranger_may_send_a_file(site, visitor):
    large = {"csrf_token": visitor.csrf, "answer": "x" * 70_000}
    assert visitor.post("/lessons/tiny/steps/say-it/check", data=large).status_code == 413
    stranger = type(visitor)(site.url)
    assert stranger.post("/progress", files={"file": b"x" * 70_000}).status_code == 403
    stranger = type(visitor)(site.url)  # the connection is closed with the body unread
    for path in ("/report", "/report.json", "/progress.jsonl"):
        assert stranger.get(path).status_code == 401
