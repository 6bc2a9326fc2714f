"""Reads the errors that the decoder knows from `entries/`; `00-format.toml` explains the format."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("entries")

SHAPES = ("values", "parts", "others")  # the tables that are no messages
TEXTS = ("title", "says", "means", "next", "lesson", "page")
KEYS = {*TEXTS, "why", "causes", "patterns", "examples"}
PLACEHOLDER = re.compile(r"\{([a-z][a-z_]*)\}")
CONTEXT = {"registry", "repository", "image", "reference", "port", "another_port", "lowercase"}
"""The values that the pasted text may tell besides those that a pattern finds."""

_ID = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_CLASS = re.compile(r"\[(?:\\.|[^\]])*\]")
_ESCAPE = re.compile(r"\\.|\(\?P")
_UNBOUNDED = re.compile(r"[*+]|\{[0-9]*,\}")


class BadMessages(Exception):
    """An entry that cannot be used: which one, and what is wrong with it."""


@dataclass(frozen=True)
class Example:
    """A text that must be decoded to its message. advice: what `next` must contain for it."""

    text: str
    advice: str
    by: str = ""


@dataclass(frozen=True)
class Cause:
    """One of several causes. sign: how to tell it from the others."""

    text: str
    sign: str


@dataclass(frozen=True)
class Message:
    """An error that learners meet. The named groups of the patterns are the values of its texts;
    `lesson` is a slug, `page` an address. `why` is empty where there are several causes, which
    stand in the order of likelihood."""

    id: str
    title: str
    says: str
    means: str
    next: str
    lesson: str
    page: str
    why: str
    causes: tuple[Cause, ...]
    patterns: tuple[re.Pattern[str], ...]
    examples: tuple[Example, ...]


@cache
def known_messages() -> tuple[Message, ...]:
    """Return the messages of the decoder, from the specific to the general."""
    return _messages(_tables())


@cache
def other_programs() -> re.Pattern[str]:
    """Return what finds the lines of other programs, with the end of each."""
    begins = "|".join(f"(?:{line})" for line in _tables()["others"]["lines"])
    return re.compile(rf"^[ \t]{{0,40}}(?:{begins})[^\n]{{0,5000}}", re.IGNORECASE | re.MULTILINE)


def load_messages(text: str) -> tuple[Message, ...]:
    """Return the messages of a text in TOML. Raises `BadMessages` for the first bad entry."""
    return _messages(_parse(text))


@cache
def _tables() -> dict[str, Any]:
    """Return what is in all files: each name is in one of them only."""
    files = sorted(FOLDER.glob("*.toml"))
    return _parse("\n".join(each.read_text(encoding="utf-8") for each in files))


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMessages(f"This is not TOML: {error}.") from error


def _messages(tables: dict[str, Any]) -> tuple[Message, ...]:
    shapes = _shapes(tables)
    return tuple(_message(id, table, shapes) for id, table in tables.items() if id not in SHAPES)


def _shapes(tables: dict[str, Any]) -> dict[str, str]:
    """Return what `{name}` stands for in a pattern."""
    shapes = {name: f"(?P<{name}>{shape})" for name, shape in tables.get("values", {}).items()}
    for name, shape in tables.get("parts", {}).items():
        shapes[name] = _expand("parts", shape, shapes)
    return shapes


def _message(id: str, table: Any, shapes: dict[str, str]) -> Message:
    if not _ID.fullmatch(id):
        raise BadMessages(f"`{id}`: write an id with lower-case letters, digits and `-`.")
    if not isinstance(table, dict):
        raise BadMessages(f"`{id}` is not a table: begin it with `[{id}]`.")
    if unknown := sorted(set(table) - KEYS):
        raise BadMessages(f"`{id}`: there is no `{unknown[0]}`. Use {', '.join(sorted(KEYS))}.")
    texts = {key: _text(id, key, table.get(key)) for key in TEXTS}
    if ("why" in table) == ("causes" in table):
        raise BadMessages(f"`{id}`: write one of `why` and `causes`.")
    why = _text(id, "why", table["why"]) if "why" in table else ""
    causes = tuple(_causes(id, table)) if "causes" in table else ()
    patterns = tuple(_pattern(id, each, shapes) for each in _listed(id, "patterns", table))
    sentences = {key: texts[key] for key in ("means", "next")}
    if why:
        sentences["why"] = why
    for number, cause in enumerate(causes, 1):
        sentences[f"causes[{number}]"] = f"{cause.text} {cause.sign}"
    for fault in (*_faults(texts), *_sentence_faults(sentences, patterns)):
        raise BadMessages(f"`{id}`: {fault}")
    return Message(
        id, **texts, why=why, causes=causes, patterns=patterns, examples=tuple(_examples(id, table))
    )


def _causes(id: str, table: dict[str, Any]) -> Iterator[Cause]:
    for cause in _listed(id, "causes", table):
        if not isinstance(cause, list) or len(cause) != 2:
            raise BadMessages(f"`{id}`: a cause is two texts: what it is, and how to tell.")
        yield Cause(*(_text(id, "causes", each) for each in cause))


def _text(id: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadMessages(f"`{id}`: `{key}` must be a text.")
    return " ".join(value.split())


def _listed(id: str, key: str, table: dict[str, Any]) -> list[Any]:
    value = table.get(key)
    if not isinstance(value, list) or not value:
        raise BadMessages(f"`{id}`: `{key}` must be a list with at least one entry.")
    return value


def _faults(texts: dict[str, str]) -> Iterator[str]:
    if texts["title"].endswith("."):
        yield "`title` must not end with a full stop."
    if not re.fullmatch(r"https://[a-z0-9.]+/\S+", texts["page"]):
        yield "`page` must be an address that begins with `https://`."


def _sentence_faults(
    sentences: dict[str, str], patterns: tuple[re.Pattern[str], ...]
) -> Iterator[str]:
    found = {name for pattern in patterns for name in pattern.groupindex}
    for key, text in sentences.items():
        if not text.endswith((".", ".`")):
            yield f"`{key}` must end with a full stop."
        if text.count("`") % 2:
            yield f"`{key}` has a backtick without a second one."
        if unknown := sorted(set(PLACEHOLDER.findall(text)) - found - CONTEXT):
            yield f"`{key}` shows `{{{unknown[0]}}}`, which no pattern finds."


def _pattern(id: str, pattern: Any, shapes: dict[str, str]) -> re.Pattern[str]:
    words = _expand(id, _text(id, "patterns", pattern), shapes)
    literal = _CLASS.sub("", _ESCAPE.sub("", words))
    if literal != literal.lower():
        raise BadMessages(f"`{id}`: write the pattern `{pattern}` in lower case, like the text.")
    if _UNBOUNDED.search(literal):
        raise BadMessages(f"`{id}`: `*` and `+` have no end in `{pattern}`. Write `{{1,99}}`.")
    try:
        return re.compile(words, re.ASCII | re.VERBOSE)
    except re.error as error:
        raise BadMessages(f"`{id}`: `{pattern}` is not a regular expression: {error}.") from error


def _expand(id: str, pattern: str, shapes: dict[str, str]) -> str:
    """Put the shapes where their names stand in a pattern."""
    if unknown := sorted(set(PLACEHOLDER.findall(pattern)) - set(shapes)):
        raise BadMessages(f"`{id}`: there is no shape `{{{unknown[0]}}}` for `{pattern}`.")
    return PLACEHOLDER.sub(lambda match: shapes[match[1]], pattern)


def _examples(id: str, table: dict[str, Any]) -> Iterator[Example]:
    for example in _listed(id, "examples", table):
        if not isinstance(example, dict) or set(example) - {"by"} != {"text", "advice"}:
            raise BadMessages(f"`{id}`: an example has a `text`, an `advice`, and may have a `by`.")
        yield Example(**example)
