"""The kit: the images that the course needs, so that a class needs Docker Hub once or never.

What is on the engine is left alone: no act here moves a tag that exists to another image.
"""

from __future__ import annotations

import difflib
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import Image
from labrunner.engine.progress import ProgressCallback, follow, silent
from labrunner.errors import ExitStatus
from labrunner.registry.references import parse
from labrunner.verdicts import CannotCheck

from . import archive
from .recipes import FROM_A_COLLEAGUE, MADE_FROM, RECIPES, VERSION, CannotGet, Recipe, make

SILENCE = 30  # seconds without a byte before a pull is given up
REMEMBERED = 60  # seconds for which a registry that refused a pull is not asked again
CHUNK = 1 << 20
ANOTHER_COPY = "Check its name, copy it again, or make a new one with `script/lab kit save FILE`."

Say = Callable[[str], None]  # takes a sentence on what is being done

_TOO_MANY = re.compile("toomanyrequests|429|rate limit", re.IGNORECASE)
_OUT_OF_REACH = re.compile(
    "dial tcp|no such host|i/o timeout|connection re(fused|set)|unreachable|handshake timeout"
    "|Client.Timeout|deadline exceeded|proxyconnect|EOF",
    re.IGNORECASE,
)


class BadCall(CannotCheck):
    """The kit was asked for what it does not have, or given a file that it cannot use."""

    exit_status = ExitStatus.BAD_CALL


class NoHub(CannotGet):
    """The registry that the image is on cannot be reached, or will not serve more now."""


@dataclass(frozen=True)
class KitImage:
    """An image of the kit. All but the reference is None where it is not on the engine; `version`
    also where it is not known. `size` is in bytes."""

    reference: str
    id: str | None = None
    size: int | None = None
    made_from: str | None = None
    version: str | None = None

    @property
    def present(self) -> bool:
        return self.id is not None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "present": self.present}


def _silent(*_: object) -> None: ...


class Kit:
    """The images with these references, on this engine.

    Acts on one image return whether there was anything to do. All acts raise `BadCall`,
    `CannotGet`, and `EngineDown` when there is no engine.
    """

    def __init__(
        self,
        engine: Engine,
        references: Iterable[str],
        recipes: Mapping[str, Recipe] = RECIPES,
    ) -> None:
        self.engine = engine
        self.references = tuple(dict.fromkeys(references))
        self.recipes = recipes
        self._refusals: dict[str, tuple[float, NoHub]] = {}

    def status(self) -> list[KitImage]:
        """What is here of the kit, and what it was made from."""
        return [self._read(reference) for reference in self.references]

    def check(self, reference: str) -> None:
        """Raise BadCall for an image that the kit does not have."""
        if reference not in self.references:
            near = difflib.get_close_matches(reference, self.references, n=1, cutoff=0.5)
            listed = ", ".join(f"`{each}`" for each in self.references) or "nothing"
            raise BadCall(
                f"`{reference}` is not part of the kit.",
                next=f"Did you mean `{near[0]}`?" if near else f"The kit has {listed}.",
            )

    def get(self, reference: str, say: Say = _silent, bar: ProgressCallback = silent) -> bool:
        """Keep what is here; else pull it; else build it, and say why."""
        self.check(reference)
        if self.engine.image(reference):
            return False
        try:
            self._raise_remembered(reference)
            return self.pull(reference, say, bar)
        except CannotGet as refusal:
            if reference not in self.recipes:
                raise
            say(f"{refusal.found} Building `{reference}` of this system's packages.")
            try:
                return self.build(reference)
            except CannotGet as error:
                raise CannotGet(f"{refusal.found} {error.found}", next=error.next) from error

    def pull(self, reference: str, say: Say = _silent, bar: ProgressCallback = silent) -> bool:
        """Pull it from Docker Hub, or where else its reference says. Asks once, never again."""
        self.check(reference)
        if self.engine.image(reference):
            return False
        say(f"Pulling `{reference}`.")
        try:
            follow(self.engine.pull(reference, silence=SILENCE), bar)
        except EngineRefused as error:
            raise self._refusal(reference, error.words) from error
        except EngineDown as error:
            self.engine.info()  # raises where it is the engine that is silent
            raise self._refusal(reference, "i/o timeout") from error
        self._must_be_here(reference)
        return True

    def build(self, reference: str, say: Say = _silent) -> bool:
        """Make it of Debian's or Ubuntu's packages. Needs no root, and installs nothing."""
        self.check(reference)
        if self.engine.image(reference):
            return False
        if not (recipe := self.recipes.get(reference)):
            raise CannotGet(f"There is no recipe for `{reference}`.", next=FROM_A_COLLEAGUE)
        here, there = platform.machine(), self.engine.info().machine
        if here != there:
            found = f"The engine runs on {there}, and this machine's packages are for {here}."
            raise CannotGet(found, next=FROM_A_COLLEAGUE)
        try:
            with tempfile.TemporaryDirectory(prefix="registry-lab-") as folder:
                say(f"Building `{reference}` of this system's packages.")
                made = make(recipe, Path(folder))
                with _one_at_a_time():
                    if self.engine.image(reference):  # another run was quicker
                        return False
                    self.engine.import_image(made.archive, reference, made.changes)
        except EngineRefused as error:
            raise CannotGet(error.found, next=error.next) from error
        except OSError as error:
            found = f"`{reference}` could not be built: {error.strerror}."
            raise CannotGet(found, next=f"Make room in `{tempfile.gettempdir()}`.") from error
        self._must_be_here(reference)
        return True

    def save(self, file: Path, bar: ProgressCallback = silent) -> None:
        """Write the whole kit into one file for `load` and `docker load`. It is whole or absent."""
        _refuse_to_overwrite(file)
        if not file.parent.is_dir():
            raise BadCall(f"There is no folder `{file.parent}`.", next="Choose another.")
        if missing := [f"`{each.reference}`" for each in self.status() if not each.present]:
            listed = ", ".join(missing)
            raise BadCall(f"Not on this engine: {listed}.", next="Run `script/lab kit get`.")
        part = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with part.open("xb") as output:
                for chunk in self.engine.save(self.references):
                    output.write(chunk)
                    bar(output.tell(), 0)
            _refuse_to_overwrite(file)
            part.rename(file)
        except OSError as error:
            raise CannotGet(
                f"`{file}` could not be written: {error.strerror}.",
                next="Choose a folder that you may write in, with room enough.",
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def load(self, file: Path, bar: ProgressCallback = silent) -> list[str]:
        """Load a file that `save` wrote; return the references that were not here before.

        Refuses the file before anything is loaded where it would move a tag of this engine.
        """
        try:
            archived = archive.read_archive(file)
        except archive.BadArchive as error:
            raise BadCall(f"`{file}` {error}", next=ANOTHER_COPY) from error
        for reference in archived:
            if reference not in self.references:
                raise BadCall(
                    f"`{file}` holds `{reference}`, which is not part of the kit.",
                    next="Use a file that `script/lab kit save` wrote for this course.",
                )
        try:
            with _one_at_a_time():
                here = {each: self._is_one_of(each, ids, file) for each, ids in archived.items()}
                new = [each for each in here if not here[each]]
                for _ in self.engine.load(_chunks(file, bar)) if new else ():
                    pass
        except EngineRefused as error:
            if "no space" in error.words:
                raise CannotGet(error.found, next="Make room for the engine.") from error
            refused = f"The engine refuses `{file}`: {error.words}"
            raise BadCall(refused, next=ANOTHER_COPY) from error
        except OSError as error:
            found = f"`{file}` could not be loaded: {error.strerror}."
            raise CannotGet(found, next=f"Make room in `{tempfile.gettempdir()}`.") from error
        for reference in new:
            self._must_be_here(reference)
        return new

    def _read(self, reference: str) -> KitImage:
        image = self.engine.image(reference)
        if not image:
            return KitImage(reference)
        return KitImage(reference, image.id, image.size, _origin(image), image.labels.get(VERSION))

    def _is_one_of(self, reference: str, ids: set[str], file: Path) -> bool:
        """Whether an image is here. Raises BadCall where it is none of those with these ids."""
        image = self.engine.image(reference)
        if image and image.id not in ids:
            raise BadCall(
                f"`{reference}` on this engine is another image than in `{file}`, so nothing was "
                "loaded.",
                next=f"Keep yours; or run `docker image rm {reference}`, and load again.",
            )
        return image is not None

    def _must_be_here(self, reference: str) -> None:
        if not self.engine.image(reference):
            raise CannotGet(
                f"The engine said nothing against it, but `{reference}` is not there.",
                next="Try again; the engine may have been restarted.",
            )

    def _refusal(self, reference: str, words: str) -> CannotGet:
        """What to say of a pull that the engine gave up with these words."""
        source = _source(reference)
        next = FROM_A_COLLEAGUE
        if reference in self.recipes:
            next = f"`script/lab kit build {reference}` makes it here. {next}"
        if _TOO_MANY.search(words):
            refusal = NoHub(f"{source} allows no more pulls for now.", next=next)
        elif _OUT_OF_REACH.search(words):
            refusal = NoHub(f"{source} cannot be reached.", next=next)
        else:
            return CannotGet(f"{source} did not give `{reference}`: {words}", next=next)
        self._refusals[source] = time.monotonic(), refusal
        return refusal

    def _raise_remembered(self, reference: str) -> None:
        then, refusal = self._refusals.get(_source(reference), (0.0, None))
        if refusal and time.monotonic() - then < REMEMBERED:
            raise refusal


def _refuse_to_overwrite(file: Path) -> None:
    if file.exists():
        raise BadCall(f"`{file}` is there already.", next="Choose another name.")


def _source(reference: str) -> str:
    parts = parse(reference)
    return "Docker Hub" if parts.default_registry else parts.registry


def _origin(image: Image) -> str:
    """What an image was made from, as its label or its digests tell."""
    if label := image.labels.get(MADE_FROM):
        return str(label)
    return _source(image.digests[0].split("@")[0]) if image.digests else "this engine"


def _one_at_a_time() -> FileLock:
    """Between a look at a tag and its making, no other run of this user makes it."""
    return FileLock(Path(tempfile.gettempdir()) / f"registry-lab-kit-{os.getuid()}.lock")


def _chunks(file: Path, bar: ProgressCallback) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
            bar(source.tell(), size)
