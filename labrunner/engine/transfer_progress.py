"""How far a pull or a push is, in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .answers import Checked, Json


@dataclass(frozen=True)
class ProgressLine(Checked):
    """One line of a pull, push, build or load. current, total: bytes, 0 if not known."""

    part: str
    status: str
    current: int
    total: int

    @classmethod
    def from_api(cls, line: Json) -> ProgressLine:
        detail = line.get("progressDetail") or {}
        return cls(
            part=line.get("id", ""),
            status=str(line.get("status") or line.get("stream") or "").strip(),
            current=detail.get("current") or 0,
            total=detail.get("total") or 0,
        )


ProgressCallback = Callable[[int, int], None]
"""Is called with the bytes done so far and the bytes in all; 0 if those are not known."""

MOVING = ("Downloading", "Pushing")


def silent(done: int, total: int) -> None: ...


def follow(lines: Iterable[ProgressLine], on_progress: ProgressCallback) -> None:
    """Read the progress of a pull or push to its end, and pass on the bytes of its layers.

    The total grows with each layer that begins to move. Any later line of a layer means that all
    its bytes have arrived.
    """
    layers: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line.status in MOVING:
            layers[line.part] = line.current, line.total
        elif line.part in layers:
            _, total = layers[line.part]
            layers[line.part] = total, total
        else:
            continue
        totals = [total for _, total in layers.values()]
        on_progress(sum(done for done, _ in layers.values()), sum(totals) if all(totals) else 0)
