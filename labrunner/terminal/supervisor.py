"""Run a program on a terminal in its own session, and leave nothing of that session.

    python supervisor.py DESCRIPTOR PROGRAM ARGUMENT...

DESCRIPTOR is the terminal. Standard input is a pipe that nobody writes to, and only the server has
its other end. The pipe ends when the server closes it, and when the server is killed. Then, and
when the program ends, the whole session gets HUP and, if that does not help, KILL. The exit code is
the program's, as a shell reports it.

It imports only the standard library, so that a shell opens at once.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import termios
import time

GRACE = 0.5  # seconds for a session to end by HUP
KILL_GRACE = 2.0  # seconds for the kernel to end it by KILL


def main(terminal: int, command: list[str]) -> int:
    """Wait until the program ends or the server ends it, and return the program's exit code."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started, starting = os.pipe()  # closes when the program starts: before, it has no session
    program = os.fork()
    if program == 0:
        _become(terminal, command)
    os.close(terminal)
    os.close(starting)
    os.read(started, 1)
    status = None
    try:
        while status is None and 0 not in select.select([0, woken], [], [])[0]:
            os.read(woken, 64)
            status = _status(program)
    finally:
        end(program)
    status = _status(program) if status is None else status
    code = os.waitstatus_to_exitcode(status) if status is not None else -signal.SIGKILL
    return code if code >= 0 else 128 - code


def end(session: int) -> None:
    """End all processes of the session, also those that are stopped or ignore HUP."""
    _send(session, signal.SIGHUP)
    _send(session, signal.SIGCONT)
    limit = time.monotonic() + GRACE
    while _send(session, 0) and time.monotonic() < limit:
        time.sleep(0.02)
    limit = time.monotonic() + KILL_GRACE
    while _send(session, signal.SIGKILL) and time.monotonic() < limit:  # they may still be forking
        time.sleep(0.02)


def members(session: int) -> list[int]:
    """Return the running processes of a session. Linux only: see proc(5), `stat`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, _, _, its_session = file.read().rpartition(b")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(its_session) == session and state not in b"ZX":
            found.append(int(name))
    return found


def _send(session: int, number: int) -> bool:
    """Send the session a signal, and return whether any process got it."""
    if not os.path.exists("/proc/self/stat"):  # macOS has no list of a session's processes
        try:
            os.killpg(session, number)
        except (ProcessLookupError, PermissionError):  # the latter for one not yet collected
            return False
        return True
    processes = members(session)
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
    return bool(processes)


def _status(process: int) -> int | None:
    """Return how a process ended, once; None while it runs."""
    ended, status = os.waitpid(process, os.WNOHANG)
    return status if ended else None


def _become(terminal: int, command: list[str]) -> None:
    """Become the program, with its own terminal and no signal ignored, as after a login."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for standard in range(3):
        os.dup2(terminal, standard)
    if terminal > 2:
        os.close(terminal)
    for name in ("HUP", "INT", "QUIT", "PIPE", "TERM", "CHLD", "TSTP", "TTIN", "TTOU", "XFSZ"):
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the learner's own shell
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}.\r\n".encode())
        os._exit(127)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
