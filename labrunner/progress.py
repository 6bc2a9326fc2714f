"""What the learner has done, in SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .lab import Step
from .verdict import Verdict

State = Literal["not started", "passed", "failed", "unknown", "broken"]

SCHEMA = """
create table if not exists step (
    lab text, step text, status text, expected text, found text, next text,
    checked_at real, passed_at real, attempts integer,
    primary key (lab, step)
);
create table if not exists lab (lab text primary key, done_at real);
"""


class ProgressUnavailable(Exception):
    """The file cannot be read or written; the sentence says which and what to do."""


@dataclass(frozen=True)
class StepProgress:
    """The last verdict on a step, and when it first passed (seconds since 1970).

    seconds: how long the last check took; not kept.
    """

    verdict: Verdict | None = None
    checked_at: float | None = None
    passed_at: float | None = None
    attempts: int = 0
    seconds: float = 0

    @property
    def state(self) -> State:
        if self.verdict is None:
            return "not started"
        if self.verdict.status == "failed" and self.passed_at:
            return "broken"
        return self.verdict.status

    @property
    def done(self) -> bool:
        """Passed, and not known to be broken since."""
        return self.passed_at is not None and self.state != "broken"


class Progress:
    """path: the database file; it is made with its folder at the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, lab: str) -> dict[str, StepProgress]:
        """By step id; a step that was never checked is not in it."""
        with self._open() as database:
            rows = database.execute("select * from step where lab = ?", (lab,)).fetchall()
        return {row["step"]: _step(row) for row in rows}

    def record(self, lab: str, step: Step, verdict: Verdict) -> StepProgress:
        """Keep a verdict. A moment that has passed stays passed."""
        now = time.time()
        with self._open() as database:
            database.execute("begin immediate")  # two checks at once do not lose a pass
            query = "select * from step where lab = ? and step = ?"
            row = database.execute(query, (lab, step.id)).fetchone()
            old = _step(row) if row else StepProgress()
            if not step.lasting and old.passed_at:
                return old
            passed_at = old.passed_at or (now if verdict.passed else None)
            new = StepProgress(verdict, now, passed_at, old.attempts + 1)
            database.execute(
                "insert or replace into step values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(lab, step.id, verdict.status, verdict.expected, verdict.found, verdict.next),
                    *(new.checked_at, new.passed_at, new.attempts),
                ),
            )
        return new

    def begin(self, lab: str) -> None:
        """A lab is started anew: its steps are open again. That it was done once is kept."""
        with self._open() as database:
            database.execute("delete from step where lab = ?", (lab,))

    def done(self, lab: str) -> None:
        """Every step of the lab has passed."""
        with self._open() as database:
            database.execute("insert or ignore into lab values (?, ?)", (lab, time.time()))

    def done_labs(self) -> dict[str, float]:
        """When each lab was first done, in seconds since 1970."""
        with self._open() as database:
            return dict(map(tuple, database.execute("select lab, done_at from lab")))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with closing(sqlite3.connect(self.path, timeout=5)) as database, database:
                database.row_factory = sqlite3.Row
                database.executescript(SCHEMA)
                yield database
        except (sqlite3.Error, OSError) as error:
            raise ProgressUnavailable(
                f"Your progress in `{self.path}` cannot be read or written: {error}. "
                "The lessons and checks work without it; move the file away to begin a new one."
            ) from error


def _step(row: sqlite3.Row) -> StepProgress:
    verdict = Verdict(row["status"], row["expected"], row["found"], row["next"])
    return StepProgress(verdict, row["checked_at"], row["passed_at"], row["attempts"])
