"""What an answer about the parts of an image reference says, where it is not the right one.

The sentences have `{said}` where the answer stands.
"""

from __future__ import annotations

from labrunner.registry.references import Reference, parse


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
        return "whole-name", "`{said}` is the whole name."
    for part in ("registry", "repository", "tag", "digest"):
        if said == getattr(reference, part):
            return part, f"`{{said}}` is the {part}."
    if said in reference.repository.split("/"):
        found = f"`{{said}}` is only one part of the repository, `{reference.repository}`."
        return "one-part", found
    if said in reference.canonical:
        return "more-than-one", "`{said}` is in the name, but it is not exactly one part of it."
    return "not-there", "`{said}` is not in the name."


def missing_parts(said: str, official: str) -> tuple[str, str]:
    """Return a reason and a sentence: why an answer is not the full form of an official image's
    short name."""
    try:
        reference = parse(said)
    except ValueError as error:
        if "{" in said:  # the sentence would have it filled in
            found = "The character `{` in `{said}` is not allowed: type the name without it."
            return "invalid", found
        return "invalid", str(error)
    if reference.repository == f"{official}/{official}":
        return "account", (
            f"`{{said}}` is the repository `{official}` of an account `{official}`. The account of "
            "official images is `library`."
        )
    if reference.canonical != parse(official).canonical:
        return "another-image", f"`{{said}}` is another image: `{reference.canonical}`."
    written = {
        "the registry": said.startswith(("docker.io/", "index.docker.io/")),
        "the account": "library/" in said,
        "the tag": reference.tag,
    }
    missing = " and ".join(part for part, there in written.items() if not there)
    return "short", f"`{{said}}` means the same, but leaves out {missing}."
