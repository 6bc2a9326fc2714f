"""Measures what the product promises in seconds and bytes; prints a table and writes JSON.

Usage: script/bench [FILE], where FILE is instance/bench.json unless given. Each row is the median
of several runs on this machine, with the least and the most, in seconds; a row that says so is in
bytes, or is how many times as long one thing takes as another that is run in turn with it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT)]

from bench import composed, pages, timing  # noqa: E402 - after the path
from bench.timing import flask, measure, program, python  # noqa: E402
from labrunner.decoder.decoder import LIMIT, decode  # noqa: E402

PROOF_OF_A_LAB = 15  # seconds, with labs side by side
COMPOSED = "docker compose up, until the address is there"
ADVICE = "an act that does not reach the step, told to a page"
NO_ENGINE = "unix:///nonexistent/docker.sock"

IN_TURN = {
    "flask labs": (flask("labs"), "python -c 'import flask'"),
    "flask explain": (flask("explain", "nginx"), "python -c 'import flask'"),
    "flask decode": (flask("decode", "manifest unknown"), "python -c 'import flask'"),
    "flask run-lab push-and-pull": (flask("run-lab", "push-and-pull"), "bench/push-and-pull.sh"),
}
COMPARED = {
    "python -c 'import flask'": (python("-c", "import flask"), 1.6, 10),
    "bench/push-and-pull.sh": (program("bench/push-and-pull.sh"), 1.2, 9),
}
"""What the commands above are run in turn with, how many times as long they may take, and how
often both are run."""


def main() -> None:
    rows: dict[str, list[float]] = {}
    promised: dict[str, float] = {}
    for name, (act, other) in IN_TURN.items():
        compared, limit, times = COMPARED[other]
        rows[name], rows[other] = timing.measure_in_turn(act, compared, times)
        row = f"{name} : {other} (times)"
        rows[row], promised[row] = [timing.ratio(rows[name], rows[other])], limit
    with tempfile.TemporaryDirectory() as folder:
        rows |= measure_all(Path(folder))
    labs = len(list(ROOT.glob("labs/*/lab.py")))
    promised["flask run-lab --prove, all labs"] = PROOF_OF_A_LAB * labs
    promised[ADVICE] = 1
    promised[COMPOSED] = 25
    show(rows, promised)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "instance" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows, indent=1))


def measure_all(instance: Path) -> dict[str, list[float]]:
    """Return the rows of what is compared with nothing."""
    longest = ("blob_unknown" * LIMIT)[:LIMIT]
    program("script/image")()
    rows = {
        COMPOSED: composed.starts(3),
        "script/bootstrap, run again": measure(program("script/bootstrap"), 5),
        "flask run-lab run-a-registry": measure(flask("run-lab", "run-a-registry"), 3),
        "flask run-lab push-and-pull --shell": measure(
            flask("run-lab", "push-and-pull", "--shell"), 3
        ),
        "flask run-lab --prove, all labs": measure(flask("run-lab", "--prove"), 1),
        "a lesson page": measure(pages.page(instance), 20),
        "decode, the longest text": measure(lambda: decode(longest), 20),
    }
    app = pages.serve(instance)
    with pages.started_lab(app):
        rows["a lesson page, started"] = measure(pages.page(instance), 20)
        diagram = pages.page(instance, f"{pages.LESSON}/registry")
        rows["the registry diagram"] = measure(diagram, 20)
        rows[ADVICE] = [pages.advice_delay(app)]
        rows[f"an event told to {pages.CLIENTS} open pages"] = [pages.event_delay(app)]
        rows["a lesson page, started, and what it loads (bytes)"] = [pages.page_weight(app)]
    os.environ["DOCKER_HOST"] = NO_ENGINE
    rows["a lesson page, no engine"] = measure(pages.page(instance), 5)
    return rows


def show(rows: dict[str, list[float]], promised: dict[str, float]) -> None:
    """Print the rows as a table, each beside what is promised, if anything is."""
    table = Table(box=None, header_style="dim")
    for column in ("", "median", "least", "most", "runs", "promise"):
        table.add_column(column, justify="left" if not column else "right")
    for name, taken in rows.items():
        shown = (statistics.median(taken), min(taken), max(taken))
        form = ",.0f" if "(bytes)" in name else ".3f"
        promise = f"{promised[name]:g}" if name in promised else ""
        table.add_row(name, *(format(each, form) for each in shown), str(len(taken)), promise)
    Console().print(table)


if __name__ == "__main__":
    main()
