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
from functools import partial

from labrunner.course.lab import Lab
from labrunner.course.lesson import Lesson
from labrunner.engine.connection import EngineDown
from labrunner.engine.requirements import EngineUnsuitable
from labrunner.errors import NotWritable
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.verdicts import CannotCheck
from labrunner.workspaces.actions import CannotRun, get_images, require_machine
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.workspace import Say

from .proof import Plan, Tally, plan_tracks
from .results import End, Part, Run, StepResult
from .track import Settings, Track


@dataclass(frozen=True)
class Task:
    """One track of one lab of a run. number: its place among those of its lab."""

    lesson: Lesson
    plan: Plan
    number: int
    tally: Tally

    @property
    def length(self) -> int:
        """About how long it takes, to be compared: the steps done and the mistakes made, in a lab
        that has more to run the more images it has."""
        parts = self.plan.parts
        acts = max((step for step, _ in parts), default=0) + len(parts)
        return acts * len(self.plan.lab.images)


@dataclass
class Runner:
    """Runs labs with these settings. jobs: so many tracks side by side, each in a process of its
    own; one alone in this process. ended: is given each step when it has ended."""

    workspaces: Workspaces
    kit: Kit
    settings: Settings = field(default_factory=Settings)
    jobs: int = 1
    say: Say = lambda line: None
    ended: Callable[[Lab, StepResult], None] = lambda lab, result: None

    def run(self, lessons: Sequence[Lesson]) -> Run:
        """Run the labs of these lessons. What is made is removed, whatever happens; an interruption
        ends the run after that. Raises `EngineDown` and `EngineUnsuitable`."""
        run = Run()
        began = time.monotonic()
        run.leftovers += map(str, self.workspaces.sweep(kept=True))
        down: list[tuple[str, str]] = []

        def ended(task: Task, end: End) -> None:
            run.leftovers += end.leftovers
            run.interrupted |= end.interrupted
            if end.fault:
                raise RuntimeError(end.fault)
            if end.engine_down:
                down.append(end.engine_down)
            task.tally.end_track(task.number, end)

        try:
            tasks = [task for lesson in lessons for task in self._prepare(lesson, run)]
            if self.jobs > 1 and len(tasks) > 1:
                from .pool import Pool  # not needed for one lab, and long to import

                tasks.sort(key=lambda task: task.length, reverse=True)
                pool: Pool[Task] = Pool(self.jobs, self._follow, _report, ended)
                run.interrupted |= pool.run(tasks)
            else:
                self._run_here(tasks, ended)
        except KeyboardInterrupt:
            run.interrupted = True
        if down:
            raise EngineDown(down[0][0], next=down[0][1])
        run.seconds = time.monotonic() - began
        return run

    def _prepare(self, lesson: Lesson, run: Run) -> list[Task]:
        """Return the tracks of a lab; none where it cannot run here, or lacks an image."""
        if not (lab := lesson.lab):
            return []
        prove, registry = self.settings.prove, self.settings.registry
        plans = plan_tracks(lab, prove=prove, registry=registry)
        tally = Tally(plans, prove=prove, ended=self.ended)
        run.labs.append(tally.result)
        try:
            require_machine(lab, self.workspaces.engine)
            get_images(lab, self.kit, self.say, registry=registry)
        except (EngineDown, EngineUnsuitable):
            raise
        except (CannotRun, ImageUnavailable) as error:
            tally.result.status, tally.result.reason = "skipped", error.found
            return []
        except CannotCheck as error:
            tally.result.reason = f"{error.found} {error.next}"
            return []
        page = lesson.with_registry(lab.registry_image(registry))
        return [Task(page, plan, number, tally) for number, plan in enumerate(plans)]

    def _run_here(self, tasks: Sequence[Task], ended: Callable[[Task, End], None]) -> None:
        for task in tasks:
            end = End()
            try:
                self._follow(task, partial(_report, task), end)
            finally:
                ended(task, end)
            if end.interrupted or end.engine_down:
                return

    def _follow(self, task: Task, report: Callable[[Part], None], end: End) -> None:
        """Do one track, in this process."""
        began, settings = time.monotonic(), self.settings
        if not task.plan.main:
            settings = replace(settings, shell=False, keep=False, port=None)
        track = Track(self.workspaces, task.lesson, task.plan.lab, settings)
        try:
            with track:
                task.plan.follow(track, report)
        except EngineDown as error:
            end.engine_down = error.found, error.next
        except CannotCheck as error:
            end.reason = f"{error.found} {error.next}"
        except OSError as error:
            if not (known := NotWritable.from_os_error(error)):
                raise
            end.reason = f"{known.found} {known.next}"
        except KeyboardInterrupt:
            end.interrupted = True
        finally:
            end.leftovers += track.leftovers
            end.seconds = time.monotonic() - began


def _report(task: Task, part: Part) -> None:
    task.tally.add(task.number, part)
