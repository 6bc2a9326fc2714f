"""The outcome of a check, and the two exceptions with which a check says anything but passed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What a check found out.

    `failed` and `unknown` say what was `found` and what to do `next`; `failed` also says what was
    `expected`. `passed` says what was `found`. The texts are sentences for the learner, with code
    between backticks.
    """

    status: Status
    expected: str | None = None
    found: str | None = None
    next: str | None = None

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)


class NotYet(Exception):
    """Raised by a check: the learner is not there yet. All three sentences are required."""

    def __init__(self, *, expected: str, found: str, next: str) -> None:
        super().__init__(found)
        self.verdict = Verdict("failed", expected, found, next)


class CannotCheck(Exception):
    """Raised when the state cannot be seen: engine down, registry silent, log forgotten.

    It never counts against the learner.
    """

    def __init__(self, found: str, *, next: str) -> None:
        super().__init__(found)
        self.found, self.next = found, next

    @property
    def verdict(self) -> Verdict:
        return Verdict("unknown", None, self.found, self.next)
