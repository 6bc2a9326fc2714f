"""The statements that the course teaches, S1 to S18: each is verified by steps that fail when the
deed was not done."""

import re

import pytest

from labrunner.headless.proof import plan_tracks
from tests.fixtures.engine import ROOT

STATEMENTS = {
    "S1": ["meet-your-engine pull-an-image", "meet-your-engine run-by-its-short-name"],
    "S2": ["name-that-image tag-your-image"],
    "S3": ["name-that-image find-the-account"],
    "S4": ["name-that-image complete-a-short-name"],
    "S5": [
        "meet-your-engine find-the-default-registry",
        "name-that-image find-the-one-on-docker-hub",
    ],
    "S6": [
        "meet-your-engine pull-an-image",
        "push-and-pull push-the-image",
        "push-and-pull pull-it-back",
    ],
    "S7": ["name-that-image find-the-registry"],
    "S8": ["meet-your-engine pull-an-image"],
    "S9": ["run-a-registry start-a-registry", "lock-the-door ask-for-a-password"],
    "S10": ["name-that-image take-three-clouds-apart"],
    "S11": ["lock-the-door be-refused"],
    "S12": ["lock-the-door log-in-and-push"],
    "S13": ["lock-the-door run-it"],
    "S14": ["lock-the-door log-out"],
    "S15": ["run-a-registry start-a-registry"],
    "S16": ["push-and-pull tag-the-image"],
    "S17": ["push-and-pull push-the-image", "push-and-pull pull-it-back"],
    "S18": ["across-the-network trust-the-ca", "across-the-network pull-by-address"],
}
ROW = re.compile(r"^\| (?P<number>S\d+) \| [^|]+ \| (?P<places>[^|]+) \|$", re.MULTILINE)
PLACE = re.compile(r"\[(?P<lesson>\d+)\]\((?P<path>[^)]+)\) `(?P<step>[^`]+)`")


@pytest.mark.parametrize("number", STATEMENTS)
def test_each_statement_is_verified_by_steps_that_are_proved(real_course, number):
    """The tests of `labs/` follow these plans: before a step is done its check does not pass, after
    the solution it does, and after each mistake it fails."""
    assert STATEMENTS[number]
    for place in STATEMENTS[number]:
        name, step_id = place.split()
        lab = real_course.labs[name]
        step = lab.find(step_id)
        assert step and step.solve and step.mistakes, place
        index = lab.steps.index(step)
        plans = plan_tracks(lab, prove=True)
        proved = {part for plan in plans for part in plan.parts if part[0] == index}
        assert plans[0].main and proved == {(index, None), *mistakes_of(index, step)}, place


def mistakes_of(index, step):
    return {(index, number) for number in range(len(step.mistakes))}


def test_the_readme_names_these_steps(real_course):
    rows = {row["number"]: row["places"] for row in ROW.finditer((ROOT / "README.md").read_text())}
    named = {}
    for number, places in rows.items():
        found = list(PLACE.finditer(places))
        assert places == ", ".join(place[0] for place in found), number
        named[number] = []
        for place in found:
            [lesson] = [each for each in real_course.lessons if each.number == int(place["lesson"])]
            assert place["path"] == f"lessons/{lesson.path.name}"
            named[number].append(f"{lesson.lab.name} {place['step']}")
    assert named == STATEMENTS


def test_the_labs_are_among_the_tests(pytestconfig):
    assert "labs" in pytestconfig.getini("testpaths")
