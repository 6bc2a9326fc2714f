"""The kit: the images that the course needs, so that a class needs Docker Hub once or never.

Nothing here moves a tag that exists on the engine to another image.
"""

from __future__ import annotations

import difflib
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import Image
from labrunner.engine.transfer_progress import ProgressCallback, follow, silent
from labrunner.file_lock import FileLock
from labrunner.language import Sentence
from labrunner.registry.references import parse

from . import archive
from .builder import MADE_FROM, VERSION, Apt, build_root
from .errors import BuildPutOff, ImageUnavailable, KitUsageError, SourceUnavailable
from .programs import FROM_A_COLLEAGUE
from .recipes import RECIPES, Recipe

PULL_TIMEOUT = 30  # seconds without a byte after which a pull is given up
RETRY_AFTER = 60  # seconds before a registry that refused a pull is asked again

Notify = Callable[[str], None]
"""Is called with a sentence that says what is being done."""

_TOO_MANY = re.compile("toomanyrequests|429|rate limit", re.IGNORECASE)
_OUT_OF_REACH = re.compile(
    "dial tcp|no such host|i/o timeout|connection re(fused|set)|unreachable|handshake timeout"
    "|Client.Timeout|deadline exceeded|proxyconnect|EOF",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class KitImage:
    """An image of the kit. All but the reference is None if it is not on the engine.

    size: bytes. version: None if it is not known.
    """

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

    `get`, `pull` and `build` return whether there was anything to do. All methods raise
    `KitUsageError`, `ImageUnavailable`, and `EngineDown` if there is no engine.
    """

    def __init__(
        self,
        engine: Engine,
        references: Iterable[str],
        recipes: Mapping[str, Recipe] = RECIPES,
    ) -> None:
        self.engine = engine
        self._references = references
        self.recipes = recipes
        self._refusals: dict[str, tuple[float, SourceUnavailable]] = {}

    @cached_property
    def references(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._references))

    @cached_property
    def _apt(self) -> Apt:
        return Apt()

    def status(self) -> list[KitImage]:
        """Return the images of the kit: whether they are here, and what they were made from."""
        return [self._describe(reference) for reference in self.references]

    def check(self, reference: str) -> None:
        """Raise `KitUsageError` for an image that is not part of the kit and has no recipe."""
        known = dict.fromkeys([*self.references, *self.recipes])
        if reference not in known:
            near = difflib.get_close_matches(reference, known, n=1, cutoff=0.5)
            images = ", ".join(f"`{each}`" for each in known) or Sentence("nothing")
            raise KitUsageError(
                Sentence("`{reference}` is not part of the kit.", reference=reference),
                next=Sentence("Did you mean `{near}`?", near=near[0])
                if near
                else Sentence("The kit has {images}.", images=images),
            )

    def is_compiled(self, reference: str) -> bool:
        """Return whether an image is compiled, which takes long, where it cannot be pulled."""
        recipe = self.recipes.get(reference)
        return bool(recipe and recipe.module)

    def get(
        self,
        reference: str,
        notify: Notify = _silent,
        on_progress: ProgressCallback = silent,
        *,
        quick: bool = False,
    ) -> bool:
        """Get an image that is not here: pull it, or else build it and say why. quick: raise
        `BuildPutOff` for one that has to be compiled."""
        if self.engine.image(reference):
            return False
        self.check(reference)
        try:
            self._raise_remembered(reference)
            return self.pull(reference, notify, on_progress)
        except ImageUnavailable as refusal:
            if reference not in self.recipes:
                raise
            if quick and self.is_compiled(reference):
                later = "`{reference}` is compiled when you start a lab that needs it."
                found = Sentence.joined(refusal.found, Sentence(later, reference=reference))
                raise BuildPutOff(found, next=refusal.next) from refusal
            notify(refusal.found)
            try:
                return self.build(reference, notify)
            except ImageUnavailable as error:
                found = Sentence("`{reference}` is not here.", reference=reference)
                found = Sentence.joined(found, refusal.found, error.found)
                raise ImageUnavailable(found, next=error.next) from error

    def pull(
        self, reference: str, notify: Notify = _silent, on_progress: ProgressCallback = silent
    ) -> bool:
        """Pull an image from Docker Hub, or from the registry of its reference. Ask only once."""
        self.check(reference)
        if self.engine.image(reference):
            return False
        notify(Sentence("Pulling `{reference}`.", reference=reference))
        try:
            follow(self.engine.pull(reference, silence=PULL_TIMEOUT), on_progress)
        except EngineRefused as error:
            raise self._refusal(reference, error.words) from error
        except EngineDown as error:
            self.engine.version()  # raises where it is the engine that is silent
            raise self._refusal(reference, "i/o timeout") from error
        self._require(reference)
        return True

    def build(self, reference: str, notify: Notify = _silent) -> bool:
        """Build an image from Debian's or Ubuntu's packages. Needs no root, installs nothing."""
        self.check(reference)
        if self.engine.image(reference):
            return False
        if not (recipe := self.recipes.get(reference)):
            found = Sentence("There is no recipe for `{reference}`.", reference=reference)
            raise ImageUnavailable(found, next=FROM_A_COLLEAGUE)
        here, there = platform.machine(), self.engine.info().machine
        if here != there:
            other = "The engine runs on {there}, but this machine's packages are for {here}."
            found = Sentence(other, there=there, here=here)
            raise ImageUnavailable(found, next=FROM_A_COLLEAGUE)
        try:
            with tempfile.TemporaryDirectory(prefix="registry-lab-") as folder:
                compiling = "Building `{reference}` from its source, which takes a minute."
                building = "Building `{reference}` from packages."
                notify(Sentence(compiling if recipe.module else building, reference=reference))
                root = build_root(recipe, Path(folder), self._apt)
                with _lock():
                    if self.engine.image(reference):  # another run was faster
                        return False
                    self.engine.import_image(root.archive, reference, root.changes)
        except EngineRefused as error:
            raise ImageUnavailable(error.found, next=error.next) from error
        except OSError as error:
            failed = "`{reference}` could not be built: {why}."
            found = Sentence(failed, reference=reference, why=error.strerror)
            raise ImageUnavailable(found, next=_make_room()) from error
        self._require(reference)
        return True

    def save(self, file: Path, on_progress: ProgressCallback = silent) -> list[str]:
        """Write the whole kit into one file for `load` and `docker load`; all of it or nothing. But
        an image that is compiled is left out where it is not here. Return what is left out."""
        archive.require_new(file)
        present = [each.reference for each in self.status() if each.present]
        missing = [each for each in self.references if each not in present]
        if needed := [f"`{each}`" for each in missing if not self.is_compiled(each)]:
            found = Sentence("Not on this engine: {images}.", images=", ".join(needed))
            raise KitUsageError(found, next="Run `script/lab kit get`.")
        archive.write_archive(file, self.engine.save(present), on_progress)
        return missing

    def load(self, file: Path, on_progress: ProgressCallback = silent) -> list[str]:
        """Load a file that `save` wrote, and return the references that were not here before.

        A file that would move a tag of this engine is refused before anything is loaded.
        """
        archived = archive.read_archive(file)
        for reference in archived:
            if reference not in self.references:
                foreign = "`{file}` holds `{reference}`, which is not part of the kit."
                raise KitUsageError(
                    Sentence(foreign, file=file, reference=reference),
                    next="Use a file that `script/lab kit save` wrote for this course.",
                )
        try:
            with _lock():
                here = {each: self._is_one_of(each, ids, file) for each, ids in archived.items()}
                new = [each for each in here if not here[each]]
                for _ in self.engine.load(archive.chunks(file, on_progress)) if new else ():
                    pass
        except EngineRefused as error:
            if "no space" in error.words:
                raise ImageUnavailable(error.found, next="Make room for the engine.") from error
            refused = "The engine refused `{file}`: {words}"
            found = Sentence(refused, file=file, words=error.words)
            raise KitUsageError(found, next=archive.ANOTHER_COPY) from error
        except OSError as error:
            failed = "`{file}` could not be loaded: {why}."
            found = Sentence(failed, file=file, why=error.strerror)
            raise ImageUnavailable(found, next=_make_room()) from error
        for reference in new:
            self._require(reference)
        return new

    def _describe(self, reference: str) -> KitImage:
        image = self.engine.image(reference)
        if not image:
            return KitImage(reference)
        return KitImage(reference, image.id, image.size, _origin(image), image.labels.get(VERSION))

    def _is_one_of(self, reference: str, ids: set[str], file: Path) -> bool:
        """Return whether an image is here. Raises `KitUsageError` if its id is none of these."""
        image = self.engine.image(reference)
        if image and image.id not in ids:
            other = (
                "`{reference}` on this engine is another image than in `{file}`, so nothing was "
                "loaded."
            )
            keep = "Keep yours, or run `docker image rm {reference}` and load the file again."
            raise KitUsageError(
                Sentence(other, reference=reference, file=file),
                next=Sentence(keep, reference=reference),
            )
        return image is not None

    def _require(self, reference: str) -> None:
        if not self.engine.image(reference):
            lost = "The engine reported no error, but `{reference}` is not there."
            raise ImageUnavailable(
                Sentence(lost, reference=reference),
                next="Try again. The engine may have been restarted.",
            )

    def _refusal(self, reference: str, words: str) -> ImageUnavailable:
        """Return the error for a pull that the engine gave up with these words."""
        values = {"source": _source(reference), "reference": reference, "words": words}
        next = FROM_A_COLLEAGUE
        if reference in self.recipes:
            build = Sentence("`script/lab kit build {reference}` builds it here.", **values)
            next = Sentence.joined(build, next)
        if _TOO_MANY.search(words):
            found = Sentence("{source} does not allow more pulls for now.", **values)
        elif _OUT_OF_REACH.search(words):
            found = Sentence("{source} cannot be reached.", **values)
        else:
            found = Sentence("{source} did not send `{reference}`: {words}", **values)
            return ImageUnavailable(found, next=next)
        refusal = SourceUnavailable(found, next=next)
        self._refusals[values["source"]] = time.monotonic(), refusal
        return refusal

    def _raise_remembered(self, reference: str) -> None:
        then, refusal = self._refusals.get(_source(reference), (0.0, None))
        if refusal and time.monotonic() - then < RETRY_AFTER:
            raise refusal


def _make_room() -> Sentence:
    return Sentence("Make room in `{folder}`.", folder=tempfile.gettempdir())


def _source(reference: str) -> str:
    parts = parse(reference)
    return "Docker Hub" if parts.default_registry else parts.registry


def _origin(image: Image) -> str:
    """Return what an image was made from, by its label or its digests."""
    if label := image.labels.get(MADE_FROM):
        return str(label)
    return _source(image.digests[0].split("@")[0]) if image.digests else "this engine"


def _lock() -> FileLock:
    """Return the lock under which one run of this user at a time looks for a tag and makes it."""
    return FileLock(Path(tempfile.gettempdir()) / f"registry-lab-kit-{os.getuid()}.lock")
