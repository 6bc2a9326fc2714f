"""What pages are told while they are open; see `Watcher`."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal


@dataclass(frozen=True)
class Message:
    """What a page is told: the `steps` whose verdicts changed, as HTML; that the lab was `looked`
    at since something happened that can have changed its registry; that the engine's events are
    `found` or `lost`; that it is `over`; and, with a `beat`, that the server is still there.
    """

    kind: Literal["steps", "looked", "found", "lost", "over", "beat"]
    text: str = ""


LOOKED, FOUND, LOST, OVER = Message("looked"), Message("found"), Message("lost"), Message("over")
BEAT = Message("beat")
Subscription = SimpleQueue[Message]
