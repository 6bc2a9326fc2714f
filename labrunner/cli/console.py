"""How the commands speak: exit codes, a sentence for each fault, verdicts to be read."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar
from unicodedata import category

from rich.console import Console
from rich.text import Text

from labrunner.course.lab import Lab, Step
from labrunner.course.lesson import Lesson
from labrunner.errors import CourseError, NotWritable
from labrunner.session.services import get_services

FAILED, BAD_CALL, CANNOT, INTERRUPTED = 1, 2, 3, 130
COLOURS = {
    "passed": "green",
    "failed": "red",
    "broken": "red",
    "unknown": "yellow",
    "skipped": "yellow",
    "solved": "blue",
}

CONTROLS = ("Cc", "Cf")  # of Unicode, the latter among others for those that turn text around

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Command = TypeVar("Command", bound=Callable[..., Any])


def handle_errors(command: Command) -> Command:
    """End with a sentence and an exit code where the command cannot go on."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CourseError as error:
            leave(error.exit_status, error.found, error.next)
        except OSError as error:
            if known := NotWritable.from_os_error(error):
                leave(CANNOT, known.found, known.next)
            raise
        except KeyboardInterrupt:
            leave(INTERRUPTED, "Interrupted.")

    return run  # type: ignore[return-value]


def leave(code: int, *sentences: str) -> NoReturn:
    """Say these on standard error, and exit."""
    tell(*sentences)
    sys.exit(code)


def tell(*sentences: str) -> None:
    """Say these on standard error, a line each."""
    for sentence in sentences:
        errors.print(prose(sentence))


def find_lesson(name: str) -> Lesson:
    """The lesson with this lab; leaves with what is wrong, and with the nearest name, if none."""
    course = get_services().course
    if found := course.lesson_of(name):
        return found
    refused = [problem for problem in course.problems if problem.lab == name]
    if refused:
        leave(BAD_CALL, f"The lab `{name}` is refused.", *map(str, refused))
    leave(BAD_CALL, f"There is no lab `{name}`.", _instead(name, list(course.labs)))


def find_step(lab: Lab, name: str) -> Step:
    if found := lab.find(name):
        return found
    names = [step.id for step in lab.steps]
    leave(BAD_CALL, f"The lab `{lab.name}` has no step `{name}`.", _instead(name, names))


def prose(text: str) -> Text:
    """A sentence with its code, which stands between backticks, in colour where there is any.
    What would control the terminal is left out: the words may be a container's."""
    text = "".join(sign for sign in text if sign in "\n\t" or category(sign) not in CONTROLS)
    if not console.is_terminal:
        return Text(text)
    parts = re.split(r"`([^`]*)`", text)
    styled = Text()
    for number, part in enumerate(parts):
        styled.append(part, style="cyan" if number % 2 else "")
    return styled


def show_step(
    step: str,
    status: str,
    seconds: float | None,
    expected: str | None,
    found: str | None,
    todo: str | None,
) -> None:
    """One step with its status as a word, and the sentences of its verdict."""
    line = Text("  ")
    line.append(f"{status:<12}", style=COLOURS.get(status, ""))
    line.append(step)
    if seconds is not None:
        line.append(f"  {seconds:.1f} s", style="dim")
    console.print(line)
    rows = (("Expected", expected), ("Found", found), ("Next", todo))
    for label, sentence in rows if status not in ("passed", "not started") else ():
        if sentence:
            console.print(Text(f"              {label:<9} ", style="dim") + prose(sentence))


def _instead(name: str, names: list[str]) -> str:
    listed = "There are " + ", ".join(f"`{each}`" for each in names) + "."
    near = get_close_matches(name, names, n=1)
    return f"Did you mean `{near[0]}`? {listed}" if near else listed
