"""How a lab is declared: a `Lab` with `Step`s, each with a check, a solution and known mistakes.

The function that checks a step is the step: its name is the id (with `-` for `_`), its docstring
the goal that the learner reads. In all texts of a lab, `{registry}` stands for the registry of the
workspace, and so do the names of its other values.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from labrunner.language import Sentence
from labrunner.registry.versions import CONFIG_FILES, FIRST
from labrunner.text import TERMINAL_SEQUENCE, plain
from labrunner.verdicts import NO_ANSWER, UNANSWERED, CannotCheck, NotYet, Passed, Verdict

from .author_functions import Action, Acts, declared_at, describe_error, error_location

Check = Callable[..., "str | Passed"]


@dataclass(frozen=True)
class Mistake:
    """A known wrong way to do a step.

    advice: must stand in the verdict's `next`. reason: that of the verdict. only_an_answer: it
    changes nothing on the engine or in the registry. registry: the image of the only registry with
    which it can be made, if that is not any.
    """

    name: str
    advice: str
    make: Action
    reason: str = ""
    only_an_answer: bool = False
    registry: str = ""

    @property
    def line(self) -> int:
        return declared_at(self.make)[1]


@dataclass
class Step:
    """One thing the learner does.

    check:   called with the workspace, and with the answer if the step takes one. Returns a
             sentence that says what it found, or `Passed`; raises `NotYet` or `CannotCheck`
             otherwise.
    lasting: the state should still hold at the end of the lab. Any other step was true at one
             moment, and cannot break once passed.
    advice:  what its mistakes must be advised, unless they say otherwise.
    evidence: the answer is only what the step itself prints, such as the error of a refused pull.
             Without it, the answer is to a question, and no visible command may print it.
    rest:    checks what the step needs besides its answer, where none was given.
    solve:   does the step; the loader refuses a step without it.
    """

    check: Check
    lasting: bool = False
    advice: str = ""
    evidence: bool = False
    rest: Callable[[Any], object] | None = None
    solve: Action | None = None
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
    def asks_question(self) -> bool:
        return self.takes_answer and not self.evidence

    @property
    def shows_state(self) -> bool:
        """Whether anything can be found out about it without an answer."""
        return self.rest is not None or not self.takes_answer

    @property
    def line(self) -> int:
        return declared_at(self.check)[1]

    def judge(self, workspace: Any, answer: str = "") -> Verdict:
        """Check, and return the verdict. Never raises: a check that crashes is `unknown`."""
        answer = plain(TERMINAL_SEQUENCE.sub("", answer)).strip()  # it is shown and stored again
        try:
            if self.takes_answer and not answer:
                return self._judge_unanswered(workspace)
            return self._judge(workspace, answer)
        except CannotCheck as error:
            return error.verdict
        except (Exception, SystemExit) as error:  # whatever a lab's author overlooked
            return Verdict(
                "unknown",
                None,
                Sentence(
                    "The check itself broke: `{error}` ({place}).",
                    error=describe_error(error),
                    place=error_location(error, self.check),
                ),
                "This is a fault of the lab and does not count against you. Please report it.",
                "broken-check",
            )

    def _judge(self, workspace: Any, answer: str) -> Verdict:
        try:
            with workspace.look():
                said = (answer,) if self.takes_answer else ()
                result: object = self.check(workspace, *said)
                passed = Passed(result) if isinstance(result, str) else result
                if not isinstance(passed, Passed):
                    raise TypeError("a check returns a sentence, or raises NotYet")
                found = workspace.fill(passed.found)
                if passed.facts:
                    workspace.remember(passed.facts)
                return Verdict("passed", None, found, proves=passed.earlier)
        except NotYet as failure:
            return failure.verdict(self.goal, workspace.fill)

    def _judge_unanswered(self, workspace: Any) -> Verdict:
        """Return the verdict where there is no answer. It says what else is missing, and has the
        reason of that; `NO_ANSWER` where nothing is."""
        found, next, reason = UNANSWERED, "Submit your answer with this step.", NO_ANSWER
        if self.rest:
            try:
                with workspace.look():
                    self.rest(workspace)
                found = Sentence.joined(found, "Everything else is ready.")
            except NotYet as failure:
                lack = failure.verdict(self.goal, workspace.fill)
                found = Sentence.joined(found, lack.found or "")
                next, reason = Sentence.joined(lack.next or "", next), lack.reason
        return Verdict("failed", workspace.fill(self.goal), found, next, reason)

    def require(self, workspace: Any) -> None:
        """Raise `NotYet` for what this step, which a later one needs, still lacks."""
        try:
            self.check(workspace)
        except NotYet as failure:
            failure.expected = failure.expected or self.goal
            raise

    def without_answer(self, rest: Callable[[Any], object]) -> Callable[[Any], object]:
        """Decorate a function that checks what the step needs besides its answer: it raises as a
        check does, and is called where there is no answer yet."""
        self.rest = rest
        return rest

    def solution(self, *acts: Any) -> Any:
        """Decorate the function that does the step through the SDK, as the author would; or give
        the acts that do. They also lead to the goal after each mistake, in the same workspace."""
        self.solve = Acts(acts, *_caller())
        return acts[0]

    def mistake(
        self, name: str, *, advice: str = "", reason: str = "", registry: str = ""
    ) -> Callable[..., Any]:
        """Decorate a function that does the step wrong, or call this with the acts that do. The
        check must fail with the `reason`, and its `next` hold the `advice`. registry: as in
        `Mistake`."""
        return self._adder(name, advice, reason, registry, _caller(), only_an_answer=False)

    def near_miss(
        self, name: str, *, advice: str = "", reason: str = "", registry: str = ""
    ) -> Callable[..., Any]:
        """Decorate a function that returns an answer which is almost right, and changes nothing; or
        call this with the answer. As a mistake, but proved without a workspace of its own, and so
        in no time."""
        return self._adder(name, advice, reason, registry, _caller(), only_an_answer=True)

    def _adder(
        self,
        name: str,
        advice: str,
        reason: str,
        registry: str,
        place: tuple[str, int],
        only_an_answer: bool,
    ) -> Callable[..., Any]:
        advice = advice or self.advice
        if not all(isinstance(each, str) for each in (name, advice, reason)):
            raise TypeError("the name, the advice and the reason of a mistake must be texts")
        if registry not in ("", *CONFIG_FILES):
            raise TypeError(f"a mistake's registry must be one of {', '.join(CONFIG_FILES)}")

        def add(*acts: Action | str) -> Action | str:
            make = Acts(acts, *place)
            self.mistakes.append(Mistake(name, advice, make, reason, only_an_answer, registry))
            return acts[0]

        return add


def _caller() -> tuple[str, int]:
    """Return the file and the line in which the method that asks was called."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


@dataclass
class Lab:
    """What is done and verified alongside one lesson.

    images:   what the lab needs from the kit, as references. `registry:2` stands for the registry
              that the learner has chosen, unless the lab names `registry:3` too.
    registry: starting the lab makes sure that the learner has a registry; a lab without it leaves
              that to the learner.
    sample:   starting the lab builds the Dockerfile in the lab's folder as `{image}`.
    ballast:  so many random bytes, which no other image has, are beside that Dockerfile in the file
              `ballast`.
    values:   functions of the workspace by name, as `value` decorates one.
    usual:    what most learners get for some of them, which the page has before the lab is started.
    requires: functions of the engine that return why the lab cannot run on this machine, or None.
              Such a lab is skipped with that reason, never failed.
    """

    title: str
    images: Sequence[str] = ()
    registry: bool = False
    sample: bool = False
    ballast: int = 0
    requires: Sequence[Callable[[Any], str | None]] = ()
    values: dict[str, Callable[[Any], str]] = field(default_factory=dict)
    usual: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    setups: list[Callable[[Any], object]] = field(default_factory=list)
    name: str = ""  # its folder's name
    folder: Path = Path()

    def locate(self, folder: Path) -> None:
        """Take the name and the folder from where the lab's file is."""
        self.name, self.folder = folder.name, folder

    @overload
    def step(self, check: Check) -> Step: ...

    @overload
    def step(
        self, *, lasting: bool = False, advice: str = "", evidence: bool = False
    ) -> Callable[[Check], Step]: ...

    def step(
        self,
        check: Check | None = None,
        *,
        lasting: bool = False,
        advice: str = "",
        evidence: bool = False,
    ) -> Step | Callable[[Check], Step]:
        """Decorate a check, which becomes a step. lasting, advice, evidence: see `Step`."""

        def add(check: Check) -> Step:
            if not inspect.isfunction(check):
                raise TypeError("a step is a function: write `def` below `@lab.step`")
            self.steps.append(Step(check, lasting, advice, evidence))
            return self.steps[-1]

        return add(check) if check else add

    def value(self, make: Callable[[Any], str]) -> Callable[[Any], str]:
        """Decorate a function that makes a value of the workspace, named after it, once when the
        lab is started, before there is a registry or an image.

        It stands in the lesson as `{{ name }}`, and in the lab as `{name}` and `workspace["name"]`.
        """
        self.values[make.__name__] = make
        return make

    def setup(self, provide: Callable[[Any], object]) -> Callable[[Any], object]:
        """Decorate a function that brings what the lab gives besides a registry and the sample
        image; or give an act that does.

        It is called each time the lab is started, also an open one, and keeps what is there.
        """
        self.setups.append(provide)
        return provide

    @property
    def takes_any_registry(self) -> bool:
        """Whether it is done with the registry that the learner has chosen."""
        return {image for image in self.images if image in CONFIG_FILES} <= {FIRST}

    def registry_image(self, chosen: str) -> str:
        """Return the image of the registry that the lab works with: the chosen one, or the first
        that it names itself."""
        if self.takes_any_registry:
            return chosen
        return next(image for image in self.images if image in CONFIG_FILES)

    def images_with(self, chosen: str) -> list[str]:
        """Return the images that the lab needs, with the chosen registry where it takes any."""
        own = self.registry_image(chosen)
        return [own if image == FIRST else image for image in self.images]

    def find(self, step_id: str) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def reasons_not_to_run(self, engine: Any) -> list[str]:
        """Return why the lab cannot run on this machine; empty where it can."""
        return [reason for requirement in self.requires if (reason := requirement(engine))]
