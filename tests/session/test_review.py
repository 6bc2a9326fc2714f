"""Which questions on earlier lessons a lesson ends with."""

import pytest

from labrunner.progress.history import CourseProgress, LabHistory
from labrunner.progress.records import Event
from labrunner.session.review import choose_questions

NOTHING = CourseProgress()


def happened(*events):
    """The progress of a learner to whom this happened: lab, step, kind, and known mistakes."""
    progress = CourseProgress()
    for at, (lab, step, kind, mistakes) in enumerate(events, 1):
        history = progress.histories.setdefault(lab, LabHistory())
        history.add(Event(at, lab, step, kind, mistakes=mistakes))
    return progress


def chosen(course, progress, number):
    lesson = next(each for each in course.lessons if each.number == number)
    return choose_questions(course, progress, lesson)


def test_three_questions_on_earlier_lessons_are_asked_and_none_by_the_first(real_course):
    assert chosen(real_course, NOTHING, 1) == []
    for lesson in real_course.lessons[1:]:
        questions = choose_questions(real_course, NOTHING, lesson)
        assert len({each.id for each in questions}) == 3
        assert all(each.lesson.number < lesson.number for each in questions)


def test_not_all_lessons_ask_the_same(real_course):
    asked = [choose_questions(real_course, NOTHING, each) for each in real_course.lessons]
    assert len({each.id for questions in asked for each in questions}) > 16


@pytest.mark.parametrize(
    "events",
    [
        [("failed", ("a slip",)), ("passed", None)],
        [("failed", ())],  # a mistake that the lab does not know
        [("skipped", None)],
        [("solved", None)],
    ],
)
def test_what_was_hard_is_asked_first(real_course, events):
    rows = [("run-a-registry", "let-it-die", *event) for event in events]
    for number in (4, 7, 10):
        assert chosen(real_course, happened(*rows), number)[0].step == "let-it-die"


@pytest.mark.parametrize(
    "events",
    [
        [("failed", None), ("passed", None)],  # a check before the learner had begun
        [("skipped", None), ("passed", None)],
        [("unknown", None)],
    ],
)
def test_what_was_done_in_the_end_without_a_mistake_was_not_hard(real_course, events):
    rows = [("run-a-registry", "let-it-die", *event) for event in events]
    for number in (4, 7, 10):
        found = chosen(real_course, happened(*rows), number)
        assert found == chosen(real_course, NOTHING, number)


def test_the_questions_stay_whatever_is_done_in_the_lesson_itself(real_course):
    before = chosen(real_course, NOTHING, 5)
    failed = [("read-the-api", "take-a-digest", "failed", ("the config's digest",))]
    assert chosen(real_course, happened(*failed), 5) == before
