"""Find what a command's arguments name, or exit with the nearest name."""

from __future__ import annotations

from difflib import get_close_matches

from labrunner.course.lab import Lab, Step
from labrunner.course.lesson import Lesson
from labrunner.errors import ExitStatus
from labrunner.session.services import get_services

from .console import exit_with


def find_lesson(lab: str) -> Lesson:
    """Return the lesson with this lab. Exit with what is wrong, and the nearest name, if there is
    none."""
    course = get_services().course
    if lesson := course.lesson_of(lab):
        return lesson
    refused = [problem for problem in course.problems if problem.lab == lab]
    if refused:
        exit_with(ExitStatus.BAD_CALL, f"The lab `{lab}` is refused.", *map(str, refused))
    names = [lesson.lab_name for lesson in course.outline if lesson.lab_name]
    exit_with(ExitStatus.BAD_CALL, f"There is no lab `{lab}`.", _suggest(lab, names))


def find_lab(name: str) -> Lab:
    """Return the lab with this name. Exit as `find_lesson` does if there is none."""
    lab = find_lesson(name).lab
    assert lab  # noqa: S101 - a lesson found by its lab has one
    return lab


def find_step(lab: Lab, name: str) -> Step:
    """Return the step with this id. Exit with the nearest id if there is none."""
    if step := lab.find(name):
        return step
    names = [step.id for step in lab.steps]
    found = f"The lab `{lab.name}` has no step `{name}`."
    exit_with(ExitStatus.BAD_CALL, found, _suggest(name, names))


def _suggest(name: str, names: list[str]) -> str:
    known = "There are " + ", ".join(f"`{each}`" for each in names) + "."
    near = get_close_matches(name, names, n=1)
    return f"Did you mean `{near[0]}`? {known}" if near else known
