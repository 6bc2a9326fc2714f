"""What the learner has done, kept in SQLite."""

import sqlite3
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from labrunner.course.lab import Step
from labrunner.language import Sentence, dump
from labrunner.progress import schema, store
from labrunner.progress.records import Event, LabProgress, ProgressArchive, StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import LONGEST_TEXT, Progress
from labrunner.verdicts import Verdict

PASSED = Verdict("passed", None, "It is there.")
FAILED = Verdict("failed", "A.", "B.", "C.", "slip")
UNKNOWN = Verdict("unknown", None, "B.", "C.")


def a_step(workspace):
    """A goal."""


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "instance" / "progress.db")


@pytest.fixture
def lasting():
    return Step(a_step, lasting=True)


@pytest.fixture
def once():
    return Step(a_step, lasting=False)


def test_nothing_is_done_at_first(progress):
    assert progress.load_lab("lab").steps == {} and progress.load().done == {}
    assert StepProgress().state == "not started" and not StepProgress().done


def test_a_verdict_is_kept_whole(progress, lasting):
    kept = progress.record("lab", lasting, FAILED)
    assert progress.load_lab("lab").steps == {"a-step": kept}
    assert kept.verdict == FAILED and kept.attempts == 1 and kept.passed_at is None
    assert progress.load_lab("another").steps == {}


def test_a_verdict_is_kept_with_what_it_was_made_from(progress, lasting):
    found = Sentence("There is {what}.", what=Sentence.counted("{count} tag", "{count} tags", 2))
    long = Sentence("You said {answer}.", answer="x" * LONGEST_TEXT)
    progress.record("lab", lasting, Verdict("failed", "A.", found, long))
    verdict, [event] = (
        progress.load_lab("lab").step("a-step").verdict,
        progress.load_archive().events,
    )
    assert (verdict.expected, verdict.found, verdict.next) == ("A.", "There is 2 tags.", long)
    assert dump(verdict.found) == dump(event.found) == dump(found) != found
    assert dump(verdict.next) == dump(long)
    assert dump(event.next) == event.next == f"{long[: LONGEST_TEXT - 1]}…"


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
    found = progress.load_lab("lab").steps["a-step"]
    assert (found.state, found.done, found.attempts) == (state, done, len(verdicts))


def test_a_moment_that_has_passed_stays_passed(progress, once):
    first = progress.record("lab", once, PASSED)
    assert progress.record("lab", once, FAILED) == first
    assert progress.load_lab("lab").steps["a-step"].state == "passed"


def test_it_first_passed_when_it_first_passed(progress, lasting):
    first = progress.record("lab", lasting, PASSED)
    second = progress.record("lab", lasting, PASSED)
    assert second.passed_at == first.passed_at < second.checked_at


def test_a_lab_begun_anew_is_open_again_and_was_done_once(progress, lasting):
    progress.record("lab", lasting, PASSED)
    progress.record("other", lasting, PASSED)
    progress.begin("lab")
    progress.record("lab", lasting, PASSED, steps=["a-step"])
    when = progress.load().done
    progress.begin("lab")
    progress.record("lab", lasting, PASSED, steps=["a-step"])
    assert list(when) == ["lab"]
    progress.begin("lab")
    assert progress.load_lab("lab").steps == {} and list(progress.load_lab("other").steps) == [
        "a-step"
    ]
    assert progress.load().done == when


def test_a_prediction_is_kept_until_the_lab_it_was_made_for_is_closed_and_begun_anew(progress):
    progress.predict("lab", "before the start")
    progress.begin("lab")
    assert progress.load_lab("lab").prediction == "before the start"
    progress.predict("lab", "another")
    assert progress.load().predictions == {"lab": "another"}
    for kind in ("reset", "back", "finished"):
        progress.note("lab", kind)
        assert progress.load_lab("lab").prediction == "another"
        progress.begin("other")
        progress.begin("lab")
        assert progress.load_lab("lab").prediction is None
        progress.predict("lab", "another")
    progress.note("lab", "finished")
    progress.predict("lab", "for the next time")
    progress.begin("lab")
    assert progress.load().predictions == {"lab": "for the next time"}


def test_checks_at_the_same_time_lose_nothing(progress, lasting):
    def record(number):
        Progress(progress.path).record("lab", lasting, PASSED if number == 7 else FAILED)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, range(40)))
    found = progress.load_lab("lab").steps["a-step"]
    assert found.attempts == 40 and found.passed_at


def test_words_of_the_learner_are_kept_as_they_are(progress, lasting):
    words = "'; drop table step; -- \u202e <b> \x07"
    progress.record("lab'", lasting, Verdict("failed", words, words, words))
    assert progress.load_lab("lab'").steps["a-step"].verdict.found == words


def test_a_check_that_nobody_asked_for_is_no_attempt_and_is_noted_when_it_says_something_else(
    progress, lasting
):
    for verdict in (FAILED, FAILED, PASSED, PASSED, FAILED):
        progress.record("lab", lasting, verdict, asked=False)
    assert progress.load_lab("lab").steps["a-step"].attempts == 0
    assert [event.kind for event in progress.load_archive().events] == [
        "failed",
        "passed",
        "broken",
    ]
    progress.record("lab", lasting, FAILED)
    assert [event.attempts for event in progress.load_archive().events] == [0, 0, 0, 1]


def test_every_check_that_was_asked_for_is_in_the_history_with_what_it_said(progress, lasting):
    progress.record("lab", lasting, FAILED, mistakes=["a slip"])
    progress.record("lab", lasting, FAILED)
    progress.record("lab", lasting, PASSED)
    first, second, third = progress.load_archive().events
    assert (first.kind, first.found, first.next) == ("failed", "B.", "C.")
    assert (first.mistakes, second.mistakes, third.mistakes) == (("a slip",), None, None)
    assert (third.kind, third.found) == ("passed", None)
    assert first.at <= second.at <= third.at


def test_a_long_answer_does_not_fill_the_history(progress, lasting):
    long = "x" * 65536
    progress.record("lab", lasting, Verdict("failed", long, long, long))
    [event] = progress.load_archive().events
    assert len(event.found) == len(event.next) == LONGEST_TEXT
    assert progress.load_lab("lab").steps["a-step"].verdict.found == long


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
    assert progress.load_lab("lab").steps["a-step"] == skipped
    progress.record("lab", lasting, verdict, asked=asked)
    assert progress.load_lab("lab").steps["a-step"].state == state
    assert progress.load_archive().events[0].kind == "skipped"


def test_what_is_done_cannot_be_skipped_and_what_broke_can(progress, lasting):
    done = progress.record("lab", lasting, PASSED)
    assert progress.skip("lab", lasting) == done
    progress.record("lab", lasting, FAILED)
    assert progress.skip("lab", lasting).state == "skipped"
    assert not progress.load_lab("lab").steps["a-step"].done


@pytest.mark.parametrize("kind", ["lasting", "once"])
def test_what_was_solved_is_never_passed_by_the_learner(progress, kind, request):
    step = request.getfixturevalue(kind)
    solved = progress.record("lab", step, PASSED, asked=False, solved=True)
    assert (solved.state, solved.done, solved.done_by_learner) == ("solved", True, False)
    again = progress.record("lab", step, PASSED)
    assert again.state == "solved" and again.passed_at is None
    assert "passed" not in [event.kind for event in progress.load_archive().events]


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
    progress.record("lab", lasting, PASSED, untouched={"another": "B."})
    assert progress.load_lab("lab").untouched == {"another": "B."}
    for _ in range(2):
        progress.note("lab", "done")
    progress.note("lab", "reset")
    progress.begin("lab")
    assert progress.load_lab("lab").steps == progress.load_lab("lab").untouched == {}
    happened = [event.kind for event in progress.load_archive().events]
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
SECOND_VERSION = """
create table step (lab text, step text, status text, expected text, found text, next text,
    checked_at real, passed_at real, attempts integer, skipped_at real, solved_at real,
    primary key (lab, step));
create table lab (lab text primary key, done_at real);
create table before (lab text, step text, found text, primary key (lab, step));
create table history (id integer primary key, at real, lab text, step text, what text,
    attempts integer, found text, next text, mistakes text);
insert into step values ('one', 'a-step', 'passed', null, 'It is there.', null, 30, 10, 3,
    null, null);
insert into step values ('one', 'skipped', null, null, null, null, null, null, 0, 40, null);
insert into step values ('one', 'solved', 'passed', null, 'It is there.', null, 50, null, 1,
    null, 45);
insert into step values ('two', 'a-step', 'unknown', null,
    'This step could not be done for you: B.', 'C.', 60, null, 0, null, null);
insert into lab values ('one', 55);
insert into before values ('two', 'a-step', 'B.');
insert into history values (1, 30, 'one', 'a-step', 'failed', 2, 'B.', 'C.', '["a slip"]');
insert into history values (2, 31, 'one', 'a-step', 'passed', 1, null, null, null);
pragma user_version = 2;
"""
THIRD_VERSION = """
create table step (lab text, step text, status text, expected text, found text, next text,
    checked_at real, passed_at real, attempts integer, skipped_at real, solved_at real,
    reason text not null default '', primary key (lab, step));
create table lab (lab text primary key, done_at real);
create table before (lab text, step text, found text, primary key (lab, step));
create table history (id integer primary key, at real, lab text, step text, what text,
    attempts integer, found text, next text, mistakes text);
insert into step values ('one', 'a-step', 'failed', 'A.', 'B.', 'C.', 30, 10, 3, null, null,
    'slip');
insert into lab values ('one', 20);
insert into before values ('one', 'a-step', 'D.');
insert into history values (1, 30, 'one', 'a-step', 'broken', 2, 'B.', 'C.', null);
pragma user_version = 3;
"""
FOURTH_VERSION = """
create table prediction (lab text primary key, choice text, at real);
insert into prediction values ('across-the-network', 'nothing more', 5);
insert into step values ('across-the-network', 'serve-tls', 'passed', null, 'It is there.', null,
    40, 40, 2, null, null, '');
insert into step values ('across-the-network', 'trust-the-ca', 'failed', 'A.', 'B.', 'C.', 50,
    null, 1, null, null, 'slip');
insert into before values ('across-the-network', 'serve-tls', 'E.');
insert into history values (2, 39, 'across-the-network', null, 'started', 0, null, null, null);
insert into history values (3, 40, 'across-the-network', 'serve-tls', 'passed', 2, null, null,
    null);
insert into lab values ('across-the-network', 60);
pragma user_version = 4;
"""
FIFTH_VERSION = """
create table prediction (lab text primary key, choice text, at real);
insert into prediction values ('one', 'Yes', 40);
pragma user_version = 5;
"""


@pytest.fixture
def written(progress):
    """Write a file as an older version did."""

    def write(statements):
        progress.path.parent.mkdir()
        with closing(sqlite3.connect(progress.path)) as database, database:
            database.executescript(statements)
        return progress

    return write


def test_progress_of_the_first_version_is_there_with_all_that_it_says(written):
    progress = written(FIRST_VERSION).load_archive()
    one, two = progress.steps["one"], progress.steps["two"]
    failed = Verdict("failed", "A.", "B.", "C.")
    assert one["a-step"] == StepProgress(PASSED, 30, 10, 3)
    assert one["broken"] == StepProgress(failed, 40, 20, 2) and one["broken"].state == "broken"
    assert two["a-step"] == StepProgress(failed, 50, None, 4)
    assert two["unknown"] == StepProgress(UNKNOWN, 60, None, 1)
    assert progress.done == {"one": 35}
    attempts = dict.fromkeys(((event.lab, event.step) for event in progress.events), 0)
    for event in progress.events:
        attempts[event.lab, event.step] += event.attempts
    kept = {("one", "a-step"): 3, ("one", "broken"): 2, ("two", "a-step"): 4, ("two", "unknown"): 1}
    assert attempts == kept


def test_progress_of_the_second_version_is_there_with_all_that_it_says(written):
    store = written(SECOND_VERSION)
    progress = store.load_archive()
    assert progress.steps["one"] == {
        "a-step": StepProgress(PASSED, 30, 10, 3),
        "skipped": StepProgress(skipped_at=40),
        "solved": StepProgress(PASSED, 50, None, 1, None, 45),
    }
    not_solved = "This step could not be done for you: B."
    verdict = Verdict("unknown", None, not_solved, "C.", "not-solved")
    assert progress.steps["two"] == {"a-step": StepProgress(verdict, 60)}
    assert progress.done == {"one": 55}
    assert store.load_lab("two").untouched == {"a-step": "B."}
    assert progress.events == [
        Event(30, "one", "a-step", "failed", 2, "B.", "C.", ("a slip",)),
        Event(31, "one", "a-step", "passed", 1),
    ]


def test_progress_of_the_third_version_is_there_with_all_that_it_says(written):
    store = written(THIRD_VERSION)
    broken = StepProgress(FAILED, 30, 10, 3)
    assert store.load_lab("one") == LabProgress({"a-step": broken}, {"a-step": "D."}, 20)
    assert store.load_archive().events == [Event(30, "one", "a-step", "broken", 2, "B.", "C.")]


def test_progress_of_the_fourth_version_is_there_with_the_steps_that_have_another_lab_now(written):
    store = written(THIRD_VERSION + FOURTH_VERSION)
    served, trust = StepProgress(PASSED, 40, 40, 2), StepProgress(FAILED, 50, None, 1)
    assert store.load_lab("serve-tls") == LabProgress(
        {"serve-tls": served}, {"serve-tls": "E."}, 60
    )
    assert store.load_lab("across-the-network") == LabProgress(
        {"trust-the-ca": trust}, {}, 60, "nothing more"
    )
    assert store.load_lab("one").steps and store.load_archive().events[1:] == [
        Event(39, "across-the-network", None, "started"),
        Event(40, "serve-tls", "serve-tls", "passed", 2),
    ]


def test_progress_of_the_fifth_version_is_there_with_all_that_it_says(written):
    store = written(THIRD_VERSION + FIFTH_VERSION)
    broken = StepProgress(FAILED, 30, 10, 3)
    assert store.load_lab("one") == LabProgress({"a-step": broken}, {"a-step": "D."}, 20, "Yes")
    assert store.load_archive().events == [Event(30, "one", "a-step", "broken", 2, "B.", "C.")]


def test_a_file_of_the_current_version_is_brought_to_the_next_one(progress, lasting, monkeypatch):
    failed = progress.record("lab", lasting, FAILED)
    step = ["alter table step add column more text", "update step set more = 'x'"]
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, step])
    assert progress.load_lab("lab").steps == {"a-step": failed}
    with closing(sqlite3.connect(progress.path)) as database:
        assert database.execute("select more from step").fetchall() == [("x",)]
        version = database.execute("pragma user_version").fetchone()
    assert version == (len(schema.MIGRATIONS),)
    assert progress.record("lab", lasting, PASSED).attempts == 2


def test_a_step_that_fails_leaves_the_file_as_it_was(progress, lasting, monkeypatch):
    progress.record("lab", lasting, FAILED)
    before = progress.path.read_bytes()
    with monkeypatch.context() as patch:
        step = ["alter table step add column more text", "alter table none add column more text"]
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, step])
        with pytest.raises(ProgressUnavailable, match="no such table"):
            progress.load()
    assert progress.path.read_bytes() == before
    assert progress.load_lab("lab").steps["a-step"].verdict == FAILED


def test_a_file_of_the_first_version_is_brought_up_to_date_once(written, lasting):
    progress = written(FIRST_VERSION)

    def read(_):
        return len(Progress(progress.path).load_archive().events)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(16))) == {6}
    assert progress.record("two", lasting, PASSED).attempts == 5
    assert len(progress.load_archive().events) == 7


def test_a_file_of_a_newer_version_is_said_and_left_as_it_is(progress, lasting):
    progress.record("lab", lasting, PASSED)
    with closing(sqlite3.connect(progress.path)) as database, database:
        database.execute(f"pragma user_version = {len(schema.MIGRATIONS) + 1}")
    before = progress.path.read_bytes()
    with pytest.raises(ProgressUnavailable, match="a newer version of this course"):
        progress.record("lab", lasting, FAILED)
    assert progress.path.read_bytes() == before


def test_a_file_that_cannot_be_brought_up_to_date_is_left_as_it_is(progress):
    progress.path.parent.mkdir()
    another_table(progress.path, missing_ok=True)
    before = progress.path.read_bytes()
    with pytest.raises(ProgressUnavailable):
        progress.load_lab("lab")
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
        lambda: progress.load_lab("lab"),
        lambda: progress.record("lab", lasting, FAILED),
        lambda: progress.begin("lab"),
    ):
        with pytest.raises(ProgressUnavailable) as caught:
            act()
        assert str(progress.path) in caught.value.found
        assert "Move the file away to start a new one" in caught.value.next


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
    assert progress.load_lab("lab").steps["a-step"].verdict == PASSED


@pytest.fixture
def waits(progress, lasting, monkeypatch):
    """The seconds for which the file, which another program holds, would have been waited for."""
    progress.record("lab", lasting, PASSED)
    connect, waits = sqlite3.connect, []

    def wait(path, timeout):
        waits.append(timeout)
        return connect(path, timeout=0)

    monkeypatch.setattr(sqlite3, "connect", wait)
    with closing(connect(progress.path, isolation_level=None)) as holder:
        holder.execute("begin exclusive")
        yield waits


def test_a_file_that_another_program_holds_is_waited_for_once(progress, waits):
    """A page asks for it once, and a check of all steps twice for each of them."""
    for ask in (progress.load, *(partial(progress.load_lab, "lab") for _ in range(20))):
        with pytest.raises(ProgressUnavailable, match="locked"):
            ask()
    assert len(waits) == 21
    assert waits[0] <= 2 and sum(waits) < 5


def test_a_file_that_is_busy_for_long_is_waited_for_again_and_again(progress, waits, monkeypatch):
    """However often it is asked for meanwhile."""
    for now in range(1000, 1030, 3):
        monkeypatch.setattr(store.time, "monotonic", lambda now=now: now)
        with pytest.raises(ProgressUnavailable, match="locked"):
            progress.load()
    assert waits.count(max(waits)) == 3


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


def test_of_a_long_history_no_more_than_its_outcome_is_held(progress, lasting):
    event = Event(1, "lab", lasting.id, "failed", 1, "B" * 500, "C" * 500, ("a slip",))
    progress.import_archive(ProgressArchive(events=[replace(event, at=at) for at in range(2000)]))
    tracemalloc.start()
    try:
        [met] = progress.load().histories["lab"].steps[lasting.id].mistakes.values()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert met.times == 2000
    assert most < 200_000
