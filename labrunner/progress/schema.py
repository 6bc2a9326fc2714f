"""The file with the learner's progress, brought to this version of the course when it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

VERSION = 2
FIRST = (  # version 1 had no number
    "create table if not exists step (lab text, step text, status text, expected text, found text,"
    " next text, checked_at real, passed_at real, attempts integer, primary key (lab, step))",
    "create table if not exists lab (lab text primary key, done_at real)",
)
SECOND = (
    "alter table step add column skipped_at real",
    "alter table step add column solved_at real",
    "create table before (lab text, step text, found text, primary key (lab, step))",
    "create table history (id integer primary key, at real, lab text, step text, what text,"
    " attempts integer, found text, next text, mistakes text)",
    "insert into history (at, lab, step, what, attempts)"
    " select passed_at, lab, step, 'passed', 1 from step where passed_at is not null",
    "insert into history (at, lab, step, what, attempts, found, next) select checked_at, lab,"
    " step, case when status = 'failed' and passed_at is not null then 'broken' else status end,"
    " attempts - (passed_at is not null), found, next from step"
    " where passed_at is null or attempts > 1",
)


class ProgressUnavailable(Exception):
    """The file cannot be read or written; the sentence says which and what to do."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database in this file, which is made with its folder where there is none. What is done
    in it is kept whole or not at all.

    Raises `ProgressUnavailable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(path, timeout=5)) as database, database:
            database.row_factory = sqlite3.Row
            if _version(database) != VERSION:
                _migrate(path, database)
            yield database
    except (sqlite3.Error, OSError) as error:
        raise ProgressUnavailable(
            f"Your progress in `{path}` cannot be read or written: {error}. "
            "The lessons and checks work without it; move the file away to begin a new one."
        ) from error


def _migrate(path: Path, database: sqlite3.Connection) -> None:
    """Bring it to this version, whole or not at all."""
    database.execute("begin immediate")
    if _version(database) > VERSION:
        raise ProgressUnavailable(
            f"Your progress in `{path}` is of a newer version of this course. The lessons and "
            "checks work without it; bring the course up to date, and it is there again."
        )
    if _version(database) < VERSION:  # nobody else did it meanwhile
        for statement in (*FIRST, *SECOND, f"pragma user_version = {VERSION}"):
            database.execute(statement)
    database.commit()


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])
