"""How the commands print: sentences, steps with their verdicts, tables, and errors.

Plain escape codes are enough for that. A library for terminals takes longer to import than most
commands take to run.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO, TypeVar

import click

from labrunner.errors import CourseError, ExitStatus, NotWritable
from labrunner.text import plain

COLOURS = {
    "passed": "green",
    "failed": "red",
    "broken": "red",
    "unknown": "yellow",
    "skipped": "yellow",
    "solved": "blue",
}
CODE = re.compile(r"`([^`]*)`")

Command = TypeVar("Command", bound=Callable[..., Any])


def handle_errors(command: Command) -> Command:
    """End with a sentence and an exit status where the command cannot go on."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CourseError as error:
            exit_with(error.exit_status, error.found, error.next)
        except OSError as error:
            if known := NotWritable.from_os_error(error):
                exit_with(known.exit_status, known.found, known.next)
            raise
        except (KeyboardInterrupt, click.Abort):  # the latter at a question
            exit_with(ExitStatus.INTERRUPTED, "Interrupted.")

    return run  # type: ignore[return-value]


def write(line: str, *, err: bool = False) -> None:
    """Print a line as it is, or nothing once the terminal has been closed: a clean-up goes on."""
    try:
        click.echo(line, err=err)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())


def exit_with(status: ExitStatus, *sentences: str) -> NoReturn:
    """Print sentences to standard error, and exit."""
    notify(*sentences)
    sys.exit(status)


def notify(*sentences: str) -> None:
    """Print sentences to standard error, a line each."""
    for sentence in sentences:
        write(format_sentence(sentence, sys.stderr), err=True)


def show(sentence: str, label: str = "") -> None:
    """Print a sentence to standard output, after a dim label; its other lines begin below it."""
    below = "\n" + " " * len(label)
    write(paint(label, dim=True) + format_sentence(sentence).replace("\n", below))


def show_step(
    name: str,
    status: str,
    seconds: float | None,
    expected: str | None,
    found: str | None,
    next: str | None,
    word: str = "",
) -> None:
    """Print a step with its status, or another word for it, and the sentences of its verdict that
    there are."""
    took = "" if seconds is None else paint(f"  {seconds:.1f} s", dim=True)
    shown = paint(f"{word or status:<12}", COLOURS.get(status))
    write(f"  {shown}{format_sentence(name)}{took}")
    for label, sentence in (("Expected", expected), ("Found", found), ("Next", next)):
        if sentence:
            show(sentence, label=f"              {label:<9} ")


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, by `format_sentence` or `paint`, in aligned columns."""
    columns = zip(header, *rows, strict=True)
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in columns]
    for row in ([paint(cell, dim=True) for cell in header], *rows):
        padded = [
            cell + " " * (width - len(click.unstyle(cell)))
            for cell, width in zip(row, widths, strict=True)
        ]
        write(f" {'  '.join(padded)}".rstrip())


def format_sentence(text: str, stream: TextIO | None = None) -> str:
    """Return a sentence with its code, which stands between backticks, in colour where the stream
    shows colours, and otherwise plain. stream: standard output by default.
    """
    text = plain(text)
    if not _shows_colours(stream or sys.stdout):
        return text
    return CODE.sub(lambda code: click.style(code[1], fg="cyan"), text)


def paint(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """Return a text as standard output shows it in a colour, bold or dim."""
    if not text or not _shows_colours(sys.stdout):
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def _shows_colours(stream: TextIO | None) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()
