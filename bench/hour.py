"""Uses a server for an hour as a class does, and looks at what it holds on to.

Usage: python -m bench.hour [SECONDS], by root on Linux. It uses an engine of its own. Six visitors
read pages, check, watch, type into shells, and start and finish labs. Prints what the server's
processes hold every minute, and how the last ten minutes differ from those after the first ten.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from requests import RequestException, Response

from labrunner.course.loader import load_course
from tests.fixtures.foreign_objects import differences, everything
from tests.fixtures.line import Line
from tests.fixtures.web import JSON, Site, Visitor, free_port
from tests.fixtures.workers import Engines, inside

ROOT = Path(__file__).parent.parent
LABS = ("name-that-image", "push-and-pull")  # two that do not share a registry
WARM = 1 / 6  # of the time, after which what is held should grow no more
MOST = 1.05  # times as much at the end


@dataclass(frozen=True)
class Held:
    """What the server's processes hold: MB, and numbers."""

    memory: float
    threads: int
    descriptors: int
    children: int
    containers: int

    @classmethod
    def by(cls, server: int) -> Held:
        pids = _tree(server)
        proc = [Path("/proc", str(pid)) for pid in pids]
        return cls(
            memory=sum(_kilobytes(each) for each in proc) / 1024,
            threads=sum(len(_listed(each / "task")) for each in proc[:2]),
            descriptors=sum(len(_listed(each / "fd")) for each in proc[:2]),
            children=len(pids) - 2,
            containers=len(everything()["containers"]),
        )


class Use:
    """What visitors do until the end. done: how often. faults: answers that no page should give."""

    def __init__(self, site: Site, end: float) -> None:
        self.site, self.end = site, end
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        course = load_course(ROOT)
        self.pages = [f"/lessons/{lesson.slug}" for lesson in course.lessons]
        slugs = {lesson.lab.name: lesson.slug for lesson in course.lessons if lesson.lab}
        self.paths = {lab: f"/lessons/{slugs[lab]}" for lab in LABS}
        self.steps = {lab: [step.id for step in course.labs[lab].steps] for lab in LABS}

    def begin(self) -> list[threading.Thread]:
        acts = [self.read, self.work, self.watch, self.type, self.work, self.read]
        threads = [
            threading.Thread(target=self._repeat, args=(act, LABS[number % len(LABS)]), daemon=True)
            for number, act in enumerate(acts)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _repeat(self, act: Callable[[Visitor, str], None], lab: str) -> None:
        visitor = self.site.visitor()
        while time.monotonic() < self.end:
            try:
                act(visitor, lab)
                self.done[act.__name__] += 1
            except (RequestException, AssertionError, OSError) as error:
                self._note(f"{act.__name__}: {error!r}")
            time.sleep(0.2)

    def read(self, visitor: Visitor, lab: str) -> None:
        for path in (secrets.choice(self.pages), "/", "/report", "/names?name=nginx", "/decode"):
            self._expect(visitor.get(path))

    def work(self, visitor: Visitor, lab: str) -> None:
        """Start a lab, do its steps, check them, and finish it."""
        path = self.paths[lab]
        self._expect(visitor.submit(f"{path}/start", headers=JSON))
        started = self._await(visitor, f"{path}/start", "starting")
        if started.get("status") != "started":
            self._note(f"{lab} is not started: {started}")
            return
        for step in self.steps[lab]:
            self._expect(visitor.submit(f"{path}/steps/{step}/check", headers=JSON))
            self._expect(visitor.submit(f"{path}/steps/{step}/solve", headers=JSON))
            self._await(visitor, f"{path}/steps/{step}/solve", "solving")
        self._expect(visitor.get(f"{path}/registry"))
        listed = visitor.get(f"{path}/finish", headers=JSON)
        if listed.status_code != 200:
            self._note(f"finish: {listed.status_code} {listed.text}")
            return
        chosen = [each["id"] for each in listed.json()["belongings"] if each["certain"]]
        self._expect(visitor.submit(f"{path}/finish", {"item": chosen}, headers=JSON))

    def watch(self, visitor: Visitor, lab: str) -> None:
        with visitor.get(
            f"{self.paths[LABS[1]]}/live", headers={"Accept": "text/event-stream"}, stream=True
        ) as stream:
            next(stream.iter_lines(), None)
            time.sleep(0.5)

    def type(self, visitor: Visitor, lab: str) -> None:
        origin = {"Origin": self.site.url, **JSON}
        answer = visitor.submit(f"{self.paths[LABS[1]]}/terminal", headers=origin)
        if answer.status_code != 201:  # its lab is not started just now
            return
        line = Line(self.site, answer.json()["socket"], visitor.cookies)
        try:
            if line.status == 101:  # else it was finished meanwhile
                line.type("echo so-$((6*7)); exit\n")
                line.until("so-42", 30)
        finally:
            line.leave()
            Line.all.clear()

    def _await(self, visitor: Visitor, path: str, status: str) -> dict[str, Any]:
        while (answer := visitor.get(path, headers=JSON).json()).get("status") == status:
            time.sleep(0.05)
        return dict(answer)

    def _expect(self, answer: Response) -> None:
        if answer.status_code >= 500:
            self._note(f"{answer.status_code} for {answer.url}: {answer.text}")

    def _note(self, fault: str) -> None:
        self.faults.append(fault[:300])
        print(fault[:300], flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3600
    engines = Engines(1)
    engines.start()
    os.environ["DOCKER_HOST"] = engines.address("gw0")
    before = everything()
    try:
        with inside(engines.network("gw0")), tempfile.TemporaryDirectory() as folder:
            site = Site(ROOT, Path(folder) / "instance", free_port())
            begun = time.monotonic()
            use = Use(site, begun + seconds)
            threads = use.begin()
            samples: list[tuple[float, Held]] = []
            while time.monotonic() < use.end:
                time.sleep(min(10, seconds / 60))
                samples.append((time.monotonic() - begun, Held.by(site.process.pid)))
                if len(samples) % 6 == 0:
                    print(f"{samples[-1][0]:5.0f} s  {asdict(samples[-1][1])}", flush=True)
            for thread in threads:
                thread.join(120)
            grown = compare(samples, seconds)
            at_rest = Held.by(site.process.pid)
            site.stop()
        print(f"At rest: {asdict(at_rest)}. Done: {dict(use.done)}. Faults: {len(use.faults)}.")
        print("\n".join(use.faults[:20]))
        left = differences(before)
        print(f"Left: {left}")
    finally:
        engines.stop()
    sys.exit(bool(grown or use.faults or left))


def compare(samples: list[tuple[float, Held]], seconds: float) -> bool:
    """Print the medians of a sixth of the time after the first sixth, and of the last one; return
    whether anything has grown by more than it may."""
    first = [held for at, held in samples if WARM <= at / seconds < 2 * WARM]
    last = [held for at, held in samples if at / seconds >= 1 - WARM]
    grown = False
    for field in fields(Held):
        then, now = (
            statistics.median(getattr(held, field.name) for held in part) for part in (first, last)
        )
        grown |= now > then * MOST
        print(f"{field.name:12} {then:8.1f} {now:8.1f}")
    return grown


def _tree(server: int) -> list[int]:
    """Return a process and all that come from it, in the order of their ages."""
    found = [server]
    for pid in found:
        words = ["ps", "-o", "pid=", "--ppid", str(pid)]
        listed = subprocess.run(words, capture_output=True, text=True).stdout.split()
        found += map(int, listed)
    return found


def _kilobytes(process: Path) -> int:
    """Return the memory that a process has for itself. What a fork shares with its parent counts:
    it comes to be its own little by little, which is no growth."""
    with suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def _listed(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


if __name__ == "__main__":
    main()
