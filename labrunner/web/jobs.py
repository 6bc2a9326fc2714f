"""Jobs: what is done beside requests, so that no page waits for an image or a container."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from labrunner.engine.transfer_progress import ProgressCallback
from labrunner.errors import CourseError, NotWritable
from labrunner.language import Sentence
from labrunner.workspaces.workspace import Say

LINES = 100  # how many lines of progress are kept
Work = Callable[[Say, ProgressCallback], object]
"""Takes a function for a sentence on what is being done, and one for the bytes of an image."""


@dataclass
class Job:
    """How far a job is: what it said so far, and what stopped it.

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

    def notify(self, line: str) -> None:
        """Add a sentence on what is being done."""
        self.done = self.total = 0
        self.lines = [*self.lines, line][-LINES:]

    def on_progress(self, done: int, total: int) -> None:
        """Take the bytes that are done, and those in all."""
        self.done, self.total = done, total

    def fail(self, error: CourseError) -> None:
        """Take the reason why the job could not be done."""
        self.found, self.next = error.found, error.next

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
    """The last job of each name."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Job | None:
        """Return the job as it is now, in a copy that does not change."""
        job = self._jobs.get(name)
        return replace(job) if job else None

    def begin(self, name: str, work: Work) -> Job:
        """Do the work in a thread, unless a job of this name is running. Return the job."""
        with self._lock:
            job = self._jobs.get(name)
            if job and job.running:
                return replace(job)
            job = self._jobs[name] = Job()
        threading.Thread(target=_run, args=(job, name, work), name=name, daemon=True).start()
        return Job()


def _run(job: Job, name: str, work: Work) -> None:
    try:
        work(job.notify, job.on_progress)
    except CourseError as error:
        job.fail(error)
    except Exception as error:  # a bug must not leave the page waiting without end
        job.fail(NotWritable.from_os_error(error) or _broken(name, error))
    finally:
        job.running = False


def _broken(name: str, error: Exception) -> CourseError:
    logging.getLogger(__name__).error("%s broke", name, exc_info=error)
    return CourseError(
        Sentence(
            "Something broke in this program: `{kind}: {error}`.",
            kind=type(error).__name__,
            error=error,
        ),
        next="Try again. If it breaks again, please report it with the server's log.",
    )
