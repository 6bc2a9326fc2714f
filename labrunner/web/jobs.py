"""Starting a lab beside the request, so that no page waits for an image or a container."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from labrunner.engine.progress import ProgressCallback
from labrunner.errors import NotWritable
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.errors import Busy, NotStarted
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.workspace import Say

LINES = 100  # how many lines of progress are kept
Act = Callable[[Say, ProgressCallback], object]


@dataclass
class Job:
    """One start of a lab: what it said so far, and what stopped it.

    done, total: the bytes of the image that is pulled or pushed now (0: none yet, not known).
    """

    lines: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0
    running: bool = True
    found: str | None = None
    next: str | None = None

    @property
    def failed(self) -> bool:
        return self.found is not None

    def as_dict(self) -> dict[str, object]:
        status = "starting" if self.running else "failed" if self.failed else "started"
        return {
            "status": status,
            "lines": self.lines,
            "done": self.done,
            "total": self.total,
            "found": self.found,
            "next": self.next,
        }


class Jobs:
    """What is done beside requests: the last start of each lab, by the lab's name, and whatever
    else has a name of its own."""

    def __init__(self) -> None:
        self._starts: dict[str, Job] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Job | None:
        """As it is now; what is shown of it must not change meanwhile."""
        start = self._starts.get(name)
        return replace(start) if start else None

    def begin(self, name: str, act: Act) -> Job:
        """Act in a thread; one of this name that is running already is that one."""
        with self._lock:
            start = self._starts.get(name)
            if start and start.running:
                return replace(start)
            start = self._starts[name] = Job()
        threading.Thread(target=_run, args=(start, name, act), name=name, daemon=True).start()
        return Job()


def _run(start: Job, name: str, act: Act) -> None:
    def say(line: str) -> None:
        start.done = start.total = 0
        start.lines = [*start.lines, line][-LINES:]

    def bar(done: int, total: int) -> None:
        start.done, start.total = done, total

    try:
        act(say, bar)
    except CannotCheck as error:
        start.found, start.next = error.found, error.next
    except Busy:
        start.found = (
            "Something else is being done to this lab, here or in another window or terminal."
        )
        start.next = "Wait until that is done, then load this page again."
    except NotStarted:
        start.found, start.next = "The lab was finished meanwhile.", "Start it again."
    except ProgressUnavailable as error:
        start.found, start.next = "What was done cannot be kept.", f"{error.found} {error.next}"
    except Exception as error:  # a fault of ours must not leave the page waiting for ever
        if known := NotWritable.from_os_error(error):
            start.found, start.next = known.found, known.next
            return
        logging.getLogger(__name__).exception("%s broke", name)
        start.found = f"Something broke in this program: `{type(error).__name__}: {error}`."
        start.next = "Try again. If it breaks again, please report it with the server's log."
    finally:
        start.running = False
