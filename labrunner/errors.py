"""What keeps a request, a job or a command from going on, and the exit codes of commands.

Every such error is a sentence that says what is wrong and one that says what to do. Pages, jobs and
commands each render it in one place: `web/errors.py`, `web/jobs.py` and `cli/console.py`.
"""

from __future__ import annotations

import errno
from enum import IntEnum

from .language import Sentence

_NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class ExitStatus(IntEnum):
    """The exit codes of the commands."""

    SUCCESS = 0
    FAILED = 1  # a check did not pass, or nothing was recognised
    BAD_CALL = 2  # the command line, a file or a lab is wrong
    CANNOT_RUN = 3  # an engine, an image or a file is missing
    INTERRUPTED = 130


class CourseError(Exception):
    """Why something cannot be done now.

    found: what is wrong, as a sentence with code between backticks. next: what to do about it.
    Subclasses say with which title and HTTP status a page shows it, and with which exit code a
    command ends.
    """

    title: str = Sentence("That cannot be done now")
    http_status = 503
    exit_status = ExitStatus.CANNOT_RUN

    def __init__(self, found: str, *, next: str) -> None:
        super().__init__(found)
        self.found, self.next = found, next


class NotWritable(CourseError):
    """A file of the instance cannot be written, as on a full disk."""

    @classmethod
    def from_os_error(cls, error: BaseException) -> NotWritable | None:
        """Return the reason for an `OSError` of that kind, and None for any other error."""
        if not isinstance(error, OSError) or error.errno not in _NOT_WRITABLE:
            return None
        nothing, why = "Nothing can be written: {why}.", error.strerror
        found = Sentence(nothing, why=why)
        if error.filename:
            to = "Nothing can be written to `{file}`: {why}."
            found = Sentence(to, file=error.filename, why=why)
        return cls(
            found,
            next="Free some disk space, or allow this program to write there. Then try again.",
        )
