"""Read what a learner types as an answer."""

from __future__ import annotations

import json
import re

from labrunner.text import plain
from labrunner.verdicts import NotYet

DIGEST = re.compile(r"\b(?:sha256:)?([0-9a-f]{64})\b")
QUOTES = "\"'`"
SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:([kbm])(?:i?b|ytes|ilobytes|egabytes)?)?")
UNITS = {"k": 1024, "b": 1, "m": 1_000_000}  # kilobytes as of `du`
LONGEST = 200  # characters of an answer that are read, and shown again


def last_line(answer: str) -> str:
    """Return the last line of an answer, without the blanks and quotes around it."""
    lines = answer.strip().splitlines() or [""]
    return lines[-1].strip(f" \t{QUOTES}")[:LONGEST]


def last_word(answer: str) -> str:
    """Return the last word of an answer, without the quotes and punctuation around it."""
    words = last_line(answer).split() or [""]
    return words[-1].rstrip(".,").strip(QUOTES)


def tags_in(answer: str) -> set[str]:
    """Return the tags in an answer: a list in JSON, or the `tags` of an object, or words with
    blanks, commas, quotes or brackets between them; of a reference, what follows the colon."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        said = said.get("tags")
    if isinstance(said, list):
        return {plain(str(each))[:LONGEST] for each in said}  # JSON can hold any character
    words = re.split(r"[\s,;\"'`\[\]]+", answer)
    return {each.rpartition(":")[2][:LONGEST] for each in words if each}


def digests_in(answer: str) -> set[str]:
    """Return the digests in an answer, in lower case and with `sha256:`, however they were copied:
    as hexadecimal digits alone, or with a name, quotes or words around them."""
    return {f"sha256:{found}" for found in DIGEST.findall(answer.lower())}


def digest_in(answer: str, *, next: str, expected: str = "") -> str:
    """Return the one digest in an answer. Raises `NotYet` where there is none, or more than one."""
    digests = digests_in(answer)
    if len(digests) == 1:
        return digests.pop()
    if digests:
        reason, found = "several-digests", "Your answer has more than one digest."
    else:
        reason = "no-digest"
        found = "Your answer does not have a digest, which is `sha256:` and 64 hexadecimal digits."
    raise NotYet(reason, expected=expected, found=found, next=next)


def sizes_in(answer: str, *, next: str) -> list[int]:
    """Return what the one size that an answer is may be in bytes: a number without a unit may be of
    kilobytes, bytes or megabytes. Raises `NotYet` where the answer is anything else."""
    size = SIZE.fullmatch(answer.replace(",", "").lower())
    if not size:
        raise NotYet(
            "no-size", found="Your answer is not one number, with or without a unit.", next=next
        )
    return [int(float(size[1]) * UNITS[unit]) for unit in size[2] or UNITS]
