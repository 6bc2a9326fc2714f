"""Moments and lengths of time, as people say them."""

from __future__ import annotations

from datetime import datetime


def clock(seconds: float) -> str:
    """A moment, in seconds since 1970, on the learner's own clock; with the day where that is not
    today."""
    then = datetime.fromtimestamp(seconds).astimezone()
    if then.date() == datetime.now().astimezone().date():
        return f"at {then:%H:%M}"
    return f"on {then.day} {then:%B} at {then:%H:%M}"


def length(seconds: float) -> str:
    """How long something took, in whole minutes."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    words = [(hours, "hour"), (minutes, "minute")]
    return " ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in words if n)
