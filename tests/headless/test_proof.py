"""How the parts of a lab's tracks are joined."""

from labrunner.headless.proof import Tally, plan_tracks
from labrunner.headless.results import End, Part
from labrunner.verdicts import Verdict


def test_a_lab_of_which_one_track_cannot_run_has_the_reason_and_no_steps(course):
    lab, told = course().labs["volumes"], []
    plans = plan_tracks(lab, prove=True)
    assert len(plans) == 2
    tally = Tally(plans, prove=True, ended=lambda lab, step: told.append(step))
    tally.add(0, Part(0, verdict=Verdict("passed", None, "It is there.", None)))
    tally.end_track(1, End(reason="The engine refused."))
    tally.end_track(0, End())
    assert (tally.result.reason, tally.result.steps, told) == ("The engine refused.", [], [])


def test_a_mistake_of_one_registry_is_proved_with_that_one_only(course):
    lab = course().labs["volumes"]
    [step] = lab.steps
    step.mistake("with 3", advice="x", registry="registry:3")("x")
    step.near_miss("also with 3", advice="x", registry="registry:3")("x")

    def proved(registry):
        plans = plan_tracks(lab, prove=True, registry=registry)
        return {mistake.name for plan in plans for _, mistake in plan.mistakes}

    always = proved("registry:2")
    assert always and proved("registry:3") == {*always, "with 3", "also with 3"}
    lab.images = ["registry:2", "registry:3"]
    assert proved("registry:3") == always
