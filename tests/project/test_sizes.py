"""How long a module of the package, and a lab, may be: what is longer holds two nouns."""

import pytest

from tests.fixtures.engine import ROOT


@pytest.mark.parametrize(("files", "most"), [("labrunner/**/*.py", 330), ("labs/*/lab.py", 450)])
def test_no_module_is_too_long(files, most):
    lengths = {path: len(path.read_text().splitlines()) for path in ROOT.glob(files)}
    assert lengths and {path: lines for path, lines in lengths.items() if lines > most} == {}
