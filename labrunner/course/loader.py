"""Finds the lessons and labs, joins them, and refuses bad ones with file and line.

A lab is `labs/<name>/lab.py`; a lesson is `lessons/NN-slug.md` and names its lab. There is no list
of either to keep. What is refused is not served, and does not keep the others from it.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

from labrunner.registry import references

from . import lesson
from .lab import Lab, Step
from .lesson import Lesson, Refused

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")  # as in Workspace.fill
ALWAYS = {"registry", "port", "name"}  # the values that every workspace has


@dataclass(frozen=True)
class Problem:
    """Why a file is not served. `path` is relative to the course; `line` 0 is the whole file.

    lab: the lab that cannot be used for it, as far as that is known.
    """

    path: Path
    line: int
    what: str
    lab: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else str(self.path)
        return f"{place}: {self.what}"


@dataclass(frozen=True)
class Course:
    """The lessons in their order, and what was refused."""

    lessons: tuple[Lesson, ...]
    problems: tuple[Problem, ...]

    @property
    def labs(self) -> dict[str, Lab]:
        return {lesson.lab.name: lesson.lab for lesson in self.lessons if lesson.lab}

    @property
    def images(self) -> list[str]:
        """The references of the kit: all images that the labs need."""
        return list(dict.fromkeys(image for lab in self.labs.values() for image in lab.images))

    def lesson(self, slug: str) -> Lesson | None:
        return next((each for each in self.lessons if each.slug == slug), None)

    def lesson_of(self, lab: str) -> Lesson | None:
        return next((each for each in self.lessons if each.lab and each.lab.name == lab), None)


def load_course(root: Path) -> Course:
    """Load `root`/lessons and `root`/labs. Never raises for what stands in them."""
    problems: list[Problem] = []
    labs: dict[str, Lab | None] = {}
    for folder in sorted(path for path in (root / "labs").glob("*") if path.is_dir()):
        if folder.name.startswith(("_", ".")):
            continue
        path = folder / "lab.py"
        try:
            labs[folder.name] = _read_lab(path)
        except Refused as refused:
            labs[folder.name] = None
            place = path.relative_to(root)
            problems.append(Problem(place, refused.line, refused.what, folder.name))
    lessons: list[Lesson] = []
    named: set[str] = set()
    for path in sorted((root / "lessons").glob("*.md")):
        try:
            found = lesson.read_lesson(path)
            if found.lab_name:
                found = _join(found, labs, named)
                named.add(str(found.lab_name))
            elif found.steps:
                raise Refused(min(found.steps.values()), "A step needs a lab: add a `lab:` line.")
            if any(each.slug == found.slug for each in lessons):
                raise Refused(0, f"Another lesson is called `{found.slug}` already. Rename one.")
            lessons.append(found)
        except Refused as refused:
            lab = _lab_named_in(path)
            named.add(lab or "")
            problems.append(Problem(path.relative_to(root), refused.line, refused.what, lab))
    for name in sorted(set(labs) - named):
        path = root / "labs" / name / "lab.py"
        what = f"No lesson has this lab. Put `lab: {name}` at the top of one."
        problems.append(Problem(path.relative_to(root), 0, what, name))
    return Course(tuple(lessons), tuple(problems))


def _join(found: Lesson, labs: dict[str, Lab | None], named: set[str]) -> Lesson:
    name = str(found.lab_name)
    if name not in labs:
        raise Refused(1, f"There is no lab `{name}`: add `labs/{name}/lab.py`.")
    if name in named:
        raise Refused(1, f"Another lesson has the lab `{name}` already.")
    lab = labs[name]
    if lab is None:
        raise Refused(1, f"Its lab is refused: mend `labs/{name}/lab.py` first.")
    for step in lab.steps:
        if step.id not in found.steps:
            raise Refused(
                0,
                f"The lab's step `{step.id}` has no heading. Add `## Title {{#{step.id} .step}}`.",
            )
    for step_id, line in found.steps.items():
        if not lab.find(step_id):
            raise Refused(line, f"`labs/{name}/lab.py` has no check `{step_id.replace('-', '_')}`.")
    if list(found.steps) != [step.id for step in lab.steps]:
        raise Refused(0, "The steps stand in another order than in the lab. Use one order.")
    known = _values(lab)
    for value, line in found.values:
        if value not in known:
            raise Refused(line, f"There is no value `{value}`; there are {_listed(known)}.")
    return replace(found, lab=lab)


def _read_lab(path: Path) -> Lab:
    """Run a lab file and look over what it declares. Raises `Refused`."""
    name = path.parent.name
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise Refused(0, "Name the folder with lower-case letters, digits and `-`.")
    if not path.is_file():
        raise Refused(0, "The file is missing: a lab's folder holds a `lab.py`.")
    try:
        tree = ast.parse(lesson.text_of(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 0) or 0
        raise Refused(line, f"Python cannot read this: {getattr(error, 'msg', error)}.") from None
    lab = _execute(path, name)
    lab.name, lab.folder = name, path.parent
    _look_over(lab, tree)
    return lab


def _execute(path: Path, name: str) -> Lab:
    module_name = f"labs.{name.replace('-', '_')}.lab"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if not spec or not spec.loader:
        raise Refused(0, "Python cannot load this file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look there
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # an author's file may raise anything
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno or 0 for frame in frames if frame.filename == str(path)]
        line = lines[-1] if lines else 0
        raise Refused(line, f"The file stops with {type(error).__name__}: {error}.") from None
    finally:
        sys.dont_write_bytecode = before
    lab = getattr(module, "lab", None)
    if not isinstance(lab, Lab):
        raise Refused(0, "Declare the lab: `lab = Lab(title=…)`.")
    return lab


def _look_over(lab: Lab, tree: ast.Module) -> None:
    if not lab.steps:
        raise Refused(0, "The lab has no step. Decorate a check with `@lab.step(lasting=True)`.")
    if not lab.images or isinstance(lab.images, str):
        raise Refused(0, "Name the images that the lab needs in a list: `Lab(images=[…])`.")
    for image in lab.images:
        try:
            references.parse(image)
        except references.InvalidReference as error:
            raise Refused(0, f"`{image}` in `images` is no reference: {error}") from None
    if lab.sample and not (lab.folder / "Dockerfile").is_file():
        raise Refused(0, "`sample=True` needs a `Dockerfile` beside the lab.")
    seen: dict[str, int] = {}
    for step in lab.steps:
        if step.id in seen:
            what = f"The step `{step.id}` stands in line {seen[step.id]} already."
            raise Refused(step.line, what)
        seen[step.id] = step.line
        _look_over_step(step, _values(lab))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "NotYet":
            missing = {"found", "next"} - {each.arg for each in call.keywords}
            if missing:
                raise Refused(call.lineno, f"This failure does not say {_listed(missing)}.")


def _look_over_step(step: Step, known: set[str]) -> None:
    wanted = ["workspace", "answer"] if step.takes_answer else ["workspace"]
    if list(inspect.signature(step.check).parameters) != wanted:
        raise Refused(step.line, "A check is called with `workspace`, or `workspace, answer`.")
    if not step.goal:
        raise Refused(step.line, "Say what the learner must reach in the check's docstring.")
    _look_over_values("goal", step.goal, step.line, known)
    if not step.solve:
        what = f"The step has no solution: add `@{step.check.__name__}.solution`."
        raise Refused(step.line, what)
    for mistake in step.mistakes:
        line = mistake.make.__code__.co_firstlineno
        if not mistake.advice.strip():
            raise Refused(line, f"The mistake “{mistake.name}” has no advice to look for.")
        if mistake.only_an_answer and not step.takes_answer:
            what = "The step takes no answer, so write `mistake` in place of `near_miss`."
            raise Refused(line, what)
        _look_over_values("advice", mistake.advice, line, known)


def _look_over_values(what: str, text: str, line: int, known: set[str]) -> None:
    """Refuse a text with `{names}` that a workspace could not fill."""
    if unknown := set(PLACEHOLDER.findall(text)) - known:
        raise Refused(line, f"The {what} names {_listed(unknown)}; there are {_listed(known)}.")


def _values(lab: Lab) -> set[str]:
    return ALWAYS | set(lab.values) | ({"image"} if lab.sample else set())


def _lab_named_in(path: Path) -> str | None:
    """The lab that a refused lesson names, so that the lab is not called an orphan as well."""
    try:
        match = re.search(rb"^lab:\s*([a-z0-9-]+)\s*$", path.read_bytes(), re.MULTILINE)
    except OSError:
        return None
    return match[1].decode() if match else None


def _listed(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
