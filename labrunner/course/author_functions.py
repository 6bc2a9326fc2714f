"""The functions of a lab's author: acts as one action, and where and how a function went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

from labrunner.language import Sentence
from labrunner.text import plain

Action = Callable[[Any], "str | None"]
"""Does something in a workspace; returns the answer to submit where the step asks for one."""

LONGEST = 200  # characters of an error's words that are shown


@dataclass(frozen=True)
class Acts:
    """What a solution or a mistake does, as one action. parts: are done in their order; the last
    one may be a text, which is the answer, with the workspace's `{values}`. file, line: where they
    are declared."""

    parts: Sequence[Action | str]
    file: str
    line: int

    def __post_init__(self) -> None:
        known = (isinstance(each, str) or callable(each) for each in self.parts)
        if not self.parts or not all(known):
            raise TypeError("give one or more acts: functions of the workspace, or texts")

    def __call__(self, workspace: Any) -> str | None:
        said: object = None
        for part in self.parts:
            said = workspace.fill(part) if isinstance(part, str) else part(workspace)
        return said if isinstance(said, str) else None


def declared_at(function: Callable[..., Any]) -> tuple[str, int]:
    """Return the file and the line in which a lab's function or acts are declared."""
    if isinstance(function, Acts):
        return function.file, function.line
    return function.__code__.co_filename, function.__code__.co_firstlineno


def error_location(error: BaseException, function: Callable[..., Any]) -> Sentence:
    """Return where in its own file a lab's function went wrong, like `lab.py`, line 30."""
    file, line = declared_at(function)
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    place = "`{file}`, line {line}"
    return Sentence(place, file=Path(file).name, line=lines[-1] if lines else line)


def describe_error(error: BaseException) -> str:
    """Return an error's kind and its words, in one line without a full stop."""
    kind = type(error).__name__
    try:
        words = " ".join(plain(str(error)).split()).rstrip(".")
    except Exception:  # a class of the author's own may break on that too
        return kind
    if not words:
        return kind
    return f"{kind}: {words}" if len(words) <= LONGEST else f"{kind}: {words[:LONGEST]}…"
