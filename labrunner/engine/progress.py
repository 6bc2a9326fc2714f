"""How far a pull or a push is, in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .models import ProgressLine

ProgressCallback = Callable[
    [int, int], None
]  # takes the bytes done and the bytes in all (0: not known)

MOVING = ("Downloading", "Pushing")


def silent(done: int, total: int) -> None: ...


def follow(steps: Iterable[ProgressLine], bar: ProgressCallback) -> None:
    """Go through what the engine reports of a pull or push, and show the bytes of its layers.

    The sum grows with each layer that begins to move; what the engine says of a layer after that
    comes once all its bytes have arrived.
    """
    layers: dict[str, tuple[int, int]] = {}
    for step in steps:
        if step.status in MOVING:
            layers[step.part] = step.current, step.total
        elif step.part in layers:
            _, whole = layers[step.part]
            layers[step.part] = whole, whole
        else:
            continue
        totals = [total for _, total in layers.values()]
        bar(sum(done for done, _ in layers.values()), sum(totals) if all(totals) else 0)
