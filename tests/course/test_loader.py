"""Lessons and labs found and joined; `test_broken.py` has broken ones."""

from labrunner.course import loader
from tests.fixtures.engine import LAB, LESSON, ROOT

GOOD = {"labs/good/lab.py": LAB, "lessons/09-good.md": LESSON.replace("lab: volumes", "lab: good")}
LESSON_FILE = "lessons/01-volumes.md"
LAB_FILE = "labs/volumes/lab.py"


def test_the_real_course_has_no_problem(real_course):
    assert real_course.problems == ()
    assert [lesson.number for lesson in real_course.lessons] == list(range(1, 14))
    assert [lesson.lab.name for lesson in real_course.lessons] == list(real_course.labs)
    images = [
        "registry:2",
        "busybox:stable",
        "nginx:latest",
        "httpd:2",
        "docker:dind",
        "registry:3",
    ]
    assert list(real_course.images) == images
    assert real_course.lesson("push-and-pull") is real_course.lesson_of("push-and-pull")
    assert real_course.lesson("nothing") is real_course.lesson_of("nothing") is None


def test_a_lesson_is_joined_with_its_lab(course):
    loaded = course()
    assert loaded.problems == ()
    lab = loaded.lessons[0].lab
    assert loaded.labs["volumes"] is lab and loaded.labs.get("other") is None
    assert (lab.name, lab.folder.name, [step.id for step in lab.steps]) == (
        "volumes",
        "volumes",
        ["make-a-volume"],
    )


def test_a_lab_is_loaded_when_it_is_asked_for_and_no_other_is(course, tmp_path):
    ran = tmp_path / "course" / "ran"
    loaded = course(
        {LAB_FILE: f"import os; os.mkdir({str(ran)!r})\n{LAB}", LESSON_FILE: LESSON, **GOOD}
    )
    assert [lesson.title for lesson in loaded.outline] == ["Volumes", "Volumes"]
    assert loaded.lesson("good").lab is loaded.labs["good"]
    assert not ran.exists()
    assert loaded.lesson("volumes") is loaded.lessons[0]  # once: the file is not made twice
    assert ran.exists() and loaded.problems == ()


def test_a_lesson_needs_no_lab_and_an_empty_course_is_one(course, tmp_path):
    loaded = course({"lessons/01-text.md": "---\ntitle: Text\n---\nOnly text.\n"})
    assert loaded.problems == () and loaded.lessons[0].lab is None and loaded.labs == {}
    empty = loader.load_course(tmp_path / "nothing")
    assert (empty.lessons, empty.problems, empty.outline) == ((), (), ())


def test_a_problem_is_one_line_with_its_place(course):
    [problem] = course({"lessons/01-a.md": "---\ntitle: A\nx: 1\n---\n"}).problems
    sentence = "Write `title:`, `lab:` or `minutes:` here, not `x`."
    assert str(problem) == f"lessons/01-a.md, line 3: {sentence}"


def test_a_lab_may_declare_a_dataclass_and_leaves_no_bytecode(course, tmp_path):
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    source += LAB + "\n\n@dataclass\nclass Row:\n    digest: str\n"
    assert course({LAB_FILE: source, LESSON_FILE: LESSON}).problems == ()
    assert not list((tmp_path / "course").rglob("__pycache__"))


def test_a_thousand_lessons_and_labs_load(course):
    files = {}
    for number in range(1000):
        files[f"labs/lab-{number}/lab.py"] = LAB
        text = LESSON.replace("lab: volumes", f"lab: lab-{number}")
        files[f"lessons/{number % 100:02}-lesson-{number}.md"] = text
    loaded = course(files)
    assert loaded.problems == () and len(loaded.labs) == 1000


def test_the_course_lies_where_the_tests_look():
    assert (ROOT / "lessons").is_dir() and (ROOT / "labs").is_dir()


def test_labs_import_the_names_of_labrunner_itself_and_none_of_its_modules():
    for path in (ROOT / "labs").glob("*/lab.py"):
        assert "labrunner." not in path.read_text(), path
