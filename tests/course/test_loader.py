"""Lessons and labs found and joined; every broken one refused, the others served."""

import os

import pytest

from labrunner.course import loader
from tests.fixtures.engine import LAB, LESSON, ROOT

GOOD = {"labs/good/lab.py": LAB, "lessons/09-good.md": LESSON.replace("lab: volumes", "lab: good")}
BROKEN = "lessons/01-volumes.md"
LAB_FILE = "labs/volumes/lab.py"


@pytest.fixture
def problems(course):
    """The problems of a course with these files, in which one good lesson must still load."""

    def problems(files):
        loaded = course({**GOOD, **files})
        assert [lesson.slug for lesson in loaded.lessons if lesson.slug == "good"]
        return [(str(each.path), each.line, each.what) for each in loaded.problems]

    return problems


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


def test_the_real_course_has_no_problem(real_course):
    assert real_course.problems == ()
    assert [lesson.number for lesson in real_course.lessons] == list(range(1, 11))
    assert [lesson.lab.name for lesson in real_course.lessons] == list(real_course.labs)
    assert list(real_course.images) == ["busybox:stable", "registry:2", "httpd:2", "docker:dind"]
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
    loaded = course({LAB_FILE: f"import os; os.mkdir({str(ran)!r})\n{LAB}", BROKEN: LESSON, **GOOD})
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


SECOND = LAB.replace("def make_a_volume", "def other").replace("make_a_volume.", "other.")


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("", 0, "Declare the lab: `lab = Lab(title=…)`."),
        ("def (:\n", 1, "Python cannot read this: invalid syntax."),
        ("x = 1\nif x\n", 2, "Python cannot read this: expected ':'."),
        ("a\0b", None, "Python cannot read this"),
        (b"# gr\xfcn\n", 1, "This is not UTF-8. Save the file as UTF-8."),
        (b"x = 1\n# gr\xfcn\n", 2, "This is not UTF-8. Save the file as UTF-8."),
        ("x = 1\n1 / 0\n", 2, "The file stops with ZeroDivisionError: division by zero."),
        ("import no_such_module\n", 1, "The file stops with ModuleNotFoundError"),
        ("import sys\n\nsys.exit(3)\n", 3, "The file stops with SystemExit: 3."),
        ("import json\njson.loads('{')\n", 2, "The file stops with JSONDecodeError"),
        ("lab = 5\n", 0, "Declare the lab"),
        ("from labrunner import Lab\nlab = Lab('x', images=['a'])\n", 0, "The lab has no step."),
        (LAB.replace('images=["registry:2", "busybox:stable"]', ""), 0, "Name the images"),
        (LAB.replace('["registry:2", "busybox:stable"]', '"registry:2"'), 0, "in a list"),
        (LAB.replace('"registry:2"', '"Registry:2"'), 0, "`Registry:2` in `images` is no refer"),
        (LAB.replace('title="Volumes"', 'title="V", sample=True'), 0, "needs a `Dockerfile`"),
        (LAB.replace('(workspace):\n    "', '(it):\n    "'), 7, "called with `workspace`"),
        (LAB.replace('    """There is a volume `{name}`."""\n', ""), 7, "docstring"),
        (LAB.replace("`{name}`", "`{nmae}`"), 7, "The goal names `nmae`; there are `name`, `po"),
        (LAB.replace("@make_a_volume.solution", ""), 7, "add `@make_a_volume.solution`"),
        (LAB.replace('advice="docker volume create"', 'advice=" "'), 25, "has no advice to look"),
        (LAB.replace("volume.mistake", "volume.near_miss"), 25, "The step takes no answer"),
        (LAB.replace('advice="docker', 'advice="{nmae} docker'), 25, "The advice names `nmae`"),
        (LAB.replace('        next="Run `docker volume create`.",\n', ""), 12, "not say `next`"),
        (
            LAB.replace(', advice="docker volume create", reason="missing")', ")"),
            25,
            "The mistake “a slip in its name” has no advice to look for.",
        ),
    ],
)
def test_a_broken_lab_is_refused_with_its_line(problems, source, line, what):
    found = problems({LAB_FILE: source, BROKEN: LESSON})
    assert [path for path, _, _ in found] == [LAB_FILE, BROKEN]
    assert line is None or found[0][1] == line
    assert what in found[0][2]
    assert found[1][2] == "Its lab is refused: mend `labs/volumes/lab.py` first."


def test_a_step_that_stands_twice_is_refused_at_the_second(problems):
    twice = LAB + LAB.split('"busybox:stable"])\n')[1]
    found = problems({LAB_FILE: twice, BROKEN: LESSON})[0]
    assert found[1] > 20 and found[2] == "The step `make-a-volume` stands in line 7 already."


def test_a_folder_without_a_lab_and_a_bad_name_are_refused(problems):
    found = problems({"labs/empty/README": "x", "labs/Bad_Name/lab.py": LAB})
    assert found[:2] == [
        ("labs/Bad_Name/lab.py", 0, "Name the folder with lower-case letters, digits and `-`."),
        ("labs/empty/lab.py", 0, "The file is missing: a lab's folder holds a `lab.py`."),
    ]


def test_hidden_folders_and_stray_files_beside_labs_are_no_labs(problems):
    files = {"labs/__pycache__/x": "", "labs/.git/x": "", "labs/notes.txt": "", "lessons/x.txt": ""}
    assert problems(files) == []


def test_links_that_lead_nowhere_or_in_circles_are_refused_or_passed_over(course, tmp_path):
    course(GOOD)
    root = tmp_path / "course"
    (root / "labs" / "loop").symlink_to("loop")
    (root / "labs" / "circle").symlink_to(".")
    (root / "lessons" / "02-loop.md").symlink_to("02-loop.md")
    (root / "lessons" / "03-folder.md").mkdir()
    loaded = loader.load_course(root)
    assert [lesson.slug for lesson in loaded.lessons] == ["good"]
    places = [str(problem.path) for problem in loaded.problems]
    circle = "labs/circle/lab.py"
    assert places == [circle, "lessons/02-loop.md", "lessons/03-folder.md", circle]


def test_a_pipe_is_refused_and_holds_up_nothing(course, tmp_path):
    course(GOOD)
    root = tmp_path / "course"
    (root / "labs" / "pipe").mkdir()
    for path in ("lessons/02-pipe.md", "labs/pipe/lab.py", "labs/good/pipe"):
        os.mkfifo(root / path)
    loaded = loader.load_course(root)
    assert [lesson.slug for lesson in loaded.lessons] == ["good"]
    found = {str(problem.path): problem.what for problem in loaded.problems[:2]}
    assert found == {
        "labs/pipe/lab.py": "The file is missing: a lab's folder holds a `lab.py`.",
        "lessons/02-pipe.md": "This is a pipe. Put a file in its place.",
    }


HEADING = "## Make a volume {#make-a-volume .step}"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (LESSON.replace("lab: volumes", "lab: gone"), 1, "There is no lab `gone`"),
        (LESSON.replace("lab: volumes\n", ""), 6, "A step needs a lab: add a `lab:` line."),
        (LESSON.replace(HEADING, "").split("```")[0], 0, "`make-a-volume` has no heading"),
        (LESSON.replace("## Make", "### Make").split("```")[0], 0, "has no heading. Add `## T"),
        (LESSON + "## More {#more-of-it .step}\n", 13, "has no check `more_of_it`"),
        (LESSON.replace("{{ name }}\nd", "{{ nmae }}\nd"), 10, "There is no value `nmae`; there"),
        (LESSON + "{{ image }}\n", 13, "There is no value `image`"),
        (LESSON[:-4], 9, "Close this code block"),
        ("", 0, "The file is empty."),
        (b"\xff", 1, "This is not UTF-8."),
    ],
)
def test_a_broken_lesson_is_refused_with_its_line(problems, text, line, what):
    found = problems({LAB_FILE: LAB, BROKEN: text})
    [problem] = [each for each in found if each[0] == BROKEN]
    assert what in problem[2]
    assert problem[1] == line


def test_steps_in_another_order_are_refused(problems):
    lab = LAB + SECOND.split('"busybox:stable"])\n')[1]
    lesson = LESSON.replace(HEADING, f"## Other {{#other .step}}\n\n{HEADING}")
    assert problems({LAB_FILE: lab, BROKEN: lesson})[0][2].startswith("The steps stand in another")


def test_a_lab_without_a_lesson_and_one_with_two_are_refused(problems):
    orphan = problems({LAB_FILE: LAB})
    assert orphan == [
        (LAB_FILE, 0, "No lesson has this lab. Put `lab: volumes` at the top of one.")
    ]
    [second] = problems({LAB_FILE: LAB, BROKEN: LESSON, "lessons/02-again.md": LESSON})
    assert second == ("lessons/02-again.md", 1, "Another lesson has the lab `volumes` already.")


def test_two_lessons_of_one_name_are_refused(problems):
    text = "---\ntitle: A\n---\n"
    [second] = problems({"lessons/01-same.md": text, "lessons/02-same.md": text})
    assert second[0] == "lessons/02-same.md" and "`same` already" in second[2]


def test_the_lab_of_a_refused_lesson_is_not_called_an_orphan_as_well(problems):
    assert len(problems({LAB_FILE: LAB, BROKEN: LESSON[:-4]})) == 1


def test_a_problem_is_one_line_with_its_place(course):
    [problem] = course({"lessons/01-a.md": "---\ntitle: A\nx: 1\n---\n"}).problems
    sentence = "Write `title:`, `lab:` or `minutes:` here, not `x`."
    assert str(problem) == f"lessons/01-a.md, line 3: {sentence}"


def test_a_lab_may_declare_a_dataclass_and_leaves_no_bytecode(course, tmp_path):
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    source += LAB + "\n\n@dataclass\nclass Row:\n    digest: str\n"
    assert course({LAB_FILE: source, BROKEN: LESSON}).problems == ()
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
