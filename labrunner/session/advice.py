"""What an open step lacks, said while the learner works and without a click."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from labrunner.course.lab import Step
from labrunner.verdicts import NO_ANSWER, Verdict

from . import solver
from .session import Session, is_news


class Advice:
    """Says what a step lacks when something has happened that concerns it and leaves it undone. It
    knows that by what the checks of the open steps found the last time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, str | None] = {}  # by the step's id
        self._current = ""  # the id of the step that was the current one then

    def give(self) -> Iterator[None]:
        """Judge the open steps, because something has happened; yield after each. What was found
        so far is kept where the caller stops there.

        It concerns the first one whose check finds something else than before: what that lacks is
        stored. After the current step, only a known mistake is: another step may ask for the rest.
        Raises as `Session.recheck_changed` does.
        """
        session = self._session
        session.reload()
        is_open = [each for each in session.lab.steps if session.progress.step(each.id).is_open]
        steps = [each for each in is_open if each.shows_state]
        before, told = self._before(steps), False
        self._found = {each.id: before[each.id] for each in steps if each.id in before}
        for step in steps:
            with session.patient_turn():
                verdict = session.look(step)
                if verdict and verdict.status != "unknown":
                    self._found[step.id] = verdict.found
                    if not told and verdict.found != before.get(step.id, verdict.found):
                        told = True
                        self._tell(step, verdict, before[step.id], current=step is is_open[0])
            yield
            time.sleep(0.005)  # lets one who waits have the turn

    def _before(self, steps: Sequence[Step]) -> dict[str, str | None]:
        """Return what the checks of the steps found before, as far as that is known."""
        progress, before = self._session.progress, dict(self._found)
        if any(progress.step(id).done for id in before):  # what happened concerned that one
            before.clear()
        first = steps[0].id if steps else ""
        is_new = first != self._current and not progress.step(first).verdict
        self._current = first
        if is_new and first in progress.untouched:
            before[first] = progress.untouched[first]
        return before

    def _tell(self, step: Step, verdict: Verdict, before: str | None, *, current: bool) -> None:
        """Store what a step lacks, where that is news. before: what its check found until then."""
        session = self._session
        known = session.progress.step(step.id).verdict
        if step.takes_answer and verdict.reason == NO_ANSWER:
            news = known is not None and known.found == before  # it has by now what it lacked
        elif known:
            news = step.takes_answer and is_news(known, verdict)  # others were told before
        else:
            image = session.require_workspace().registry_image
            news = current or bool(solver.mistakes(step, verdict, image))
        if news and not verdict.passed:
            session.save(step, verdict, wrong=current)
