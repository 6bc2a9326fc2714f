"""Verdicts that come by themselves: what happens on the engine has a lab's steps looked at again.

One thread follows the engine's events as long as any page is open. Each lesson that is open has a
thread of its own, so that a lab whose registry hangs holds up no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal

from labrunner.course.lesson import Lesson
from labrunner.engine.models import Event
from labrunner.progress.store import ProgressUnavailable, StepProgress
from labrunner.registry import access_log
from labrunner.registry.access_log import Request
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.labels import WORKSPACE
from labrunner.workspaces.workspace import Workspace

from .errors import NotStarted
from .learner import Learner

CHANGES = {  # the events that can change a verdict; whoever only looks, as a check does, makes none
    "type": ["container", "image", "volume", "network"],
    "event": [
        *("create", "start", "restart", "kill", "die", "stop", "pause", "unpause", "rename"),
        *("update", "destroy", "extract-to-dir", "exec_die", "commit"),
        *("push", "pull", "tag", "untag", "delete", "load", "import", "connect", "disconnect"),
    ],
}
SLOW = ("start", "restart", "kill", "unpause")  # what a container does after these takes a while
ECHOES = (0.5, 1, 2, 4)  # seconds from look to look after such an event
SETTLED = 0.15  # seconds from an event to the look: it may be the first of many
REST = 0.5  # seconds from one look at a lab to the next, at least
MANY = 20  # looks in a row after which the rest is longer, as on an engine that is never quiet
LONG_REST = 3  # seconds
POLL = 3  # seconds between two readings of a registry's log
PAUSES = (0.5, 1, 2, 4, 5)  # seconds before the engine is asked for its events again
LINES = 1000  # of a registry's log, its latest

Render = Callable[[Lesson, Collection[str]], str]


@dataclass(frozen=True)
class Message:
    """What a page is told: the `steps` whose verdicts changed, as HTML; that the lab was `looked`
    at since something happened that can have changed its registry; that the engine's events are
    `found` or `lost`; that it is `over`; and, with a `beat`, that the server is still there.
    """

    kind: Literal["steps", "looked", "found", "lost", "over", "beat"]
    text: str = ""


LOOKED, FOUND, LOST, OVER = Message("looked"), Message("found"), Message("lost"), Message("over")
BEAT = Message("beat")
Subscription = SimpleQueue[Message]


class Watcher:
    """render: the fragment of a lesson's page for the steps with these ids."""

    def __init__(self, learner: Learner, render: Render) -> None:
        self.learner = learner
        self.render = render
        self._lock = threading.Lock()
        self._watches: dict[str, LabWatcher] = {}  # by the id of the workspace
        self._follower: threading.Thread | None = None
        self._engine: Message | None = None  # the last thing that was said of it
        self._others: set[str] = set()  # containers of headless workspaces

    @contextmanager
    def watched(self, lesson: Lesson) -> Iterator[Subscription]:
        """What changes from now on in a lesson with a lab comes out of this line, until the lab is
        finished or started anew.

        Raises `NotStarted` and `ProgressUnavailable`.
        """
        line: Subscription = SimpleQueue()
        with self._lock:
            new = LabWatcher(self.learner, lesson, self.render)
            watch = self._watches.setdefault(new.id, new)
            watch.join(line)
            if not self._follower:
                self._engine = None
                self._follower = _thread("events of the engine", self._follow)
            if self._engine:
                line.put(self._engine)
            if self._engine == FOUND:
                watch.stir()
        try:
            yield line
        finally:
            with self._lock:
                if watch.leave(line):
                    del self._watches[watch.id]

    def _follow(self) -> None:
        """Have labs looked at when something happens, until no page is open any more."""
        pauses = iter(PAUSES)
        while True:
            try:
                for event in self.learner.engine.follow(**CHANGES):
                    if event is None:
                        if self._ended():
                            return
                        pauses = iter(PAUSES)
                        self._say(FOUND)
                    elif self.concerns(event):
                        self._stir(event)
            except CannotCheck:
                pass
            except Exception:
                logging.getLogger(__name__).exception("Following the engine's events broke")
            self._say(LOST)
            time.sleep(next(pauses, PAUSES[-1]))
            if self._ended():
                return

    def _ended(self) -> bool:
        with self._lock:
            if not self._watches:
                self._follower = None
            return not self._watches

    def _say(self, message: Message) -> None:
        """Tell all pages, once. Where the engine is found, something may have been missed."""
        with self._lock:
            if message != self._engine:
                self._engine = message
                for watch in self._watches.values():
                    watch.tell(message)
                    if message == FOUND:
                        watch.touched = True
                        watch.stir()

    def _stir(self, event: Event) -> None:
        about = {event.id, event.attributes.get("container")}
        with self._lock:
            for watch in self._watches.values():
                if watch.registry in about:
                    watch.touch()
                watch.stir(slow=event.action in SLOW)

    def concerns(self, event: Event) -> bool:
        """Whether it may be the learner's doing: not our own, nor that of a headless run."""
        workspaces = self.learner.workspaces.all()
        if event.action == "exec_die":  # of any container by a health check, too
            ours = event.attributes.get("execID") in self.learner.engine.executed
            return not ours and any(
                event.id in each.record.seen["containers"] for each in workspaces
            )
        owner = event.attributes.get(WORKSPACE)
        if any(each.id == owner and each.record.kind == "headless" for each in workspaces):
            self._others.add(event.id)
        return not {event.id, event.attributes.get("container")} & self._others


class LabWatcher:
    """One lesson with an open lab, which pages show. `id` is its workspace's, `registry` that of
    the container which serves it, and `touched` whether that may hold something else by now.

    Raises `NotStarted` and `ProgressUnavailable`.
    """

    def __init__(self, learner: Learner, lesson: Lesson, render: Render) -> None:
        assert lesson.lab  # noqa: S101 - only such a lesson has anything to watch
        self.learner = learner
        self.lesson = lesson
        self.lab = lesson.lab
        self.render = render
        self.id = learner.started(self.lab).id
        self.registry: str | None = None
        self.touched = False
        self._settles = 0.0  # until then the registry may change without a sign
        self._lines: list[Subscription] = []
        self._stirred = threading.Event()
        self._echoes: Iterator[float] = iter(())
        self._shown: dict[str, StepProgress] = learner.progress.of(self.lab.name)
        self._read = time.time()  # when the registry's log was read
        self._asked: set[Request] = set()

    def join(self, line: Subscription) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            _thread(f"live {self.lesson.slug}", self._run)

    def leave(self, line: Subscription) -> bool:
        """Whether it was the last one; then the thread ends."""
        self._lines.remove(line)
        if not self._lines:
            self._stirred.set()
        return not self._lines

    def tell(self, message: Message) -> None:
        for line in list(self._lines):
            line.put(message)

    def touch(self) -> None:
        """Something happened to the container of the registry."""
        self.touched = True
        self._settles = time.monotonic() + sum(ECHOES) + 1

    def stir(self, slow: bool = False) -> None:
        """Look at the lab soon; after something slow also some times later."""
        if slow:
            self._echoes = iter(ECHOES)
        self._stirred.set()

    def _run(self) -> None:
        looked, many, missed = 0.0, 0, False
        while self._lines:
            echo = next(self._echoes, None)
            stirred = self._stirred.wait(echo or POLL)
            many = many + 1 if stirred else 0
            again, missed = missed, True  # a look that fails is made again
            try:
                if stirred:
                    rest = REST if many < MANY else LONG_REST
                    time.sleep(max(SETTLED, looked + rest - time.monotonic()))
                    self._stirred.clear()
                workspace = self.learner.started(self.lab)
                if workspace.id != self.id:
                    raise NotStarted(self.lab.name)
                with suppress(CannotCheck):  # the look itself says more
                    self._listen(workspace)
                if self._lines and (stirred or echo or again or self.touched):
                    looked = time.monotonic()
                    for _ in self.learner.notice(self.lab):
                        self._show()
                self._show()
                if self.touched or (echo and time.monotonic() < self._settles):
                    self.touched = False
                    self.tell(LOOKED)
                missed = False
            except NotStarted:
                self.tell(OVER)
            except (CannotCheck, ProgressUnavailable):
                continue  # the page says so when it is loaded
            except Exception:
                logging.getLogger(__name__).exception("Looking at %s broke", self.lab.name)

    def _show(self) -> None:
        """Tell the pages what is not as they have it, whoever's check it was."""
        now = self.learner.progress.of(self.lab.name)
        changed = {id for id in {*now, *self._shown} if now.get(id) != self._shown.get(id)}
        if changed:
            text = self.render(self.lesson, changed)
            self._shown = now
            self.tell(Message("steps", text))

    def _listen(self, workspace: Workspace) -> None:
        """Find out whether the registry is another one, or somebody has asked it something since
        the last time. Checks do not count: they do not name the program that asks, as all others
        do."""
        container = workspace.registry_container()
        before, self.registry = self.registry, container.id if container else None
        if self.registry != before:
            self.touch()
        if not container:
            return
        since, now = self._read - 2 * POLL, time.time()
        log = self.learner.engine.logs(container.id, since=since, tail=LINES, errors=False)
        known, self._asked = self._asked, {each for each in access_log.parse_log(log) if each.agent}
        self._read = now
        if not self._asked <= known:
            self.touched = True


def _thread(name: str, run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
