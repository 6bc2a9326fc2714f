"""Sentences in the reader's language.

English is the source. It is what is stored, compared and printed by commands, and what is shown of
a sentence that a catalog does not have. A sentence is translated where a page shows it, and then
filled with its values: so whoever makes it need not know who will read it.
"""

from __future__ import annotations

import gettext as standard
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = "en"
FOLDER = Path(__file__).with_name("locale")
DOMAIN = "labrunner"
PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")

_language = ContextVar("language", default=SOURCE)


class Sentence(str):
    """A text with its values filled in, which knows what it was made from.

    template: has `{name}` for each of the `values`. many: the template for another `count` than
    one; empty where nothing is counted. A value that is a sentence itself is translated as well.
    """

    template: str
    many: str
    values: dict[str, str]

    def __new__(cls, template: str, /, **values: object) -> Sentence:
        return cls._make(template, "", values)

    @classmethod
    def counted(cls, one: str, many: str, count: int, **values: object) -> Sentence:
        """Return the sentence for so many things, which is `{count}` in both templates."""
        return cls._make(one, many, {"count": count, **values})

    @classmethod
    def of(cls, text: str) -> Sentence:
        """Return a text as a sentence, which is translated and filled inside of another one."""
        return text if isinstance(text, cls) else cls(text)

    @classmethod
    def joined(cls, *texts: str, by: str = " ") -> Sentence:
        """Return several sentences as one, with blanks or other words between them; without those
        that are empty."""
        said = enumerate(filter(None, texts), 1)
        values = {f"sentence{number}": cls.of(each) for number, each in said}
        return cls._make(by.join(f"{{{name}}}" for name in values), "", values)

    @classmethod
    def load(cls, data: Any) -> str:
        """Return the text that `dump` has made this from."""
        match data:
            case [str(template), str(many), dict(values)]:
                texts = {str(name): cls.load(value) for name, value in values.items()}
                return cls._make(template, many, texts)
        return str(data)

    @classmethod
    def _make(cls, template: str, many: str, given: Mapping[str, object]) -> Sentence:
        names = PLACEHOLDER.findall(template + many)
        values = {name: given[name] for name in names if name in given}
        texts = {name: v if isinstance(v, str) else str(v) for name, v in values.items()}
        chosen = many if many and texts.get("count") != "1" else template
        self = super().__new__(cls, _fill(chosen, texts))
        self.template, self.many, self.values = str(template), str(many), texts
        return self

    def fill(self, values: Mapping[str, object]) -> Sentence:
        """Return it with more values, also in those of its own that are sentences."""
        own = {
            name: each.fill(values) if isinstance(each, Sentence) else each
            for name, each in self.values.items()
        }
        return self._make(self.template, self.many, {**values, **own})


def dump(text: str) -> Any:
    """Return a text as JSON has it, with what a sentence was made from."""
    if not isinstance(text, Sentence):
        return text
    values = {name: dump(each) for name, each in text.values.items()}
    return [text.template, text.many, values]


def translated(text: str) -> str:
    """Return a text in the reader's language."""
    if not isinstance(text, Sentence):
        return gettext(text)
    count = text.values.get("count", "")
    many = text.many and count.isdecimal()
    words = ngettext(text.template, text.many, int(count)) if many else gettext(text.template)
    values = {n: translated(v) if isinstance(v, Sentence) else v for n, v in text.values.items()}
    return _fill(words, values)


def gettext(message: str) -> str:
    """Return a text of the source in the reader's language."""
    return catalog(_language.get()).gettext(message) if message else ""


def ngettext(one: str, many: str, count: int) -> str:
    """Return the text for so many things in the reader's language."""
    return catalog(_language.get()).ngettext(one, many, count)


def current() -> str:
    """Return the code of the reader's language."""
    return _language.get()


def choose(language: str) -> None:
    """Speak a language from here on, in this thread."""
    _language.set(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language in the block."""
    before = _language.set(language)
    try:
        yield
    finally:
        _language.reset(before)


def languages() -> list[str]:
    """Return the codes of the languages that there are: the source first."""
    found = FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")
    return [SOURCE, *sorted(path.parts[-3].replace("_", "-") for path in found)]


@cache
def catalog(language: str) -> standard.NullTranslations:
    """Return the catalog of a language; for the source, one that changes nothing."""
    if language == SOURCE:
        return standard.NullTranslations()
    return standard.translation(DOMAIN, FOLDER, [language.replace("-", "_")])


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)
