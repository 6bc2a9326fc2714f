"""A step that asks a question must not answer it itself, but in its hints."""

from __future__ import annotations

from labrunner.course.lab import Step
from labrunner.course.lesson import Block, Lesson, fill
from labrunner.verdicts import Verdict
from labrunner.workspaces.workspace import Workspace

EXPECTED = "A step that asks a question needs more than what its page shows without the hints."


def given_away_by_block(
    lesson: Lesson, step: Step, block: Block, output: str, workspace: Workspace
) -> Verdict | None:
    """Return what is wrong with a block of commands that printed this, if it is the answer."""
    if block.hint or not step.asks_question or not step.judge(workspace, output).passed:
        return None
    return Verdict(
        "failed",
        EXPECTED,
        f"The block in line {block.line} of `{lesson.path.name}` prints the answer.",
        "Move the command that computes the answer into a `??? hint`. If the answer is only "
        "what the step itself prints, declare the step with `@lab.step(evidence=True)`.",
    )


def given_away_by_text(lesson: Lesson, step: Step, workspace: Workspace) -> Verdict | None:
    """Return what is wrong with the text of a step that is done, if words between backticks in it
    are the answer."""
    codes = [(line, code) for name, line, code in lesson.codes if name == step.id]
    for line, code in codes if step.asks_question else ():
        text = fill(code, workspace.record.values)
        if step.judge(workspace, text).passed:
            return Verdict(
                "failed",
                EXPECTED,
                f"In line {line} of `{lesson.path.name}`, `{text}` is the answer.",
                "Move it into a `??? hint`, or below the next heading.",
            )
    return None
