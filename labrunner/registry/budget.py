"""What a look at a registry may take in all, however many requests it makes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from labrunner.language import Sentence


@dataclass
class Budget:
    """The limits of one look: seconds from now on, bytes of all answers, and requests."""

    seconds: float = 8
    size: int = 24_000_000
    requests: int = 1000
    _began: float = field(default_factory=time.monotonic, init=False)
    _read: int = field(default=0, init=False)
    _asked: int = field(default=0, init=False)

    @property
    def seconds_left(self) -> float:
        return self._began + self.seconds - time.monotonic()

    @property
    def reached(self) -> str:
        """The limit that is reached, in words; empty where none is."""
        if self.seconds_left <= 0:
            return Sentence("{count} seconds", count=f"{self.seconds:g}")
        if self._read >= self.size:
            return f"{self.size / 1e6:g} MB"
        if self._asked >= self.requests:
            return Sentence("{count} requests", count=f"{self.requests:,}")
        return ""

    def part(self, requests: int) -> Budget:
        """Return a budget of so many requests in what is left of this one."""
        return Budget(self.seconds_left, self.size - self._read, requests)

    def count_request(self) -> None:
        self._asked += 1

    def count_answer(self, size: int) -> None:
        self._read += size
