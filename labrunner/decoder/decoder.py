"""Finds the known errors in a text from a terminal.

A terminal breaks long lines anywhere, also inside a word, and what is copied from it keeps the
breaks. So the messages are looked for in the text in lower case and without its blanks. What they
are is data: the files in `entries/`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labrunner.language import Sentence
from labrunner.registry import references
from labrunner.text import TERMINAL_SEQUENCE

from .messages import PLACEHOLDER, Message, known_messages, other_programs

LIMIT = 20_000  # characters; of a longer text the end is looked at, where the error stands
NOT_KNOWN = (
    "This text has no error that the decoder knows.",
    "Paste all lines of the command and its output, not only the last one.",
    "Then read the logs: `docker logs <container>` for your registry, `journalctl -u docker` for "
    "the engine on Linux. `script/lab doctor` looks at this machine.",
)

_CONTROLS = re.compile(
    TERMINAL_SEQUENCE.pattern
    + r"|[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
# A healthy registry logs these whenever somebody asks whether it has something that it has not.
_HEALTHY = re.compile(
    r'err\.(?:code|message)="(?:blob|manifest|name|repositoryname)(?:unknown|notknown)[a-z]{0,20}"'
)
_ALIKE = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ\u2018\u2019\u201c\u201d\u2011",
    "abcdefghijklmnopqrstuvwxyz''\"\"-",
)
_PORT = re.compile(r":([0-9]{1,5})$")
_SAFE = re.compile(r"[\w.:/@+\[\]-]{1,300}", re.ASCII)  # harmless in a shell

# Where a text says what it is about: in an address, or in a name between delimiters …
_SIGHTING = re.compile(
    r"""
    https?:// (?P<host>[^/"'\s]{1,255}) /v2/
        (?: (?P<path>[a-z0-9][a-z0-9._/-]{0,254}) / (?:manifests|blobs|tags) / )?
    | repository \[ (?P<in_brackets>[^\]]{1,400}) \]
    | reference " (?P<in_quotes>[^"]{1,400}) "
    | image ' (?P<announced>[^']{1,400}) ' locally
    | manifest for (?P<missing>[a-z0-9._:/@-]{1,400}?) not found: manifest unknown
    """,
    re.VERBOSE,
)
# … or in the command, which stands in a line of its own.
_COMMAND = re.compile(
    r"\b(?:docker|podman)[ ]{1,4}(?:image[ ]{1,4})?"
    r"(?:(?:push|pull)|(?P<login>login|logout))"
    r"(?:[ ]{1,4}-[^\s]{1,99}){0,5}[ ]{1,4}(?P<word>[^\s-][^\s]{0,399})"
)


@dataclass(frozen=True)
class Finding:
    """A message that was found. said: its words in the text. means, why, next: sentences with code
    between backticks, filled with the values from the text."""

    message: Message
    said: str
    values: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.message.title

    @property
    def means(self) -> str:
        return self._fill(self.message.means)

    @property
    def why(self) -> str:
        """Return the cause; of several, all in a row."""
        if not self.causes:
            return self._fill(self.message.why)
        return Sentence.joined(*(text for cause in self.causes for text in cause))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Return what may have caused it and how to tell, the likeliest first; nothing where there
        is one cause."""
        return [(self._fill(each.text), self._fill(each.sign)) for each in self.message.causes]

    @property
    def next(self) -> str:
        return self._fill(self.message.next)

    def _fill(self, text: str) -> Sentence:
        return Sentence(text, **{name: self._value(name) for name in PLACEHOLDER.findall(text)})

    def _value(self, name: str) -> str:
        """Return a value; one that the text does not tell is shown as `<its name>`."""
        return self.values.get(name, f"<{name.replace('_', ' ')}>")

    def as_dict(self) -> dict[str, Any]:
        """Return it as `--json` has it: with the lesson's slug and the official page. `why` has all
        causes in a row, `causes` has each of several with how to tell."""
        message = self.message
        return {
            "id": message.id,
            "title": message.title,
            "said": self.said,
            "means": self.means,
            "why": self.why,
            "causes": [{"cause": cause, "sign": sign} for cause, sign in self.causes],
            "next": self.next,
            "lesson": message.lesson,
            "page": message.page,
        }


def decode(text: str) -> list[Finding]:
    """Return the errors in a text from a terminal, each once, the most specific first.

    Only the last `LIMIT` characters are read.
    """
    paste = _Paste(text)
    found: list[Finding] = []
    for message in known_messages():  # from the specific to the general
        matches = paste.claim(message)
        if matches:
            found.append(Finding(message, paste.excerpt(matches[0]), paste.values(matches)))
    return found


def generic(message: Message) -> Finding:
    """Return the message without values, for a list of all messages."""
    return Finding(message, message.says)


class _Paste:
    """A text from a terminal.

    squeezed: what the patterns see, without blanks and in lower case. at: the position in `text` of
    each of its characters. claimed: the spans in which a message has been found.
    """

    def __init__(self, text: str) -> None:
        self.text = other_programs().sub("", _CONTROLS.sub("", text[-LIMIT:]))
        self.at = [
            place
            for place, character in enumerate(self.text)
            if not character.isspace()
            and not (character == "\\" and self.text.startswith('"', place + 1))  # in a log
        ]
        squeezed = "".join([self.text[place] for place in self.at]).translate(_ALIKE)
        self.squeezed = _HEALTHY.sub(lambda match: "\0" * len(match[0]), squeezed)
        self.claimed: list[tuple[int, int]] = []
        self._sightings: list[tuple[int, str]] | None = None

    def claim(self, message: Message) -> list[re.Match[str]]:
        """Return where a message is found, outside of what others have claimed, and claim it."""
        matches = [
            match
            for pattern in message.patterns
            for match in pattern.finditer(self.squeezed)
            if not any(match.start() < end and start < match.end() for start, end in self.claimed)
        ]
        self.claimed += [match.span() for match in matches]
        return sorted(matches, key=lambda match: match.start())

    def excerpt(self, match: re.Match[str]) -> str:
        words = self._original(*match.span()).split()
        said = "".join(each for each in " ".join(words) if each.isprintable())
        return said if len(said) <= 300 else f"{said[:297]}…"

    def values(self, matches: list[re.Match[str]]) -> dict[str, str]:
        """Return the values in the matches, and those that the text names nearest to the first."""
        values = self._context(matches[0].end())
        for match in reversed(matches):
            named = {name: self._value(match, name) for name in match.groupdict() if match[name]}
            if "reference" in named:
                values |= _parts(named["reference"])
            values |= named
        if "port" not in values and (port := _PORT.search(values.get("registry", ""))):
            values["port"] = port[1]
        if "port" in values:
            values["another_port"] = str(int(values["port"]) + 1)
        if "uppercase" in values:
            values["lowercase"] = values["uppercase"].lower().removeprefix("library/")
        return {name: value for name, value in values.items() if _SAFE.fullmatch(value)}

    def _value(self, match: re.Match[str], name: str) -> str:
        """Return a group as it was written. A blank at the end of a message ends it; blanks inside
        a message come from the terminal."""
        words = self._original(*match.span(name)).split()
        return words[0] if match.end(name) == match.end() else "".join(words)

    def _context(self, place: int) -> dict[str, str]:
        """Return the registry and the image that the text is about at this place: the last ones
        named before it, or else the first after it."""
        if self._sightings is None:
            self._sightings = sorted(self._look())
        before = [name for at, name in self._sightings if at <= place]
        after = [name for at, name in self._sightings if at > place]
        found: dict[str, str] = {}
        for name in before[::-1] + after:
            parts = _parts(name)
            found = found or parts
            if "repository" in parts and parts.get("registry") == found.get("registry"):
                return parts
        return found

    def _look(self) -> Iterator[tuple[int, str]]:
        for match in _SIGHTING.finditer(self.squeezed):
            if match["host"]:
                path = f"/{match['path']}" if match["path"] else "/"
                yield match.start(), match["host"] + path
            elif name := match.lastgroup:
                yield match.start(), "".join(self._original(*match.span(name)).split())
        for match in _COMMAND.finditer(self.text):
            place = bisect_left(self.at, match.start())
            yield place, f"{match['word']}/" if match["login"] else match["word"]

    def _original(self, start: int, end: int) -> str:
        return self.text[self.at[start] : self.at[end - 1] + 1]


def _parts(name: str) -> dict[str, str]:
    """Return the parts of a reference; of `host/` only the registry."""
    if name.endswith("/"):
        return {"registry": name[:-1]}
    try:
        reference = references.parse(name)
    except references.InvalidReference:
        return {"reference": name}
    parts = {
        "registry": reference.registry,
        "repository": reference.repository,
        "image": references.Reference(reference.registry, reference.repository).familiar,
        "reference": name,
    }
    return {key: part for key, part in parts.items() if part}
