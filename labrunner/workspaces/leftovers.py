"""Why an object was not removed, in plain words: what still uses it, and what to do."""

from __future__ import annotations

from contextlib import suppress

from labrunner.engine.connection import EngineRefused
from labrunner.engine.engine import Engine
from labrunner.language import Sentence
from labrunner.text import listed
from labrunner.verdicts import CannotCheck


def why_left(engine: Engine, kind: str, id: str, error: CannotCheck | OSError) -> Sentence:
    """Return why an object was not removed and what to do, with the engine's or the system's own
    words. kind, id: as of a `Resource`."""
    if isinstance(error, OSError):
        return Sentence(
            "{file}: {why}. It may belong to root, because a container made it. Remove it "
            "yourself: `sudo rm -r {file}`.",
            file=error.filename,
            why=error.strerror,
        )
    if not isinstance(error, EngineRefused):
        return Sentence.joined(error.found, error.next)
    why = Sentence("It is not known what still uses it. Restart the engine, then try again.")
    with suppress(CannotCheck):
        if users := _containers(engine, kind, id):
            why = Sentence.counted(
                "The container {names} uses it. If you no longer need that container, remove it: "
                "`docker rm -f {words}`.",
                "{count} containers use it: {names}. If you no longer need them, remove them: "
                "`docker rm -f {words}`.",
                len(users),
            )
        elif users := _children(engine, kind, id):
            why = Sentence.counted(
                "The image {names} was built on it. If you no longer need that image, remove it: "
                "`docker image rm {words}`.",
                "{count} images were built on it: {names}. If you no longer need them, remove "
                "them: `docker image rm {words}`.",
                len(users),
            )
        why = why.fill({"names": listed(users), "words": " ".join(users)})
    return Sentence.joined(why, error.found)


def _containers(engine: Engine, kind: str, id: str) -> list[str]:
    """Return the names of the containers that use an image, a volume or a network."""
    if kind in ("volume", "network"):
        return [each.name for each in engine.containers(**{kind: id})]
    image = engine.image(id) if kind == "image" else None
    return [each.name for each in engine.containers() if image and each.image_id == image.id]


def _children(engine: Engine, kind: str, id: str) -> list[str]:
    """Return the images that the classic builder has built on an image."""
    image = engine.image(id) if kind == "image" else None
    children = [each for each in engine.images(all=True) if image and each.parent == image.id]
    return [name for each in children for name in each.tags or (each.id[7:19],)]
