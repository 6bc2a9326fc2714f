"""Finds the lessons and labs of a course, and refuses bad lessons with file and line.

A lab is `labs/<name>/lab.py`; a lesson is `lessons/NN-slug.md` and names its lab. There is no list
of either to keep. What is refused is not served, and does not keep the others from it.
"""

from __future__ import annotations

import re
from pathlib import Path

from .course import Course, Problem
from .lesson import Lesson, read_lesson
from .source_file import Refused, read_bytes


def load_course(root: Path) -> Course:
    """Read `root`/lessons, and find the labs in `root`/labs; each is loaded when it is asked for.

    Never raises for what the files contain.
    """
    labs = sorted(
        path.name
        for path in (root / "labs").glob("*")
        if path.is_dir() and not path.name.startswith(("_", "."))
    )
    outline: list[Lesson] = []
    problems: list[Problem] = []
    named: set[str | None] = set()  # the labs of the lessons so far, refused or not
    for path in sorted((root / "lessons").glob("*.md")):
        try:
            lesson = read_lesson(path)
            _validate_place(lesson, outline, labs, named)
            outline.append(lesson)
            named.add(lesson.lab_name)
        except Refused as refused:
            lab = _lab_named_in(path)
            named.add(lab)
            problems.append(Problem.of(path.relative_to(root), refused, lab))
    return Course(root, outline, problems, labs)


def _validate_place(
    lesson: Lesson, outline: list[Lesson], labs: list[str], named: set[str | None]
) -> None:
    """Raise `Refused` for a lesson that does not fit the lessons before it, or the labs."""
    if lesson.lab_name is None and lesson.steps:
        raise Refused(min(lesson.steps.values()), "A step needs a lab: add a `lab:` line.")
    if lesson.lab_name and lesson.lab_name not in labs:
        what = "There is no lab `{lab}`: add `labs/{lab}/lab.py`."
        raise Refused(lesson.lab_line, what, lab=lesson.lab_name)
    if lesson.lab_name and lesson.lab_name in named:
        what = "Another lesson already has the lab `{lab}`."
        raise Refused(lesson.lab_line, what, lab=lesson.lab_name)
    if any(each.slug == lesson.slug for each in outline):
        what = "Another lesson is already called `{name}`. Rename one."
        raise Refused(0, what, name=lesson.slug)


def _lab_named_in(path: Path) -> str | None:
    """Return the lab that a refused lesson names, so that it is not called an orphan as well."""
    try:
        match = re.search(rb"^lab:[ \t]*([a-z0-9-]+)\s*$", read_bytes(path), re.MULTILINE)
    except Refused:
        return None
    return match[1].decode() if match else None
