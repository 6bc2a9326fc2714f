"""Why a session cannot do now what it is asked."""

from __future__ import annotations

from labrunner.errors import CourseError, ExitStatus
from labrunner.language import Sentence


class Busy(CourseError):
    """The lab is being started or finished, or a step of it done for the learner, elsewhere."""

    title = Sentence("One moment")
    http_status = 409

    def __init__(self) -> None:
        super().__init__(
            "Something else is being done in this lab, here or in another window or terminal.",
            next="Wait until that is done, then try again.",
        )


class NotStarted(CourseError):
    """The lab has no open workspace."""

    title = Sentence("Start the lab first")
    http_status = 409
    exit_status = ExitStatus.BAD_CALL

    def __init__(self, lab: str) -> None:
        super().__init__(
            "This lab is not started.",
            next=Sentence(
                "Press Start lab in its lesson, or run `script/lab start-lab {lab}`.", lab=lab
            ),
        )
