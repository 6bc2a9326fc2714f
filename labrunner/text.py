"""Texts for people: plain text, HTML from sentences, times, and lists of names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from unicodedata import category

from markupsafe import Markup, escape

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


def clock(seconds: float) -> str:
    """Return a time, in seconds since 1970, in the learner's time zone: "at 14:02", with its day
    if that is not today."""
    then = datetime.fromtimestamp(seconds).astimezone()
    if then.date() == datetime.now().astimezone().date():
        return f"at {then:%H:%M}"
    return f"on {then.day} {then:%B} at {then:%H:%M}"


def length(seconds: float) -> str:
    """Return a duration in whole minutes, like "1 hour 5 minutes"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    words = [(hours, "hour"), (minutes, "minute")]
    return " ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in words if n)


def short(id: str) -> str:
    """Return the beginning of a digest, or of the full id of a container or volume, as code."""
    return f"`{id[:19] if ':' in id else id[:12]}…`"


def listed(names: Iterable[str]) -> str:
    """Return names as code, with "and" between them."""
    return " and ".join(f"`{name}`" for name in names)


def megabytes(size: float) -> str:
    """A size in bytes, like `3.2 MB`."""
    return f"{size / 1e6:.1f} MB"
