"""A plugin of pytest: each step, mistake and near miss of a lab, and each block of commands on its
lesson's page, is a test of its own. With registry 3, only what differs is: a mistake that cannot be
made with registry 2, and all blocks of a page that has some for registry 3 alone.

    python -m pytest -p labrunner.headless.plugin labs/push-and-pull
    python -m pytest -p labrunner.headless.plugin labs -k "push-the-image"

Any of them can be run alone: what comes before it is done first. Those of one track that run one
after the other share its workspace, which is removed after the last one. With `--dist loadgroup`
of pytest-xdist they run in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from labrunner.course import loader
from labrunner.course.lab import Lab, Mistake, Step
from labrunner.course.lesson import Block, Lesson
from labrunner.engine.engine import Engine
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.registry.versions import CONFIG_FILES
from labrunner.text import plain
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces.actions import CannotRun, get_images, require_machine
from labrunner.workspaces.manager import Workspaces

from .proof import plan_tracks
from .track import Settings, Track


class Weak(Exception):
    """What is wrong with a step, a mistake or a block."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        rows = (("Expected", verdict.expected), ("Found", verdict.found), ("Next", verdict.next))
        lines = [f"{label}: {sentence}" for label, sentence in rows if sentence]
        super().__init__("\n".join([verdict.status, *lines]))


class Tracks:
    """The track at hand of this process, and what the labs of a course are run with."""

    def __init__(self, root: Path) -> None:
        self.course = loader.load_course(root)
        engine = Engine()
        self.workspaces = Workspaces(root / "instance" / "workspaces", engine, self.course.labs)
        self.kit = Kit(engine, self.course.images)
        self._name = ""
        self._track: Track | None = None

    def get(self, name: str, lesson: Lesson, lab: Lab, settings: Settings) -> Track:
        """Return the track of that name; another one is closed."""
        if not self._track or self._name != name:
            self.close()
            self._name, self._track = name, Track(self.workspaces, lesson, lab, settings)
        return self._track

    def close(self, keep: str = "") -> None:
        """Remove the workspace of the track at hand, if that is not the one of this name. Raises
        `Weak` for what cannot be removed."""
        track = self._track
        if not track or self._name == keep:
            return
        self._track = None
        track.close()
        if track.leftovers:
            found = f"Left behind: {'; '.join(track.leftovers)}"
            raise Weak(Verdict("failed", "Nothing is left of a lab.", found))


COURSES = pytest.StashKey[dict[Path, Tracks]]()


class LabFile(pytest.File):
    """The file of a lab, with the items of all its tracks, one track after the other."""

    def collect(self) -> Iterator[pytest.Item]:
        root, name = self.path.parents[2], self.path.parent.name
        courses = self.config.stash.setdefault(COURSES, {})
        if root not in courses:
            courses[root] = Tracks(root)
        lesson = courses[root].course.lesson_of(name)
        if not lesson or not lesson.lab:
            problems = courses[root].course.problems
            found = [str(problem) for problem in problems if problem.lab == name]
            raise self.CollectError("\n".join(found) or f"No lesson has the lab `{name}`.")
        lab = lesson.lab
        images = list(dict.fromkeys(map(lab.registry_image, CONFIG_FILES)))
        for image in images:
            track = TrackName(courses[root], lesson.with_registry(image), lab, image)
            yield from self._items(track, whole=image == images[0])

    def _items(self, of: TrackName, *, whole: bool) -> Iterator[pytest.Item]:
        """Yield the items of all tracks with one registry; not whole: what only that registry has.
        of: what the names of these tracks share."""

        def wanted(registry: str) -> bool:
            return whole or registry == of.registry

        for number, plan in enumerate(plan_tracks(of.lab, prove=True, registry=of.registry)):
            track = replace(of, name=f"track-{number}")
            for step in of.lab.steps:
                for made in (each for each in plan.mistakes if each[0] is step):
                    if wanted(made[1].registry):
                        name = f"{step.id}[{made[1].name}]"
                        yield MistakeItem.from_parent(self, name=name, track=track, made=made)
                if plan.main and whole:
                    yield StepItem.from_parent(self, name=step.id, track=track, step=step)
        page, blocks = replace(of, name="page"), of.lesson.blocks
        if not any(wanted(block.registry) for block in blocks):
            return
        for block in blocks:
            where = f"line {block.line}" if whole else f"line {block.line}, {of.registry}"
            name = f"{block.step}[{where}]"
            yield BlockItem.from_parent(self, name=name, track=page, block=block)


@dataclass(frozen=True)
class TrackName:
    """Which track of which lab an item needs. registry: the image of the lab's."""

    tracks: Tracks
    lesson: Lesson
    lab: Lab
    registry: str
    name: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.lab.name}-{self.name}-{self.registry}"

    def get(self) -> Track:
        """Return the track, of a lab that can run here and has its images."""
        settings = Settings(shell=self.name == "page", prove=True, registry=self.registry)
        return self.tracks.get(self.full_name, self.lesson, self.lab, settings)


class TrackItem(pytest.Item):
    """Something that is done on a track of a lab."""

    def __init__(self, track: TrackName, **how: Any) -> None:
        super().__init__(**how)
        self.track = track
        self.add_marker(pytest.mark.xdist_group(track.full_name))

    def setup(self) -> None:
        lab, tracks = self.track.lab, self.track.tracks
        try:
            require_machine(lab, tracks.workspaces.engine)
            get_images(lab, tracks.kit, registry=self.track.registry)
        except (CannotRun, ImageUnavailable) as error:
            pytest.skip(error.found)

    def check(self) -> Verdict | None:
        """Do it; return what is wrong."""
        raise NotImplementedError

    def runtest(self) -> None:
        wrong = self.check()
        if wrong and not wrong.passed:
            raise Weak(wrong)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, Weak):
            return plain(str(error))
        if isinstance(error, CannotCheck):
            return plain(f"{error.found} {error.next}")
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.line, f"{self.track.lab.name}: {self.name}"

    @property
    def line(self) -> int | None:
        """Where it stands in the lab's file, from 0."""
        return None


class StepItem(TrackItem):
    """A step: its check does not pass before it is done; it passes after the solution, twice."""

    def __init__(self, step: Step, **how: Any) -> None:
        super().__init__(**how)
        self.step = step

    def check(self) -> Verdict | None:
        return self.track.get().do(self.step).verdict

    @property
    def line(self) -> int | None:
        return self.step.line - 1


class MistakeItem(TrackItem):
    """A mistake or a near miss: it fails with its reason and its advice, and is recovered from."""

    def __init__(self, made: tuple[Step, Mistake], **how: Any) -> None:
        super().__init__(**how)
        self.made = made

    def check(self) -> Verdict | None:
        proof = self.track.get().prove(*self.made).proof
        return proof.weakness if proof else None

    @property
    def line(self) -> int | None:
        return self.made[1].line - 1


class BlockItem(TrackItem):
    """A block of the page: its commands do as they should; the last one of a step does the step."""

    def __init__(self, block: Block, **how: Any) -> None:
        super().__init__(**how)
        self.block = block

    def check(self) -> Verdict | None:
        return self.track.get().run_block(self.block)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "xdist_group(name): items that run in one process")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> LabFile | None:
    if file_path.name == "lab.py" and file_path.parents[1].name == "labs":
        made: LabFile = LabFile.from_parent(parent, path=file_path)
        return made
    return None


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if isinstance(item, TrackItem):
        follows = nextitem.track.full_name if isinstance(nextitem, TrackItem) else ""
        item.track.tracks.close(keep=follows)
