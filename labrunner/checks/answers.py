"""Read what a learner types as an answer."""

from __future__ import annotations

import re

from labrunner.verdicts import NotYet

DIGEST = re.compile(r"\b(?:sha256:)?([0-9a-f]{64})\b")


def digest_in(answer: str, *, expected: str, next: str) -> str:
    """The one digest in an answer, with or without `sha256:` and the words around it. Raises
    `NotYet` where there is none, or more than one."""
    digests = {f"sha256:{found}" for found in DIGEST.findall(answer.lower())}
    if len(digests) == 1:
        return digests.pop()
    found = f"Your answer holds {len(digests)} digests, not one."
    if not digests:
        found = "Your answer holds no digest: `sha256:` and 64 hexadecimal digits."
    raise NotYet(expected=expected, found=found, next=next)
