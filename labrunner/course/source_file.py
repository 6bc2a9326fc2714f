"""Files of the course as their authors wrote them: read whole, or refused, with a line."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from labrunner.language import Sentence
from labrunner.text import plain

LARGEST = 1_000_000  # bytes


class Refused(Exception):
    """A file that cannot be served. line: counted from 1; 0 for the whole file. what: a sentence,
    with `{name}` for each of the values."""

    def __init__(self, line: int, what: str, /, **values: object) -> None:
        said = {n: v if isinstance(v, Sentence) else plain(str(v)) for n, v in values.items()}
        self.line, self.what = line, Sentence(what, **said)  # a value may be an author's words
        super().__init__(self.what)


def read_bytes(path: Path) -> bytes:
    """Return what is in an author's file. Raises `Refused` if it cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for, a device may never end
            what = "This is a folder, a pipe or a device. Put a file in its place."
            raise Refused(0, what)
        if about.st_size > LARGEST:
            raise Refused(0, "The file is larger than 1 MB. Make it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise Refused(0, "The file cannot be read: {why}.", why=error.strerror) from None


def read_text(path: Path) -> str:
    """Return the text of an author's file, whichever line ends it has. Raises `Refused` if it
    cannot be read."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refused(line, "This is not UTF-8. Save the file as UTF-8.") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    before, nul, _ = text.partition("\0")
    if nul:
        what = "There is a NUL character in this line. Remove it."
        raise Refused(before.count("\n") + 1, what)
    return text


def quote(words: str) -> str:
    """Return an author's words as code, in one line; of many, only the beginning."""
    words = " ".join(words.replace("`", "'").split())
    return f"`{words}`" if len(words) <= 60 else f"`{words[:60]}…`"


def in_code(names: Iterable[str]) -> str:
    """Return names as code, in the order of the alphabet."""
    return ", ".join(f"`{name}`" for name in sorted(names))
