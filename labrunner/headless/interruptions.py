"""Deadlines, and what Ctrl-C and its like do. For main threads only."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


def interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptions_handled(handle: Callable[[], None] = interrupt) -> Iterator[None]:
    """Call the function for each interruption while the block runs.

    Signals that are ignored stay so, as under `nohup`. A closed terminal is one interruption,
    though its shell sends the signal once more.
    """

    def call(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            signal.signal(number, signal.SIG_IGN)
        handle()

    old = {each: signal.signal(each, call) for each in SIGNALS if not _is_ignored(each)}
    try:
        yield
    finally:
        for number, handler in old.items():
            if not _is_ignored(number):
                signal.signal(number, handler)


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


@contextmanager
def first_interruption_held() -> Iterator[None]:
    """Let the first Ctrl-C wait until the clean-up is done, if it was not what led to it; the
    second one breaks through."""
    already = isinstance(sys.exc_info()[1], KeyboardInterrupt)
    held = False

    def hold() -> None:
        nonlocal held
        if already or held:
            raise KeyboardInterrupt
        held = True

    with interruptions_handled(hold):
        yield
    if held:
        raise KeyboardInterrupt
