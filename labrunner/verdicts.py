"""The outcome of a check, and the two exceptions by which a check says anything but passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .errors import CourseError
from .language import Sentence

Status = Literal["passed", "failed", "unknown"]
NO_ANSWER = "no-answer"  # the reason of the verdict on a step that lacks its answer only
UNANSWERED = Sentence("There is no answer yet.")  # begins what is found where none was given


@dataclass(frozen=True)
class Verdict:
    """What a check found out.

    `failed` and `unknown` say what was `found` and what to do `next`; `failed` also says what was
    `expected`. `passed` says what was `found`. The texts are sentences for the learner, in English
    and with code between backticks; a page that shows them translates them. `reason` is a word for
    the kind of failure, which code can compare: a known mistake has the same one. It is empty where
    there is only one kind. `proves` has the ids of earlier steps that a passed one proves as well.
    """

    status: Status
    expected: str | None = None
    found: str | None = None
    next: str | None = None
    reason: str = ""
    proves: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    @property
    def lacks_answer(self) -> bool:
        """Whether it is about a step that takes an answer, and none was given."""
        return (self.found or "").startswith(UNANSWERED)

    def as_dict(self) -> dict[str, str | None]:
        """Return status, expected, found and next, as files and `--json` have them."""
        return {
            "status": self.status,
            "expected": self.expected,
            "found": self.found,
            "next": self.next,
        }


@dataclass(frozen=True)
class Passed:
    """What a check returns instead of a sentence where it proves more than its own step.

    earlier: ids of steps that cannot be seen done any more, and must have been. So whoever does
    all the work first and checks it last loses nothing. facts: what later steps must know and can
    no longer see, by name; they find it in `workspace.record.facts`.
    """

    found: str
    earlier: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


class NotYet(Exception):
    """Raised by a check: the learner is not there yet.

    reason: a word for what is wrong, which a known mistake names too. found, next: sentences.
    expected: a sentence; the step's goal where it is not given. In all three, `{registry}` and the
    other values of the workspace are filled in, and so are the `values` given here, which may be
    sentences themselves, as a command that several texts name.
    """

    def __init__(
        self, reason: str = "", /, *, found: str, next: str, expected: str = "", **values: object
    ) -> None:
        super().__init__(found)
        self.reason = reason
        self.expected, self.found, self.next = expected, found, next
        self.values = {n: v if isinstance(v, str) else str(v) for n, v in values.items()}

    def verdict(self, goal: str, fill: Callable[..., str]) -> Verdict:
        """Return it as a verdict. fill: puts values into a text, as `Workspace.fill` does."""
        texts = (self.expected or goal, self.found, self.next)
        expected, found, next = (fill(text, **self.values) for text in texts)
        return Verdict("failed", expected, found, next, self.reason)


class CannotCheck(CourseError):
    """Raised when the state cannot be seen: engine down, registry silent, log forgotten.

    It never counts against the learner. reason: as in `Verdict`.
    """

    def __init__(self, found: str, *, next: str, reason: str = "") -> None:
        super().__init__(found, next=next)
        self.reason = reason

    @property
    def verdict(self) -> Verdict:
        return Verdict("unknown", None, self.found, self.next, self.reason)
