"""A lock in a file, which all threads and processes of this machine share.

The package `filelock` does the same and more; importing it takes a sixth of a command's start.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

POLL = 0.002  # seconds


class LockTaken(Exception):
    """Another thread or process has the lock."""


class FileLock:
    """A lock that ends with the process which has it. Its file stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, timeout: float | None = None) -> FileLock:
        """Wait until the lock is free, and take it. timeout: the seconds to wait at most.

        Raises `LockTaken` after that, and `OSError` where the file cannot be made.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if timeout is None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            else:
                _take(descriptor, time.monotonic() + timeout)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Give the lock back; nothing where it was not taken."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # also for copies in other processes
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        return self if self._descriptor is not None else self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _take(descriptor: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise LockTaken from None
        time.sleep(POLL)
