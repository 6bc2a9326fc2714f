"""What the README says the course covers, against the course."""

import re

from tests.fixtures.engine import ROOT

ROW = re.compile(
    r"^\| S(?P<number>\d+) \| (?P<statement>[^|]+) \| (?P<places>[^|]+) \|$", re.MULTILINE
)
PLACE = re.compile(r"\[(?P<lesson>\d+)\]\((?P<path>[^)]+)\) `(?P<step>[^`]+)`")


def test_each_statement_is_verified_by_a_step_that_there_is(real_course):
    rows = list(ROW.finditer((ROOT / "README.md").read_text()))
    assert [int(row["number"]) for row in rows] == list(range(1, 19))
    for row in rows:
        places = list(PLACE.finditer(row["places"]))
        assert row["places"] == ", ".join(place[0] for place in places), row[0]
        for place in places:
            [lesson] = [each for each in real_course.lessons if each.number == int(place["lesson"])]
            assert place["path"] == f"lessons/{lesson.path.name}"
            step = lesson.lab.find(place["step"])
            assert step and step.id in lesson.steps and step.solve and step.mistakes
