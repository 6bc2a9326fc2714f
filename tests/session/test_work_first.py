"""Work first, check last: what a later step proves of an earlier one that can no longer be seen."""

import pytest

from labrunner.cli.check_lab import check_steps
from labrunner.workspaces.actions import perform


def nothing(line):
    """Takes what is said of the start."""


@pytest.mark.parametrize("lab", ["push-and-pull", "take-out-the-rubbish", "survive"])
def test_a_lab_that_is_checked_when_all_is_done_is_passed(services, real_course, lab):
    lab = real_course.labs[lab]
    workspace = services.session(lab).start(nothing)
    answers = {step.id: perform(step.solve, workspace) for step in lab.steps}
    services.session(lab).check_all()
    for step in lab.steps:
        if step.takes_answer and not services.session(lab).known(step).done:
            services.session(lab).check(step, answers[step.id])
    session = services.session(lab)
    assert {step.id: session.known(step).state for step in lab.steps} == dict.fromkeys(
        answers, "passed"
    )
    assert session.summary == "done"


@pytest.fixture
def pulled(services, real_course):
    """A lab of which the first four steps are done, and none is checked."""
    lab = real_course.labs["push-and-pull"]
    workspace = services.session(lab).start(nothing)
    for step in lab.steps[:4]:
        perform(step.solve, workspace)
    return lab


def test_what_a_later_step_shows_is_said_to_be_shown_by_it(services, pulled):
    lab, (remove, pull) = pulled, pulled.steps[2:4]
    assert services.session(lab).check(remove).state == "failed"
    assert services.session(lab).check(pull).state == "passed"
    shown = services.session(lab).known(remove)
    assert shown.state == "passed" and shown.attempts == 1
    assert shown.verdict.found.startswith("A later step shows it: Your engine has `localhost:")


def test_check_lab_names_the_steps_that_the_one_asked_for_has_shown(services, pulled):
    remove, pull = pulled.steps[2:4]
    shown = check_steps(services.session(pulled), pull, "", again=False)
    assert list(shown) == [remove.id, pull.id]
    assert {each.state for each in shown.values()} == {"passed"}


def test_an_image_that_never_left_does_not_prove_that_it_was_removed(services, real_course):
    lab = real_course.labs["push-and-pull"]
    workspace = services.session(lab).start(nothing)
    for step in lab.steps[:2]:
        perform(step.solve, workspace)
    workspace.pull(workspace.ref())
    services.session(lab).check_all()
    states = [services.session(lab).known(step).state for step in lab.steps[2:4]]
    assert states == ["failed", "failed"]
