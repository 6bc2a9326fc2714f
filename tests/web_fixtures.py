"""What the tests of the pages share: a small course, a real server for it, visitors, a browser."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from labrunner import content
from labrunner.engine import Engine
from labrunner.workspaces import Workspaces
from tests.engine_fixtures import ROOT, close_all, eventually

TOKEN = "the-token-of-this-start"

LAB = '''
import time

from labrunner import CannotCheck, Lab, NotYet

lab = Lab(title="Tiny", images=["registry:2"])


@lab.value
def word(workspace):
    """Fails while the lab's folder holds `full`, takes as long as `slow` says."""
    if (workspace.lab.folder / "full").exists():
        raise CannotCheck("The disk is full of `<b>`.", next="Make room.")
    if (workspace.lab.folder / "slow").exists():
        time.sleep(float((workspace.lab.folder / "slow").read_text()))
    return f"word-{workspace.id}"


@lab.step
def make_a_volume(workspace):
    """There is a volume `{word}`."""
    if workspace.engine.volume(workspace["word"]):
        return workspace.fill("`{word}` is there.")
    raise NotYet(
        expected=workspace.fill("A volume `{word}`."),
        found="There is <i>none</i>.",
        next=workspace.fill("Run `docker volume create {word}`."),
    )


@make_a_volume.solution
def _(workspace):
    workspace.create_volume(workspace["word"])


@make_a_volume.mistake("a slip in its name", advice="docker volume create")
def _(workspace):
    workspace.create_volume(workspace["word"] + "-x")


@lab.once
def say_it(workspace, answer):
    """You know the word."""
    if answer == workspace["word"]:
        return f"The word is `{answer}`."
    raise NotYet(expected="The word.", found=f"You said {answer}", next="Say `word`, then more.")


@say_it.solution
def _(workspace):
    return workspace["word"]


@say_it.mistake("another word", advice="word")
def _(workspace):
    return "no"
'''

LESSON = """---
title: A tiny lesson
lab: tiny
minutes: 5
---
Your registry is at `{{ registry }}`. {{.Go}} stays.

## Make a volume {#make-a-volume .step}

```bash
docker volume create {{ word }}
```

```{.bash fails="no such volume"}
docker volume inspect {{ word }}-x
```

??? hint
    Try it.

## Say it {#say-it .step}

Now the word.

```bash
docker volume inspect --format '{{.Name}}' {{ word }}
```

## Remember

- That.
"""

READING = """---
title: Only to read
---
Text with a | table.
"""


class Site:
    """A real server for a course. `log` has what it wrote."""

    def __init__(self, root: Path, instance: Path, port: int, token: str = TOKEN, **env: str):
        self.root, self.instance, self.port, self.token = root, instance, port, token
        self.url = f"http://127.0.0.1:{port}"
        self.log = instance.parent / f"server-{token}.log"
        given = f"root='{root}', instance='{instance}', port={port}, token='{token}'"
        options = ["--threads", "72", "--graceful-timeout", "1", "--no-control-socket"]
        options += ["--access-logfile", "-", "--bind", f"127.0.0.1:{port}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *options, f"app:create_app({given})"],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LABRUNNER_PORT": str(port), "LABRUNNER_TOKEN": "", **env},
            )
        assert eventually(self._up), self.log.read_text()

    def _up(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=1).ok
        except requests.RequestException:
            assert self.process.poll() is None, self.log.read_text()
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def visitor(self) -> "Visitor":
        """Somebody with the cookie."""
        visitor = Visitor(self.url)
        assert visitor.get("/", params={"token": self.token}).ok
        return visitor

    def state(self) -> dict[str, Any]:
        """All that a request could have changed: workspaces and what is in the database."""
        workspaces = self.instance.glob("workspaces/*/record.json")
        kept: dict[str, Any] = {str(path): path.read_text() for path in workspaces}
        if (self.instance / "progress.db").exists():
            with closing(sqlite3.connect(self.instance / "progress.db")) as database:
                kept["progress"] = [line for line in database.iterdump() if "INSERT" in line]
        return {name: what for name, what in kept.items() if what}


class Visitor(requests.Session):
    """Asks for paths, as a browser without JavaScript does, and submits their forms."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def request(self, method, path, **options) -> requests.Response:  # type: ignore[override]
        return super().request(method, self.url + path, timeout=60, **options)

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/lessons/tiny").text)
        found = found or re.search(r'name="csrf_token" value="([^"]+)"', self.get("/?token=").text)
        assert found
        return found[1]

    def submit(self, path: str, fields: dict[str, Any] | None = None, **options: Any):
        data = {"csrf_token": self.csrf, **(fields or {})}
        return self.post(path, data=data, **options)

    def start(self) -> None:
        assert self.submit("/lessons/tiny/start").ok
        answer = eventually(self._started)
        assert answer == "started", self.get("/lessons/tiny/start", headers=JSON).text

    def _started(self) -> str | None:
        status = self.get("/lessons/tiny/start", headers=JSON).json()["status"]
        return None if status == "starting" else str(status)


JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")


def write_tiny(root: Path) -> Path:
    """A course with a lab of two steps, and a lesson without a lab."""
    for name, text in {
        "labs/tiny/lab.py": LAB,
        "lessons/01-tiny.md": LESSON,
        "lessons/02-reading.md": READING,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def serve(tiny: Path, instance: Path, engine: Engine) -> Iterator[Callable[..., Site]]:
    """Serves a course, by default the tiny one; ends the servers and what they left."""
    sites: list[Site] = []

    def start(root: Path = tiny, port: int | None = None, **options: Any) -> Site:
        try:
            sites.append(Site(root, instance, port or free_port(), **options))
        except AssertionError as error:
            if port or "in use" not in str(error):
                raise
            sites.append(Site(root, instance, free_port(), **options))  # another program was first
        return sites[-1]

    yield start
    for site in sites:
        site.stop()
        if (instance / "workspaces").is_dir():
            close_all(Workspaces(instance / "workspaces", engine, content.load(site.root).labs))


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context of its own, let in. When the test ends, no page may have had a
    complaint in its console, or have asked anything of another host."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    asked: list[str] = []
    sites: set[str] = set()

    def hear(complaint: str, about: str = "") -> None:
        if "ERR_NETWORK_CHANGED" in complaint:  # a container's network came or went
            return
        if "409" in complaint and re.search(r"/(registry|live)(\?|$)", about):
            return  # the lab of an open page was finished, and the page asked once more
        complaints.append(f"{complaint} {about}")

    def start(site: Site, path: str = "/", **options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: hear(message.text, message.location["url"]))
        page.on("pageerror", lambda error: hear(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        load(page, f"{site.url}{path}?token={site.token}")
        sites.add(site.url)
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(tuple(sites))] == []


def load(page: Page, url: str) -> None:
    """Go there. Chromium drops what it loads when a container's network comes or goes: then
    again, until all of the page has come."""
    dropped: list[str] = []
    page.on("requestfailed", lambda request: dropped.append(request.failure or ""))
    for _ in range(10):
        dropped.clear()
        try:
            page.goto(url)
        except Error as error:
            if "ERR_NETWORK_CHANGED" not in error.message:
                raise
        if not any("ERR_NETWORK_CHANGED" in failure for failure in dropped):
            return
    raise AssertionError(f"{url} does not load: {dropped}")


def weights(page: Page) -> Counter[str]:
    """Fills with the bytes of what the page loads from now on, headers and all, compressed as they
    were sent, by address. Nothing comes from the browser's cache."""
    found: Counter[str] = Counter()
    addresses: dict[str, str] = {}
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    network.on(
        "Network.requestWillBeSent",
        lambda event: addresses.update({event["requestId"]: event["request"]["url"]}),
    )
    network.on(
        "Network.loadingFinished",
        lambda event: found.update(
            {addresses.get(event["requestId"], ""): int(event["encodedDataLength"])}
        ),
    )
    return found


def address_of(server: subprocess.Popen[str]) -> str:
    """The address that script/server prints, once it does."""
    assert server.stdout
    printed = []
    for line in server.stdout:
        printed.append(line)
        if line.startswith("Open "):
            return line.split()[1]
    raise AssertionError("".join(printed))
