"""The parts that one instance of the course works with.

Each part is imported and made when it is first used, so that a command which needs few of them
stays quick.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, current_app

from labrunner.private_folder import make_private_folder

if TYPE_CHECKING:
    from labrunner.course.course import Course
    from labrunner.course.lab import Lab
    from labrunner.engine.engine import Engine
    from labrunner.kit.kit import Kit
    from labrunner.progress.store import Progress
    from labrunner.workspaces.manager import Workspaces

    from .session import Session

_NAME = "labrunner"  # among the app's extensions
QUICK = 1  # seconds in which the engine must answer a page


class Services:
    """The course in the folder `root`, and what is kept in the folder `instance`."""

    def __init__(self, root: Path, instance: Path) -> None:
        self.root = root
        self.instance = instance

    def init_app(self, app: Flask) -> None:
        """Make these the services of an app."""
        app.extensions[_NAME] = self

    @cached_property
    def course(self) -> Course:
        from labrunner.course.loader import load_course

        return load_course(self.root)

    @cached_property
    def engine(self) -> Engine:
        from labrunner.engine.engine import Engine

        return Engine()

    @cached_property
    def quick_engine(self) -> Engine:
        """The engine for pages: one that does not answer within a second counts as down."""
        from labrunner.engine.engine import Engine

        return Engine(timeout=QUICK)

    @property
    def workspaces_folder(self) -> Path:
        return self.instance / "workspaces"

    @cached_property
    def workspaces(self) -> Workspaces:
        return self._workspaces(self.engine)

    @cached_property
    def quick_workspaces(self) -> Workspaces:
        """The workspaces for pages, with the quick engine."""
        return self._workspaces(self.quick_engine)

    @cached_property
    def progress(self) -> Progress:
        from labrunner.progress.store import Progress

        return Progress(self.instance / "progress.db")

    @cached_property
    def kit(self) -> Kit:
        from labrunner.kit.kit import Kit

        return Kit(self.engine, self.course.images)

    def session(self, lab: Lab) -> Session:
        """Return a new session of the learner with a lab."""
        from .session import Session

        return Session(lab, self.workspaces, self.progress, self.kit)

    def _workspaces(self, engine: Engine) -> Workspaces:
        from labrunner.workspaces.manager import Workspaces

        make_private_folder(self.instance)
        return Workspaces(self.workspaces_folder, engine, self.course.labs)


def get_services(app: Flask = current_app) -> Services:
    """Return the services of an app, by default of the current one."""
    services = app.extensions[_NAME]
    assert isinstance(services, Services)  # noqa: S101 - for the type checker
    return services
