"""The shells of the terminals in pages, and the websocket between a page and its shell."""

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
UNSEEN = 256 * 1024  # bytes that a page may be behind before the shell has to wait
MOST = 1000  # rows, and columns
DONE, BAD_MESSAGE, TOO_MUCH, TAKEN = 1000, 1007, 1009, 4001  # see RFC 6455, section 7.4


class ShellSession:
    """A shell in a lab's folder, the place that it takes, and the page that is connected to it."""

    def __init__(self, shell: Shell, folder: Path, place: ExitStack) -> None:
        self.shell = shell
        self.folder = folder
        self.place = place
        self.page: Page | None = None
        self.left = time.monotonic()
        self.reading = threading.Lock()  # whoever has it may read from the shell

    @property
    def unwanted(self) -> bool:
        """Whether no page will have it any more. With its lab the lab's folder is gone."""
        forgotten = time.monotonic() - self.left > GRACE or not self.folder.is_dir()
        return (forgotten and not self.page) or self.shell.ended


class Shells:
    """The shells of all pages. One that has no page for `GRACE` seconds is ended."""

    def __init__(self, places: ConnectionLimit, closing: threading.Event) -> None:
        self.closing = closing
        self._places = places
        self._kept: dict[str, ShellSession] = {}
        self._lock = threading.Lock()
        self._keeper: threading.Thread | None = None

    def begin(self, folder: Path, values: Mapping[str, str]) -> Shell:
        """A new shell. Raises `places.Full`, and `OSError` where none can be started."""
        with ExitStack() as place:
            place.enter_context(self._places.take())
            shell = Shell(folder, values)
            with self._lock:
                self._kept[shell.id] = ShellSession(shell, folder, place.pop_all())
                if not self._keeper:
                    self._keeper = threading.Thread(target=self._keep, daemon=True)
                    self._keeper.start()
        return shell

    def find(self, id: str) -> ShellSession | None:
        kept = self._kept.get(id)
        return None if kept and kept.unwanted else kept

    def _keep(self) -> None:
        closing = False
        while not closing:
            closing = self.closing.wait(BEAT)
            with self._lock:
                ending = [each for each in self._kept.values() if closing or each.unwanted]
                for each in ending:
                    del self._kept[each.shell.id]
            for each in ending:
                each.shell.hang_up()
            for each in ending:
                each.shell.wait()
                each.place.close()


class Page:
    """One page's connection to a shell."""

    def __init__(self, websocket: Server, kept: ShellSession, closing: threading.Event) -> None:
        self.websocket = websocket
        self.kept = kept
        self.closing = closing
        self.over = False
        self._unseen = 0
        self._room = threading.Condition()

    def serve(self) -> None:
        """Pass on what is typed and printed, until either side ends or another page takes over."""
        self.kept.page = self
        printer = threading.Thread(target=self._print, daemon=True)
        printer.start()
        try:
            self._listen()
        except TooMuchTyped:
            self._close(TOO_MUCH)
        except (ValueError, RecursionError):  # no JSON, or not ours
            self._close(BAD_MESSAGE)
        finally:
            self.over = True
            if self.kept.page is self:
                self.kept.left, self.kept.page = time.monotonic(), None
            self._close(DONE)
        if self.closing.is_set():
            self.kept.shell.hang_up()
            self.kept.shell.wait()

    def _listen(self) -> None:
        typed = True
        while not self.over and not self.closing.is_set():
            message = self.websocket.receive(timeout=BEAT if typed else 0.02)
            if isinstance(message, str):
                self._obey(message)
            else:
                typed = self.kept.shell.type(message or b"")

    def _obey(self, message: str) -> None:
        match json.loads(message):
            case {"rows": int(rows), "columns": int(columns)} if (
                0 < rows <= MOST and 0 < columns <= MOST
            ):
                self.kept.shell.resize(rows, columns)
            case {"seen": int(count)}:
                with self._room:
                    self._unseen = max(0, self._unseen - count)
                    self._room.notify()
            case {"end": True}:
                self.kept.shell.hang_up()
            case _:
                raise ValueError(message)

    def _print(self) -> None:
        with suppress(ConnectionClosed, OSError):
            with self.kept.reading:
                self._show(self.kept.shell.history)
            self.websocket.send('{"ready": true}')
            while not self.over:
                with self._room:
                    if not self._room.wait_for(lambda: self._unseen < UNSEEN, BEAT):
                        continue
                with self.kept.reading:
                    if self.kept.page is not self:
                        break
                    data = self.kept.shell.read(BEAT)
                if data is None:
                    self.websocket.send(json.dumps({"ended": self.kept.shell.wait()}))
                    break
                self._show(data)
        if self.kept.page not in (self, None):
            self._close(TAKEN)
        self.over = True

    def _show(self, data: bytes) -> None:
        if data:
            with self._room:
                self._unseen += len(data)
            self.websocket.send(data)

    def _close(self, code: int) -> None:
        """Say why, and do not wait 2 seconds for the page to close it too, as gunicorn does."""
        with suppress(ConnectionClosed, OSError):
            self.websocket.close(code)
        with suppress(OSError):
            self.websocket.sock.shutdown(socket.SHUT_RDWR)
