"""The rows in which the learner's progress is stored: read and written in an open database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from labrunner.language import Sentence, dump
from labrunner.verdicts import Verdict

from .records import Event, LabEvent, ProgressArchive, StepProgress

TEXTS = ("expected", "found", "next")  # of a verdict


def read_archive(database: sqlite3.Connection) -> ProgressArchive:
    """Return how all stands, with all that happened."""
    return ProgressArchive(*read_current(database), [*read_events(database)])


def read_current(
    database: sqlite3.Connection,
) -> tuple[dict[str, dict[str, StepProgress]], dict[str, float]]:
    """Return how the steps stand now, by lab and id, and when each lab was done."""
    steps: dict[str, dict[str, StepProgress]] = {}
    for row in database.execute("select * from step order by lab, rowid"):
        steps.setdefault(row["lab"], {})[row["step"]] = _step(row)
    return steps, {row["lab"]: row["done_at"] for row in database.execute("select * from lab")}


def read_events(database: sqlite3.Connection) -> Iterator[Event]:
    """Yield all that happened, in its order."""
    return map(_event, database.execute("select * from history order by at, id"))


def read_steps(database: sqlite3.Connection, lab: str) -> dict[str, StepProgress]:
    """Return how the steps of a lab stand, by id."""
    rows = database.execute("select * from step where lab = ? order by rowid", (lab,))
    return {row["step"]: _step(row) for row in rows}


def _step(row: sqlite3.Row) -> StepProgress:
    verdict = None
    if row["status"]:
        texts = {**{name: row[name] for name in TEXTS}, **_sentences(row)}
        verdict = Verdict(row["status"], **texts, reason=row["reason"])
    return StepProgress(
        verdict,
        row["checked_at"],
        row["passed_at"],
        row["attempts"],
        row["skipped_at"],
        row["solved_at"],
    )


def _event(row: sqlite3.Row) -> Event:
    sentences = _sentences(row)
    return Event(
        row["at"],
        row["lab"],
        row["step"],
        row["what"],
        row["attempts"],
        sentences.get("found", row["found"]),
        sentences.get("next", row["next"]),
        None if row["mistakes"] is None else tuple(json.loads(row["mistakes"])),
    )


def _sentences(row: sqlite3.Row) -> dict[str, str]:
    """Return the row's texts that were filled with values, as sentences that can be translated."""
    sources = json.loads(row["sources"]) if row["sources"] else {}
    return {name: Sentence.load(source) for name, source in sources.items()}


def _sources(**texts: str | None) -> str | None:
    """Return what these texts were made from, as far as they were filled with values."""
    made = {name: dump(t) for name, t in texts.items() if isinstance(t, Sentence) and t.values}
    return json.dumps(made) if made else None


def write_step(database: sqlite3.Connection, lab: str, id: str, step: StepProgress) -> None:
    verdict = step.verdict
    texts = {name: getattr(verdict, name, None) for name in TEXTS}
    write(
        database,
        "step",
        lab=lab,
        step=id,
        status=verdict.status if verdict else None,
        **texts,
        sources=_sources(**texts),
        reason=verdict.reason if verdict else "",
        checked_at=step.checked_at,
        passed_at=step.passed_at,
        attempts=step.attempts,
        skipped_at=step.skipped_at,
        solved_at=step.solved_at,
    )


def write_event(database: sqlite3.Connection, event: Event) -> None:
    write(
        database,
        "history",
        at=event.at,
        lab=event.lab,
        step=event.step,
        what=event.kind,
        attempts=event.attempts,
        found=event.found,
        next=event.next,
        sources=_sources(found=event.found, next=event.next),
        mistakes=None if event.mistakes is None else json.dumps(event.mistakes),
    )


def write_untouched(
    database: sqlite3.Connection, lab: str, untouched: Mapping[str, str | None]
) -> None:
    """Note what the checks find of steps that nobody has touched, by id."""
    for id, found in untouched.items():
        write(database, "before", lab=lab, step=id, found=found)


def write(database: sqlite3.Connection, table: str, **row: Any) -> None:
    """Write a row in place of the one with the same key."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    # The names of tables and columns are the callers' own words, never data.
    database.execute(f"insert or replace into {table} ({names}) values ({marks})", row)  # noqa: S608


def delete_lab(database: sqlite3.Connection, lab: str) -> None:
    """Open all steps of a lab again."""
    database.execute("delete from step where lab = ?", (lab,))
    database.execute("delete from before where lab = ?", (lab,))


def finish_if_all_done(database: sqlite3.Connection, lab: str, ids: Collection[str]) -> None:
    """Note that a lab is done, if all the steps with these ids are."""
    known = read_steps(database, lab)
    steps = [known.get(id, StepProgress()) for id in ids]
    if all(step.done_by_learner for step in steps):
        database.execute("insert or ignore into lab values (?, ?)", (lab, time.time()))
    if all(step.done for step in steps):
        note_lab(database, lab, "done")


def note_lab(
    database: sqlite3.Connection, lab: str, kind: LabEvent, step: str | None = None
) -> None:
    """Add what happened to a lab as a whole; the same never twice in a row."""
    last = (
        "select what from history where lab = ? and what in"
        " ('started', 'reset', 'back', 'finished', 'done') order by at desc, id desc limit 1"
    )
    row = database.execute(last, (lab,)).fetchone()
    if not row or row["what"] != kind:
        write_event(database, Event(time.time(), lab, step, kind))
