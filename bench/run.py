"""Measures what the product promises in seconds; prints a table and writes JSON.

Usage: script/bench [FILE], where FILE is instance/bench.json unless given. Each row is the median
of several runs on this machine, with the fastest and the slowest.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"

from app import create_app  # noqa: E402 - after the path
from labrunner.decoder import LIMIT, decode  # noqa: E402

NO_ENGINE = "unix:///nonexistent/docker.sock"


def seconds(act: Callable[[], object], times: int) -> list[float]:
    """How long each of so many calls took."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return taken


def command(*words: str) -> Callable[[], object]:
    """A program run from the root, which must succeed."""

    def run() -> object:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"`{' '.join(words)}` failed, so nothing was measured: {done.stderr.strip()}")
        return done

    return run


def page(instance: Path) -> Callable[[], object]:
    """A lesson page from an app of its own, with the learner let in."""
    app = create_app(instance=instance, port=8000, token="bench")  # noqa: S106 - made up
    browser = app.test_client()
    base = "http://127.0.0.1:8000"
    browser.get("/?token=bench", base_url=base)

    def get() -> None:
        answer = browser.get("/lessons/push-and-pull", base_url=base)
        if answer.status_code != 200:
            sys.exit(f"The lesson page answered with {answer.status_code}.")

    return get


def main() -> None:
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        instance = Path(folder)
        measured = {
            "script/bootstrap, run again": (command("script/bootstrap"), 5),
            "flask explain": (command("flask", "explain", "nginx"), 5),
            "flask run-lab run-a-registry": (command("flask", "run-lab", "run-a-registry"), 3),
            "flask run-lab push-and-pull": (command("flask", "run-lab", "push-and-pull"), 3),
            "flask run-lab push-and-pull --shell": (
                command("flask", "run-lab", "push-and-pull", "--shell"),
                3,
            ),
            "flask run-lab --prove, all labs": (command("flask", "run-lab", "--prove"), 1),
            "a lesson page": (page(instance), 20),
            "decode, the longest text": (lambda: decode(("blob_unknown" * LIMIT)[:LIMIT]), 20),
        }
        for name, (act, times) in measured.items():
            rows[name] = seconds(act, times)
        os.environ["DOCKER_HOST"] = NO_ENGINE
        rows["a lesson page, no engine"] = seconds(page(instance), 5)
    table = Table(box=None, header_style="dim")
    for column in ("", "median s", "fastest", "slowest", "runs"):
        table.add_column(column, justify="left" if not column else "right")
    for name, taken in rows.items():
        shown = (statistics.median(taken), min(taken), max(taken))
        table.add_row(name, *(f"{number:.3f}" for number in shown), str(len(taken)))
    Console().print(table)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "instance" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
