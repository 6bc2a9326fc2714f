"""What the tests of the machinery share: the engine, workspaces, and courses written from strings.

The stand-ins are for faults that a real engine or registry cannot be made to show.
"""

import socketserver
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from labrunner import content
from labrunner.belongings import WORKSPACE
from labrunner.content import Course
from labrunner.engine import Engine
from labrunner.kit import Kit
from labrunner.learner import Learner
from labrunner.progress import Progress
from labrunner.workspaces import Workspaces

ROOT = Path(__file__).parent.parent

LAB = '''
from labrunner import Lab, NotYet

lab = Lab(title="Volumes", images=["registry:2", "busybox:stable"])


@lab.step
def make_a_volume(workspace):
    """There is a volume `{name}`."""
    if workspace.engine.volume(workspace.name):
        return "It is there."
    raise NotYet(expected="A volume.", found="There is none.", next="Run `docker volume create`.")


@make_a_volume.solution
def _(workspace):
    workspace.create_volume(workspace.name)


@make_a_volume.mistake("a slip in its name", advice="docker volume create")
def _(workspace):
    workspace.create_volume(f"{workspace.name}-x")
'''

LESSON = """---
title: Volumes
lab: volumes
---
Text.

## Make a volume {#make-a-volume .step}

```bash
docker volume create {{ name }}
docker run --rm -v {{ name }}:/v --name {{ name }} busybox:stable true
```
"""


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


@pytest.fixture(scope="session")
def real_course() -> Course:
    return content.load(ROOT)


@pytest.fixture
def course(tmp_path: Path) -> Callable[..., Course]:
    """Loads a course from texts by path; without any, that of one small lab."""

    def write(files: dict[str, str | bytes] | None = None) -> Course:
        root = tmp_path / "course"
        sources = {"labs/volumes/lab.py": LAB, "lessons/01-volumes.md": LESSON}
        for name, text in (sources if files is None else files).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return content.load(root)

    return write


@pytest.fixture
def workspaces(instance: Path, engine: Engine, real_course: Course) -> Iterator[Workspaces]:
    """Those of the real course in a folder of this test's own; all are closed at its end."""
    made = Workspaces(instance / "workspaces", engine, real_course.labs)
    yield made
    close_all(made)


@pytest.fixture
def learner(instance: Path, workspaces: Workspaces, real_course: Course) -> Learner:
    kit = Kit(workspaces.engine, real_course.images)
    return Learner(real_course, workspaces, Progress(instance / "progress.db"), kit)


def close_all(workspaces: Workspaces) -> None:
    from labrunner import belongings

    for workspace in workspaces.all():
        workspaces.close(workspace, belongings.of(workspace))


@pytest.fixture
def docker() -> Iterator[Callable[..., str]]:
    """The learner's own command line. What it makes is removed at the end of the test."""
    made: list[list[str]] = []

    def run(*words: str, fails: bool = False) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)
        assert (done.returncode != 0) == fails, done.stderr
        output = (done.stdout + done.stderr if fails else done.stdout).strip()
        if not fails and words[0] in ("run", "create") and "--rm" not in words:
            made.append(["rm", "-fv", output])
        elif words[:2] in (("volume", "create"), ("network", "create")):
            made.append([words[0], "rm", output])
        return output

    yield run
    for words in reversed(made):
        subprocess.run(["docker", *words], capture_output=True, timeout=60)


@pytest.fixture
def unique() -> str:
    """A name that nothing else on the engine has."""
    return f"test-{uuid.uuid4().hex[:8]}"


def traces(engine: Engine, ids: set[str]) -> dict[str, set[str]]:
    """All on the engine that these workspaces may have left: with their label, or an id of theirs
    in its name. The engine may be in use by others meanwhile."""

    def ours(labels: dict[str, str], *names: str) -> bool:
        return labels.get(WORKSPACE) in ids or any(id in name for id in ids for name in names)

    return {
        "containers": {c.id for c in engine.containers() if ours(c.labels, c.name, c.image)},
        "volumes": {v.name for v in engine.volumes() if ours(v.labels, v.name)},
        "networks": {n.id for n in engine.networks() if ours(n.labels, n.name)},
        "images": {
            f"{i.id} {tag}"
            for i in engine.images()
            for tag in (i.tags or ("",))
            if ours(i.labels, *i.tags, *i.digests)
        },
    }


def nothing() -> dict[str, set[str]]:
    return {"containers": set(), "volumes": set(), "networks": set(), "images": set()}


def eventually(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until it holds; what it was at the end."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@contextmanager
def serving(answer: Callable[[Any], None], unix: Path | None = None) -> Iterator[str]:
    """A server that gives each connection's socket to `answer`; its `host:port`, or path."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                answer(self.request)

    base: Any = socketserver.ThreadingUnixStreamServer if unix else socketserver.ThreadingTCPServer
    server = base(str(unix) if unix else ("127.0.0.1", 0), Handler, bind_and_activate=True)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield str(unix) if unix else f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def request_of(connection: Any) -> str:
    """The first line and headers of a request, as text; its body is not waited for."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            break
        data += chunk
    return data.decode(errors="replace")


def response(
    body: bytes | str, status: str = "200 OK", headers: str = "", length: int | None = None
) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    size = len(data) if length is None else length
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {size}\r\nConnection: close\r\n\r\n"
    return head.encode() + data
