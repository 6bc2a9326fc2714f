"""What the learner has done, kept in SQLite."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from labrunner.course.lab import Step
from labrunner.progress.store import MOST, Progress, ProgressUnavailable, StepProgress
from labrunner.verdicts import Verdict

PASSED = Verdict("passed", None, "It is there.")
FAILED = Verdict("failed", "A.", "B.", "C.")
UNKNOWN = Verdict("unknown", None, "B.", "C.")


def a_step(workspace):
    """A goal."""


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "instance" / "progress.db")


@pytest.fixture
def lasting():
    return Step(a_step)


@pytest.fixture
def once():
    return Step(a_step, lasting=False)


def test_nothing_is_done_at_first(progress):
    assert progress.of("lab") == {} and progress.done_labs() == {}
    assert StepProgress().state == "not started" and not StepProgress().done


def test_a_verdict_is_kept_whole(progress, lasting):
    kept = progress.record("lab", lasting, FAILED)
    assert progress.of("lab") == {"a-step": kept}
    assert kept.verdict == FAILED and kept.attempts == 1 and kept.passed_at is None
    assert progress.of("another") == {}


@pytest.mark.parametrize(
    ("verdicts", "state", "done"),
    [
        ([FAILED], "failed", False),
        ([UNKNOWN], "unknown", False),
        ([FAILED, PASSED], "passed", True),
        ([PASSED, FAILED], "broken", False),
        ([PASSED, FAILED, PASSED], "passed", True),
        ([PASSED, UNKNOWN], "unknown", True),
        ([PASSED, FAILED, UNKNOWN], "unknown", True),
    ],
)
def test_a_lasting_step_can_break_and_unknown_does_not_count(
    progress, lasting, verdicts, state, done
):
    for verdict in verdicts:
        progress.record("lab", lasting, verdict)
    found = progress.of("lab")["a-step"]
    assert (found.state, found.done, found.attempts) == (state, done, len(verdicts))


def test_a_moment_that_has_passed_stays_passed(progress, once):
    first = progress.record("lab", once, PASSED)
    assert progress.record("lab", once, FAILED) == first
    assert progress.of("lab")["a-step"].state == "passed"


def test_it_first_passed_when_it_first_passed(progress, lasting):
    first = progress.record("lab", lasting, PASSED)
    second = progress.record("lab", lasting, PASSED)
    assert second.passed_at == first.passed_at < second.checked_at


def test_a_lab_begun_anew_is_open_again_and_was_done_once(progress, lasting):
    progress.record("lab", lasting, PASSED)
    progress.record("other", lasting, PASSED)
    progress.done("lab")
    when = progress.done_labs()
    progress.begin("lab")
    progress.done("lab")
    assert progress.of("lab") == {} and list(progress.of("other")) == ["a-step"]
    assert progress.done_labs() == when


def test_checks_at_the_same_time_lose_nothing(progress, lasting):
    def record(number):
        Progress(progress.path).record("lab", lasting, PASSED if number == 7 else FAILED)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, range(40)))
    found = progress.of("lab")["a-step"]
    assert found.attempts == 40 and found.passed_at


def test_words_of_the_learner_are_kept_as_they_are(progress, lasting):
    words = "'; drop table step; -- \u202e <b> \x07"
    progress.record("lab'", lasting, Verdict("failed", words, words, words))
    assert progress.of("lab'")["a-step"].verdict.found == words


def test_a_check_that_nobody_asked_for_is_no_attempt_and_is_noted_when_it_says_something_else(
    progress, lasting
):
    for verdict in (FAILED, FAILED, PASSED, PASSED, FAILED):
        progress.record("lab", lasting, verdict, asked=False)
    assert progress.of("lab")["a-step"].attempts == 0
    assert [event.what for event in progress.history()] == ["failed", "passed", "broken"]
    progress.record("lab", lasting, FAILED)
    assert [event.attempts for event in progress.history()] == [0, 0, 0, 1]


def test_every_check_that_was_asked_for_is_in_the_history_with_what_it_said(progress, lasting):
    progress.record("lab", lasting, FAILED, mistakes=["a slip"])
    progress.record("lab", lasting, FAILED)
    progress.record("lab", lasting, PASSED)
    first, second, third = progress.history()
    assert (first.what, first.found, first.next) == ("failed", "B.", "C.")
    assert (first.mistakes, second.mistakes, third.mistakes) == (("a slip",), None, None)
    assert (third.what, third.found) == ("passed", None)
    assert first.at <= second.at <= third.at


def test_a_long_answer_does_not_fill_the_history(progress, lasting):
    long = "x" * 65536
    progress.record("lab", lasting, Verdict("failed", long, long, long))
    [event] = progress.history()
    assert len(event.found) == len(event.next) == MOST
    assert progress.of("lab")["a-step"].verdict.found == long


@pytest.mark.parametrize(
    ("verdict", "asked", "state"),
    [
        (FAILED, False, "skipped"),
        (UNKNOWN, False, "skipped"),
        (PASSED, False, "passed"),
        (FAILED, True, "failed"),
        (PASSED, True, "passed"),
    ],
)
def test_what_is_skipped_stays_so_until_it_passes_or_is_tried(
    progress, lasting, verdict, asked, state
):
    skipped = progress.skip("lab", lasting)
    assert (skipped.state, skipped.done) == ("skipped", False)
    assert progress.of("lab")["a-step"] == skipped
    progress.record("lab", lasting, verdict, asked=asked)
    assert progress.of("lab")["a-step"].state == state
    assert progress.history()[0].what == "skipped"


def test_what_is_done_cannot_be_skipped_and_what_broke_can(progress, lasting):
    done = progress.record("lab", lasting, PASSED)
    assert progress.skip("lab", lasting) == done
    progress.record("lab", lasting, FAILED)
    assert progress.skip("lab", lasting).state == "skipped"
    assert not progress.of("lab")["a-step"].done


@pytest.mark.parametrize("kind", ["lasting", "once"])
def test_what_was_solved_is_never_passed_by_the_learner(progress, kind, request):
    step = request.getfixturevalue(kind)
    solved = progress.record("lab", step, PASSED, asked=False, solved=True)
    assert (solved.state, solved.done, solved.own) == ("solved", True, False)
    again = progress.record("lab", step, PASSED)
    assert again.state == "solved" and again.passed_at is None
    assert "passed" not in [event.what for event in progress.history()]


def test_what_was_solved_can_break_and_is_solved_when_it_is_mended(progress, lasting):
    progress.record("lab", lasting, PASSED, asked=False, solved=True)
    states = [progress.record("lab", lasting, each).state for each in (FAILED, UNKNOWN)]
    assert states == ["broken", "unknown"]
    assert progress.record("lab", lasting, PASSED).state == "solved"


def test_a_solution_that_failed_leaves_the_step_to_the_learner(progress, lasting):
    progress.skip("lab", lasting)
    failed = progress.record("lab", lasting, UNKNOWN, asked=False, solved=True)
    assert (failed.state, failed.attempts, failed.solved_at) == ("unknown", 0, None)
    assert progress.record("lab", lasting, PASSED).state == "passed"


def test_what_the_learner_passed_before_it_was_solved_stays_known(progress, lasting):
    passed = progress.record("lab", lasting, PASSED).passed_at
    progress.record("lab", lasting, FAILED)
    solved = progress.record("lab", lasting, PASSED, asked=False, solved=True)
    assert (solved.state, solved.passed_at) == ("solved", passed)


def test_beginning_anew_keeps_what_happened(progress, lasting):
    progress.begin("lab")
    progress.record("lab", lasting, PASSED)
    progress.note_before("lab", lasting, "B.")
    for _ in range(2):
        progress.note("lab", "done")
    progress.note("lab", "reset")
    progress.begin("lab")
    assert progress.of("lab") == {} and progress.before("lab") == {}
    happened = [event.what for event in progress.history()]
    assert happened == ["started", "passed", "done", "reset", "started"]


# Files of other versions

FIRST_VERSION = """
create table if not exists step (
    lab text, step text, status text, expected text, found text, next text,
    checked_at real, passed_at real, attempts integer,
    primary key (lab, step)
);
create table if not exists lab (lab text primary key, done_at real);
insert into step values ('one', 'a-step', 'passed', null, 'It is there.', null, 30, 10, 3);
insert into step values ('one', 'broken', 'failed', 'A.', 'B.', 'C.', 40, 20, 2);
insert into step values ('two', 'a-step', 'failed', 'A.', 'B.', 'C.', 50, null, 4);
insert into step values ('two', 'unknown', 'unknown', null, 'B.', 'C.', 60, null, 1);
insert into lab values ('one', 35);
"""


@pytest.fixture
def first_version(progress):
    """A file as the first version wrote it."""
    progress.path.parent.mkdir()
    with closing(sqlite3.connect(progress.path)) as database, database:
        database.executescript(FIRST_VERSION)
    return progress


def test_progress_of_the_first_version_is_there_with_all_that_it_says(first_version):
    one, two = first_version.of("one"), first_version.of("two")
    assert one["a-step"] == StepProgress(PASSED, 30, 10, 3)
    assert one["broken"] == StepProgress(FAILED, 40, 20, 2) and one["broken"].state == "broken"
    assert two["a-step"] == StepProgress(FAILED, 50, None, 4)
    assert two["unknown"] == StepProgress(UNKNOWN, 60, None, 1)
    assert first_version.done_labs() == {"one": 35}
    attempts = dict.fromkeys(((event.lab, event.step) for event in first_version.history()), 0)
    for event in first_version.history():
        attempts[event.lab, event.step] += event.attempts
    kept = {("one", "a-step"): 3, ("one", "broken"): 2, ("two", "a-step"): 4, ("two", "unknown"): 1}
    assert attempts == kept


def test_a_file_of_the_first_version_is_brought_up_to_date_once(first_version, lasting):
    def read(_):
        return len(Progress(first_version.path).history())

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(16))) == {6}
    assert first_version.record("two", lasting, PASSED).attempts == 5
    assert len(first_version.history()) == 7


def test_a_file_of_a_newer_version_is_said_and_left_as_it_is(progress, lasting):
    progress.record("lab", lasting, PASSED)
    with closing(sqlite3.connect(progress.path)) as database, database:
        database.execute("pragma user_version = 3")
    before = progress.path.read_bytes()
    with pytest.raises(ProgressUnavailable, match="a newer version of this course"):
        progress.record("lab", lasting, FAILED)
    assert progress.path.read_bytes() == before


def test_a_file_that_cannot_be_brought_up_to_date_is_left_as_it_is(progress):
    progress.path.parent.mkdir()
    another_table(progress.path, missing_ok=True)
    before = progress.path.read_bytes()
    with pytest.raises(ProgressUnavailable):
        progress.of("lab")
    assert progress.path.read_bytes() == before


def damage(path):
    path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 500)


def truncate(path):
    path.write_bytes(path.read_bytes()[:3000])


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def block(path):
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")


def another_table(path, missing_ok=False):
    path.unlink(missing_ok)
    with sqlite3.connect(path) as database:
        database.execute("create table step (x)")
    database.close()


@pytest.mark.parametrize("spoil", [damage, truncate, make_a_folder, block, another_table])
def test_a_file_that_cannot_be_used_is_said_with_what_to_do(progress, lasting, spoil):
    progress.record("lab", lasting, PASSED)
    spoil(progress.path)
    for act in (
        lambda: progress.of("lab"),
        lambda: progress.record("lab", lasting, FAILED),
        lambda: progress.begin("lab"),
    ):
        with pytest.raises(ProgressUnavailable) as caught:
            act()
        assert str(progress.path) in str(caught.value)
        assert "move the file away to begin a new one" in str(caught.value)


def test_a_disk_that_is_full_leaves_what_was_kept(progress, lasting, monkeypatch):
    """SQLite's own limit on the file's size stands for the disk's."""
    progress.record("lab", lasting, PASSED)
    connect = sqlite3.connect

    def full(*words, **options):
        database = connect(*words, **options)
        pages = database.execute("pragma page_count").fetchone()[0]
        database.execute(f"pragma max_page_count = {pages}")
        return database

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(ProgressUnavailable, match="full"):
        progress.record("lab", lasting, Verdict("failed", "x" * 100_000, "y", "z"))
    monkeypatch.undo()
    assert progress.of("lab")["a-step"].verdict == PASSED


def test_a_file_that_another_program_holds_is_said(progress, lasting, monkeypatch):
    progress.record("lab", lasting, PASSED)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
    holder = connect(progress.path, isolation_level=None)
    try:
        holder.execute("begin exclusive")
        with pytest.raises(ProgressUnavailable, match="locked"):
            progress.record("lab", lasting, FAILED)
    finally:
        holder.close()
    assert progress.record("lab", lasting, FAILED).state == "broken"
