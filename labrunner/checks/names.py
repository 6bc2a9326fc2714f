"""What an answer about the parts of an image reference says, where it is not the right one.

The sentences have `{said}` where the answer stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from labrunner.language import Sentence
from labrunner.registry.references import InvalidReference, Reference, parse
from labrunner.text import fold

PARTS = {  # of a reference, by the names of its attributes: as a whole, and a piece of each
    "registry": (Sentence("the registry"), Sentence("a piece of the registry")),
    "repository": (Sentence("the repository"), Sentence("a piece of the repository")),
    "tag": (Sentence("the tag"), Sentence("a piece of the tag")),
    "digest": (Sentence("the digest"), Sentence("a piece of the digest")),
}


def same_image(name: str, other: str) -> bool:
    """Return whether two names, written out, are the same reference."""
    try:
        return parse(name).canonical == parse(other).canonical
    except ValueError:
        return False


def part_of(said: str, reference: Reference) -> tuple[str, str]:
    """Return a reason and a sentence: what part of a reference an answer is."""
    if not said:
        return "not-there", "Your answer is empty."
    if said == reference.canonical:
        return "whole-name", "`{said}` is the full name."
    for part, text in _written_out(reference).items():
        if said == text:
            return part, Sentence("`{said}` is {part}.", part=PARTS[part][0])
    if said in reference.repository.split("/"):
        return "one-part", "`{said}` is only one part of the repository."
    if said not in reference.canonical:
        return "not-there", "`{said}` is not in the name."
    held = _parts_in(said, reference)
    if len(held) > 1:
        parts = fold(held, "{some}, and {other}")
        return "more-than-one", Sentence("`{said}` is too much: it has {parts}.", parts=parts)
    if not held:
        return "sign", "`{said}` is only a sign between two parts."
    if held[0] in [piece for _, piece in PARTS.values()]:
        return "piece", Sentence("`{said}` is only {part}.", part=held[0])
    return "sign", Sentence("`{said}` is {part}, with a sign too many.", part=held[0])


def _parts_in(said: str, reference: Reference) -> list[Sentence]:
    """Return of which parts of a reference an answer has something: an answer that is in the full
    form, but is no part of it."""
    start, at = reference.canonical.index(said), 0
    held: list[Sentence] = []
    for part, text in _written_out(reference).items():
        at = reference.canonical.index(text, at)
        if start < at + len(text) and at < start + len(said):
            whole, piece = PARTS[part]
            held.append(whole if text in said else piece)
        at += len(text)
    return held


def _written_out(reference: Reference) -> dict[str, str]:
    """Return the parts that the full form of a reference has, in order."""
    full = parse(reference.canonical)
    return {part: text for part in PARTS if (text := getattr(full, part))}


def nearest(name: str, places: Sequence[Reference]) -> tuple[Reference, str]:
    """Return the one of these references, written out, that a name differs from the least, and in
    which parts."""

    def differing(place: Reference) -> list[Sentence]:
        own, wanted = _written_out(parse(name)), _written_out(place)
        return [whole for part, (whole, _) in PARTS.items() if own.get(part) != wanted.get(part)]

    place = min(places, key=lambda each: len(differing(each)))
    return place, fold(differing(place), "{some}, and {other}")


def missing_parts(said: str, official: str) -> tuple[str, str]:
    """Return a reason and a sentence: why an answer is not the full form of an official image's
    short name."""
    try:
        reference = parse(said)
    except InvalidReference as error:
        return "invalid", error.fault
    if reference.repository == f"{official}/{official}":
        found = (
            "`{said}` is the repository `{name}` of an account `{name}`. The account of official "
            "images is `library`."
        )
        return "account", Sentence(found, name=official)
    if reference.canonical != parse(official).canonical:
        found = "`{said}` is another image: `{full}`."
        return "another-image", Sentence(found, full=reference.canonical)
    written = {
        Sentence("the registry"): said.startswith(("docker.io/", "index.docker.io/")),
        Sentence("the account"): "library/" in said,
        Sentence("the tag"): bool(reference.tag),
    }
    missing, *others = [part for part, there in written.items() if not there]
    for other in others:
        missing = Sentence("{some} and {other}", some=missing, other=other)
    return "short", Sentence("`{said}` means the same, but leaves out {missing}.", missing=missing)
