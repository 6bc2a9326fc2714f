"""The shells of the terminals in pages, and the websocket between a page and its shell.

Binary messages are what is typed and printed. Text messages are JSON. From the page:
`{"rows": 24, "columns": 80}`, `{"seen": 4096}` (bytes that it has shown, or left out) and
`{"end": true}`.
To the page: `{"ready": true}` after the output so far, and `{"ended": 0}` with the exit code.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from simple_websocket import ConnectionClosed, Server

from labrunner.terminal.pty import Shell, TooMuchTyped

from .limits import ConnectionLimit

GRACE = 10.0  # seconds that a shell waits for a page to come back
BEAT = 0.5  # seconds; how often shells and connections are looked after
RETRY = 0.02  # seconds until what the shell had no room for is typed again
UNSEEN = 1024 * 1024  # bytes that a page may be behind before the shell has to wait
MAX_SIZE = 1000  # rows, and columns
DONE, BAD_MESSAGE, TOO_MUCH, TAKEN_OVER = 1000, 1007, 1009, 4001  # RFC 6455, section 7.4


class ShellSession:
    """A shell in a lab's folder, and the page that is connected to it.

    resources: what is released when the shell has ended.
    """

    def __init__(self, shell: Shell, folder: Path, resources: ExitStack) -> None:
        self.shell = shell
        self.reading = threading.Lock()  # held by the connection that reads from the shell
        self.folder = folder
        self._resources = resources
        self._connection: ShellConnection | None = None
        self._disconnected_at = time.monotonic()

    @property
    def is_abandoned(self) -> bool:
        """Whether no page will use it again: a finished lab has no folder any more."""
        forgotten = time.monotonic() - self._disconnected_at > GRACE or not self.folder.is_dir()
        return (forgotten and not self._connection) or self.shell.ended

    def attach(self, connection: ShellConnection) -> None:
        """Connect a page, instead of the one before."""
        self._connection = connection

    def detach(self, connection: ShellConnection) -> None:
        """Disconnect a page, unless another one has taken over."""
        if self._connection is connection:
            self._disconnected_at, self._connection = time.monotonic(), None

    def is_attached(self, connection: ShellConnection) -> bool:
        return self._connection is connection

    def is_taken_over(self, connection: ShellConnection) -> bool:
        """Return whether another page is connected now."""
        return self._connection not in (connection, None)

    def end(self) -> None:
        """Wait until the shell has ended, and release its resources."""
        self.shell.wait()
        self._resources.close()


class Shells:
    """The shells of all pages. A shell without a page for `GRACE` seconds is ended."""

    def __init__(self, connection_limit: ConnectionLimit, closing: threading.Event) -> None:
        self.closing = closing
        self._connection_limit = connection_limit
        self._sessions: dict[str, ShellSession] = {}
        self._lock = threading.Lock()
        self._reaper: threading.Thread | None = None

    def open(self, folder: Path, values: Mapping[str, str]) -> Shell:
        """Start a shell. Raises `Full`, and `OSError` where no shell can be started."""
        with ExitStack() as resources:
            resources.enter_context(self._connection_limit.take())
            shell = Shell(folder, values)
            with self._lock:
                self._sessions[shell.id] = ShellSession(shell, folder, resources.pop_all())
                if not self._reaper:
                    self._reaper = threading.Thread(target=self._end_abandoned, daemon=True)
                    self._reaper.start()
        return shell

    def find(self, id: str) -> ShellSession | None:
        """Return a session that a page may connect to."""
        session = self._sessions.get(id)
        return None if session and session.is_abandoned else session

    def run_command_in(self, folder: Path) -> bool:
        """Return whether a shell that was opened in the folder runs a command now."""
        with self._lock:
            return any(
                each.folder == folder and each.shell.runs_command
                for each in self._sessions.values()
            )

    def end_all(self) -> None:
        """End the shells that run now; their pages are told that they have ended."""
        with self._lock:
            for session in self._sessions.values():
                session.shell.hang_up()

    def _end_abandoned(self) -> None:
        closing = False
        while not closing:
            closing = self.closing.wait(BEAT)
            with self._lock:
                sessions = self._sessions.values()
                ending = [each for each in sessions if closing or each.is_abandoned]
                for session in ending:
                    del self._sessions[session.shell.id]
            for session in ending:
                session.shell.hang_up()
            for session in ending:
                session.end()


class ShellConnection:
    """The websocket between a page and its shell."""

    def __init__(self, websocket: Server, session: ShellSession, closing: threading.Event) -> None:
        self._websocket = websocket
        self._session = session
        self._closing = closing
        self._over = False
        self._unseen = 0  # bytes that were sent, and that the page has not shown yet
        self._page_caught_up = threading.Condition()

    def serve(self) -> None:
        """Pass on what is typed and printed, until either side ends or another page takes over."""
        self._session.attach(self)
        printer = threading.Thread(target=self._print, daemon=True)
        printer.start()
        try:
            self._listen()
        except TooMuchTyped:
            self._close(TOO_MUCH)
        except (ValueError, RecursionError):  # not JSON, or another message
            self._close(BAD_MESSAGE)
        finally:
            self._over = True
            self._session.detach(self)
            self._close(DONE)
        if self._closing.is_set():
            self._session.shell.hang_up()
            self._session.shell.wait()

    def _listen(self) -> None:
        all_typed = True
        while not self._over and not self._closing.is_set():
            message = self._websocket.receive(timeout=BEAT if all_typed else RETRY)
            if isinstance(message, str):
                self._handle(message)
            else:
                all_typed = self._session.shell.type(message or b"")

    def _handle(self, message: str) -> None:
        match json.loads(message):
            case {"rows": int(rows), "columns": int(columns)} if (
                0 < rows <= MAX_SIZE and 0 < columns <= MAX_SIZE
            ):
                self._session.shell.resize(rows, columns)
            case {"seen": int(count)}:
                with self._page_caught_up:
                    self._unseen = max(0, self._unseen - count)
                    self._page_caught_up.notify()
            case {"end": True}:
                self._session.shell.hang_up()
            case _:
                raise ValueError(message)

    def _print(self) -> None:
        session = self._session
        with suppress(ConnectionClosed, OSError):
            with session.reading:
                self._send(session.shell.history)
            self._websocket.send('{"ready": true}')
            while not self._over:
                with self._page_caught_up:
                    if not self._page_caught_up.wait_for(lambda: self._unseen < UNSEEN, BEAT):
                        continue
                with session.reading:
                    if not session.is_attached(self):
                        break
                    data = session.shell.read(BEAT)
                if data is None:
                    code = session.shell.wait()
                    if not self._closing.is_set():  # else the server ended it
                        self._websocket.send(json.dumps({"ended": code}))
                    break
                self._send(data)
        if session.is_taken_over(self):
            self._close(TAKEN_OVER)
        self._over = True

    def _send(self, data: bytes) -> None:
        if data:
            with self._page_caught_up:
                self._unseen += len(data)
            self._websocket.send(data)

    def _close(self, code: int) -> None:
        """Close with this code, and do not wait 2 seconds for the page, as gunicorn does."""
        with suppress(ConnectionClosed, OSError):
            self._websocket.close(code)
        with suppress(OSError):
            self._websocket.sock.shutdown(socket.SHUT_RDWR)
