"""What a run proves of checks and mistakes, and how the parts of its tracks are joined."""

import json

import pytest

from labrunner.headless.proof import Tally, plan_tracks
from labrunner.headless.results import End, Part
from labrunner.verdicts import Verdict
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import LAB, LESSON
from tests.fixtures.headless import only


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


def shape(value):
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_a_good_lab_proves_itself_and_the_report_has_its_shape(headless):
    run = headless(prove=True)
    report = json.loads(json.dumps(run.as_dict()))

    assert shape(report) == {
        "status": "str",
        "seconds": "float",
        "labs": [
            {
                "lab": "str",
                "status": "str",
                "seconds": "float",
                "steps": [
                    {
                        "step": "str",
                        "status": "str",
                        "seconds": "float",
                        "expected": "NoneType",
                        "found": "str",
                        "next": "NoneType",
                        "proved": {
                            "before": "str",
                            "mistakes": [
                                {
                                    "mistake": "str",
                                    "status": "str",
                                    "found": "str",
                                    "next": "str",
                                    "recovered": "str",
                                }
                            ],
                            "after": "str",
                            "again": "str",
                        },
                    }
                ],
            }
        ],
        "leftovers": [],
    }
    assert (report["status"], report["labs"][0]["lab"]) == ("passed", "volumes")
    assert report["labs"][0]["steps"][0]["proved"] == {
        "before": "failed",
        "mistakes": [
            {
                "mistake": "a slip in its name",
                "status": "failed",
                "found": "There is none.",
                "next": "Run `docker volume create`.",
                "recovered": "passed",
            }
        ],
        "after": "passed",
        "again": "passed",
    }


ASKING = [
    ("def make_a_volume(workspace):", "def make_a_volume(workspace, answer):"),
    ("if workspace.engine.volume(workspace.name):", 'if answer == workspace["name"]:'),
    ("    workspace.create_volume(workspace.name)", "    return workspace.name"),
    ("volume.mistake", "volume.near_miss"),
    ('    workspace.create_volume(f"{workspace.name}-x")', "    return workspace.port"),
]


def test_a_near_miss_is_proved_without_a_workspace_of_its_own(headless, monkeypatch):
    opened = []
    theirs = Workspaces.open

    def count(self, *args, **how):
        opened.append(args)
        return theirs(self, *args, **how)

    monkeypatch.setattr(Workspaces, "open", count)
    run = headless(*ASKING, ("workspace.port", '"a slip"'), prove=True)
    assert run.status == "passed", run.as_dict()
    assert [row["status"] for row in only(run).proved["mistakes"]] == ["failed"]
    assert len(opened) == 1


def test_a_near_miss_that_passes_makes_the_check_weak(headless):
    run = headless(*ASKING, ("workspace.port", "workspace.name"), prove=True)
    assert only(run).status == "failed"
    assert "The mistake “a slip in its name” is passed" in only(run).found


def test_a_step_that_is_done_lacks_its_answer_only(headless):
    state = (
        "@make_a_volume.solution",
        "@make_a_volume.without_answer\ndef _(workspace):\n"
        '    raise NotYet(found="It is not there.", next="Make it.")\n\n\n@make_a_volume.solution',
    )
    run = headless(*ASKING, state, ("workspace.port", '"a slip"'), prove=True)
    assert only(run).status == "failed"
    assert (
        "Done, it lacks more than its answer: There is no answer yet. It is not there."
        in only(run).found
    )


def test_a_check_that_passes_before_is_weak(headless):
    always = ("if workspace.engine.volume(workspace.name)", "if True")
    for how in ({}, {"prove": True}):
        run = headless(always, ("a slip in its name", "x"), **how)
        step = only(run)
        assert run.status == step.status == "failed"
        assert "passes" in step.found or "is passed" in step.found
        assert step.next == "Fix the check `make_a_volume`."
    bare = LAB.split("@make_a_volume.mistake")[1]
    step = only(headless(always, ("@make_a_volume.mistake" + bare, "")))
    assert step.found == "The check passes before the step is done."


def test_a_mistake_that_passes_makes_the_check_weak(headless):
    run = headless(("{workspace.name}-x", "{workspace.name}"), prove=True)
    step = only(run)
    assert step.status == "failed"
    assert step.found == "The mistake “a slip in its name” is passed: It is there."
    assert step.proved["mistakes"][0]["status"] == "passed"


def test_a_mistake_with_another_reason_than_the_verdict_makes_the_check_weak(headless):
    named = ('reason="missing"', 'reason="slip"')
    step = only(headless(named, prove=True))
    assert step.status == "failed"
    assert (
        step.found == "The mistake “a slip in its name” fails for the reason `missing`, not `slip`."
    )


def test_a_mistake_that_the_solution_does_not_recover_from_is_a_weakness(headless):
    """What a learner would do next does not lead to passed."""
    check = "    if workspace.engine.volume(workspace.name):\n"
    strict = check.replace(":\n", ' and not workspace.engine.volume(workspace.name + "-x"):\n')
    step = only(headless((check, strict), prove=True))
    assert step.status == "failed"
    assert step.found == (
        "The mistake “a slip in its name” is not corrected by the solution: There is none."
    )
    assert step.next == "Run `docker volume create`."
    assert step.proved["mistakes"][0]["recovered"] == "failed"
    assert (step.proved["after"], step.proved["again"]) == ("passed", "passed")


def test_a_mistake_whose_advice_is_missing_makes_the_check_weak(headless):
    step = only(headless(('advice="docker volume create"', 'advice="{name}"'), prove=True))
    assert step.status == "failed"
    assert "gets the advice: Run `docker volume create`. It does not contain `reg" in step.found


def test_a_solution_that_does_not_do_the_step_fails(headless):
    step = only(headless(("workspace.create_volume(workspace.name)", "pass"), prove=True))
    assert (step.status, step.found) == ("failed", "There is none.")
    assert (step.proved["after"], step.proved["again"]) == ("failed", "failed")


def test_a_check_that_passes_once_only_fails_the_proof(headless):
    twice = '    if not hasattr(lab, "asked") and workspace.engine.volume(workspace.name):\n'
    twice += "        lab.asked = True\n"
    change = ("    if workspace.engine.volume(workspace.name):\n", twice)
    step = only(headless(change, prove=True))
    assert (step.proved["after"], step.proved["again"], step.status) == (
        "passed",
        "failed",
        "failed",
    )


def test_a_mistake_that_crashes_is_not_taken_for_a_failed_check(headless):
    step = only(headless(('create_volume(f"{workspace.name}-x")', "no_such()"), prove=True))
    assert step.status == "failed" and step.proved["mistakes"][0]["status"] == "unknown"
    assert "is unknown: The lab's own code failed: `AttributeError" in step.found


@pytest.mark.parametrize("act", ["solution", "mistake"])
def test_an_act_that_finds_the_disk_full_says_nothing_of_the_check(headless, act):
    full = 'raise OSError(28, "No space left on device", "/full")'
    change = {
        "solution": ("workspace.create_volume(workspace.name)", full),
        "mistake": ('workspace.create_volume(f"{workspace.name}-x")', full),
    }[act]
    run = headless(change, prove=True)
    assert run.status == "unknown" and run.could_not_run
    assert "Nothing can be written to `/full`: No space left on device." in only(run).found


FACTS = [
    ("import Lab, NotYet", "import Lab, NotYet, Passed"),
    ('return "It is there."', 'return Passed("It is there.", facts={"volume": workspace.name})'),
    (
        '    workspace.create_volume(f"{workspace.name}-x")\n',
        '''    workspace.create_volume(f"{workspace.name}-x")


@lab.step
def make_another(workspace):
    """There is another one."""
    if workspace.engine.volume(f"{workspace.name}-2"):
        return "It is there."
    known = workspace.record.facts.get("volume") == workspace.name
    raise NotYet("known" if known else "forgotten", found="There is none.", next="Make it.")


make_another.solution(lambda ws: ws.create_volume(f"{ws.name}-2"))
make_another.mistake("a mistake", advice="Make it.", reason="known")(lambda ws: None)
make_another.mistake("on another track", advice="Make it.", reason="known")(lambda ws: None)
''',
    ),
]


def test_a_mistake_is_made_where_the_facts_of_the_steps_before_are_known(headless):
    """Also on a track on which these are done, but not proved."""
    lesson = LESSON + "\n## Make another {#make-another .step}\n"
    run = headless(*FACTS, lesson=lesson, prove=True)
    assert run.status == "passed", run.as_dict()
    [_, another] = run.labs[0].steps
    assert [each["status"] for each in another.proved["mistakes"]] == ["failed"] * 2
