"""Measures what the product promises in seconds and bytes; prints a table and writes JSON.

Usage: script/bench [FILE], where FILE is instance/bench.json unless given. Each row is the median
of several runs on this machine, with the least and the most; in seconds, unless it says bytes.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from app import create_app  # noqa: E402 - after the path
from labrunner.decoder.decoder import LIMIT, decode  # noqa: E402
from labrunner.session.services import get_services  # noqa: E402
from labrunner.session.session import Session  # noqa: E402
from labrunner.session.watcher import Subscription  # noqa: E402
from labrunner.web.services import get_web_services  # noqa: E402
from labrunner.web.views.checks import render_steps  # noqa: E402

LESSON = "/lessons/push-and-pull"
LOADED = re.compile(r'(?:src|href)="(/static/[^"]+)"')  # by a page; the terminal's come later
CLIENTS = 50
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


def flask(*words: str) -> Callable[[], object]:
    """One of the course's own commands."""
    return command(sys.executable, "-m", "flask", *words)


def served(instance: Path) -> Flask:
    return create_app(instance=instance, port=8000, token="bench")  # noqa: S106 - made up


def visitor(app: Flask) -> FlaskClient:
    """A browser that is let in."""
    browser = app.test_client()
    get(browser, "/?token=bench")
    return browser


def get(browser: FlaskClient, path: str) -> bytes:
    """What is answered, as it travels."""
    compressed = {"Accept-Encoding": "br, gzip"}
    answer = browser.get(path, base_url="http://127.0.0.1:8000", headers=compressed)
    if answer.status_code >= 400:
        sys.exit(f"{path} answered with {answer.status_code}, so nothing was measured.")
    return answer.data


def page(instance: Path, path: str = LESSON) -> Callable[[], object]:
    """A page from an app of its own."""
    browser = visitor(served(instance))
    return lambda: get(browser, path)


def weight(app: Flask) -> int:
    """The bytes of the lesson's page and of all that it loads, compressed, without headers."""
    browser = visitor(app)
    text = browser.get(LESSON, base_url="http://127.0.0.1:8000").text
    files = {path for path in LOADED.findall(text) if "vendor/xterm" not in path}
    return sum(len(get(browser, path)) for path in {LESSON, *files})


@contextmanager
def started(app: Flask) -> Iterator[None]:
    """The lesson's lab is started, and removed at the end with all that belongs to it."""
    services = get_services(app)
    session = services.session(services.course.labs["push-and-pull"])
    session.start(lambda line: None)
    try:
        yield
    finally:
        left = session.finish({item.id for item in session.resources()})
        for each in left:
            print(f"Left on the engine: {each}", file=sys.stderr)


def news(app: Flask) -> float:
    """Seconds from something on the engine until `CLIENTS` open pages are told what came of it.
    Once in a lab: the step is of one moment."""
    services, watcher = get_services(app), get_web_services(app).watcher
    lesson = services.course.lesson("push-and-pull")
    workspace = services.session(lesson.lab).require_workspace()

    def render(session: Session, ids: Collection[str]) -> str:
        with app.test_request_context():
            return render_steps(lesson, session, ids)

    with ExitStack() as pages:
        sessions = [services.session(lesson.lab) for _ in range(CLIENTS)]
        lines = [pages.enter_context(watcher.subscribe(each, render)) for each in sessions]
        await_each(lines, "looked")
        began = time.perf_counter()
        name = f"{workspace.registry}/{workspace.image}:latest"
        services.engine.tag(workspace.sample, name)
        await_each(lines, "steps")
        return time.perf_counter() - began


def await_each(lines: list[Subscription], kind: str) -> None:
    for line in lines:
        while line.get(timeout=60).kind != kind:
            pass


def main() -> None:
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        instance = Path(folder)
        measured = {
            "script/bootstrap, run again": (command("script/bootstrap"), 5),
            "flask explain": (flask("explain", "nginx"), 5),
            "flask run-lab run-a-registry": (flask("run-lab", "run-a-registry"), 3),
            "flask run-lab push-and-pull": (flask("run-lab", "push-and-pull"), 3),
            "flask run-lab push-and-pull --shell": (
                flask("run-lab", "push-and-pull", "--shell"),
                3,
            ),
            "flask run-lab --prove, all labs": (flask("run-lab", "--prove"), 1),
            "a lesson page": (page(instance), 20),
            "decode, the longest text": (lambda: decode(("blob_unknown" * LIMIT)[:LIMIT]), 20),
        }
        for name, (act, times) in measured.items():
            rows[name] = seconds(act, times)
        app = served(instance)
        with started(app):
            rows["a lesson page, started"] = seconds(page(instance), 20)
            rows["the registry's picture"] = seconds(page(instance, f"{LESSON}/registry"), 20)
            rows[f"an event told to {CLIENTS} open pages"] = [news(app)]
            rows["a lesson page, started, and what it loads (bytes)"] = [weight(app)]
        os.environ["DOCKER_HOST"] = NO_ENGINE
        rows["a lesson page, no engine"] = seconds(page(instance), 5)
    table = Table(box=None, header_style="dim")
    for column in ("", "median", "least", "most", "runs"):
        table.add_column(column, justify="left" if not column else "right")
    for name, taken in rows.items():
        shown = (statistics.median(taken), min(taken), max(taken))
        form = ",.0f" if "(bytes)" in name else ".3f"
        table.add_row(name, *(format(number, form) for number in shown), str(len(taken)))
    Console().print(table)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "instance" / "bench.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
