"""What a lesson asks its reader: one prediction, and questions for the lessons after it.

They are in a TOML file beside the lesson: `lessons/04-push-and-pull.toml`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labrunner.language import Sentence
from labrunner.text import plain

from .lesson import Lesson
from .source_file import Refused, in_code, quote, read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLES = {"prediction", "question"}
KEYS = {"step", "asks", "right", "wrong", "why"}
MOST = 3  # wrong options
HEADER = re.compile(r"[ \t]*(\[prediction\]|\[\[question\]\])")
PLACE = re.compile(r" \(at (?:line (?P<line>[0-9]+), column [0-9]+|end of document)\)")


@dataclass(frozen=True)
class Question:
    """A question with one right option.

    id: names it in the course. step: the id of the step of its lesson that it is about. why: a
    sentence or two that explain what is right.
    """

    id: str
    lesson: Lesson = field(repr=False)
    step: str
    asks: str
    right: str
    wrong: tuple[str, ...]
    why: str

    @property
    def options(self) -> list[str]:
        """What can be chosen, in alphabetical order, which says nothing about what is right."""
        return sorted((self.right, *self.wrong), key=lambda option: option.strip("`").lower())

    @property
    def title(self) -> str:
        """The title of its step."""
        return self.lesson.titles[self.step]

    @property
    def place(self) -> str:
        """Where its answer is found."""
        return Sentence(
            "Lesson {number}: {lesson}, “{step}”",
            number=self.lesson.number,
            lesson=self.lesson.title,
            step=self.title,
        )


@dataclass(frozen=True)
class LessonQuestions:
    """What a lesson asks. prediction: before its lab. review: at the end of later lessons."""

    prediction: Question | None = None
    review: tuple[Question, ...] = ()


def read_questions(path: Path, lesson: Lesson) -> LessonQuestions:
    """Read what a lesson asks. Raises `Refused` for the first thing that is wrong with it."""
    text = read_text(path)
    tables = _parse(text)
    if unknown := sorted(set(tables) - TABLES):
        what = "There is no {name}. Begin with `[prediction]` or `[[question]]`."
        raise Refused(0, what, name=quote(unknown[0]))
    prediction, review = tables.get("prediction"), tables.get("question", [])
    if not isinstance(review, list):
        raise Refused(0, "Begin each question with `[[question]]`, in two pairs of brackets.")
    lines = {"prediction": 0}  # of the headers; TOML can also be written without them
    for number, line in enumerate(text.split("\n"), 1):
        if header := HEADER.match(line):
            name = "prediction" if header[1] == "[prediction]" else str(len(lines))
            lines[name] = number

    def read(name: str, table: Any) -> Question:
        return _question(name, table, lesson, lines.get(name, 0))

    return LessonQuestions(
        None if prediction is None else read("prediction", prediction),
        tuple(read(str(number), table) for number, table in enumerate(review, 1)),
    )


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = plain(str(error))
        place = PLACE.search(said)
        line = int(place["line"]) if place and place["line"] else 0
        words = " ".join(PLACE.sub("", said).replace("`", "'").split()).rstrip(".")
        raise Refused(line, "This is not TOML: {words}.", words=words[:200]) from None
    except (RecursionError, ValueError):  # Python limits the digits of a number
        what = "This cannot be read: something in it is too long, or nested too deeply."
        raise Refused(0, what) from None


def _question(name: str, table: Any, lesson: Lesson, line: int) -> Question:
    if not isinstance(table, dict):
        raise Refused(line, "Begin it with `[prediction]`, and each question with `[[question]]`.")
    if unknown := sorted(set(table) - KEYS):
        name, known = quote(unknown[0]), in_code(KEYS)
        raise Refused(line, "There is no {name}. Use {known}.", name=name, known=known)
    if missing := KEYS - set(table):
        raise Refused(line, "This question does not say {missing}.", missing=in_code(missing))
    wrong = table["wrong"]
    if not isinstance(wrong, list) or not 1 <= len(wrong) <= MOST:
        raise Refused(line, "`wrong` must be a list of one to {most} texts.", most=MOST)
    question = Question(
        id=f"{lesson.slug}-{name}",
        lesson=lesson,
        step=_text("step", table["step"], line),
        asks=_text("asks", table["asks"], line),
        right=_text("right", table["right"], line),
        wrong=tuple(_text("wrong", each, line) for each in wrong),
        why=_text("why", table["why"], line),
    )
    _validate(question, line)
    return question


def _text(key: str, value: Any, line: int) -> str:
    if not isinstance(value, str) or not plain(value).strip():
        raise Refused(line, "`{key}` must be a text.", key=key)
    if value.count("`") % 2:
        raise Refused(line, "`{key}` has a backtick without a second one.", key=key)
    return " ".join(plain(value).split())


def _validate(question: Question, line: int) -> None:
    if question.step not in question.lesson.steps:
        raise Refused(line, "The lesson has no step {step}.", step=quote(question.step))
    if not question.asks.endswith("?"):
        raise Refused(line, "`asks` must end with a question mark.")
    if not question.why.endswith("."):
        raise Refused(line, "`why` must end with a full stop.")
    options = question.options
    if any(option.endswith(".") for option in options):
        raise Refused(line, "An option must not end with a full stop.")
    if len(set(options)) != len(options):
        raise Refused(line, "Two options are the same.")
