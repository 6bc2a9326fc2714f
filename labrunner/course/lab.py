"""How a lab is declared: a `Lab` with `Step`s, each with a check, a solution and known mistakes.

The function that checks a step is the step: its name is the id (with `-` for `_`), its docstring
the goal that the learner reads, where `{registry}` and the other values of the workspace may stand.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any

from labrunner.verdicts import CannotCheck, NotYet, Verdict

Act = Callable[[Any], "str | None"]
"""Does something in a workspace; returns the answer to submit where the step asks for one."""


def place(error: BaseException, function: Callable[..., Any]) -> str:
    """Where in its own file a lab's function went wrong, like `lab.py`, line 30."""
    file = function.__code__.co_filename
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    return f"`{Path(file).name}`, line {lines[-1] if lines else function.__code__.co_firstlineno}"


@dataclass(frozen=True)
class Mistake:
    """A known wrong way to do a step. `advice` must stand in the verdict's `next`. One that is
    `only_an_answer` changes nothing on the engine or in the registry."""

    name: str
    advice: str
    act: Act
    only_an_answer: bool = False


@dataclass
class Step:
    """One thing the learner does.

    check:   called with the workspace, and with the answer if the step takes one. Returns a
             sentence that says what it found; raises `NotYet` or `CannotCheck` otherwise.
    lasting: the state should still hold at the end of the lab. A step that is not lasting was
             true at one moment, and cannot break once passed.
    """

    check: Callable[..., str]
    lasting: bool = True
    act: Act | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.check.__name__.replace("_", "-")

    @property
    def goal(self) -> str:
        return inspect.getdoc(self.check) or ""

    @property
    def takes_answer(self) -> bool:
        return "answer" in inspect.signature(self.check).parameters

    @property
    def line(self) -> int:
        return self.check.__code__.co_firstlineno

    def judge(self, workspace: Any, answer: str = "") -> Verdict:
        """Check, and say what came out. Never raises: a check that crashes is `unknown`."""
        answer = answer.strip()
        if self.takes_answer and not answer:
            return Verdict(
                "failed",
                workspace.fill(self.goal),
                "There is no answer yet.",
                "Submit your answer with this step.",
            )
        try:
            found = self.check(workspace, answer) if self.takes_answer else self.check(workspace)
        except (NotYet, CannotCheck) as outcome:
            return outcome.verdict
        except Exception as error:  # whatever a lab's author overlooked
            return Verdict(
                "unknown",
                None,
                f"The check itself broke: `{type(error).__name__}: {error}` "
                f"({place(error, self.check)}).",
                "This is a fault of the lab and does not count against you. Please report it.",
            )
        return Verdict("passed", None, found)

    def solution(self, act: Act) -> Act:
        """Decorator: does the step through the SDK, as the author would."""
        self.act = act
        return act

    def mistake(self, name: str, *, advice: str) -> Callable[[Act], Act]:
        """Decorator: does the step wrong. The check must fail, and its `next` hold `advice`."""
        return self._mistaken(name, advice, only_an_answer=False)

    def near_miss(self, name: str, *, advice: str) -> Callable[[Act], Act]:
        """Decorator: returns an answer that is almost right, and changes nothing. As a mistake, but
        proved without a workspace of its own, and so in no time."""
        return self._mistaken(name, advice, only_an_answer=True)

    def _mistaken(self, name: str, advice: str, only_an_answer: bool) -> Callable[[Act], Act]:
        def add(act: Act) -> Act:
            self.mistakes.append(Mistake(name, advice, act, only_an_answer))
            return act

        return add


@dataclass
class Lab:
    """What is done and verified alongside one lesson.

    images:   what the lab needs from the kit, as references.
    registry: starting the lab makes sure that the learner has a registry; a lab without it leaves
              that to the learner.
    sample:   starting the lab builds the Dockerfile in the lab's folder as `{image}`.
    requires: functions of the engine that return why the lab cannot run on this machine, or None.
              Such a lab is skipped with that reason, never failed.
    """

    title: str
    images: Sequence[str] = ()
    registry: bool = False
    sample: bool = False
    requires: Sequence[Callable[[Any], str | None]] = ()
    steps: list[Step] = field(default_factory=list)
    values: dict[str, Callable[[Any], str]] = field(default_factory=dict)
    setups: list[Callable[[Any], None]] = field(default_factory=list)
    name: str = ""  # its folder's name; the loader fills in both
    folder: Path = Path()

    def step(self, check: Callable[..., str]) -> Step:
        """Decorator: a step whose state lasts."""
        self.steps.append(Step(check))
        return self.steps[-1]

    def once(self, check: Callable[..., str]) -> Step:
        """Decorator: a step that is true at one moment only."""
        self.steps.append(Step(check, lasting=False))
        return self.steps[-1]

    def value(self, make: Callable[[Any], str]) -> Callable[[Any], str]:
        """Decorator: makes a value of the workspace, named after the function, once at its start,
        before there is a registry or an image.

        It stands in the lesson as `{{ name }}` and in the lab as `workspace["name"]`.
        """
        self.values[make.__name__] = make
        return make

    def setup(self, give: Callable[[Any], None]) -> Callable[[Any], None]:
        """Decorator: brings what the lab gives besides a registry and the sample image.

        Called each time that the lab is started, also an open one: what is there is kept.
        """
        self.setups.append(give)
        return give

    def find(self, step_id: str) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)
