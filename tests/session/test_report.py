"""What the learner did, as records, page, JSON and command."""

import re

import pytest

from labrunner.progress.history import PAUSE, LabHistory
from labrunner.progress.records import Event
from labrunner.session import report
from labrunner.verdicts import Verdict
from tests.fixtures.report import FAILED, PASSED, fill, text, volume
from tests.fixtures.web import JSON


def row(waters, progress, lab="lake"):
    [found] = report.report(waters, progress.load(), lab).labs
    return found.steps[0]


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


def test_the_page_says_what_was_done_and_leads_there(visitor, tiny_progress):
    assert "Nothing yet." in text(visitor.get("/report"))
    tiny_progress.begin("tiny")
    tiny_progress.record("tiny", volume(), FAILED, mistakes=["a slip in its name"])
    assert 'href="/report"' in visitor.get("/").text
    for path in ("/report", "/lessons/tiny/report"):
        page = visitor.get(path)
        assert "<td " in page.text and not re.search("<td(?![^>]* data-head=)", page.text)
        said = text(page)
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


def test_a_damaged_progress_file_is_told_on_the_page(visitor, tiny_progress):
    tiny_progress.record("tiny", volume(), PASSED)
    tiny_progress.path.write_bytes(b"rubbish" * 1000)
    for path in ("/report", "/lessons/tiny/report", "/progress.jsonl"):
        answer = visitor.get(path)
        assert answer.status_code == 503 and "Move the file away" in text(answer)
    assert visitor.get("/").ok and visitor.get("/lessons/tiny").ok
