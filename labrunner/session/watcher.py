"""Verdicts without a click: when something happens on the engine, a lab's steps are checked again.

One thread follows the engine's events as long as any page is open. Each lesson that is open has a
thread of its own, so that a lab whose registry hangs holds up no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from labrunner.engine.events import Event
from labrunner.language import SOURCE
from labrunner.progress.records import StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.registry import access_log
from labrunner.registry.access_log import Request
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.labels import WORKSPACE
from labrunner.workspaces.workspace import Workspace

from .advice import Advice
from .errors import NotStarted
from .live_messages import FOUND, LOOKED, LOST, OVER, Message, Subscription
from .services import Services
from .session import Session

CHANGES = {  # the events that can change a verdict; a program that only reads makes none of them
    "type": ["container", "image", "volume", "network"],
    "event": [
        "create",
        "start",
        "restart",
        "kill",
        "die",
        "stop",
        "pause",
        "unpause",
        "rename",
        "update",
        "destroy",
        "extract-to-dir",
        "exec_die",
        "commit",
        "push",
        "pull",
        "tag",
        "untag",
        "delete",
        "load",
        "import",
        "connect",
        "disconnect",
    ],
}
SLOW = ("start", "restart", "kill", "unpause")  # what a container does after these takes a while
ECHOES = (0.5, 1, 2, 4)  # seconds from recheck to recheck after such an event
SETTLED = 0.15  # seconds from an event to the recheck: it may be the first of many
QUIET = 0.4  # seconds without an event after which what a step lacks is said
TICK = 0.1  # seconds until it is asked again whether a command still runs
REST = 0.3  # seconds from one recheck of a lab to the next, at least
MANY = 20  # rechecks in a row after which the rest is longer, as on an engine that is never quiet
LONG_REST = 3  # seconds
POLL = 3  # seconds between two readings of a registry's log
PAUSES = (0.5, 1, 2, 4, 5)  # seconds before the engine is asked for its events again
LOG_LINES = 1000  # of a registry's log, its latest

RunsCommand = Callable[[Path], bool]
"""Whether the learner runs a command in a terminal of the server's pages that was opened in a
folder."""

Render = Callable[[Session, Collection[str]], str]
"""Renders the fragment of a lesson's page for the steps with these ids, in any thread."""


class Watcher:
    """Watches the labs that pages show. runs_command: whether the learner is still at it."""

    def __init__(
        self, services: Services, runs_command: RunsCommand = lambda folder: False
    ) -> None:
        self.services = services
        self._runs_command = runs_command
        self._lock = threading.Lock()
        self._labs: dict[str, LabWatcher] = {}  # by the id of the workspace
        self._follower: threading.Thread | None = None
        self._engine: Message | None = None  # the last message about it
        self._headless: set[str] = set()  # containers of headless workspaces

    @contextmanager
    def subscribe(
        self, session: Session, render: Render, language: str = SOURCE
    ) -> Iterator[Subscription]:
        """Return a queue of what changes from now on in a lab, until it is finished or started
        anew. The session is the watcher's own from now on. language: that `render` renders in.

        Raises `NotStarted` and `ProgressUnavailable`.
        """
        subscription = Subscription()
        with self._lock:
            new = LabWatcher(session, self._runs_command)
            lab = self._labs.setdefault(new.id, new)
            lab.add(subscription, render, language)
            if not self._follower:
                self._engine = None
                self._follower = _start_thread("events of the engine", self._follow)
            if self._engine:
                subscription.put(self._engine)
            if self._engine == FOUND:
                lab.schedule()
        try:
            yield subscription
        finally:
            with self._lock:
                if lab.remove(subscription):
                    del self._labs[lab.id]

    def is_relevant(self, event: Event) -> bool:
        """Return whether the event may be the learner's doing: not that of this program, nor of a
        headless run."""
        workspaces = self.services.workspaces.all()
        if event.action == "exec_die":  # of any container by a health check, too
            ours = event.attributes.get("execID") in self.services.workspaces.engine.executed
            return not ours and any(
                event.id in each.record.seen["containers"] for each in workspaces
            )
        owner = event.attributes.get(WORKSPACE)
        if any(each.id == owner and each.record.kind == "headless" for each in workspaces):
            self._headless.add(event.id)
        return not {event.id, event.attributes.get("container")} & self._headless

    def _follow(self) -> None:
        """Schedule rechecks when something happens, until no page is open any more."""
        pauses = iter(PAUSES)
        while True:
            try:
                for event in self.services.workspaces.engine.follow(**CHANGES):
                    if event is None:
                        if self._ended():
                            return
                        pauses = iter(PAUSES)
                        self._publish(FOUND)
                    elif self.is_relevant(event):
                        self._schedule(event)
            except CannotCheck:
                pass
            except Exception:
                logging.getLogger(__name__).exception("Following the engine's events broke")
            self._publish(LOST)
            time.sleep(next(pauses, PAUSES[-1]))
            if self._ended():
                return

    def _ended(self) -> bool:
        with self._lock:
            if not self._labs:
                self._follower = None
            return not self._labs

    def _publish(self, message: Message) -> None:
        """Tell all pages about the engine, once. When it is found, something may have been
        missed."""
        with self._lock:
            if message != self._engine:
                self._engine = message
                for lab in self._labs.values():
                    lab.publish(message)
                    if message == FOUND:
                        lab.mark_dirty()
                        lab.schedule()

    def _schedule(self, event: Event) -> None:
        about = {event.id, event.attributes.get("container")}
        with self._lock:
            for lab in self._labs.values():
                if lab.registry in about:
                    lab.mark_dirty(settling=True)
                lab.schedule(slow=event.action in SLOW)


class LabWatcher:
    """Watches one lab. `id` is that of its workspace, and `registry` that of the container which
    serves it.

    Raises `NotStarted` and `ProgressUnavailable`.
    """

    def __init__(self, session: Session, runs_command: RunsCommand) -> None:
        session.reload()
        self.session = session
        self._runs_command = runs_command
        self.id = session.require_workspace().id
        self.registry: str | None = None
        self._dirty = False  # the registry may hold something else by now
        self._settles = 0.0  # until then the registry may change without a sign
        self._pages: dict[Subscription, tuple[str, Render]] = {}
        self._scheduled = threading.Event()
        self._happened = 0.0  # when something last did
        self._advice = Advice(session)
        self._echoes: Iterator[float] = iter(())
        self._unadvised = False  # something happened since it was last said what a step lacks
        self._published: Mapping[str, StepProgress] = session.progress.steps
        self._log_read = time.time()
        self._requests: set[Request] = set()

    def add(self, subscription: Subscription, render: Render, language: str) -> None:
        """Publish to one more page. The first one starts the thread."""
        self._pages[subscription] = language, render
        if len(self._pages) == 1:
            _start_thread(f"live {self.session.lab.name}", self._run)

    def remove(self, subscription: Subscription) -> bool:
        """Publish to a page no longer. Return whether it was the last one; the thread then ends."""
        del self._pages[subscription]
        if not self._pages:
            self._scheduled.set()
        return not self._pages

    def publish(self, message: Message) -> None:
        """Tell all pages."""
        for subscription in list(self._pages):
            subscription.put(message)

    def mark_dirty(self, *, settling: bool = False) -> None:
        """Note that the registry may hold something else. settling: its container starts or stops,
        so that this goes on for a while."""
        self._dirty = True
        if settling:
            self._settles = time.monotonic() + sum(ECHOES) + 1

    def schedule(self, slow: bool = False) -> None:
        """Check the steps again soon; after something slow also some times later."""
        if slow:
            self._echoes = iter(ECHOES)
        self._happened = time.monotonic()
        self._scheduled.set()

    def _run(self) -> None:
        session = self.session
        rechecked, many, missed = 0.0, 0, False
        while self._pages:
            echo = next(self._echoes, None)
            scheduled = self._scheduled.wait(echo or (TICK if self._unadvised else POLL))
            many = many + 1 if scheduled else 0
            again, missed = missed, True  # a recheck that fails is made again
            try:
                if scheduled:
                    rest = REST if many < MANY else LONG_REST
                    time.sleep(max(SETTLED, rechecked + rest - time.monotonic()))
                    self._scheduled.clear()
                session.reload()
                workspace = session.require_workspace()
                if workspace.id != self.id:
                    raise NotStarted(session.lab.name)
                with suppress(CannotCheck):  # the recheck itself says more
                    self._read_log(workspace)
                if self._pages and (scheduled or echo or again or self._dirty):
                    rechecked = time.monotonic()
                    for _ in session.recheck_changed():
                        self._publish_steps()
                    self._unadvised = True
                self._publish_steps()
                if self._dirty or (echo and time.monotonic() < self._settles):
                    self._dirty = False
                    self.publish(LOOKED)
                if self._unadvised and self._is_quiet(workspace):
                    for _ in self._advice.give():
                        self._publish_steps()
                        if self._scheduled.is_set() or self._runs_command(workspace.work):
                            break
                    else:
                        self._unadvised = False
                missed = False
            except NotStarted:
                self.publish(OVER)
            except (CannotCheck, ProgressUnavailable):
                continue  # the page says so when it is loaded
            except Exception:
                logging.getLogger(__name__).exception("Checking %s again broke", session.lab.name)

    def _is_quiet(self, workspace: Workspace) -> bool:
        """Return whether nothing has happened for a while, and no command runs that may go on. One
        that runs is waited for, a little."""
        if self._scheduled.wait(max(0, self._happened + QUIET - time.monotonic())):
            return False
        end = time.monotonic() + REST
        while self._runs_command(workspace.work):
            if self._scheduled.wait(TICK) or time.monotonic() > end:
                return False
        return True

    def _publish_steps(self) -> None:
        """Tell the pages what is not as they have it, whoever's check it was."""
        now, before = self.session.progress.steps, self._published
        changed = {id for id in {*now, *before} if now.get(id) != before.get(id)}
        pages = list(self._pages.items())
        if changed and pages:
            renderers = dict(page for _, page in pages)  # one for each language
            texts = {code: render(self.session, changed) for code, render in renderers.items()}
            self._published = now
            for subscription, (code, _) in pages:
                subscription.put(Message("steps", texts[code]))

    def _read_log(self, workspace: Workspace) -> None:
        """Find out whether the registry is another one, or was asked something since the last
        time. Checks do not count: unlike all others they do not name the program that asks."""
        container = workspace.registry_container()
        before, self.registry = self.registry, container.id if container else None
        if self.registry != before:
            self.mark_dirty(settling=True)
        if not container:
            return
        since, now = self._log_read - 2 * POLL, time.time()
        engine = workspace.engine
        log = engine.logs(container.id, since=since, tail=LOG_LINES, errors=False)
        known = self._requests
        self._requests = {each for each in access_log.parse_log(log) if each.agent}
        self._log_read = now
        if not self._requests <= known:
            self.mark_dirty()


def _start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
