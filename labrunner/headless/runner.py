"""Runs labs without a browser, and proves their checks.

For each step: the check must not pass before the step is done; after the solution it must pass,
and pass again. Each mistake must fail for its reason and with its advice, and the solution, done
in the same workspace, must lead to passed. With the lesson's commands in place of the solutions,
the pages are proved as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.engine.connection import EngineDown
from labrunner.kit.kit import Kit
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.acts import CannotRun, get_images, require_machine
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.workspace import Say

from .proof import Plan, Tally, plan_tracks
from .results import Run, StepResult
from .track import Part, Settings, Track


@dataclass(frozen=True)
class Task:
    """One track of one lab of a run. number: its place among those of its lab."""

    lesson: Lesson
    plan: Plan
    number: int
    tally: Tally


@dataclass
class Runner:
    """Runs labs with these settings. ended: is given each step when it has ended."""

    workspaces: Workspaces
    kit: Kit
    settings: Settings = field(default_factory=Settings)
    say: Say = lambda line: None
    ended: Callable[[Lab, StepResult], None] = lambda lab, result: None

    def run(self, lessons: Sequence[Lesson]) -> Run:
        """Run the labs of these lessons. What is made is removed, whatever happens; an interruption
        ends the run after that. Raises `EngineDown`."""
        run = Run()
        began = time.monotonic()
        run.leftovers += map(str, self.workspaces.sweep(kept=True))
        try:
            for lesson in lessons:
                if lesson.lab:
                    for task in self._prepare(lesson, lesson.lab, run):
                        self._follow(task, run)
        except KeyboardInterrupt:
            run.interrupted = True
        run.seconds = time.monotonic() - began
        return run

    def _prepare(self, lesson: Lesson, lab: Lab, run: Run) -> list[Task]:
        """Return the tracks of a lab; none where it cannot run here, or lacks an image."""
        plans = plan_tracks(lab, prove=self.settings.prove)
        tally = Tally(plans, prove=self.settings.prove, ended=self.ended)
        run.labs.append(tally.result)
        try:
            require_machine(lab, self.workspaces.engine)
            get_images(lab, self.kit, self.say)
        except EngineDown:
            raise
        except CannotRun as error:
            tally.result.status, tally.result.reason = "skipped", error.found
            return []
        except CannotCheck as error:
            tally.result.reason = f"{error.found} {error.next}"
            return []
        return [Task(lesson, plan, number, tally) for number, plan in enumerate(plans)]

    def _follow(self, task: Task, run: Run) -> None:
        began, tally = time.monotonic(), task.tally

        def report(part: Part) -> None:
            tally.add(task.number, part)

        settings = self.settings
        if not task.plan.main:
            settings = replace(settings, shell=False, keep=False, port=None)
        track = Track(self.workspaces, task.lesson, task.plan.lab, settings)
        try:
            with track:
                task.plan.follow(track, report)
            tally.end_track(task.number)
        except EngineDown:
            raise
        except CannotCheck as error:
            tally.give_up(f"{error.found} {error.next}")
        finally:
            run.leftovers += track.leftovers
            tally.result.seconds += time.monotonic() - began
