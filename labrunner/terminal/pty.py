"""The learner's shell on a pseudo-terminal, with the end of its output.

A supervisor (`supervisor.py`) ends the shell, with all that the shell started, when the shell is
closed and when this process dies.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import struct
import subprocess
import sys
import termios
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervisor.py")
HISTORY = 64 * 1024  # bytes of output that are kept
MOST_TYPED = 128 * 1024  # bytes that wait for the shell to read them
CHUNK = 64 * 1024  # bytes that are read at once; the system gives 4 KiB at a time
GATHERING = 0.001  # seconds in which more is waited for, so that much output goes in few messages
FALLBACK = "bash"
NOT_INHERITED = (  # from the server, and from the terminal that it was started in
    "COLORTERM",
    "COLUMNS",
    "FLASK_",
    "GUNICORN_",
    "LABRUNNER_",
    "LINES",
    "MALLOC_ARENA_MAX",
    "STY",
    "TERM_PROGRAM",
    "TMUX",
    "WERKZEUG_",
)
RESERVED = frozenset({  # by the system and by shells: a lab's value must not replace them
    "HOME", "HOST", "HOSTNAME", "LOGNAME", "MAIL", "USER", "USERNAME", "UID", "EUID", "GROUPS",
    "PATH", "CDPATH", "FPATH", "MANPATH", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP",
    "SHELL", "SHLVL", "IFS", "ENV", "FIGNORE", "OPTIND", "PPID", "RANDOM", "SECONDS", "STATUS",
    "TERM", "LINES", "COLUMNS", "DISPLAY", "EDITOR", "VISUAL", "PAGER", "PROMPT", "PS1", "PS2",
    "PROMPT_COMMAND",
    "LANG", "LANGUAGE", "LC_ALL", "TZ", "BASH_ENV", "LD_PRELOAD", "LD_LIBRARY_PATH",
    "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
})  # fmt: skip
# Bash runs this before each prompt. The mark, which other shells make by themselves and no terminal
# shows, says with which status the last command has ended.
TELL_STATUS = r"printf '\e]133;D;%s\a' $?"


class TooMuchTyped(Exception):
    """More was typed than the shell has read."""


class Shell:
    """A shell that runs from when it is made until it ends or is closed.

    folder: its working directory. values: the lab's, for its environment; see `environment`.
    """

    def __init__(self, folder: Path, values: Mapping[str, str]) -> None:
        self.id = secrets.token_urlsafe(24)
        self.history = b""
        self._typed = b""
        self._typing = threading.Lock()
        self._terminal, other_end = os.openpty()
        weakref.finalize(self, os.close, self._terminal)  # not while a thread reads from it
        os.set_blocking(self._terminal, False)
        program = os.environ.get("SHELL") or FALLBACK
        words = [sys.executable, "-I", "-S", str(SUPERVISOR), str(other_end), program]
        try:
            self._supervisor = subprocess.Popen(
                words,
                cwd=folder,
                env=environment(values),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(other_end,),
                start_new_session=True,  # or Ctrl-C would end the supervisor with the server
            )
        finally:
            os.close(other_end)

    @property
    def ended(self) -> bool:
        return self._supervisor.poll() is not None

    @property
    def runs_command(self) -> bool:
        """Whether a command is in the foreground, and not the shell, which leads the session."""
        if self.ended:
            return False
        foreground = os.tcgetpgrp(self._terminal)
        try:
            return os.getsid(foreground) != foreground
        except ProcessLookupError:  # the first program of a pipe, whose others still run
            return True

    def read(self, seconds: float) -> bytes | None:
        """Return what it prints next: b"" if it prints nothing in time, None if it has ended."""
        data = b""
        while len(data) < CHUNK and select.select([self._terminal], [], [], seconds)[0]:
            try:
                more = os.read(self._terminal, CHUNK)
            except BlockingIOError:
                break
            except OSError:  # on Linux EIO says that the session is gone, on macOS nothing is read
                more = b""
            if not more and not data:
                return None
            if not more:
                break
            data += more
            seconds = GATHERING
        kept = self.history + data
        if len(kept) > HISTORY:  # from the beginning of a line
            kept = kept[-HISTORY:].partition(b"\n")[2] or kept[-HISTORY:]
        self.history = kept
        return data

    def type(self, data: bytes = b"") -> bool:
        """Type this after what is waiting, and return whether nothing is left waiting.

        Raises `TooMuchTyped`, and types nothing, when too much is waiting.
        """
        with self._typing:
            if len(self._typed) + len(data) > MOST_TYPED:
                raise TooMuchTyped
            self._typed += data
            while self._typed:
                try:
                    count = os.write(self._terminal, self._typed[:1024])
                except BlockingIOError:
                    return False
                except OSError:  # it has ended
                    count = len(self._typed)
                self._typed = self._typed[count:]
            return True

    def resize(self, rows: int, columns: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)  # see ioctl_tty(2), TIOCSWINSZ
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def hang_up(self) -> None:
        """Let the supervisor end the whole session. It is gone after `wait`."""
        if self._supervisor.stdin:
            self._supervisor.stdin.close()

    def wait(self) -> int:
        """Wait until it and all that it started have ended, and return its exit code."""
        return self._supervisor.wait()


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return the learner's environment with what a terminal in a page needs, and with the lab's
    values by their names in upper case, except `RESERVED` names such as `user` and `host`."""
    own = {name: text for name, text in os.environ.items() if not name.startswith(NOT_INHERITED)}
    named = {name.upper(): text for name, text in values.items()}
    return {
        "PROMPT_COMMAND": TELL_STATUS,
        **own,
        **{name: text for name, text in named.items() if name not in RESERVED},
        "TERM": "xterm-256color",
        "PROMPT_DIRTRIM": "1",  # bash then shows only the end of the folder's long path
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # else a push has an image index on top
    }
