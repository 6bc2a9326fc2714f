"""Loads `labs/<name>/lab.py`: runs the file, and refuses it with a line when it is not sound."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from pathlib import Path
from types import CodeType, ModuleType

from .author_functions import describe_error
from .lab import Lab
from .lesson import LAB_NAME
from .source_file import Refused, read_text
from .validation import validate_lab


def load_lab(path: Path) -> Lab:
    """Run a lab's file and return the lab that it declares. Raises `Refused`."""
    if not LAB_NAME.fullmatch(path.parent.name):
        raise Refused(0, "Name the folder with lower-case letters, digits and `-`.")
    if not os.path.lexists(path):
        raise Refused(0, "The file is missing: a lab's folder holds a `lab.py`.")
    try:
        tree = ast.parse(read_text(path), str(path))
        code = compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        why = error.msg.rstrip(".")
        why += "" if why.endswith("?") else "."
        raise Refused(error.lineno or 0, "Python cannot read this: {why}", why=why) from None
    except (ValueError, OverflowError, RecursionError, MemoryError):
        what = "Python cannot read this: something in it is too long, or nested too deeply."
        raise Refused(0, what) from None
    lab = _run(path, code)
    lab.locate(path.parent)
    try:
        validate_lab(lab, tree)
    except Refused:
        raise
    except Exception as error:  # a `Lab` may hold anything
        why = describe_error(error)
        raise Refused(0, "The lab cannot be used: {why}.", why=why) from None
    return lab


def _run(path: Path, code: CodeType) -> Lab:
    name = f"labs.{path.parent.name.replace('-', '_')}.lab"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look there
    try:
        exec(code, vars(module))  # noqa: S102 - a lab is a program, and its author is trusted
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an author's file may raise anything
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno or 0 for frame in frames if frame.filename == str(path)]
        line = lines[-1] if lines else 0
        why = describe_error(error)
        raise Refused(line, "The file fails with {error}.", error=why) from None
    lab = getattr(module, "lab", None)
    if not isinstance(lab, Lab):
        raise Refused(0, "Declare the lab: `lab = Lab(title=…)`.")
    return lab
