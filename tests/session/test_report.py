"""What the learner did, as records, page, JSON and command; and progress as a file."""

import html
import json
import re
import time
from typing import Any

import pytest

from labrunner.course.lab import Step
from labrunner.progress.history import PAUSE, LabHistory
from labrunner.progress.records import Event
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import NewerProgress, Progress
from labrunner.session import export, report
from labrunner.session.export import LIMIT, BadFile
from labrunner.verdicts import Verdict
from tests.fixtures.commands import Commands
from tests.fixtures.engine import LAB
from tests.fixtures.web import JSON

PASSED = Verdict("passed", None, "It is there.")
FAILED = Verdict("failed", "A.", "B.", "C.")
UNKNOWN = Verdict("unknown", None, "B.", "C.")
WATERS = "---\ntitle: {0}\nlab: {0}\nminutes: 5\n---\n## Make `it` {{#make-a-volume .step}}\n"


@pytest.fixture
def waters(course):
    """A course of three labs with one step each."""
    names = ("lake", "river", "sea")
    files = {f"labs/{name}/lab.py": LAB for name in names}
    files |= {f"lessons/0{n}-{name}.md": WATERS.format(name) for n, name in enumerate(names, 1)}
    loaded = course(files)
    assert loaded.problems == ()
    return loaded


@pytest.fixture
def progress(instance):
    return Progress(instance / "progress.db")


@pytest.fixture
def step(waters):
    return waters.labs["lake"].steps[0]


def row(waters, progress, lab="lake"):
    [found] = report.report(waters, progress.load(), lab).labs
    return found.steps[0]


# What you did


def test_of_nothing_there_is_nothing_to_report(waters, progress):
    found = report.report(waters, progress.load())
    assert [lab.began_at for lab in found.labs] == [None, None, None]
    assert found.summary == "Of 3 steps, 0 done by you."
    assert report.find_place(waters, progress.load()) is None


def test_each_step_says_what_it_came_to_and_whose_it_is(waters, progress, step):
    progress.record("lake", step, FAILED)
    passed = progress.record("lake", step, PASSED)
    progress.skip("river", step)
    progress.record("sea", step, PASSED, asked=False, solved=True)
    found = report.report(waters, progress.load())
    lake, river, sea = (lab.steps[0] for lab in found.labs)
    assert (lake.state, lake.attempts, lake.passed_at) == ("passed", 2, passed.passed_at)
    assert (river.state, river.attempts, river.passed_at) == ("skipped", 0, None)
    assert (sea.state, sea.attempts, sea.passed_at) == ("solved", 0, None)
    assert river.skipped_at and sea.solved_at
    said = "Of 3 steps, 1 done by you, 1 done for you, 1 skipped."
    assert found.summary.startswith(said)


def test_a_step_of_a_lab_begun_anew_is_as_it_was_before(waters, progress, step):
    first = progress.record("lake", step, PASSED).passed_at
    progress.begin("lake")
    assert (row(waters, progress).state, row(waters, progress).passed_at) == ("passed", first)
    progress.record("lake", step, FAILED)
    assert (row(waters, progress).state, row(waters, progress).passed_at) == ("failed", first)


def test_mistakes_are_named_counted_and_come_with_the_last_advice(waters, progress, step):
    for mistakes in (["a slip"], None, ["a slip"], [], ["one", "two"]):
        progress.record("lake", step, FAILED, mistakes=mistakes)
    slip, unknown, either = row(waters, progress).mistakes
    assert (slip.name, slip.times, slip.found, slip.next) == ("“a slip”", 2, "B.", "C.")
    assert (unknown.name, unknown.times) == ("a mistake that the lab does not know", 1)
    assert either.name == "“one” or “two”"


def test_mistakes_without_a_name_are_told_apart_by_what_was_found(waters, progress, step):
    for found in ("One.", "Two.", "One."):
        progress.record("lake", step, Verdict("failed", "A.", found, "C."), mistakes=[])
    assert [(met.found, met.times) for met in row(waters, progress).mistakes] == [
        ("One.", 2),
        ("Two.", 1),
    ]


def test_the_last_two_mistakes_that_the_lab_knows_come_with_their_steps(waters, progress, step):
    for mistakes in (["one"], ["two"], ["three"], ["one"], []):
        progress.record("lake", step, FAILED, mistakes=mistakes)
    [lake] = report.report(waters, progress.load(), "lake").labs
    met = [(met.id, mistake.names) for met, mistake in lake.last_mistakes]
    assert met == [(step.id, ("one",)), (step.id, ("three",))]


def events(*pairs):
    return [Event(at, "lake", None if what in ENDS else "s", what) for at, what in pairs]


ENDS = ("started", "done", "finished", "reset")


@pytest.mark.parametrize(
    ("happened", "seconds"),
    [
        ([], 0),
        ([(0, "started"), (60, "failed"), (90, "passed"), (90, "done")], 90),
        ([(0, "started"), (PAUSE, "failed"), (2 * PAUSE + 1, "passed")], PAUSE),
        ([(0, "started"), (10, "done"), (20, "passed"), (30, "broken")], 10),
        ([(0, "started"), (10, "finished"), (20, "started"), (50, "passed")], 40),
        ([(0, "started"), (10, "reset"), (13, "started"), (23, "passed")], 20),
        ([(0, "failed"), (60, "passed")], 60),  # of a version that noted no start
    ],
)
def test_time_is_what_passed_from_start_to_done_without_pauses(happened, seconds):
    history = LabHistory()
    for event in events(*happened):
        history.add(event)
    assert history.seconds == seconds


def test_one_goes_on_at_the_first_open_step_of_the_last_lab_or_in_the_next_one(
    waters, progress, step
):
    progress.begin("river")
    lake, river, sea = waters.lessons
    assert report.find_place(waters, progress.load()) == (river, None)
    progress.record("river", step, FAILED)
    assert report.find_place(waters, progress.load()) == (river, "make-a-volume")
    progress.record("river", step, PASSED)
    assert report.find_place(waters, progress.load()) == (sea, None)
    progress.skip("sea", step)
    assert report.find_place(waters, progress.load()) == (lake, None)
    progress.record("lake", step, PASSED)
    assert report.find_place(waters, progress.load()) is None


# Progress as a file


def fill(progress, step):
    progress.begin("lake")
    progress.record("lake", step, FAILED, mistakes=["a slip", "another"])
    progress.record("lake", step, PASSED, steps=[step.id])
    progress.skip("river", step)
    odd = Verdict("passed", None, "words'; -- \u202e <b> \x07")
    progress.record("sea", step, odd, asked=False, solved=True)


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


# In a terminal


@pytest.fixture
def terminal(instance, waters, tmp_path):
    return Commands(instance, tmp_path / "course")


def test_the_command_reports_on_the_course_or_one_lab(terminal, progress, step):
    fill(progress, step)
    code, out, _ = terminal("report")
    assert code == 0
    for said in (
        "lake",
        "passed",
        "skipped",
        "done for you",
        "“a slip” or “another”",
        "Of 3 steps",
    ):
        assert said in out
    code, out, _ = terminal("report", "--lab", "river")
    assert (code, "Of 1 step, 0 done by you, 1 skipped." in out, "lake" in out) == (
        0,
        True,
        False,
    )
    code, found = terminal.json("report", "--lab", "lake")
    [lab] = found["labs"]
    assert (code, found["steps"]["passed"], lab["steps"][0]["attempts"]) == (0, 1, 2)
    assert lab["steps"][0]["mistakes"][0]["names"] == ["a slip", "another"]
    assert lab["done_at"].endswith("+00:00")
    code, out, err = terminal("report", "--lab", "lak")
    assert (code, out, "Did you mean `lake`?" in err) == (2, "", True)


def test_words_that_would_control_the_terminal_are_left_out(terminal, progress, step):
    progress.record("lake", step, FAILED, mistakes=["a\x1b[2J slip\u202e"])
    code, out, _ = terminal("report")
    assert (code, "“a[2J slip”" in out, "\x1b" in out) == (0, True, False)


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


def test_a_damaged_file_of_progress_is_said_and_left(terminal, progress, step):
    fill(progress, step)
    progress.path.write_bytes(b"rubbish" * 1000)
    for words in (
        ["report"],
        ["report", "--json"],
        ["progress", "export", str(progress.path.parent / "never")],
    ):
        code, out, err = terminal(*words)
        assert (code, out, "Move the file away" in err) == (3, "", True)
    assert progress.path.read_bytes() == b"rubbish" * 1000


# On the page


def text(answer):
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", answer.text)).split())


def volume():
    """The tiny course's first step, for its id."""

    def make_a_volume(workspace):
        """A goal."""

    return Step(make_a_volume, lasting=True)


@pytest.fixture
def visitor(site):
    return site.visitor()


@pytest.fixture
def tiny_progress(site):
    return Progress(site.instance / "progress.db")


def send(visitor, data, **more):
    sent = {"csrf_token": visitor.csrf, **more}
    return visitor.post("/progress", data=sent, files={"file": ("x.jsonl", data)}, headers=JSON)


def test_the_page_says_what_was_done_and_leads_there(visitor, tiny_progress):
    assert "Nothing yet." in text(visitor.get("/report"))
    tiny_progress.begin("tiny")
    tiny_progress.record("tiny", volume(), FAILED, mistakes=["a slip in its name"])
    assert 'href="/report"' in visitor.get("/").text
    for path in ("/report", "/lessons/tiny/report"):
        said = text(visitor.get(path))
        assert "Of 2 steps, 0 done by you." in said
        assert "Make a volume not there yet not yet 1" in said
        assert "“a slip in its name”" in said
        assert "Found B. Next C." in said
    found = visitor.get("/lessons/tiny/report.json").json()
    assert found == visitor.get("/lessons/tiny/report", headers=JSON).json()
    assert found["labs"][0]["steps"][0]["mistakes"][0]["next"] == "C."
    assert visitor.get("/lessons/reading/report").status_code == 404
    page = visitor.get("/")
    assert "Continue: lesson 1, Make a volume About 5 minutes left" in text(page)
    assert "Mistakes last time: “a slip in its name” in Make a volume" in text(page)
    assert page.text.count('href="/lessons/tiny#make-a-volume"') == 2


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


def test_a_damaged_progress_file_is_told_on_the_page(visitor, tiny_progress):
    tiny_progress.record("tiny", volume(), PASSED)
    tiny_progress.path.write_bytes(b"rubbish" * 1000)
    for path in ("/report", "/lessons/tiny/report", "/progress.jsonl"):
        answer = visitor.get(path)
        assert answer.status_code == 503 and "Move the file away" in text(answer)
    assert visitor.get("/").ok and visitor.get("/lessons/tiny").ok
