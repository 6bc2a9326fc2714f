"""The learner's progress, stored in SQLite."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from labrunner.course.lab import Step
from labrunner.errors import CourseError, ExitStatus
from labrunner.verdicts import Verdict

from .history import CourseProgress, LabHistory
from .records import Event, LabEvent, LabProgress, ProgressArchive, StepProgress
from .schema import ProgressUnavailable, connect

PATIENCE = 2  # seconds in which others that hold the file are waited for
IMPATIENCE = 0.1  # the same, after that was in vain
RECENT = 10  # seconds for which that holds
LONGEST_TEXT = 500  # characters of a text in the history


class NewerProgress(CourseError):
    """The progress here is newer than the file, in the labs with these names."""

    title = "That file cannot be imported"
    http_status = 409
    exit_status = ExitStatus.BAD_CALL

    def __init__(self, labs: list[str]) -> None:
        names = ", ".join(f"`{lab}`" for lab in labs)
        super().__init__(
            f"The progress here in {names} is newer than the file.",
            next="Nothing was imported. To replace what is newer, tick “Replace what is newer "
            "here” on the page, or add `--replace` to the command.",
        )
        self.labs = labs


class Progress:
    """path: the database file. It is created with its folder at the first use.

    All methods raise `ProgressUnavailable`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed_at: float = -RECENT  # on the monotonic clock

    def load(self) -> CourseProgress:
        """Return all progress. Of a long history no more than its outcome is held in memory."""
        with self._open() as database:
            progress = CourseProgress(*_current(database))
            for row in database.execute("select lab, choice from prediction"):
                progress.predictions[row["lab"]] = row["choice"]
            for event in _events(database):
                progress.histories.setdefault(event.lab, LabHistory()).add(event)
            return progress

    def load_archive(self) -> ProgressArchive:
        """Return all progress with all that happened."""
        with self._open() as database:
            return _archive(database)

    def load_lab(self, lab: str) -> LabProgress:
        """Return the progress in one lab, by its name."""
        with self._open() as database:
            untouched = database.execute("select step, found from before where lab = ?", (lab,))
            done = database.execute("select done_at from lab where lab = ?", (lab,)).fetchone()
            predicted = "select choice from prediction where lab = ?"
            choice = database.execute(predicted, (lab,)).fetchone()
            return LabProgress(
                _steps(database, lab),
                {row["step"]: row["found"] for row in untouched},
                done["done_at"] if done else None,
                choice["choice"] if choice else None,
            )

    def record(
        self,
        lab: str,
        step: Step,
        verdict: Verdict,
        *,
        asked: bool = True,
        solved: bool = False,
        mistakes: Collection[str] | None = None,
        steps: Collection[str] = (),
        untouched: Mapping[str, str | None] | None = None,
    ) -> StepProgress:
        """Store a verdict and what follows from it. A moment that has passed stays passed.

        asked: the learner asked for the check of this very step; any other is no attempt. solved:
        the step was done for the learner just before. After a check that is neither, a skipped
        step stays skipped until it passes. mistakes: the known ones that lead to this verdict.

        When the step becomes done, two more things are stored: that the lab is done, if all its
        `steps`, given by id, now are; and what the checks find of steps that are `untouched`.
        """
        now = time.time()
        with self._transaction() as database:
            old = _steps(database, lab).get(step.id, StepProgress())
            if not step.lasting and old.done:
                return old
            first = now if verdict.passed else None
            solved_at = old.solved_at or (first if solved else None)
            new = StepProgress(
                verdict,
                now,
                old.passed_at or (None if solved_at else first),
                old.attempts + asked,
                None if asked or solved or verdict.passed else old.skipped_at,
                solved_at,
            )
            _put_step(database, lab, step.id, new)
            if asked or solved or new.state != old.state:
                event = Event(now, lab, step.id, new.state, int(asked))
                if not verdict.passed:
                    found, next = _shorten(verdict.found), _shorten(verdict.next)
                    made = tuple(mistakes) if mistakes is not None else None
                    event = replace(event, found=found, next=next, mistakes=made)
                _put_event(database, event)
            if new.done and not old.done:
                _put_untouched(database, lab, untouched or {})
                if steps:
                    _finish_if_all_done(database, lab, steps)
        return new

    def skip(self, lab: str, step: Step) -> StepProgress:
        """Note that the learner goes on without the step. One that is done stays done."""
        now = time.time()
        with self._transaction() as database:
            old = _steps(database, lab).get(step.id, StepProgress())
            if old.done:
                return old
            new = replace(old, skipped_at=now)
            _put_step(database, lab, step.id, new)
            _put_event(database, Event(now, lab, step.id, "skipped"))
        return new

    def predict(self, lab: str, choice: str) -> None:
        """Store the option that the learner chose in the prediction of a lab's lesson."""
        with self._transaction() as database:
            _insert(database, "prediction", lab=lab, choice=choice, at=time.time())

    def begin(self, lab: str, untouched: Mapping[str, str | None] | None = None) -> None:
        """Open all steps of a lab that is started. What happened stays, and that it was once done.
        A prediction stays unless it was made before the lab was last closed.

        untouched: as for `record`.
        """
        with self._transaction() as database:
            _delete_lab(database, lab)
            database.execute(
                "delete from prediction where lab = :lab and at < (select max(at) from history"
                " where lab = :lab and what in ('reset', 'back', 'finished'))",
                {"lab": lab},
            )
            _put_untouched(database, lab, untouched or {})
            _put_event(database, Event(time.time(), lab, None, "started"))

    def note(self, lab: str, kind: LabEvent, step: str | None = None) -> None:
        """Add what happened to a lab as a whole to its history; the same never twice in a row."""
        with self._transaction() as database:
            _note(database, lab, kind, step)

    def import_archive(self, archive: ProgressArchive, *, replace: bool = False) -> None:
        """Take over the labs of an archive. Other labs stay as they are, and no history is lost.

        Raises `NewerProgress` where labs here are newer, unless `replace` is set. Then nothing has
        changed.
        """
        with self._transaction() as database:
            here, there = _archive(database), archive.latest
            known = here.latest
            newer = [lab for lab in sorted(there) if known.get(lab, 0) > there[lab]]
            if newer and not replace:
                raise NewerProgress(newer)
            for lab in there:
                _delete_lab(database, lab)
            for lab, steps in archive.steps.items():
                for id, step in steps.items():
                    _put_step(database, lab, id, step)
            for lab, at in archive.done.items():
                first = min(at, here.done.get(lab, at))
                database.execute("insert or replace into lab values (?, ?)", (lab, first))
            happened = {_identity(event) for event in here.events}
            for event in archive.events:
                if _identity(event) not in happened:
                    _put_event(database, event)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the database. Where it could not be used a moment ago, it is not waited for again:
        a check of all steps asks for it many times."""
        impatient = time.monotonic() - self._failed_at < RECENT
        try:
            with connect(self.path, IMPATIENCE if impatient else PATIENCE) as database:
                self._failed_at = -RECENT
                yield database
        except ProgressUnavailable:
            if not impatient:  # else a busy file would never be waited for again
                self._failed_at = time.monotonic()
            raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the database for a change, while nobody else can write."""
        with self._open() as database:
            database.execute("begin immediate")  # two checks at once do not lose a pass
            yield database


def _archive(database: sqlite3.Connection) -> ProgressArchive:
    return ProgressArchive(*_current(database), [*_events(database)])


def _current(
    database: sqlite3.Connection,
) -> tuple[dict[str, dict[str, StepProgress]], dict[str, float]]:
    """Return how the steps stand now, by lab and id, and when each lab was done."""
    steps: dict[str, dict[str, StepProgress]] = {}
    for row in database.execute("select * from step order by lab, rowid"):
        steps.setdefault(row["lab"], {})[row["step"]] = _step(row)
    return steps, {row["lab"]: row["done_at"] for row in database.execute("select * from lab")}


def _events(database: sqlite3.Connection) -> Iterator[Event]:
    return map(_event, database.execute("select * from history order by at, id"))


def _steps(database: sqlite3.Connection, lab: str) -> dict[str, StepProgress]:
    rows = database.execute("select * from step where lab = ? order by rowid", (lab,))
    return {row["step"]: _step(row) for row in rows}


def _step(row: sqlite3.Row) -> StepProgress:
    verdict = None
    if row["status"]:
        texts = (row["expected"], row["found"], row["next"])
        verdict = Verdict(row["status"], *texts, row["reason"])
    return StepProgress(
        verdict,
        row["checked_at"],
        row["passed_at"],
        row["attempts"],
        row["skipped_at"],
        row["solved_at"],
    )


def _event(row: sqlite3.Row) -> Event:
    return Event(
        row["at"],
        row["lab"],
        row["step"],
        row["what"],
        row["attempts"],
        row["found"],
        row["next"],
        None if row["mistakes"] is None else tuple(json.loads(row["mistakes"])),
    )


def _put_step(database: sqlite3.Connection, lab: str, id: str, step: StepProgress) -> None:
    verdict = step.verdict
    _insert(
        database,
        "step",
        lab=lab,
        step=id,
        status=verdict.status if verdict else None,
        expected=verdict.expected if verdict else None,
        found=verdict.found if verdict else None,
        next=verdict.next if verdict else None,
        reason=verdict.reason if verdict else "",
        checked_at=step.checked_at,
        passed_at=step.passed_at,
        attempts=step.attempts,
        skipped_at=step.skipped_at,
        solved_at=step.solved_at,
    )


def _put_event(database: sqlite3.Connection, event: Event) -> None:
    _insert(
        database,
        "history",
        at=event.at,
        lab=event.lab,
        step=event.step,
        what=event.kind,
        attempts=event.attempts,
        found=event.found,
        next=event.next,
        mistakes=None if event.mistakes is None else json.dumps(event.mistakes),
    )


def _put_untouched(
    database: sqlite3.Connection, lab: str, untouched: Mapping[str, str | None]
) -> None:
    for id, found in untouched.items():
        _insert(database, "before", lab=lab, step=id, found=found)


def _insert(database: sqlite3.Connection, table: str, **row: Any) -> None:
    """Write a row in place of the one with the same key."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    database.execute(f"insert or replace into {table} ({names}) values ({marks})", row)  # noqa: S608


def _delete_lab(database: sqlite3.Connection, lab: str) -> None:
    database.execute("delete from step where lab = ?", (lab,))
    database.execute("delete from before where lab = ?", (lab,))


def _finish_if_all_done(database: sqlite3.Connection, lab: str, ids: Collection[str]) -> None:
    known = _steps(database, lab)
    steps = [known.get(id, StepProgress()) for id in ids]
    if all(step.done_by_learner for step in steps):
        database.execute("insert or ignore into lab values (?, ?)", (lab, time.time()))
    if all(step.done for step in steps):
        _note(database, lab, "done")


def _note(database: sqlite3.Connection, lab: str, kind: LabEvent, step: str | None = None) -> None:
    last = (
        "select what from history where lab = ? and what in"
        " ('started', 'reset', 'back', 'finished', 'done') order by at desc, id desc limit 1"
    )
    row = database.execute(last, (lab,)).fetchone()
    if not row or row["what"] != kind:
        _put_event(database, Event(time.time(), lab, step, kind))


def _identity(event: Event) -> tuple[object, ...]:
    return event.at, event.lab, event.step, event.kind


def _shorten(text: str | None) -> str | None:
    """Cut a text for the history, which grows: what a check found can hold an answer of 64 KiB."""
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT - 1]}…"
