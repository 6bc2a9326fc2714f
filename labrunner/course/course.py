"""The course as pages and commands see it: lessons at once, each lab when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labrunner.text import plain

from .lab import Lab
from .lab_file import load_lab
from .lesson import Lesson
from .source_file import Refused, quote
from .validation import validate_lesson

if TYPE_CHECKING:
    from .questions import LessonQuestions, Question


@dataclass(frozen=True)
class Problem:
    """Why a file is not served. `path` is relative to the course; `line` 0 is the whole file.

    lab: the lab that cannot be used because of it, if that is known.
    """

    path: Path
    line: int
    what: str
    lab: str | None = None

    @classmethod
    def of(cls, path: Path, refused: Refused, lab: str | None) -> Problem:
        """Return why this file is refused. What cannot be printed of its name is left out."""
        return cls(Path(plain(str(path))), refused.line, refused.what, lab)

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else str(self.path)
        return f"{place}: {self.what}"


class Course:
    """The lessons in their order, with their labs, and what was refused.

    outline: the lessons as their authors wrote them, in order and without their labs. No lab is
    loaded for it, so it also has lessons whose lab is refused. outline_problems: the lessons that
    could not be read. lab_names: the folders of labs.
    """

    def __init__(
        self,
        root: Path,
        outline: Sequence[Lesson],
        outline_problems: Sequence[Problem],
        lab_names: Sequence[str],
    ) -> None:
        self.root = root
        self.outline = tuple(outline)
        self.outline_problems = tuple(outline_problems)
        self.lab_names = tuple(lab_names)
        self._labs: dict[str, Lab | Refused] = {}
        self._lessons: dict[str, Lesson | Refused] = {}  # by slug, with their labs
        self._loading = threading.RLock()

    @cached_property
    def lessons(self) -> tuple[Lesson, ...]:
        """The lessons that are served, with their labs. This loads all labs."""
        return tuple(filter(None, map(self._with_lab, self.outline)))

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is refused, of labs and lessons. This loads all labs."""
        loaded = {name: self._lab(name) for name in self.lab_names}
        labs = [
            Problem.of(self._path(name), lab, name)
            for name, lab in loaded.items()
            if isinstance(lab, Refused)
        ]
        joined = [(each, self._join(each)) for each in self.outline]
        lessons = [
            Problem.of(lesson.path.relative_to(self.root), why, lesson.lab_name)
            for lesson, why in joined
            if isinstance(why, Refused)
        ]
        lessons = sorted([*lessons, *self.outline_problems], key=lambda problem: problem.path)
        named = {each.lab_name for each in self.outline} | {each.lab for each in lessons}
        orphan = "No lesson has this lab. Put `lab: {name}` at the top of one."
        orphans = [
            Problem.of(self._path(name), Refused(0, orphan, name=name), name)
            for name, lab in loaded.items()
            if isinstance(lab, Lab) and name not in named
        ]
        return (*labs, *lessons, *orphans, *self._asked[1])

    @cached_property
    def labs(self) -> Mapping[str, Lab]:
        """The labs of the lessons that are served, by name. `labs[name]` loads that one only."""
        return _Labs(self)

    @property
    def images(self) -> Iterator[str]:
        """Yield the references of the kit: all images that the labs need. This loads all labs, once
        the first image is asked for."""
        yield from dict.fromkeys(image for lab in self.labs.values() for image in lab.images)

    def questions(self, lesson: Lesson) -> LessonQuestions:
        """Return what a lesson asks; nothing where no file beside it says it, or it is refused."""
        return self._asked[0][lesson.slug]

    def find_question(self, id: str) -> Question | None:
        """Return the question with this id that later lessons ask, or None if there is none."""
        asked = (each for lesson in self.lessons for each in self.questions(lesson).review)
        return next((each for each in asked if each.id == id), None)

    def lesson(self, slug: str) -> Lesson | None:
        """Return the lesson with its lab, or None if there is none or it is refused."""
        found = next((each for each in self.outline if each.slug == slug), None)
        return self._with_lab(found) if found else None

    def lesson_of(self, lab: str) -> Lesson | None:
        """Return the lesson that has this lab, or None if there is none or it is refused."""
        found = next((each for each in self.outline if each.lab_name == lab), None)
        return self._with_lab(found) if found else None

    @cached_property
    def _asked(self) -> tuple[dict[str, LessonQuestions], list[Problem]]:
        """What the lessons ask, by slug, and what is refused of it."""
        from .questions import LessonQuestions, read_questions  # most commands need none of it

        asked = {lesson.slug: LessonQuestions() for lesson in self.outline}
        lessons = {lesson.path.with_suffix(".toml"): lesson for lesson in self.outline}
        problems = []
        for path in sorted((self.root / "lessons").glob("*.toml")):
            try:
                if lesson := lessons.get(path):
                    asked[lesson.slug] = read_questions(path, lesson)
                elif not path.with_suffix(".md").exists():
                    name = quote(path.with_suffix(".md").name)
                    raise Refused(0, "There is no lesson {name} beside it.", name=name)
            except Refused as refused:
                problems.append(Problem.of(path.relative_to(self.root), refused, None))
        return asked, problems

    def _with_lab(self, lesson: Lesson) -> Lesson | None:
        joined = self._join(lesson)
        return None if isinstance(joined, Refused) else joined

    def _join(self, lesson: Lesson) -> Lesson | Refused:
        with self._loading:
            if lesson.slug not in self._lessons:
                try:
                    self._lessons[lesson.slug] = self._joined(lesson)
                except Refused as refused:
                    self._lessons[lesson.slug] = refused
            return self._lessons[lesson.slug]

    def _joined(self, lesson: Lesson) -> Lesson:
        if not lesson.lab_name:
            return lesson
        lab = self._lab(lesson.lab_name)
        if isinstance(lab, Refused):
            what = "Its lab is refused: fix `labs/{name}/lab.py` first."
            raise Refused(lesson.lab_line, what, name=lesson.lab_name)
        validate_lesson(lesson, lab)
        return replace(lesson, lab=lab)

    def _lab(self, name: str) -> Lab | Refused:
        with self._loading:
            if name not in self._labs:
                try:
                    self._labs[name] = load_lab(self.root / self._path(name))
                except Refused as refused:
                    self._labs[name] = refused
            return self._labs[name]

    def _path(self, lab: str) -> Path:
        return Path("labs", lab, "lab.py")


class _Labs(Mapping[str, Lab]):
    """The labs of a course, each loaded when it is looked up."""

    def __init__(self, course: Course) -> None:
        self._course = course

    def __getitem__(self, name: str) -> Lab:
        lesson = self._course.lesson_of(name)
        if not lesson or not lesson.lab:
            raise KeyError(name)
        return lesson.lab

    def __iter__(self) -> Iterator[str]:
        return (lesson.lab.name for lesson in self._course.lessons if lesson.lab)

    def __len__(self) -> int:
        return sum(1 for _ in self)
