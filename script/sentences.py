"""Finds what is to be translated where Babel's own methods do not: in Python, also in labs, which
mark nothing, and in the decoder's entries. Both functions are methods of `pybabel extract`.

In Python these are found: what is given to `Sentence`, `gettext` and `ngettext`; the goal of a
lab's step; the name of a known mistake; and every other text that is a whole sentence, or has words
and a `{value}`. An f-string is never found: its values are in it before a catalog can be asked.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Found = tuple[int, str, "str | tuple[str, ...]", list[str]]
"""A line, the function of gettext that the text is for, the text or its two forms, no comments."""

WHOLE = re.compile(r"[A-Z`“{<0-9].* .*[.?!:]`?", re.DOTALL)
FILLED = re.compile(r"(?=.* ).*\{[a-z0-9_]+\}.*", re.DOTALL)
MARKS = {"Sentence", "gettext"}  # functions whose first argument is a text
PLURALS = {"counted", "ngettext"}  # whose first two are
MISTAKES = {"mistake", "near_miss"}
ENTRY = ("title", "means", "why", "next")  # texts of an entry of the decoder


def extract_python(
    file: BinaryIO, keywords: Mapping[str, Any], tags: Sequence[str], options: Mapping[str, Any]
) -> Iterator[Found]:
    """Yield the sentences of a Python file."""
    finder = _Finder()
    finder.visit(ast.parse(file.read()))
    yield from finder.found


def extract_decoder(
    file: BinaryIO, keywords: Mapping[str, Any], tags: Sequence[str], options: Mapping[str, Any]
) -> Iterator[Found]:
    """Yield the texts of the decoder's entries in a file, as the decoder reads them."""
    text = file.read().decode()
    for id, entry in tomllib.loads(text).items():
        line = text[: text.find(f"[{id}]")].count("\n") + 1
        texts = [entry[name] for name in ENTRY if name in entry]
        texts += [each for cause in entry.get("causes", ()) for each in cause]
        for each in texts:
            yield line, "gettext", " ".join(each.split()), []


def is_sentence(text: str) -> bool:
    """Return whether a text that nothing marks is to be translated."""
    return bool(WHOLE.fullmatch(text) or FILLED.fullmatch(text))


class _Finder(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Found] = []

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Pass over an f-string: none of its pieces is a text of its own."""

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # that would be a docstring
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for each in node.decorator_list:
            decorator = each.func if isinstance(each, ast.Call) else each
            goal = ast.get_docstring(node)
            if goal and isinstance(decorator, ast.Attribute) and decorator.attr == "step":
                self._add(node.lineno, goal)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = [each.value for each in node.args if isinstance(each, ast.Constant)]
        texts = [each for each in given if isinstance(each, str)]
        if name in PLURALS and len(texts) > 1:
            self.found.append((node.lineno, "ngettext", tuple(texts[:2]), []))
            self._visit_all(node.args[2:], node.keywords)
            return
        if name in MARKS | MISTAKES and texts:
            self._add(node.lineno, texts[0])
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and is_sentence(node.value):
            self._add(node.lineno, node.value)

    def _visit_all(self, *lists: Sequence[ast.AST]) -> None:
        for each in (node for nodes in lists for node in nodes):
            self.visit(each)

    def _add(self, line: int, text: str) -> None:
        if text:
            self.found.append((line, "gettext", text, []))
