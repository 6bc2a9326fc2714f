"""Broken lessons, labs and courses, and odd answers: the one sentence that the course says of each.

They are in `broken/`, and here where those files cannot hold them. Beside each broken file, a good
lesson must still load.
"""

import io
import os
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labrunner import Lab, NotYet
from labrunner.course import loader
from labrunner.course.questions import LessonQuestions
from labrunner.course.source_file import LARGEST
from labrunner.text import plain
from labrunner.verdicts import Verdict
from labrunner.workspaces.record import Record
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import ASKED, LAB, LESSON, ROOT
from tests.fixtures.languages import sentences_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).with_name("broken")
LAB_FILE, LESSON_FILE = "labs/volumes/lab.py", "lessons/01-volumes.md"
ASKED_FILE = "lessons/01-volumes.toml"
HEADING = "## Make a volume"
GOOD = {"labs/good/lab.py": LAB, "lessons/09-good.md": LESSON.replace("lab: volumes", "lab: good")}
TEXTS = {
    "LAB": LAB,
    "LESSON": LESSON,
    "PAGE": "---\ntitle: A\n---\n",
    "TWO STEPS": LAB
    + "\n\n@lab.step\ndef other(workspace):\n    '''Another.'''\n\nother.solution(print)\n",
}
SENTENCES = {text for path in ROOT.glob("labrunner/course/*.py") for text in sentences_of(path)}
TOO_DEEP = "Python cannot read this: something in it is too long, or nested too deeply."
TOO_LARGE = "The file is larger than 1 MB. Make it smaller."
NO_SUCH_VALUE = (
    "There is no value `nmae`; there are `name`, `port`, `registry`, `registry_config`, "
    "`registry_image`."
)

# What is too long or too much to be written down: text, line, sentence
MADE_LESSONS = {
    "a huge file": (LESSON + "x" * LARGEST, 0, TOO_LARGE),
    "a thousand unknown values": (
        LESSON + "{{ nmae }}\n" * 1000,
        13,
        NO_SUCH_VALUE,
    ),
    "a thousand unknown settings": (
        "---\n" + "author: me\n" * 1000,
        2,
        "Write `title:`, `lab:` or `minutes:` here, not `author`.",
    ),
    "a long setting": (
        f"---\n{'x' * 100_000}\n---\n",
        2,
        f"Write `title:`, `lab:` or `minutes:` here, not `{'x' * 60}…`.",
    ),
    "minutes of five thousand digits": (
        f"---\ntitle: A\nminutes: {'9' * 5000}\n---\n",
        3,
        "Write `minutes:` as a whole number of at most three digits.",
    ),
    "a heading of braces": (
        LESSON.replace(HEADING, "## " + "{" * 500_000 + ".step}"),
        7,
        "Write a step's heading as `## Title {#the-step .step}`.",
    ),
    "a heading of blanks": (
        LESSON.replace(HEADING, "## " + " " * 500_000 + "{.step}"),
        7,
        "Write a step's heading as `## Title {#the-step .step}`.",
    ),
    "a heading of steps": (
        LESSON.split("```")[0].replace("{#make-a-volume .step}", "{" + ".step " * 100_000),
        0,
        "The lab's step `make-a-volume` has no heading. Add `## Title {#make-a-volume .step}`.",
    ),
    "blanks behind a fence": (
        LESSON + "```" + " " * 500_000 + "`\n{{ nmae }}\n",
        14,
        NO_SUCH_VALUE,
    ),
    "a long language": (
        LESSON + f"```{'x' * 100_000}\n```\n",
        13,
        f"There is no language `{'x' * 60}…`. "
        "Write `bash` for commands, and `text` for anything else.",
    ),
    "four hundred hints within each other": (
        LESSON + "".join(f"{'    ' * each}??? hint\n" for each in range(400)) + "```\n",
        413,
        "End this code block with a line of the same characters that it begins with.",
    ),
}
MADE_LABS = {
    "a huge file": (LAB + "#" * LARGEST, 0, TOO_LARGE),
    "a thousand brackets": ("(" * 1000, 1, "Python cannot read this: too many nested parentheses."),
    "a hundred thousand signs": ("x = " + "-" * 100_000 + "1", 0, TOO_DEEP),
    "a hundred thousand dots": ("x = a" + ".b" * 100_000, 0, TOO_DEEP),
    "an error of many words": (
        "raise ValueError('x' * 100_000)",
        1,
        f"The file fails with ValueError: {'x' * 200}….",
    ),
    "a long image": (
        LAB.replace('"registry:2"', '"X" * 100_000'),
        0,
        f"`{'X' * 60}…` in `images` is not a reference: `{'X' * 40}…{'X' * 12}` has capital "
        f"letters; repositories are lower case: `{'x' * 40}…{'x' * 12}`.",
    ),
    "a thousand steps of one name": (
        LAB + "\n\n@lab.step\ndef make_a_volume(workspace):\n    '''There is one.'''\n" * 1000,
        30,
        "The step `make-a-volume` is already in line 7.",
    ),
    "a thousand failures that say nothing": (
        LAB + "\n\ndef wrong():\n" + "    raise NotYet()\n" * 1000,
        31,
        "This failure does not say `found`, `next`.",
    ),
}


def tables(name):
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


def cases(name):
    return [pytest.param(table, id=id) for id, table in tables(name).items()]


def made(rows):
    return [pytest.param(*row, id=id) for id, row in rows.items()]


def written(case, good):
    """The bytes of a broken file, as its table describes it."""
    text = case.get("text", good)
    if take := case.get("take"):
        assert take in text
        text = text.replace(take, case["give"])
    return (text + case.get("add", "")).encode(case.get("encoding", "utf-8"))


@pytest.fixture
def problems(course):
    """What is said of a course with these files, in which one good lesson must still load."""

    def problems(files):
        return said_of(course({**GOOD, **files}))

    return problems


def said_of(loaded):
    good = loaded.lesson("good")
    assert good and good.lab and good in loaded.lessons
    found = [(str(each.path), each.line, each.what) for each in loaded.problems]
    for problem, (path, _, what) in zip(loaded.problems, found, strict=True):
        assert plain(f"{path}{what}") == f"{path}{what}" and "\n" not in str(problem)
        assert problem.what.template in SENTENCES  # so a catalog can have it
        assert what.endswith((".", "?")) and what.count("`") % 2 == 0 and len(what) < 400
    return found


@pytest.mark.parametrize("case", cases("lessons"))
def test_a_broken_lesson_is_refused_with_its_line(problems, case):
    files = {LAB_FILE: LAB, LESSON_FILE: written(case, LESSON)}
    found = [each for each in problems(files) if each[0] == LESSON_FILE]
    assert found == [(LESSON_FILE, case["line"], case["says"])]


@pytest.mark.parametrize(("text", "line", "says"), made(MADE_LESSONS))
def test_a_lesson_with_too_much_is_refused_with_its_line(problems, text, line, says):
    found = [
        each for each in problems({LAB_FILE: LAB, LESSON_FILE: text}) if each[0] == LESSON_FILE
    ]
    assert found == [(LESSON_FILE, line, says)]


@pytest.mark.parametrize("case", cases("questions"))
def test_broken_questions_are_named_with_their_line_and_their_lesson_is_served(course, case):
    files = {LAB_FILE: LAB, LESSON_FILE: LESSON, ASKED_FILE: written(case, ASKED)}
    loaded = course({**GOOD, **files})
    assert said_of(loaded) == [(ASKED_FILE, case["line"], case["says"])]
    lesson = loaded.lesson("volumes")
    assert lesson.lab and loaded.questions(lesson) == LessonQuestions()


@pytest.mark.parametrize("text", [f"x = {'[' * 100_000}", f"x = {'9' * 5000}"])
def test_questions_with_too_much_are_named(problems, text):
    files = {LAB_FILE: LAB, LESSON_FILE: LESSON, ASKED_FILE: text}
    says = "This cannot be read: something in it is too long, or nested too deeply."
    assert problems(files) == [(ASKED_FILE, 0, says)]


def refused(line, says):
    """What is said of a broken lab that has a lesson."""
    after = "Its lab is refused: fix `labs/volumes/lab.py` first."
    return [(LAB_FILE, line, says), (LESSON_FILE, 3, after)]


@pytest.mark.parametrize("case", cases("labs"))
def test_a_broken_lab_is_refused_with_its_line(problems, case):
    found = problems({LAB_FILE: written(case, LAB), LESSON_FILE: LESSON})
    assert found == refused(case["line"], case["says"])


@pytest.mark.parametrize(("text", "line", "says"), made(MADE_LABS))
def test_a_lab_with_too_much_is_refused_with_its_line(problems, text, line, says):
    assert problems({LAB_FILE: text, LESSON_FILE: LESSON}) == refused(line, says)


@pytest.mark.parametrize("case", cases("courses"))
def test_what_does_not_fit_in_a_course_is_named(course, tmp_path, case):
    root = tmp_path / "course"
    texts = {path: TEXTS.get(text, text) for path, text in case.get("files", {}).items()}
    course({**GOOD, **texts})
    for path in case.get("folders", []):
        (root / path).mkdir(parents=True)
    for path in case.get("pipes", []):
        os.mkfifo(root / path)
    for path, target in case.get("links", {}).items():
        (root / path).symlink_to(target)
    assert said_of(loader.load_course(root)) == [tuple(each) for each in case["problems"]]


@pytest.mark.skipif(sys.platform == "darwin", reason="There, names of files are UTF-8.")
def test_names_that_are_not_utf_8_are_shown_without_what_cannot_be_printed(course, tmp_path):
    course(GOOD)
    root = os.fsencode(tmp_path / "course")
    os.mkdir(os.path.join(root, b"labs/gr\xfcn"))
    with open(os.path.join(root, b"lessons/04-gr\xfcn.md"), "w") as file:
        file.write(LESSON)
    assert said_of(loader.load_course(tmp_path / "course")) == [
        ("labs/grn/lab.py", 0, "Name the folder with lower-case letters, digits and `-`."),
        (
            "lessons/04-grn.md",
            0,
            "Name it like `04-push-and-pull.md`: two digits, then lower-case words.",
        ),
    ]


@pytest.mark.parametrize("path", ["labs", "lessons"])
def test_a_file_in_place_of_all_labs_or_lessons_holds_none(tmp_path, path):
    (tmp_path / path).write_text("x")
    assert loader.load_course(tmp_path).problems == ()


def test_a_thousand_broken_lessons_are_a_thousand_problems(problems):
    files = {f"lessons/{each % 100:02}-l-{each}.md": "---\nx\n---\n" for each in range(1000)}
    sentence = "Write `title:`, `lab:` or `minutes:` here, not `x`."
    assert sorted(problems(files)) == sorted((path, 2, sentence) for path in files)


def test_an_interruption_while_a_lab_is_loaded_is_passed_on(course):
    loaded = course({LAB_FILE: "raise KeyboardInterrupt", LESSON_FILE: LESSON})
    with pytest.raises(KeyboardInterrupt):
        loaded.lesson("volumes")


def test_titles_are_shown_without_what_would_act_on_the_screen(course):
    signs = "\x1b[31mRed\x07 \u202eand back\u200f"
    text = LESSON.replace("title: Volumes", f"title: {signs}").replace("Make a volume", signs)
    [lesson] = course({LAB_FILE: LAB, LESSON_FILE: text}).lessons
    assert (lesson.title, lesson.titles) == (
        "[31mRed and back",
        {"make-a-volume": "[31mRed and back"},
    )


def test_a_byte_order_mark_and_other_line_ends_are_no_faults(course):
    lab, lesson = (b"\xef\xbb\xbf" + text.encode() for text in (LAB, LESSON))
    assert course({LAB_FILE: lab, LESSON_FILE: lesson}).problems == ()
    files = {LAB_FILE: LAB.replace("\n", "\r\n"), LESSON_FILE: LESSON.replace("\n", "\r\n")}
    assert course(files).problems == ()
    spaced = LESSON.replace("lab: volumes", "\nlab: volumes\n")
    assert course({LAB_FILE: LAB, LESSON_FILE: spaced}).problems == ()


QUESTIONS = {
    "version": ("meet-your-engine", "ask-the-engine"),
    "address": ("meet-your-engine", "find-the-default-registry"),
    "reference": ("name-that-image", "complete-a-short-name"),
    "part": ("name-that-image", "find-the-tag"),
    "catalog": ("run-a-registry", "ask-the-catalog"),
    "tags": ("read-the-api", "list-its-tags"),
    "digest": ("read-the-api", "take-a-digest"),
    "file": ("read-the-api", "open-the-layer"),
    "size": ("read-the-api", "weigh-the-image"),
}
VALUES = {
    "registry": "localhost:5001",
    "port": "5001",
    "name": "my-registry",
    "official": "nginx",
    "tagged_name": "localhost:5001/web/shop:3.1",
    "repository": "find-1a2b/0123abcd",
    "small": "small-1a2b",
    "large": "large-3c4d",
}


class StandIn(Workspace):
    """A workspace whose engine and registry have what the questions ask for."""

    def __init__(self, folder, lab):
        record = Record("1", lab.name, "headless", "open", 0, {}, VALUES)
        version = SimpleNamespace(version="29.1.0", api="1.52")
        engine: Any = SimpleNamespace(version=lambda: version, image=lambda name: None)
        super().__init__(folder, record, lab, engine)

    @property
    def api(self):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("shared-1a2b3c"))
        blob = SimpleNamespace(body=packed.getvalue())
        layers = [SimpleNamespace(digest=f"sha256:{each * 64}", size=617) for each in "ab"]
        manifest = SimpleNamespace(
            manifests=(),
            digest=f"sha256:{'d' * 64}",
            config_digest=f"sha256:{'c' * 64}",
            media_type="",
            layers=layers,
        )
        return SimpleNamespace(
            ping=lambda: None,
            repositories=lambda: [VALUES["repository"]],
            tags=lambda repository: [VALUES["small"], VALUES["large"]],
            manifest=lambda repository, tag: manifest,
            request=lambda *words, **options: blob,
        )


@pytest.fixture
def ask(real_course, tmp_path):
    """Gives an answer to a question of the course; the verdict."""

    def ask(question, answer):
        lab, step = QUESTIONS[question]
        lab = real_course.labs[lab]
        return lab.find(step).judge(StandIn(tmp_path, lab), answer)

    return ask


ANSWERS = tables("answers")
USUAL = ANSWERS.pop("usual")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_odd_answer_gets_a_verdict_with_a_sentence(ask, name):
    case = {"answer": "\ud83dx", **USUAL, **ANSWERS[name]}
    answer = case["answer"] * case.get("times", 1)
    shown = case.get("shown", answer)[:200]
    for question in QUESTIONS:
        verdict = ask(question, answer)
        assert verdict.found == case[question].replace("ANSWER", shown), question
        assert verdict.status == "failed" and verdict.expected and verdict.next and verdict.reason
        assert plain(verdict.found) == verdict.found


def test_an_answer_of_quotes_alone_names_nothing(ask):
    assert ask("part", "``").found == "Your answer is empty."
    assert ask("reference", "''").found.startswith("The name is empty: write one")


@pytest.mark.parametrize(
    "answer", ["", "  \n\t\r\n", "\0", "\x1b[0m", "\u200b\u202e", "\ufeff", "\ud83d"]
)
def test_a_step_without_its_answer_is_failed_and_says_so(real_course, tmp_path, answer):
    steps = [(lab, step) for lab in real_course.labs.values() for step in lab.steps]
    for lab, step in steps:
        if not step.shows_state:
            workspace = StandIn(tmp_path, lab)
            assert step.judge(workspace, answer) == Verdict(
                "failed",
                workspace.fill(step.goal),
                "There is no answer yet.",
                "Submit your answer with this step.",
                "no-answer",
            )


@pytest.mark.parametrize(
    "answer", ["\ufeffdocker.io\u200b", "\x1b[1;32mdocker.io\x1b[0m", "docker.io\0"]
)
def test_a_right_answer_passes_with_signs_that_nobody_sees(ask, answer):
    assert ask("address", answer).passed


class Odd(Exception):
    def __str__(self):
        raise self


def exits(workspace):
    raise SystemExit(3)


def is_odd(workspace):
    raise Odd


def says_a_number(workspace):
    raise NotYet(found=5, next="Go on.")  # type: ignore[arg-type]


def says_much(workspace):
    raise ValueError("a\nb\x1b[2J " + "x" * 1000)


def says_nothing(workspace): ...


@pytest.mark.parametrize(
    ("check", "line", "words"),
    [
        (exits, 1, "SystemExit: 3"),
        (is_odd, 1, "Odd"),
        (
            says_a_number,
            0,
            "TypeError: descriptor 'strip' for 'str' objects doesn't apply to a 'int' object",
        ),
        (says_much, 1, f"ValueError: a b[2J {'x' * 193}…"),
        (says_nothing, 0, "TypeError: a check returns a sentence, or raises NotYet"),
    ],
)
def test_a_check_that_breaks_in_an_odd_way_is_unknown(check, line, words):
    step = Lab("A lab").step(check)
    workspace = SimpleNamespace(fill=str.strip, look=nullcontext)
    place = f"(`test_broken.py`, line {step.line + line})"
    assert step.judge(workspace) == Verdict(
        "unknown",
        None,
        f"The check itself broke: `{words}` {place}.",
        "This is a fault of the lab and does not count against you. Please report it.",
        "broken-check",
    )
