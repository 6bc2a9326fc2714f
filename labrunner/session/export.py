"""Progress in a file that can be taken to another machine: a JSON object on each line.

The first line says what the file is; each other one is a step, a lab that is done, or something
that happened. A file is taken in whole or not at all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, get_args

from labrunner.progress.store import Event, Progress, State, StepProgress, What, put_event, put_step
from labrunner.verdicts import Status, Verdict

LIMIT = 1_000_000  # bytes
HEAD = {"registry-lab": "progress", "version": 1}
VERDICT = ("status", "expected", "found", "next")
LONGEST = 1000  # characters of a text that goes into a file
EARLIEST = 1_500_000_000  # seconds since 1970; there was no such course before
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


class BadFile(Exception):
    """It cannot be taken in; the sentence says in which line, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"Line {line}: {why}" if line else why)


class Newer(Exception):
    """What is here of these labs, whose names are the argument, is newer than the file."""

    @property
    def labs(self) -> list[str]:
        found: list[str] = self.args[0]
        return found


@dataclass
class ProgressArchive:
    """What a file holds: steps by lab and id, when labs were done, and what happened."""

    steps: dict[tuple[str, str], StepProgress] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def latest(self) -> dict[str, float]:
        """For each lab the last moment of which something is known."""
        found = dict(self.done)
        for event in self.events:
            found[event.lab] = max(found.get(event.lab, 0), event.at)
        for (lab, _), step in self.steps.items():
            times = (step.checked_at, step.passed_at, step.skipped_at, step.solved_at)
            found[lab] = max(found.get(lab, 0), *(moment or 0 for moment in times))
        return found

    def told(self, labs: Collection[str]) -> str:
        """What was taken in, by a course with these labs."""
        said = f"Your progress was taken in. Labs: {len(self.latest)}, steps: {len(self.steps)}."
        others = sorted(set(self.latest) - set(labs))
        if not others:
            return said
        return f"{said} Kept, though not in this course: {_listed(others)}."


def pack(progress: Progress) -> bytes:
    """All progress as a file. Long texts are cut, and of a very long history the oldest is left
    out. Raises `ProgressUnavailable`."""
    parcel = _here(progress)
    lines: list[dict[str, Any]] = [HEAD]
    lines += [{"kind": "lab", "lab": lab, "done_at": at} for lab, at in parcel.done.items()]
    for (lab, id), step in parcel.steps.items():
        said = (
            step.verdict.as_dict() if step.verdict else dict.fromkeys(Verdict("passed").as_dict())
        )
        row = {"kind": "step", "lab": lab, "step": id, **{k: _cut(v) for k, v in said.items()}}
        row |= {name: getattr(step, name) for name in ("checked_at", "passed_at", "attempts")}
        lines.append({**row, "skipped_at": step.skipped_at, "solved_at": step.solved_at})
    room = LIMIT - sum(len(_line(each)) for each in lines)
    events: list[bytes] = []
    for event in reversed(parcel.events):
        events.append(_line({"kind": "event", **vars(event)}))
        room -= len(events[-1])
        if room < 0:
            events.pop()
            break
    return b"".join([*map(_line, lines), *reversed(events)])


def unpack(data: bytes) -> ProgressArchive:
    """What stands in a file. Raises `BadFile` for the first thing that is wrong with it."""
    if len(data) > LIMIT:
        raise BadFile(0, "The file is larger than 1 MB, which no saved progress is.")
    parcel = ProgressArchive()
    lines = data.splitlines()
    head = _object(1, lines[0]) if lines else {}
    if set(head) != set(HEAD) or head["registry-lab"] != HEAD["registry-lab"]:
        raise BadFile(1, "This is no saved progress of Registry Lab.")
    if type(head["version"]) is not int or head["version"] != HEAD["version"]:
        raise BadFile(1, "The file was saved by another version of this course.")
    for number, line in enumerate(lines[1:], 2):
        _take(parcel, number, _object(number, line))
    return parcel


def bring(progress: Progress, parcel: ProgressArchive, *, replace: bool = False) -> None:
    """Take a parcel in: its labs stand as in the file, others stay as they are, and no history is
    lost. Raises `Newer` where labs here are newer, unless they are to be replaced, and
    `ProgressUnavailable`; then nothing has changed."""
    with progress.open() as kept:
        kept.execute("begin immediate")  # from here on nobody else writes
        here = _here(progress)
        there, known = parcel.latest, here.latest
        newer = [lab for lab in sorted(there) if known.get(lab, 0) > there[lab]]
        if newer and not replace:
            raise Newer(newer)
        happened = {_key(event) for event in here.events}
        for lab in there:
            kept.execute("delete from step where lab = ?", (lab,))
            kept.execute("delete from before where lab = ?", (lab,))
        for (lab, id), step in parcel.steps.items():
            put_step(kept, lab, id, step)
        for lab, at in parcel.done.items():
            first = min(at, here.done.get(lab, at))
            kept.execute("insert or replace into lab values (?, ?)", (lab, first))
        for event in parcel.events:
            if _key(event) not in happened:
                put_event(kept, event)


def _here(progress: Progress) -> ProgressArchive:
    steps = {(lab, id): step for lab, row in progress.all().items() for id, step in row.items()}
    return ProgressArchive(steps, progress.done_labs(), progress.history())


def _key(event: Event) -> tuple[object, ...]:
    return event.at, event.lab, event.step, event.what


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _object(number: int, line: bytes) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    try:
        row = json.loads(line.decode(), parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise BadFile(number, "This is not a JSON object as this course writes it.") from None
    if not isinstance(row, dict):
        raise BadFile(number, "This is JSON, but not an object.")
    return row


def _take(parcel: ProgressArchive, number: int, row: dict[str, Any]) -> None:
    """Look over one line field by field, and put it with the others."""
    kind = row.pop("kind", None)
    wanted = FIELDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        raise BadFile(number, f"`kind` is to be {_listed(FIELDS)}, not {_shown(kind)}.")
    if set(row) != set(wanted):
        raise BadFile(number, f"A {kind} has the fields {_listed(wanted)}, no more and no fewer.")
    for name, (right, what) in wanted.items():
        if not right(row[name]):
            raise BadFile(number, f"`{name}` is to be {what}, not {_shown(row[name])}.")
    if kind == "event":
        mistakes = None if row["mistakes"] is None else tuple(row["mistakes"])
        parcel.events.append(Event(**{**row, "mistakes": mistakes}))
    elif kind == "lab":
        if row["lab"] in parcel.done:
            raise BadFile(number, f"The lab `{row['lab']}` stands in the file already.")
        parcel.done[row["lab"]] = row["done_at"]
    else:
        _take_step(parcel, number, row)


def _take_step(parcel: ProgressArchive, number: int, row: dict[str, Any]) -> None:
    lab, id = row.pop("lab"), row.pop("step")
    if (lab, id) in parcel.steps:
        raise BadFile(number, f"The step `{id}` of `{lab}` stands in the file already.")
    status, *said = [row.pop(name) for name in VERDICT]
    if (status is None) != (row["checked_at"] is None):
        raise BadFile(number, "A step has both `status` and `checked_at`, or neither.")
    if status == "passed" and row["passed_at"] is None and row["solved_at"] is None:
        raise BadFile(number, "A step that has passed says when, or when it was solved.")
    parcel.steps[lab, id] = StepProgress(Verdict(status, *said) if status else None, **row)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_moment(value: Any) -> bool:
    return type(value) in (int, float) and EARLIEST <= value <= time.time() + 86400


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _or_none(right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or right(value)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return f"`{text if len(text) <= 60 else text[:60] + '…'}`"


STATUSES, STATES = get_args(Status), (*get_args(State), *get_args(What))
_NAME = (_is_name, "a name of small letters, digits and hyphens")
_COUNT = (lambda n: type(n) is int and 0 <= n <= 1_000_000, "a whole number from 0")
_MOMENT = (_is_moment, "seconds since 1970, after 2017 and not to come")
_MOMENT_OR_NONE = (_or_none(_is_moment), f"{_MOMENT[1]}, or null")
_TEXT_OR_NONE = (_or_none(_is_text), "a text or null")
FIELDS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "lab": {"lab": _NAME, "done_at": _MOMENT},
    "step": {
        "lab": _NAME,
        "step": _NAME,
        "status": (_or_none(lambda s: s in STATUSES), f"{_listed(STATUSES)} or null"),
        "expected": _TEXT_OR_NONE,
        "found": _TEXT_OR_NONE,
        "next": _TEXT_OR_NONE,
        "checked_at": _MOMENT_OR_NONE,
        "passed_at": _MOMENT_OR_NONE,
        "attempts": _COUNT,
        "skipped_at": _MOMENT_OR_NONE,
        "solved_at": _MOMENT_OR_NONE,
    },
    "event": {
        "at": _MOMENT,
        "lab": _NAME,
        "step": (_or_none(_is_name), f"{_NAME[1]}, or null"),
        "what": (lambda what: what in STATES, f"one of {_listed(STATES)}"),
        "attempts": _COUNT,
        "found": _TEXT_OR_NONE,
        "next": _TEXT_OR_NONE,
        "mistakes": (
            _or_none(lambda names: isinstance(names, list) and all(map(_is_text, names))),
            "a list of texts, or null",
        ),
    },
}
