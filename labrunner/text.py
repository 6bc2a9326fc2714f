"""Texts for people: plain text, HTML from sentences, times, and lists of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from unicodedata import category

from markupsafe import Markup, escape

from .language import Sentence

MONTHS = (
    Sentence("January"),
    Sentence("February"),
    Sentence("March"),
    Sentence("April"),
    Sentence("May"),
    Sentence("June"),
    Sentence("July"),
    Sentence("August"),
    Sentence("September"),
    Sentence("October"),
    Sentence("November"),
    Sentence("December"),
)
TERMINAL_SEQUENCE = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,4}[@-~]"  # colours and movements
    r"|\x1b\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[ -/]{0,2}[0-~]?"
)
CONTROLS = ("Cc", "Cf", "Cs")  # of Unicode; the second holds those that reverse the direction


def plain(text: str) -> str:
    """Return a text without what would control a terminal, or cannot be written to a file: the
    words may be a container's."""
    return "".join(sign for sign in text if sign in "\n\t" or category(sign) not in CONTROLS)


def prose(text: str) -> Markup:
    """Return a sentence as HTML, escaped; what is between backticks is code."""
    pieces = str(escape(text)).split("`")
    if len(pieces) % 2 == 0:  # a backtick without its partner is shown as it is
        pieces[-2:] = ["`".join(pieces[-2:])]
    marked = [f"<code>{each}</code>" if at % 2 else each for at, each in enumerate(pieces)]
    return Markup("".join(marked))  # noqa: S704


def clock(seconds: float) -> Sentence:
    """Return a time, in seconds since 1970, in the learner's time zone: "at 14:02", with its day
    if that is not today."""
    then = datetime.fromtimestamp(seconds).astimezone()
    if then.date() == datetime.now().astimezone().date():
        return Sentence("at {time}", time=f"{then:%H:%M}")
    month = MONTHS[then.month - 1]
    return Sentence("on {day} {month} at {time}", day=then.day, month=month, time=f"{then:%H:%M}")


def length(seconds: float) -> Sentence:
    """Return a duration in whole minutes, like "1 hour 5 minutes"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return Sentence("less than a minute")
    hours, minutes = divmod(minutes, 60)
    in_hours = Sentence.counted("{count} hour", "{count} hours", hours)
    in_minutes = Sentence.counted("{count} minute", "{count} minutes", minutes)
    if hours and minutes:
        return Sentence("{hours} {minutes}", hours=in_hours, minutes=in_minutes)
    return in_hours if hours else in_minutes


def short(id: str) -> str:
    """Return the beginning of a digest, or of the full id of a container or volume, as code."""
    return f"`{id[:19] if ':' in id else id[:12]}…`"


def fold(texts: Iterable[str], template: str) -> str:
    """Return texts as one, each joined to those before it; empty where there are none. template:
    how the `{other}` one follows `{some}`."""
    said, *others = [*texts] or [""]
    for other in others:
        said = Sentence(template, some=said, other=other)
    return said


def listed(names: Iterable[str]) -> str:
    """Return names as code, with "and" between them."""
    return fold((f"`{name}`" for name in names), "{some} and {other}")


def in_order(*commands: str, stop: bool = True) -> Sentence:
    """Return commands with "then" between them, without the empty ones. stop: with a full stop."""
    said = fold(map(Sentence.of, filter(None, commands)), "{some}, then {other}")
    return Sentence("{commands}.", commands=said) if stop else Sentence.of(said)


def one_by_one(*todos: str) -> Sentence:
    """Return what to do one thing after the other, each in a sentence of its own."""
    first, *others = map(in_order, todos)
    return Sentence.joined(first, *(Sentence("Then {todo}", todo=each) for each in others))


def megabytes(size: float) -> str:
    """A size in bytes, like `3.2 MB`."""
    return f"{size / 1e6:.1f} MB"
