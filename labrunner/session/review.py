"""The questions on earlier lessons that a lesson ends with."""

from __future__ import annotations

from labrunner.course.course import Course
from labrunner.course.lesson import Lesson
from labrunner.course.questions import Question
from labrunner.progress.history import CourseProgress, LabHistory, StepHistory

COUNT = 3
DUE = (1, 3, 6)  # lessons after its own in which the first, second and third question are due


def choose_questions(course: Course, progress: CourseProgress, lesson: Lesson) -> list[Question]:
    """Return up to three questions on the lessons before this one: first those on steps that were
    hard for the learner, then others; of both, those that are due.

    What the learner does in the lesson itself changes nothing.
    """
    earlier = [each for each in course.lessons if each.number < lesson.number]

    def order(place: tuple[int, Question]) -> tuple[bool, int]:
        number, question = place
        history = progress.histories.get(question.lesson.lab_name or "", LabHistory())
        was_hard = history.steps.get(question.step, StepHistory()).was_hard
        distance = lesson.number - question.lesson.number
        return not was_hard, abs(distance - DUE[number % len(DUE)])

    places = [place for each in earlier for place in enumerate(course.questions(each).review)]
    return [question for _, question in sorted(places, key=order)[:COUNT]]
