"""How long the composed course takes to start: from `docker compose up` to its address."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from labrunner.course.loader import load_course
from labrunner.engine.engine import Engine
from tests.fixtures.composed import Composed

ROOT = Path(__file__).parent.parent


def starts(times: int) -> list[float]:
    """Return how many seconds each of so many starts takes. The images are in a file."""
    course = load_course(ROOT)
    taken = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            composed = Composed(Path(folder), Engine(), course.images)
            began = time.perf_counter()
            try:
                composed.up()
                taken.append(time.perf_counter() - began)
            finally:
                composed.down()
    return taken
