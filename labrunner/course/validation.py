"""What is checked of a lab, and of a lesson beside it, before they are served."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

from labrunner.registry import references
from labrunner.registry.versions import FIRST, version_values

from .lab import Lab, Step
from .lesson import Lesson
from .source_file import Refused, in_code, quote

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")  # as in Workspace.fill
# The values that every workspace has:
ALWAYS = {"registry", "port", "name", *version_values(FIRST)}


def validate_lesson(lesson: Lesson, lab: Lab) -> None:
    """Raise `Refused` for a lesson whose steps or values are not those of its lab."""
    for step in lab.steps:
        if step.id not in lesson.steps:
            what = "The lab's step `{step}` has no heading. Add `## Title {#{step} .step}`."
            raise Refused(0, what, step=step.id)
    for step_id, line in lesson.steps.items():
        if not lab.find(step_id):
            check = step_id.replace("-", "_")
            what = "`labs/{lab}/lab.py` has no check `{check}`."
            raise Refused(line, what, lab=lab.name, check=check)
    if list(lesson.steps) != [step.id for step in lab.steps]:
        raise Refused(0, "The steps are not in the same order as in the lab. Use one order.")
    known = _known_values(lab)
    for value, line in lesson.values:
        if value not in known:
            what = "There is no value `{value}`; there are {known}."
            raise Refused(line, what, value=value, known=in_code(known))


def validate_lab(lab: Lab, tree: ast.Module) -> None:
    """Raise `Refused` for the first thing that is wrong with a lab. tree: its parsed file."""
    if not lab.steps:
        raise Refused(0, "The lab has no step. Decorate a check with `@lab.step(lasting=True)`.")
    if not isinstance(lab.title, str) or not lab.title.strip():
        raise Refused(0, 'Give the lab a title: `Lab(title="…")`.')
    if not lab.images or not _is_list_of(lab.images, str):
        raise Refused(0, "Name the images that the lab needs in a list: `Lab(images=[…])`.")
    for image in lab.images:
        try:
            references.parse(image)
        except references.InvalidReference as error:
            what = "{image} in `images` is not a reference: {fault}"
            raise Refused(0, what, image=quote(image), fault=error.fault) from None
    if not _is_list_of(lab.requires, Callable):
        raise Refused(0, "Give the requirements as a list of functions: `Lab(requires=[…])`.")
    if not isinstance(lab.values, dict) or not _is_list_of([*lab.values.values()], Callable):
        raise Refused(0, "Give the values as functions by name: `Lab(values={…})`.")
    for name in lab.values:
        if not PLACEHOLDER.fullmatch(f"{{{name}}}"):
            what = "Name the value {name} with lower-case letters, digits and `_`."
            raise Refused(0, what, name=quote(str(name)))
    if lab.sample and not (lab.folder / "Dockerfile").is_file():
        raise Refused(0, "`sample=True` needs a `Dockerfile` beside the lab.")
    seen: dict[str, int] = {}
    for step in lab.steps:
        if step.id in seen:
            what = "The step `{id}` is already in line {line}."
            raise Refused(step.line, what, id=step.id, line=seen[step.id])
        seen[step.id] = step.line
        _validate_step(step, _known_values(lab))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "NotYet":
            missing = {"found", "next"} - {each.arg for each in call.keywords}
            if missing:
                what = "This failure does not say {missing}."
                raise Refused(call.lineno, what, missing=in_code(missing))


def _validate_step(step: Step, known: set[str]) -> None:
    wanted = ["workspace", "answer"] if step.takes_answer else ["workspace"]
    if list(inspect.signature(step.check).parameters) != wanted:
        raise Refused(step.line, "A check is called with `workspace`, or `workspace, answer`.")
    if not step.goal:
        raise Refused(step.line, "Say what the learner must reach in the check's docstring.")
    what = "The goal names {unknown}; there are {known}."
    _validate_values(what, step.goal, step.line, known)
    if not step.solve:
        what = "The step has no solution: add `@{check}.solution`."
        raise Refused(step.line, what, check=step.check.__name__)
    if step.evidence and not step.takes_answer:
        raise Refused(step.line, "The step takes no answer, so remove `evidence=True`.")
    if step.rest and not step.takes_answer:
        raise Refused(step.line, "The step takes no answer, so remove `without_answer`.")
    for mistake in step.mistakes:
        if not mistake.advice.strip():
            what = "The mistake “{name}” has no advice to look for."
            raise Refused(mistake.line, what, name=mistake.name)
        if mistake.only_an_answer and not step.takes_answer:
            what = "The step takes no answer, so write `mistake` instead of `near_miss`."
            raise Refused(mistake.line, what)
        what = "The advice names {unknown}; there are {known}."
        _validate_values(what, mistake.advice, mistake.line, known)


def _validate_values(what: str, text: str, line: int, known: set[str]) -> None:
    """Refuse a text with `{names}` that a workspace could not fill."""
    if unknown := set(PLACEHOLDER.findall(text)) - known:
        raise Refused(line, what, unknown=in_code(unknown), known=in_code(known))


def _is_list_of(things: object, kind: Any) -> bool:
    return isinstance(things, (list, tuple)) and all(isinstance(each, kind) for each in things)


def _known_values(lab: Lab) -> set[str]:
    return ALWAYS | set(lab.values) | ({"image"} if lab.sample else set())
