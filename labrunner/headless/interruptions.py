"""Deadlines, and what Ctrl-C does while something is being cleaned up. For main threads only."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TimedOut(BaseException):
    """Not an `Exception`, so that no lab swallows it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `TimedOut` when that many seconds are over."""

    def ring(*_: Any) -> None:
        raise TimedOut

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def first_interruption_held() -> Iterator[None]:
    """Let the first Ctrl-C wait until the clean-up is done, if it was not what led to it; the
    second one breaks through."""
    already = isinstance(sys.exc_info()[1], KeyboardInterrupt)
    held = False

    def hold(*_: Any) -> None:
        nonlocal held
        if already or held:
            raise KeyboardInterrupt
        held = True

    old = {number: signal.signal(number, hold) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt
