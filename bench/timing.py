"""Times calls and programs, one by one or in turn with what they are compared with."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent

Action = Callable[[], object]


def measure(act: Action, times: int) -> list[float]:
    """Return how many seconds each of so many calls takes."""
    return [_seconds(act) for _ in range(times)]


def measure_in_turn(first: Action, second: Action, times: int) -> tuple[list[float], list[float]]:
    """Return the seconds of both, called in turn, so that a busy machine slows both alike."""
    pairs = [(_seconds(first), _seconds(second)) for _ in range(times)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def ratio(first: list[float], second: list[float]) -> float:
    """Return how many times as long the first takes as the second."""
    return statistics.median(first) / statistics.median(second)


def program(*words: str) -> Action:
    """Return a call that runs a program from the root, which must succeed."""

    def run() -> None:
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        if result.returncode:
            said = result.stderr.strip()
            sys.exit(f"`{' '.join(words)}` failed, so nothing was measured: {said}")

    return run


def python(*words: str) -> Action:
    """Return a call that runs this Python."""
    return program(sys.executable, *words)


def flask(*words: str) -> Action:
    """Return a call that runs one of the course's commands."""
    return python("-m", "flask", *words)


def _seconds(act: Action) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
