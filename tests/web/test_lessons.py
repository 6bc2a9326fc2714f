"""The course page and the page of a lesson over HTTP, without JavaScript."""

import re

from tests.fixtures.pages import AS_BROWSERS_DO, text


def test_the_course_page_lists_the_lessons_with_a_word_for_progress(site):
    said = text(site.visitor().get("/"))
    assert "A tiny lesson 2 steps, about 5 minutes not started" in said
    assert "Start with lesson 1 About 5 minutes left" in said
    assert "Only to read to read" in said


def test_a_lesson_can_be_read_before_its_lab_is_started(site):
    visitor = site.visitor()
    answer = visitor.get("/lessons/tiny")
    assert "Your registry will be localhost:50" in text(answer)
    assert "docker volume create <word>" in text(answer)
    assert "Goal There is a volume <word>." in text(answer)
    assert "Start lab" in answer.text and "Check my work</button>" not in answer.text
    reading = visitor.get("/lessons/reading")
    assert "Text with a | table." in text(reading) and "Start lab" not in reading.text


def test_a_page_is_small(shared_site):
    visitor = shared_site.visitor()
    visitor.get("/lessons/tiny")
    answer = visitor.get("/lessons/tiny", headers=AS_BROWSERS_DO)
    assert answer.headers["Content-Encoding"] in ("br", "zstd")
    weight = int(answer.headers["Content-Length"])
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text):
        part = visitor.get(path, headers=AS_BROWSERS_DO, stream=True)
        weight += len(part.raw.read(decode_content=False))
    assert (
        visitor.get("/", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    )
    assert weight < 40_000
