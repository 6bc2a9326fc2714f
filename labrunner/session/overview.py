"""How the learner stands in the whole course, as the course page and the outlines say it."""

from __future__ import annotations

from functools import cached_property

from labrunner.course.course import Course
from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.course.questions import Question
from labrunner.progress.history import CourseProgress, LabHistory
from labrunner.progress.records import StepProgress
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.record import describe_unreadable
from labrunner.workspaces.workspace import Workspace

from . import report, review


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
            return "not known"
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
