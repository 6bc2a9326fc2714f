"""What the learner has done, in SQLite: how each step stands now, and what came to that."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from labrunner.course.lab import Step
from labrunner.verdicts import Verdict

from . import schema
from .schema import ProgressUnavailable as ProgressUnavailable

State = Literal["not started", "passed", "failed", "unknown", "broken", "skipped", "solved"]
What = Literal["started", "reset", "back", "finished", "done"]
"""What can happen to a lab as a whole; `back` is a reset that does the first steps again, and
`done` says that every step is, whoever did it."""

MOST = 500  # characters


@dataclass(frozen=True)
class StepProgress:
    """The last verdict on a step, and when it was first passed by the learner, skipped, or solved
    for them (seconds since 1970). What was solved is never passed by the learner.

    attempts: how often the learner asked for a check. seconds: how long the last one took; lost:
    it could not be written down; both are not kept.
    """

    verdict: Verdict | None = None
    checked_at: float | None = None
    passed_at: float | None = None
    attempts: int = 0
    skipped_at: float | None = None
    solved_at: float | None = None
    seconds: float = 0
    lost: bool = False

    @property
    def state(self) -> State:
        if self.skipped_at:
            return "skipped"
        if self.verdict is None:
            return "not started"
        if self.verdict.status == "failed" and (self.passed_at or self.solved_at):
            return "broken"
        if self.verdict.passed and self.solved_at:
            return "solved"
        return self.verdict.status

    @property
    def done(self) -> bool:
        """Passed or solved, and not known to be broken since."""
        if self.state == "unknown":
            return bool(self.passed_at or self.solved_at)
        return self.state in ("passed", "solved")

    @property
    def own(self) -> bool:
        """Done, and by the learner."""
        return self.done and not self.solved_at


@dataclass(frozen=True)
class Event:
    """Something that happened, in seconds since 1970: to a step, which came to the state `what`,
    or to a whole lab.

    attempts: how many checks that the learner asked for it stands for. mistakes: those that lead
    to such a verdict, as far as the lab knows them; None where nothing was done wrong.
    """

    at: float
    lab: str
    step: str | None
    what: str
    attempts: int = 0
    found: str | None = None
    next: str | None = None
    mistakes: tuple[str, ...] | None = None


def word(steps: Sequence[StepProgress]) -> str:
    """How far the learner is with the steps of a lab that is started, in a word or two."""
    own = sum(step.own for step in steps)
    if own == len(steps):
        return "done"
    if all(step.done for step in steps):
        return f"done, {len(steps) - own} for you"
    return f"{own} of {len(steps)}"


class Progress:
    """path: the database file; it is made with its folder at the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, lab: str) -> dict[str, StepProgress]:
        """By step id; a step with which nothing was done is not in it."""
        return self.all().get(lab, {})

    def all(self) -> dict[str, dict[str, StepProgress]]:
        """The same for each lab, by its name."""
        found: dict[str, dict[str, StepProgress]] = {}
        with self.open() as kept:
            for row in kept.execute("select * from step order by lab, rowid"):
                found.setdefault(row["lab"], {})[row["step"]] = _step(row)
        return found

    def history(self) -> list[Event]:
        """All that happened, oldest first."""
        with self.open() as kept:
            rows = kept.execute("select * from history order by at, id")
            return [_event(row) for row in rows]

    def record(
        self,
        lab: str,
        step: Step,
        verdict: Verdict,
        *,
        asked: bool = True,
        solved: bool = False,
        mistakes: Sequence[str] | None = None,
    ) -> StepProgress:
        """Keep a verdict. A moment that has passed stays passed.

        asked: the learner asked for the check of this very step. Any other counts as no attempt.
        solved: it comes after the step was done for the learner. Where it is neither, what was
        skipped stays so until it passes.
        """
        now = time.time()
        with self._step(lab, step) as (kept, old):
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
            put_step(kept, lab, step.id, new)
            if asked or solved or new.state != old.state:
                event = Event(now, lab, step.id, new.state, int(asked))
                if not verdict.passed:
                    met = tuple(mistakes) if mistakes is not None else None
                    said = (_short(verdict.found), _short(verdict.next))
                    event = replace(event, found=said[0], next=said[1], mistakes=met)
                put_event(kept, event)
        return new

    def skip(self, lab: str, step: Step) -> StepProgress:
        """The learner goes on without the step. One that is done stays done."""
        now = time.time()
        with self._step(lab, step) as (kept, old):
            if old.done:
                return old
            new = replace(old, skipped_at=now)
            put_step(kept, lab, step.id, new)
            put_event(kept, Event(now, lab, step.id, "skipped"))
        return new

    def begin(self, lab: str) -> None:
        """A lab is started anew: its steps are open again. What happened is kept, and that it was
        done once."""
        with self.open() as kept:
            kept.execute("begin immediate")
            kept.execute("delete from step where lab = ?", (lab,))
            kept.execute("delete from before where lab = ?", (lab,))
            put_event(kept, Event(time.time(), lab, None, "started"))

    def note(self, lab: str, what: What, step: str | None = None) -> None:
        """Something happened to the lab as a whole; the same is not noted twice in a row."""
        last = (
            "select what from history where lab = ? and what in"
            " ('started', 'reset', 'back', 'finished', 'done') order by at desc, id desc limit 1"
        )
        with self.open() as kept:
            kept.execute("begin immediate")
            row = kept.execute(last, (lab,)).fetchone()
            if not row or row["what"] != what:
                put_event(kept, Event(time.time(), lab, step, what))

    def before(self, lab: str) -> dict[str, str | None]:
        """What the checks of a lab find where the learner has not begun with a step yet, by the
        step's id, as far as it was noted."""
        with self.open() as kept:
            rows = kept.execute("select step, found from before where lab = ?", (lab,))
            return dict(map(tuple, rows))

    def note_before(self, lab: str, step: Step, found: str | None) -> None:
        with self.open() as kept:
            row = (lab, step.id, found)
            kept.execute("insert or replace into before values (?, ?, ?)", row)

    def done(self, lab: str) -> None:
        """The learner has passed every step of the lab."""
        with self.open() as kept:
            kept.execute("insert or ignore into lab values (?, ?)", (lab, time.time()))

    def done_labs(self) -> dict[str, float]:
        """When each lab was first done by the learner, in seconds since 1970."""
        with self.open() as kept:
            return dict(map(tuple, kept.execute("select lab, done_at from lab")))

    def open(self) -> AbstractContextManager[sqlite3.Connection]:
        """The database; what is done in it is kept whole or not at all. Raises
        `ProgressUnavailable`."""
        return schema.opened(self.path)

    @contextmanager
    def _step(self, lab: str, step: Step) -> Iterator[tuple[sqlite3.Connection, StepProgress]]:
        """The database, and the step in it, which nobody else changes meanwhile."""
        with self.open() as kept:
            kept.execute("begin immediate")  # two checks at once do not lose a pass
            query = "select * from step where lab = ? and step = ?"
            row = kept.execute(query, (lab, step.id)).fetchone()
            yield kept, _step(row) if row else StepProgress()


def put_step(kept: sqlite3.Connection, lab: str, step: str, progress: StepProgress) -> None:
    """Write down how a step stands."""
    said = tuple(progress.verdict.as_dict().values()) if progress.verdict else (None,) * 4
    times = (progress.checked_at, progress.passed_at, progress.attempts)
    row = (lab, step, *said, *times, progress.skipped_at, progress.solved_at)
    kept.execute("insert or replace into step values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def put_event(kept: sqlite3.Connection, event: Event) -> None:
    """Write down what happened."""
    mistakes = None if event.mistakes is None else json.dumps(event.mistakes)
    what = (event.at, event.lab, event.step, event.what, event.attempts)
    row = (*what, event.found, event.next, mistakes)
    kept.execute("insert into history values (null, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _short(text: str | None) -> str | None:
    """For the history, which grows: an answer may be 64 KiB long, and stand in what was found."""
    return text if text is None or len(text) <= MOST else f"{text[: MOST - 1]}…"


def _step(row: sqlite3.Row) -> StepProgress:
    verdict = Verdict(row["status"], row["expected"], row["found"], row["next"])
    times = (row["checked_at"], row["passed_at"], row["attempts"])
    known = verdict if row["status"] else None
    return StepProgress(known, *times, row["skipped_at"], row["solved_at"])


def _event(row: sqlite3.Row) -> Event:
    mistakes = None if row["mistakes"] is None else tuple(json.loads(row["mistakes"]))
    what = (row["at"], row["lab"], row["step"], row["what"], row["attempts"])
    return Event(*what, row["found"], row["next"], mistakes)
