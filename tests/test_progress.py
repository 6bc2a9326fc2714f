"""What the learner has done, kept in SQLite."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from labrunner.lab import Step
from labrunner.progress import Progress, ProgressUnavailable, StepProgress
from labrunner.verdict import Verdict

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


def another_table(path):
    path.unlink()
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
