"""The file that progress is kept in: one of another version, and one that cannot be used."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from labrunner.progress import schema
from labrunner.progress.records import Event, LabProgress, StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import Progress
from labrunner.verdicts import Verdict
from tests.fixtures.progress import FAILED, PASSED, UNKNOWN

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
