"""Progress as a file that can be moved to another machine: a JSON object on each line.

The first line says what the file is; each other one is a step, a lab that is done, or something
that happened. A file is imported whole or not at all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from typing import Any, get_args

from labrunner.errors import CourseError, ExitStatus
from labrunner.language import Sentence
from labrunner.progress.records import Event, LabEvent, ProgressArchive, State, StepProgress
from labrunner.verdicts import Status, Verdict

LIMIT = 1_000_000  # bytes
HEAD: dict[str, Any] = {"registry-lab": "progress", "version": 1}
VERDICT = ("status", "expected", "found", "next")
LONGEST = 1000  # characters of a text that goes into a file
EARLIEST = 1_500_000_000  # seconds since 1970; there was no such course before
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
MUST_BE = "`{name}` must be {what}, not {found}."


class BadFile(CourseError):
    """The file cannot be imported. The sentence says in which line it is wrong, and how: `why`,
    with its values."""

    title = Sentence("That file cannot be imported")
    http_status = 400
    exit_status = ExitStatus.BAD_CALL

    def __init__(self, line: int, why: str, /, **values: object) -> None:
        said = Sentence(why, **values)
        super().__init__(
            Sentence("Line {line}: {why}", line=line, why=said) if line else said,
            next="Nothing was imported. Save your progress again, and import that file.",
        )


def describe(archive: ProgressArchive, labs: Collection[str]) -> str:
    """Say what was imported, to the learner of a course with these labs."""
    steps = sum(len(each) for each in archive.steps.values())
    said = Sentence(
        "Your progress was imported. Labs: {labs}, steps: {steps}.",
        labs=len(archive.latest),
        steps=steps,
    )
    others = sorted(set(archive.latest) - set(labs))
    if not others:
        return said
    kept = Sentence("Kept, though not in this course: {labs}.", labs=_listed(others))
    return Sentence.joined(said, kept)


def pack(archive: ProgressArchive) -> bytes:
    """Return all progress as a file. Long texts are cut, and of a very long history the oldest
    events are left out."""
    lines = [HEAD]
    lines += [{"kind": "lab", "lab": lab, "done_at": at} for lab, at in archive.done.items()]
    for lab, steps in archive.steps.items():
        lines += [_step_line(lab, id, step) for id, step in steps.items()]
    room = LIMIT - sum(len(_line(each)) for each in lines)
    events: list[bytes] = []
    for event in reversed(archive.events):
        events.append(_line(_event_line(event)))
        room -= len(events[-1])
        if room < 0:
            events.pop()
            break
    return b"".join([*map(_line, lines), *reversed(events)])


def unpack(data: bytes) -> ProgressArchive:
    """Return the progress in a file. Raises `BadFile` for the first thing that is wrong with it."""
    if len(data) > LIMIT:
        raise BadFile(0, "The file is larger than 1 MB, so it is not saved progress.")
    archive = ProgressArchive()
    lines = data.splitlines()
    head = _object(1, lines[0]) if lines else {}
    if set(head) != set(HEAD) or head["registry-lab"] != HEAD["registry-lab"]:
        raise BadFile(1, "This is not saved progress of Registry Lab.")
    if type(head["version"]) is not int or head["version"] != HEAD["version"]:
        raise BadFile(1, "The file was saved by another version of this course.")
    for number, line in enumerate(lines[1:], 2):
        _add(archive, number, _object(number, line))
    return archive


def _step_line(lab: str, id: str, step: StepProgress) -> dict[str, Any]:
    texts = step.verdict.as_dict() if step.verdict else dict.fromkeys(VERDICT)
    return {
        "kind": "step",
        "lab": lab,
        "step": id,
        **{name: _cut(text) for name, text in texts.items()},
        "checked_at": step.checked_at,
        "passed_at": step.passed_at,
        "attempts": step.attempts,
        "skipped_at": step.skipped_at,
        "solved_at": step.solved_at,
    }


def _event_line(event: Event) -> dict[str, Any]:
    return {
        "kind": "event",
        "at": event.at,
        "lab": event.lab,
        "step": event.step,
        "what": event.kind,
        "attempts": event.attempts,
        "found": event.found,
        "next": event.next,
        "mistakes": event.mistakes,
    }


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _object(number: int, line: bytes) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name appears twice")
        return dict(pairs)

    try:
        row = json.loads(line.decode(), parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise BadFile(number, "This is not a JSON object that this course wrote.") from None
    if not isinstance(row, dict):
        raise BadFile(number, "This is JSON, but not an object.")
    return row


def _add(archive: ProgressArchive, number: int, row: dict[str, Any]) -> None:
    """Validate one line field by field, and add it to the others."""
    kind = row.pop("kind", None)
    wanted = FIELDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        what = Sentence("one of {words}", words=_listed(FIELDS))
        raise BadFile(number, MUST_BE, name="kind", what=what, found=_shown(kind))
    if set(row) != set(wanted):
        why = "`{kind}` must have exactly the fields {fields}."
        raise BadFile(number, why, kind=kind, fields=_listed(wanted))
    for name, (right, what) in wanted.items():
        if not right(row[name]):
            raise BadFile(number, MUST_BE, name=name, what=what, found=_shown(row[name]))
    if kind == "event":
        mistakes = None if row["mistakes"] is None else tuple(row["mistakes"])
        happened = row.pop("what")
        archive.events.append(Event(**{**row, "kind": happened, "mistakes": mistakes}))
    elif kind == "lab":
        if row["lab"] in archive.done:
            raise BadFile(number, "The lab `{lab}` is already in the file.", lab=row["lab"])
        archive.done[row["lab"]] = row["done_at"]
    else:
        _add_step(archive, number, row)


def _add_step(archive: ProgressArchive, number: int, row: dict[str, Any]) -> None:
    lab, id = row.pop("lab"), row.pop("step")
    steps = archive.steps.setdefault(lab, {})
    if id in steps:
        raise BadFile(number, "The step `{id}` of `{lab}` is already in the file.", id=id, lab=lab)
    status, *said = [row.pop(name) for name in VERDICT]
    if (status is None) != (row["checked_at"] is None):
        raise BadFile(number, "A step must have both `status` and `checked_at`, or neither.")
    if status == "passed" and row["passed_at"] is None and row["solved_at"] is None:
        raise BadFile(number, "A passed step must have `passed_at` or `solved_at`.")
    steps[id] = StepProgress(Verdict(status, *said) if status else None, **row)


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


STATUSES, STATES = get_args(Status), get_args(State) + get_args(LabEvent)
_NAME = (_is_name, Sentence("a name of lower-case letters, digits and hyphens"))
_COUNT = (
    lambda n: type(n) is int and 0 <= n <= 1_000_000,
    Sentence("a whole number from 0 to 1,000,000"),
)
_MOMENT = (_is_moment, Sentence("seconds since 1970, after 2017 and not in the future"))
_MOMENT_OR_NONE = (_or_none(_is_moment), Sentence("{what}, or null", what=_MOMENT[1]))
_TEXT_OR_NONE = (_or_none(_is_text), Sentence("a text or null"))
FIELDS: dict[str, dict[str, tuple[Callable[[Any], bool], Sentence]]] = {
    "lab": {"lab": _NAME, "done_at": _MOMENT},
    "step": {
        "lab": _NAME,
        "step": _NAME,
        "status": (
            _or_none(lambda s: s in STATUSES),
            Sentence("{words} or null", words=_listed(STATUSES)),
        ),
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
        "step": (_or_none(_is_name), Sentence("{what}, or null", what=_NAME[1])),
        "what": (lambda what: what in STATES, Sentence("one of {words}", words=_listed(STATES))),
        "attempts": _COUNT,
        "found": _TEXT_OR_NONE,
        "next": _TEXT_OR_NONE,
        "mistakes": (
            _or_none(lambda names: isinstance(names, list) and all(map(_is_text, names))),
            Sentence("a list of texts, or null"),
        ),
    },
}
