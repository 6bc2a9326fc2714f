"""Kills the server, `run-lab` and the engine at random moments, and looks at what is left.

Usage: python -m bench.kills [COUNT] [SEED], by root on Linux, in a clone in which nothing else
runs. It uses an engine of its own. After each kill and the next start, nothing foreign may have
changed, nothing of ours may be left, every lab must be finished, and no step may have passed that
was not done. Prints a line for each fault, and figures at the end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from requests import RequestException

from labrunner.engine.connection import EngineDown
from labrunner.session.errors import Busy
from labrunner.session.services import Services
from tests.fixtures.foreign_objects import everything
from tests.fixtures.web import JSON, Site, Visitor, free_port
from tests.fixtures.workers import Engines, inside

ROOT = Path(__file__).parent.parent
WORKER = "gw0"
LONGEST = 7  # seconds after which whatever runs is killed at the latest
VICTIMS = ("run-lab", "server", "engine under run-lab", "engine under the server")


class Kills:
    """folder: for the instances of the course. faults: what was not as promised, as sentences."""

    def __init__(self, engines: Engines, folder: Path, choices: random.Random) -> None:
        self.engines, self.folder, self.choices = engines, folder, choices
        self.services = Services(ROOT, folder / "instance")
        self.labs = list(self.services.course.labs.values())
        self.before = everything()
        self.asked: dict[str, set[str]] = {lab.name: set() for lab in self.labs}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.seconds: list[float] = []

    def one(self, number: int) -> None:
        victim = self.choices.choice(VICTIMS)
        lab = self.choices.choice(self.labs).name
        self.counts[victim] += 1
        faults = len(self.faults)
        began = time.monotonic()
        if victim.endswith("run-lab"):
            self._run_lab(lab, engine="engine" in victim)
        else:
            self._serve(lab, engine="engine" in victim)
        self._compare()
        self.seconds.append(time.monotonic() - began)
        for fault in self.faults[faults:]:
            print(f"{number}: {victim}, {lab}: {fault}", flush=True)

    def _run_lab(self, lab: str, *, engine: bool) -> None:
        words = [*_flask("run-lab", lab), *(["--prove"] if self.choices.random() < 0.3 else [])]
        run = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        with suppress(subprocess.TimeoutExpired):
            run.wait(self.choices.uniform(0.2, LONGEST))
        self.counts["ended before"] += run.poll() is not None
        if engine:
            self._kill_engine()
            try:
                said = run.communicate(timeout=60)[1]
                if "Traceback" in said:
                    self.faults.append(f"run-lab shows a traceback: {said[-300:]}")
            except subprocess.TimeoutExpired:
                self.faults.append("run-lab still runs a minute after the engine was killed")
                os.killpg(run.pid, signal.SIGKILL)
            self.engines.launch(WORKER)
        else:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        self._sweep()

    def _sweep(self) -> None:
        """Run a short lab, which removes what the one before it left behind."""
        words = _flask("run-lab", "name-that-image", "--json")
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
        try:
            leftovers = json.loads(done.stdout)["leftovers"]
        except ValueError:
            leftovers = [done.stdout + done.stderr]
        if done.returncode or leftovers:
            self.faults.append(f"the next run ends with {done.returncode}, leftovers {leftovers}")

    def _serve(self, lab: str, *, engine: bool) -> None:
        """Start a lab in a server and do steps for the learner until the kill; then go on."""
        site, asked = self._site(), self.asked[lab]  # of earlier starts too: progress stays
        end = time.monotonic() + self.choices.uniform(0.2, LONGEST)
        with suppress(RequestException, TimeoutError):
            visitor = site.visitor()
            path = f"/lessons/{self._slug(lab)}"
            _post(visitor, f"{path}/start")
            _await(visitor, f"{path}/start", "starting", end)
            for step in self.services.course.labs[lab].steps:
                if time.monotonic() > end:
                    break
                asked.add(step.id)
                _post(visitor, f"{path}/steps/{step.id}/solve")
                _await(visitor, f"{path}/steps/{step.id}/solve", "solving", end)
        if engine:
            self._kill_engine()
            time.sleep(self.choices.uniform(0, 2))
            self.engines.launch(WORKER)
            self._await_jobs(site, lab)
        else:
            site.kill()
            site = self._site()
        self._finish(lab, asked)
        answer = site.visitor().get("/")
        if answer.status_code != 200:
            self.faults.append(f"the course page answers with {answer.status_code}")
        if "Traceback" in site.log.read_text():
            self.faults.append(f"a traceback in the server's log: {site.log.read_text()[-500:]}")
        site.stop()

    def _await_jobs(self, site: Site, lab: str) -> None:
        """Wait until a start that lost its engine has cleaned up, and what was solved has ended."""
        visitor, end = site.visitor(), time.monotonic() + 60
        path = f"/lessons/{self._slug(lab)}"
        try:
            _await(visitor, f"{path}/start", "starting", end)
            for step in self.services.course.labs[lab].steps:
                _await(visitor, f"{path}/steps/{step.id}/solve", "solving", end)
        except TimeoutError:
            self.faults.append("a job goes on for a minute after its engine was killed")

    def _finish(self, lab: str, asked: set[str]) -> None:
        """Compare what has passed with what was asked for, and finish the lab."""
        services = Services(ROOT, self.folder / "instance")
        session = services.session(services.course.labs[lab])
        for step in session.lab.steps:
            if session.known(step).done and step.id not in asked:
                self.faults.append(f"the step {step.id} passed, and nobody did it")
        end = time.monotonic() + 60
        while session.workspace:
            try:
                certain = {item.id for item in session.resources() if item.certain}
                if left := session.finish(certain):
                    self.faults.append(f"finish leaves {[str(each) for each in left]}")
                break
            except (EngineDown, Busy) as error:
                if time.monotonic() > end:
                    self.faults.append(f"the lab cannot be finished: {error}")
                    break
        self._sweep_starts(services)

    def _sweep_starts(self, services: Services) -> None:
        """A start that was killed leaves a workspace, which the next start removes."""
        if left := services.workspaces.sweep():
            self.faults.append(f"the next start leaves {[str(each) for each in left]}")

    def _compare(self) -> None:
        after = everything()
        for kind, before in self.before.items():
            if kind == "networks":  # the engine makes `bridge` anew at each start
                continue
            if lost := before - after[kind]:
                self.faults.append(f"{kind} that were not ours are gone: {lost}")
            if new := after[kind] - before:
                told = [_history(each) for each in new] if kind == "volumes" else ""
                self.faults.append(f"{kind} are left: {new} {told}".strip())
        if len(after["networks"]) != len(self.before["networks"]):
            self.faults.append(f"networks: {after['networks']}")
        if docker("run", "--rm", "-v", "theirs:/x", "busybox:stable", "cat", "/x/y") != "theirs":
            self.faults.append("the foreign volume has other bytes")
        self.before = after  # a fault counts once

    def _kill_engine(self) -> None:
        self.engines.kill(WORKER)

    def _site(self) -> Site:
        return Site(ROOT, self.folder / "instance", free_port())

    def _slug(self, lab: str) -> str:
        lesson = self.services.course.lesson_of(lab)
        assert lesson  # noqa: S101 - of the real course
        return lesson.slug


def _history(volume: str) -> str:
    """Return when a volume was made, and what the engine still remembers of it."""
    made = docker("volume", "inspect", "--format", "{{.CreatedAt}} {{json .Labels}}", volume)
    events = docker("events", "--since", "10m", "--until", "0s", "--filter", f"volume={volume}")
    return f"{made} {events}"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000
    engines = Engines(1)
    engines.start()
    os.environ["DOCKER_HOST"] = engines.address(WORKER)
    try:
        with inside(engines.network(WORKER)), tempfile.TemporaryDirectory() as folder:
            make_decoys()
            kills = Kills(engines, Path(folder), random.Random(seed))  # noqa: S311 - no secret
            for number in range(count):
                kills.one(number)
                if number % 10 == 9:
                    print(f"{number + 1} kills, {sum(kills.seconds):.0f} s", flush=True)
            print(f"{count} kills (seed {seed}), {len(kills.faults)} faults: {dict(kills.counts)}")
            print(f"{sum(kills.seconds):.0f} s, the longest {max(kills.seconds):.1f} s")
    finally:
        engines.stop()
    sys.exit(bool(kills.faults))


def make_decoys() -> None:
    """Make what is somebody else's, alike and different."""
    docker("volume", "create", "theirs")
    docker("run", "--rm", "-v", "theirs:/x", "busybox:stable", "sh", "-c", "printf theirs >/x/y")
    docker("network", "create", "theirs")
    docker("run", "-d", "--name", "theirs", "-v", "theirs:/x", "--network", "theirs",
           "--restart", "always", "busybox:stable", "sleep", "1000000")  # fmt: skip
    docker("create", "--name", "registry-theirs", "-p", "5000:5000", "registry:2")
    docker("tag", "busybox:stable", "theirs:1")
    docker("tag", "registry:2", "localhost:5000/theirs:1")


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout


def _flask(*words: str) -> list[str]:
    return [sys.executable, "-m", "flask", *words]


def _post(visitor: Visitor, path: str) -> None:
    visitor.submit(path, headers=JSON)


def _await(visitor: Visitor, path: str, status: str, end: float) -> None:
    """Ask until the status is another one; raise `TimeoutError` at the end."""
    while visitor.get(path, headers=JSON).json().get("status") == status:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


if __name__ == "__main__":
    main()
