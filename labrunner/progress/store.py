"""The learner's progress, stored in SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from labrunner.course.lab import Step
from labrunner.errors import CourseError, ExitStatus
from labrunner.language import Sentence
from labrunner.verdicts import Verdict

from . import rows
from .history import CourseProgress, LabHistory
from .records import Event, LabEvent, LabProgress, ProgressArchive, StepProgress
from .schema import ProgressUnavailable, connect

PATIENCE = 2  # seconds in which others that hold the file are waited for
IMPATIENCE = 0.1  # the same, after that was in vain
RECENT = 10  # seconds for which that holds
LONGEST_TEXT = 500  # characters of a text in the history


class NewerProgress(CourseError):
    """The progress here is newer than the file, in the labs with these names."""

    title = Sentence("That file cannot be imported")
    http_status = 409
    exit_status = ExitStatus.BAD_CALL

    def __init__(self, labs: list[str]) -> None:
        names = ", ".join(f"`{lab}`" for lab in labs)
        super().__init__(
            Sentence("The progress here in {labs} is newer than the file.", labs=names),
            next="Nothing was imported. To replace it, tick “Replace newer progress here” on the "
            "page, or add `--replace` to the command.",
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
            progress = CourseProgress(*rows.read_current(database))
            for row in database.execute("select lab, choice from prediction"):
                progress.predictions[row["lab"]] = row["choice"]
            for event in rows.read_events(database):
                progress.histories.setdefault(event.lab, LabHistory()).add(event)
            return progress

    def load_archive(self) -> ProgressArchive:
        """Return all progress with all that happened."""
        with self._open() as database:
            return rows.read_archive(database)

    def load_lab(self, lab: str) -> LabProgress:
        """Return the progress in one lab, by its name."""
        with self._open() as database:
            untouched = database.execute("select step, found from before where lab = ?", (lab,))
            done = database.execute("select done_at from lab where lab = ?", (lab,)).fetchone()
            predicted = "select choice from prediction where lab = ?"
            choice = database.execute(predicted, (lab,)).fetchone()
            return LabProgress(
                rows.read_steps(database, lab),
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
            old = rows.read_steps(database, lab).get(step.id, StepProgress())
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
            rows.write_step(database, lab, step.id, new)
            if asked or solved or new.state != old.state:
                event = Event(now, lab, step.id, new.state, int(asked))
                if not verdict.passed:
                    found, next = _shorten(verdict.found), _shorten(verdict.next)
                    made = tuple(mistakes) if mistakes is not None else None
                    event = replace(event, found=found, next=next, mistakes=made)
                rows.write_event(database, event)
            if new.done and not old.done:
                rows.write_untouched(database, lab, untouched or {})
                if steps:
                    rows.finish_if_all_done(database, lab, steps)
        return new

    def skip(self, lab: str, step: Step) -> StepProgress:
        """Note that the learner goes on without the step. One that is done stays done."""
        now = time.time()
        with self._transaction() as database:
            old = rows.read_steps(database, lab).get(step.id, StepProgress())
            if old.done:
                return old
            new = replace(old, skipped_at=now)
            rows.write_step(database, lab, step.id, new)
            rows.write_event(database, Event(now, lab, step.id, "skipped"))
        return new

    def predict(self, lab: str, choice: str) -> None:
        """Store the option that the learner chose in the prediction of a lab's lesson."""
        with self._transaction() as database:
            rows.write(database, "prediction", lab=lab, choice=choice, at=time.time())

    def begin(self, lab: str, untouched: Mapping[str, str | None] | None = None) -> None:
        """Open all steps of a lab that is started. What happened stays, and that it was once done.
        A prediction stays unless it was made before the lab was last closed.

        untouched: as for `record`.
        """
        with self._transaction() as database:
            rows.delete_lab(database, lab)
            database.execute(
                "delete from prediction where lab = :lab and at < (select max(at) from history"
                " where lab = :lab and what in ('reset', 'back', 'finished'))",
                {"lab": lab},
            )
            rows.write_untouched(database, lab, untouched or {})
            rows.write_event(database, Event(time.time(), lab, None, "started"))

    def note(self, lab: str, kind: LabEvent, step: str | None = None) -> None:
        """Add what happened to a lab as a whole to its history; the same never twice in a row."""
        with self._transaction() as database:
            rows.note_lab(database, lab, kind, step)

    def import_archive(self, archive: ProgressArchive, *, replace: bool = False) -> None:
        """Take over the labs of an archive. Other labs stay as they are, and no history is lost.

        Raises `NewerProgress` where labs here are newer, unless `replace` is set. Then nothing has
        changed.
        """
        with self._transaction() as database:
            here, there = rows.read_archive(database), archive.latest
            known = here.latest
            newer = [lab for lab in sorted(there) if known.get(lab, 0) > there[lab]]
            if newer and not replace:
                raise NewerProgress(newer)
            for lab in there:
                rows.delete_lab(database, lab)
            for lab, steps in archive.steps.items():
                for id, step in steps.items():
                    rows.write_step(database, lab, id, step)
            for lab, at in archive.done.items():
                first = min(at, here.done.get(lab, at))
                database.execute("insert or replace into lab values (?, ?)", (lab, first))
            happened = {_identity(event) for event in here.events}
            for event in archive.events:
                if _identity(event) not in happened:
                    rows.write_event(database, event)

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


def _identity(event: Event) -> tuple[object, ...]:
    return event.at, event.lab, event.step, event.kind


def _shorten(text: str | None) -> str | None:
    """Cut a text for the history, which grows: what a check found can hold an answer of 64 KiB."""
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT - 1]}…"
