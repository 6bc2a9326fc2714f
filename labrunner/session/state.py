"""What a session works on: the open workspace of a lab and the learner's progress in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from labrunner.course.lab import Lab, Step
from labrunner.file_lock import LockTaken
from labrunner.progress.records import LabProgress, StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import Progress
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.workspace import Workspace

from .errors import Busy, NotStarted

PATIENCE = 10  # seconds in which a check or a change waits for its turn


@dataclass(frozen=True)
class _Loaded:
    """The open workspace, and the progress or why there is none."""

    workspace: Workspace | None
    progress: LabProgress | ProgressUnavailable


class LabState:
    """The workspace and the progress of a lab, each read once.

    They are read at the first use, and anew when the lab is locked: until then other processes may
    have changed them, and from then on none does.
    """

    def __init__(self, lab: Lab, workspaces: Workspaces, store: Progress) -> None:
        self.lab = lab
        self.workspaces = workspaces
        self.store = store
        self._loaded: _Loaded | None = None

    @property
    def workspace(self) -> Workspace | None:
        """The lab's open workspace; None where the lab is not started."""
        return self._load().workspace

    @property
    def progress(self) -> LabProgress:
        """The learner's progress in the lab. Raises `ProgressUnavailable`."""
        progress = self._load().progress
        if isinstance(progress, ProgressUnavailable):
            raise progress
        return progress

    @property
    def summary(self) -> str:
        """How far the learner is, in a few words. Raises `ProgressUnavailable`."""
        ids = [step.id for step in self.lab.steps]
        return self.progress.summary(ids, started=self.workspace is not None)

    def require_workspace(self) -> Workspace:
        """Return the lab's open workspace. Raises `NotStarted`."""
        if not self.workspace:
            raise NotStarted(self.lab.name)
        return self.workspace

    def known(self, step: Step) -> StepProgress:
        """Return how a step stands, as far as that can be read."""
        with suppress(ProgressUnavailable):
            return self.progress.step(step.id)
        return StepProgress()

    def reload(self) -> None:
        """Read the workspace and the progress anew at their next use."""
        self._loaded = None

    def update(self, step: Step, saved: StepProgress) -> None:
        """Take over how a step stands, after it was stored."""
        loaded = self._load()
        if isinstance(loaded.progress, LabProgress):
            steps = {**loaded.progress.steps, step.id: saved}
            self._loaded = replace(loaded, progress=replace(loaded.progress, steps=steps))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Lock the lab for one check. Others are waited for, up to `PATIENCE`.

        Raises `Busy` after that, and `NotStarted` at once where the wait would be for a start.
        """
        lock = self.workspaces.turn(self.lab.name)
        try:
            lock.acquire(timeout=0)
        except LockTaken:
            self.reload()
            self.require_workspace()
            try:
                lock.acquire(timeout=PATIENCE)
            except LockTaken:
                raise Busy from None
        try:
            self.reload()
            yield
        finally:
            lock.release()

    @contextmanager
    def patient_turn(self) -> Iterator[None]:
        """Lock the lab for a check that nobody waits for: others are waited for without end."""
        with self.workspaces.turn(self.lab.name):
            self.reload()
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the lab for a change. Raises `Busy` at once where another one is going on, and
        where a check takes longer than `PATIENCE`."""
        try:
            change = self.workspaces.one_at_a_time(self.lab.name)
            turn = self.workspaces.turn(self.lab.name)
            with change.acquire(timeout=0), turn.acquire(timeout=PATIENCE):
                self.reload()
                yield
        except LockTaken:
            raise Busy from None

    def _load(self) -> _Loaded:
        if self._loaded is None:
            progress: LabProgress | ProgressUnavailable
            try:
                progress = self.store.load_lab(self.lab.name)
            except ProgressUnavailable as error:
                progress = error
            self._loaded = _Loaded(self.workspaces.find_open(self.lab.name), progress)
        return self._loaded
