"""The tables of the progress file, and the steps that bring an older file to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from labrunner.errors import CourseError
from labrunner.language import Sentence
from labrunner.private_folder import make_private_folder

MIGRATIONS = [
    [  # to version 1, whose files have no number
        "create table if not exists step (lab text, step text, status text, expected text,"
        " found text, next text, checked_at real, passed_at real, attempts integer,"
        " primary key (lab, step))",
        "create table if not exists lab (lab text primary key, done_at real)",
    ],
    [  # to version 2
        "alter table step add column skipped_at real",
        "alter table step add column solved_at real",
        "create table before (lab text, step text, found text, primary key (lab, step))",
        "create table history (id integer primary key, at real, lab text, step text, what text,"
        " attempts integer, found text, next text, mistakes text)",
        "insert into history (at, lab, step, what, attempts)"
        " select passed_at, lab, step, 'passed', 1 from step where passed_at is not null",
        "insert into history (at, lab, step, what, attempts, found, next) select checked_at, lab,"
        " step, case when status = 'failed' and passed_at is not null then 'broken' else status"
        " end, attempts - (passed_at is not null), found, next from step"
        " where passed_at is null or attempts > 1",
    ],
    [  # to version 3
        "alter table step add column reason text not null default ''",
        "update step set reason = 'not-solved'"
        " where found like 'This step could not be done for you: %'"
        " or found like 'This was done for you, and yet: %'",
    ],
    [  # to version 4
        "create table prediction (lab text primary key, choice text, at real)",
    ],
    [  # to version 5: `across-the-network` has become two labs
        "update or ignore step set lab = 'serve-tls'"
        " where lab = 'across-the-network' and step in ('meet-the-error', 'serve-tls')",
        "update or ignore before set lab = 'serve-tls'"
        " where lab = 'across-the-network' and step in ('meet-the-error', 'serve-tls')",
        "update history set lab = 'serve-tls'"
        " where lab = 'across-the-network' and step in ('meet-the-error', 'serve-tls')",
        "insert or ignore into lab"
        " select 'serve-tls', done_at from lab where lab = 'across-the-network'",
    ],
    [  # to version 6
        "alter table step add column sources text",
        "alter table history add column sources text",
    ],
]
"""The statements of each step, from the version before it. A file has the number of its version as
`pragma user_version`."""


class ProgressUnavailable(CourseError):
    """The progress file cannot be read or written."""

    title = Sentence("That cannot be kept now")


@contextmanager
def connect(path: Path, seconds: float) -> Iterator[sqlite3.Connection]:
    """Open the database in this file, which is created if it is missing, in a transaction that is
    stored whole or not at all. seconds: how long others that hold it are waited for.

    Raises `ProgressUnavailable`.
    """
    try:
        make_private_folder(path.parent)
        with closing(sqlite3.connect(path, timeout=seconds)) as database, database:
            database.row_factory = sqlite3.Row
            if _version(database) != len(MIGRATIONS):
                _migrate(path, database)
            yield database
    except (sqlite3.Error, OSError) as error:
        raise ProgressUnavailable(
            Sentence(
                "Your progress in `{path}` cannot be read or written: {error}.",
                path=path,
                error=error,
            ),
            next="The lessons and checks work without it. Move the file away to start a new one.",
        ) from error


def _migrate(path: Path, database: sqlite3.Connection) -> None:
    """Bring the file from its own version to this one, whole or not at all."""
    database.execute("begin immediate")  # from here on no other process does the same
    version = _version(database)
    if version > len(MIGRATIONS):
        raise ProgressUnavailable(
            Sentence(
                "Your progress in `{path}` was written by a newer version of this course.",
                path=path,
            ),
            next="The lessons and checks work without it. Update the course to see it again.",
        )
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            database.execute(statement)
    database.execute(f"pragma user_version = {len(MIGRATIONS)}")
    database.commit()


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])
