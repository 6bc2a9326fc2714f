"""What an answer about the parts of an image reference says, where it is not the right one.

The sentences have `{said}` where the answer stands.
"""

from __future__ import annotations

from labrunner.language import Sentence
from labrunner.registry.references import InvalidReference, Reference, parse

PARTS = {  # of a reference, by the names of its attributes
    "registry": Sentence("`{said}` is the registry."),
    "repository": Sentence("`{said}` is the repository."),
    "tag": Sentence("`{said}` is the tag."),
    "digest": Sentence("`{said}` is the digest."),
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
    for part, sentence in PARTS.items():
        if said == getattr(reference, part):
            return part, sentence
    if said in reference.repository.split("/"):
        return "one-part", "`{said}` is only one part of the repository."
    if said in reference.canonical:
        return "more-than-one", "`{said}` is in the name, but it is not exactly one part of it."
    return "not-there", "`{said}` is not in the name."


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
