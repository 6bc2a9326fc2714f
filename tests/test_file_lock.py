"""A lock in a file, between threads and between processes."""

import os
import subprocess
import sys
import threading

import pytest

from labrunner.file_lock import FileLock, LockTaken
from tests.fixtures.engine import ROOT

HOLD = """
import sys
from pathlib import Path
from labrunner.file_lock import FileLock
with FileLock(Path(sys.argv[1])):
    print("taken", flush=True)
    sys.stdin.read()
"""


def test_one_thread_waits_for_the_other(tmp_path):
    path, order = tmp_path / "lock", []
    first = FileLock(path).acquire()

    def work():
        with FileLock(path):
            order.append("second")

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(LockTaken):
        FileLock(path).acquire(timeout=0.05)
    order.append("first")
    first.release()
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    words = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "taken\n"
        with pytest.raises(LockTaken):
            FileLock(path).acquire(timeout=0)
        process.kill()
    FileLock(path).acquire(timeout=60).release()


def test_a_lock_that_was_given_back_is_free_also_where_a_copy_of_its_file_is_open(tmp_path):
    """As in a process that was forked meanwhile."""
    lock = FileLock(tmp_path / "lock").acquire()
    copy = os.dup(lock._descriptor or 0)
    lock.release()
    lock.release()  # which does nothing
    FileLock(tmp_path / "lock").acquire(timeout=0).release()
    os.close(copy)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        FileLock(tmp_path / "lock").acquire()
    assert not (tmp_path / "elsewhere").exists()
