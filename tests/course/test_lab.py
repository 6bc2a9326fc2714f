"""How a lab is declared, and what judging a step comes to."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from labrunner import CannotCheck, Lab, NotYet, Passed
from labrunner.course.author_functions import error_location
from labrunner.verdicts import Verdict


@pytest.fixture
def lab():
    return Lab("A lab", images=["registry:2"])


WORKSPACE = SimpleNamespace(
    fill=lambda text: text.format(registry="localhost:5001"), look=nullcontext
)


def test_the_function_is_the_step(lab):
    @lab.step(lasting=True)
    def push_the_image(workspace):
        """`{registry}` holds
        your image."""
        return "It does."

    assert push_the_image.id == "push-the-image"
    assert push_the_image.goal == "`{registry}` holds\nyour image."
    assert push_the_image.lasting and not push_the_image.takes_answer
    assert lab.steps == [push_the_image] and lab.find("push-the-image") is push_the_image
    assert lab.find("push_the_image") is None
    assert push_the_image.judge(WORKSPACE) == Verdict("passed", None, "It does.")


def test_a_step_is_of_one_moment_unless_it_says_otherwise(lab):
    assert not lab.step(lambda workspace: "It was.").lasting


def test_solutions_mistakes_and_values_are_kept_with_what_they_belong_to(lab):
    step = lab.step(lambda workspace: "x")
    solution = step.solution(lambda workspace: None)
    mistake = step.mistake("a slip", advice="docker push")(lambda workspace: None)

    @lab.value
    def network(workspace):
        return "net"

    assert step.solve.parts == (solution,)
    assert [(m.name, m.advice, m.make.parts) for m in step.mistakes] == [
        ("a slip", "docker push", (mistake,))
    ]
    assert lab.values == {"network": network}


def test_acts_are_done_in_their_order_and_a_text_at_the_end_is_the_answer(lab):
    step, done = lab.step(advice="docker pull")(lambda workspace, answer: "x"), []
    step.solution(lambda workspace: done.append(1), lambda workspace: "said")
    step.mistake("a slip", advice="docker push")(lambda workspace: done.append(2), "{registry}")
    step.near_miss("almost")("no")
    step.mistake("not a word")(lambda workspace: 5)
    slip, almost, number = step.mistakes
    assert step.solve(WORKSPACE) == "said" and slip.make(WORKSPACE) == "localhost:5001"
    assert almost.make(WORKSPACE) == "no" and number.make(WORKSPACE) is None
    assert done == [1, 2]
    assert [m.advice for m in step.mistakes] == ["docker push", "docker pull", "docker pull"]
    assert [m.only_an_answer for m in step.mistakes] == [False, True, False]


def test_acts_that_go_wrong_are_placed_where_they_are_declared(lab):
    step = lab.step(lambda workspace: "x")
    step.mistake("a slip")(int)  # no text, and no frame of this file
    mistake = step.mistakes[0]
    with pytest.raises(TypeError) as failure:
        mistake.make(WORKSPACE)
    assert mistake.line == step.line + 1
    assert error_location(failure.value, mistake.make) == (
        f"`test_lab.py`, line {failure.tb.tb_lineno}"
    )
    quiet = TypeError()
    assert error_location(quiet, mistake.make) == f"`test_lab.py`, line {mistake.line}"


def test_not_yet_is_failed_with_its_three_sentences(lab):
    def check(workspace):
        raise NotYet(expected="A.", found="B.", next="C.")

    verdict = lab.step(check).judge(WORKSPACE)
    assert verdict.as_dict() == {"status": "failed", "expected": "A.", "found": "B.", "next": "C."}
    with pytest.raises(TypeError):
        NotYet(found="B.")  # type: ignore[call-arg]


def test_what_a_check_has_found_out_is_remembered(lab):
    told = []
    workspace = SimpleNamespace(**vars(WORKSPACE), remember=told.append)

    def check(workspace, answer):
        return Passed("Right.", facts={"said": answer})

    assert lab.step(check).judge(workspace, "this").passed and told == [{"said": "this"}]


def test_what_cannot_be_seen_is_unknown_and_keeps_what_was_said_of_it_later(lab):
    def check(workspace):
        error = CannotCheck("A.", next="B.")
        error.found = "Better."
        raise error

    assert lab.step(check).judge(WORKSPACE) == Verdict("unknown", None, "Better.", "B.")


def test_a_check_that_crashes_is_unknown_and_names_its_own_line(lab):
    def check(workspace):
        return int("no number")  # the line is 2 below the function's

    step = lab.step(check)
    for answer in ("", "x" * 65536):
        verdict = step.judge(WORKSPACE, answer)
        assert verdict.status == "unknown" and verdict.expected is None
        assert "`ValueError: invalid literal" in verdict.found
        assert f"(`test_lab.py`, line {step.line + 1})" in verdict.found
        assert "does not count against you" in verdict.next


def test_a_crash_deep_in_a_library_is_placed_in_the_labs_file(lab):
    import json

    def check(workspace):
        return json.loads("{")

    step = lab.step(check)
    assert f"`test_lab.py`, line {step.line + 1}" in step.judge(WORKSPACE).found


def test_an_interruption_is_not_taken_for_a_crash(lab):
    def check(workspace):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.step(check).judge(WORKSPACE)


def test_an_answer_is_given_without_the_blanks_around_it(lab):
    step = lab.step(lambda workspace, answer: f"You said {answer}.")
    assert step.takes_answer
    assert step.judge(WORKSPACE, "  this\n").found == "You said this."


def test_without_an_answer_a_step_says_whether_everything_else_is_ready(lab):
    step, ready = lab.step(lambda workspace, answer: "x"), []

    @step.without_answer
    def need_it(workspace):
        if not ready:
            raise NotYet("gone", expected="It.", found="It is not there.", next="Make it.")
        if ready == ["unseen"]:
            raise CannotCheck("It cannot be seen.", next="Look again.")

    lacking = step.judge(WORKSPACE, " \x1b[0m")
    assert lacking.found == "There is no answer yet. It is not there."
    assert lacking.next == "Make it. Submit your answer with this step."
    ready.append("it")
    verdict = step.judge(WORKSPACE)
    assert verdict.found == "There is no answer yet. Everything else is ready."
    assert verdict.next == "Submit your answer with this step."
    assert (lacking.reason, verdict.reason) == ("gone", "no-answer")
    assert lacking.lacks_answer and verdict.lacks_answer
    ready[:] = ["unseen"]
    assert step.judge(WORKSPACE).status == "unknown"
    assert step.judge(WORKSPACE, "an answer").passed


@pytest.mark.parametrize(
    ("images", "image", "needed"),
    [
        (["registry:2", "busybox:stable"], "registry:3", ["registry:3", "busybox:stable"]),
        (["busybox:stable"], "registry:3", ["busybox:stable"]),
        (["registry:2", "registry:3"], "registry:2", ["registry:2", "registry:3"]),
        (["registry:3"], "registry:3", ["registry:3"]),
    ],
)
def test_a_lab_works_with_the_chosen_registry_unless_it_names_another(images, image, needed):
    lab = Lab("A lab", images=images)
    assert lab.registry_image("registry:3") == image
    assert lab.images_with("registry:3") == needed
    assert lab.images_with("registry:2") == images
