"""Sentences for the learner as HTML."""

from __future__ import annotations

from markupsafe import Markup, escape


def prose(text: str) -> Markup:
    """A sentence for the learner, escaped; what stands between backticks is code."""
    pieces = str(escape(text)).split("`")
    if len(pieces) % 2 == 0:  # a backtick without its other one stands for itself
        pieces[-2:] = ["`".join(pieces[-2:])]
    marked = [f"<code>{each}</code>" if at % 2 else each for at, each in enumerate(pieces)]
    return Markup("".join(marked))  # noqa: S704
