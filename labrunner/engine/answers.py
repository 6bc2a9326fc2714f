"""The form that the engine's answers must have.

An answer of another form says nothing about the engine's objects, not even that there are none. So
it is refused with `TypeError`, which the connection turns into `EngineDown`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

Json = dict[str, Any]


class Checked:
    """A dataclass whose values must be of the types that their fields are declared with."""

    def __post_init__(self) -> None:
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            if not _is_of(kind, value):
                raise TypeError(f"{name} is {value!r:.40}")


def rows(answer: object) -> list[Any]:
    """Return an answer that is a list."""
    if not isinstance(answer, list):
        raise TypeError(f"not a list: {answer!r:.40}")
    return answer


def text(answer: object) -> str:
    """Return an answer that is a text."""
    if not isinstance(answer, str):
        raise TypeError(f"not a text: {answer!r:.40}")
    return answer


_kinds: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def _is_of(kind: Any, value: object) -> bool:
    """Return whether a value, with all that is in it, is of a type such as `dict[str, str]`."""
    if kind in (str, int, bool):
        return isinstance(value, kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is_of(part, value) for part in parts)
    if origin is dict:
        return isinstance(value, dict) and all(
            _is_of(parts[0], name) and _is_of(parts[1], each) for name, each in value.items()
        )
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(parts[0], each) for each in value)
    if isinstance(kind, type) and is_dataclass(kind):
        return isinstance(value, kind) and all(
            _is_of(each, getattr(value, name)) for name, each in _kinds(kind).items()
        )
    return isinstance(value, (int, float) if kind is float else kind)
