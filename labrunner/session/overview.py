"""How the learner stands in the whole course, as the course page and the outlines say it."""

from __future__ import annotations

from functools import cached_property
from math import ceil

from labrunner.course.course import Course
from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.course.questions import Question
from labrunner.language import Sentence
from labrunner.progress.history import CourseProgress, LabHistory, MistakeHistory
from labrunner.progress.records import StepProgress
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.record import describe_unreadable
from labrunner.workspaces.workspace import Workspace

from . import report, review
from .report import StepReport


class Overview:
    """The learner's open workspaces and progress, loaded once.

    progress: None where it cannot be read. faults: a sentence for each workspace that cannot be.
    """

    def __init__(
        self, course: Course, workspaces: Workspaces, progress: CourseProgress | None
    ) -> None:
        self.course = course
        self.progress = progress
        self._workspaces: dict[str, Workspace] = {}
        found = workspaces.all()
        self.faults = describe_unreadable(workspaces.folder, {each.id for each in found})
        for workspace in found:
            record = workspace.record
            if record.kind == "learner" and record.state == "open":
                self._workspaces.setdefault(record.lab, workspace)

    def workspace(self, lab: Lab) -> Workspace | None:
        """Return the open workspace of a lab; None where the lab is not started."""
        return self._workspaces.get(lab.name)

    def steps(self, lab: Lab) -> dict[str, StepProgress]:
        """Return how the steps of a lab stand, by id, as far as that is known."""
        return self.progress.steps.get(lab.name, {}) if self.progress else {}

    def prediction(self, lab: Lab) -> str | None:
        """Return what the learner predicts of a lab, as far as that is known."""
        return self.progress.predictions.get(lab.name) if self.progress else None

    def questions(self, lesson: Lesson) -> list[Question]:
        """Return the questions that a lesson ends with."""
        return review.choose_questions(self.course, self.progress or CourseProgress(), lesson)

    def summary(self, lab: Lab) -> str:
        """Say in a few words how far the learner is with a lab."""
        if self.progress is None:
            return Sentence("not known")
        ids = [step.id for step in lab.steps]
        return self.progress.lab(lab.name).summary(ids, started=lab.name in self._workspaces)

    @cached_property
    def seconds(self) -> dict[str, float]:
        """The seconds of work on each lab, by its name; 0 where they are not known."""
        histories = self.progress.histories if self.progress else {}
        return {name: histories.get(name, LabHistory()).seconds for name in self.course.labs}

    @property
    def place(self) -> tuple[Lesson, str | None] | None:
        """The lesson and the id of the step to go on with, if that is known."""
        return report.find_place(self.course, self.progress) if self.progress else None

    @property
    def nothing_done(self) -> bool:
        """Whether nothing was done in the course yet. False where that is not known."""
        return self.progress is not None and not any(
            name in self.progress.histories for name in self.course.labs
        )

    def minutes_left(self, lesson: Lesson) -> int | None:
        """Return the minutes that the rest of a lesson takes: its minutes times the share of its
        steps that are to do. None where that is not known."""
        if not lesson.lab or self.progress is None:
            return None
        ids = [step.id for step in lesson.lab.steps]
        started = lesson.lab.name in self._workspaces
        share = self.progress.lab(lesson.lab.name).share_to_do(ids, started=started)
        return ceil(lesson.minutes * share)

    @property
    def all_minutes_left(self) -> int:
        """The minutes that the rest of the course takes, up to the next five; 0 where they are not
        known."""
        return 5 * ceil(sum(self.minutes_left(each) or 0 for each in self.course.lessons) / 5)

    @cached_property
    def last_mistakes(self) -> dict[str, list[tuple[StepReport, MistakeHistory]]]:
        """The last two mistakes in each lab, by its name, each with its step."""
        progress = self.progress or CourseProgress()
        labs = report.report(self.course, progress).labs
        return {lab.lesson.lab_name: lab.last_mistakes for lab in labs if lab.lesson.lab_name}
