"""What lessons ask; `test_broken.py` has what is wrong in their files."""

import pytest

from labrunner.course.questions import LessonQuestions
from tests.fixtures.engine import ASKED, LAB, LESSON

FILES = {"labs/volumes/lab.py": LAB, "lessons/01-volumes.md": LESSON}


@pytest.fixture
def asked(course):
    """A course whose lesson has questions."""
    return course({**FILES, "lessons/01-volumes.toml": ASKED})


def test_a_lesson_asks_what_is_in_the_file_beside_it(asked):
    [lesson] = asked.lessons
    prediction, (first, second) = asked.questions(lesson).prediction, asked.questions(lesson).review
    assert asked.problems == ()
    assert (prediction.step, prediction.asks) == ("make-a-volume", "Is `there` a volume?")
    assert (prediction.right, prediction.why) == ("yes", "You make it.")
    assert (first.asks, second.asks) == ("How many are there?", "What is it?")
    assert second.place == "Lesson 1: Volumes, “Make a volume”"


def test_the_order_of_the_options_says_nothing(asked):
    [lesson] = asked.lessons
    assert asked.questions(lesson).prediction.options == ["no", "`perhaps`", "yes"]
    options = asked.questions(lesson).review[1].options
    assert options == ["a container", "a network", "a volume", "an image"]


def test_a_question_is_found_by_its_id(asked):
    review = asked.questions(asked.lessons[0]).review
    assert [asked.find_question(each.id) for each in review] == list(review)
    for id in ("volumes-prediction", "volumes-0", "volumes-3", ""):
        assert asked.find_question(id) is None


def test_a_lesson_needs_no_questions_and_a_file_may_hold_either(course):
    loaded = course(FILES)
    assert loaded.questions(loaded.lessons[0]) == LessonQuestions() and loaded.problems == ()
    prediction, question = ASKED.split("[[question]]", 1)
    for text, found in ((prediction, (True, 0)), (f"[[question]]{question}", (False, 2))):
        loaded = course({**FILES, "lessons/01-volumes.toml": text})
        questions = loaded.questions(loaded.lessons[0])
        assert (questions.prediction is not None, len(questions.review)) == found
        assert loaded.problems == ()


def test_a_file_without_a_lesson_is_named_and_one_of_a_refused_lesson_is_not(course):
    broken = LESSON.replace("title", "tittle")
    loaded = course({**FILES, "lessons/02-no.toml": ASKED, "lessons/03-x.md": broken})
    [orphan, refused] = sorted(map(str, loaded.problems))
    assert orphan == "lessons/02-no.toml: There is no lesson `02-no.md` beside it."
    assert refused.startswith("lessons/03-x.md, line 2: ")
    loaded = course({"lessons/03-x.toml": ASKED})
    assert sorted(map(str, loaded.problems)) == [orphan, refused]


def test_each_lesson_of_the_course_asks_for_a_prediction_and_has_questions(real_course):
    assert real_course.problems == ()
    for lesson in real_course.lessons:
        questions = real_course.questions(lesson)
        assert questions.prediction and len(questions.review) >= 3, lesson.slug
        asked = [questions.prediction, *questions.review]
        assert len({each.asks for each in asked}) == len(asked)


def test_no_place_among_the_options_of_the_course_is_the_right_one_too_often(real_course):
    asked = [real_course.questions(each) for each in real_course.lessons]
    questions = [each for one in asked for each in (one.prediction, *one.review)]
    for place in range(4):
        right = [each for each in questions if each.options[place : place + 1] == [each.right]]
        assert len(right) < len(questions) / 2
    longest = [each for each in questions if max(each.options, key=len) == each.right]
    assert len(longest) < len(questions) / 2
