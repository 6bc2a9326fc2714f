"""What can go wrong: each promise in `threats.toml` is shown by tests that exist."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TESTS = Path(__file__).parents[1]
FILE = Path(__file__).with_name("threats.toml")
WANTED = [
    *map(str, range(1, 41)),
    *(f"a{number}" for number in range(1, 15)),
    *(f"c{number}" for number in range(1, 28)),
]


@cache
def names_in(file: str) -> set[str]:
    """Return the names of the tests in a file, those of a class as `Class::test`."""
    path = TESTS / file
    if not path.is_file():
        return set()
    module = ast.parse(path.read_text(encoding="utf-8"))
    classes = [each for each in module.body if isinstance(each, ast.ClassDef)]
    scopes = [("", module.body), *((f"{each.name}::", each.body) for each in classes)]
    return {
        f"{scope}{each.name}"
        for scope, body in scopes
        for each in body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and each.name.startswith("test_")
    }


def find_faults(id: str, row: dict[str, object]) -> Iterator[str]:
    """Yield what is wrong with a row, in sentences."""
    match row:
        case {"promise": str(promise), "tests": [*tests], **rest} if promise and not rest:
            if not tests:
                yield f"Row {id} has no test: {promise}"
            for test in tests:
                file, _, name = str(test).partition("::")
                if name not in names_in(file):
                    yield f"Row {id} names `{test}`, which does not exist."
        case _:
            yield f"Row {id} needs a `promise` and a list of `tests`, and nothing else."


def test_each_promise_is_shown_by_tests_that_exist():
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))
    missing = [f"Row {id} is missing." for id in WANTED if id not in rows]
    unknown = [f"There is no row {id}." for id in rows if id not in WANTED]
    faults = [fault for id, row in rows.items() for fault in find_faults(id, row)]
    found = [*missing, *unknown, *faults]
    assert not found, "\n".join(found)
