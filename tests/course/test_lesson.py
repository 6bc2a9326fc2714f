"""A lesson's front matter, headings, code blocks and names. `test_broken.py` has broken ones."""

import pytest

from labrunner.course.lesson import fill, read_lesson

HEAD = "---\ntitle: A lesson\nlab: a-lab\n---\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="04-a-lesson.md"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_lesson_has_what_its_author_wrote(write):
    lesson = read_lesson(
        write(
            "---\ntitle: Push: and pull\nlab: push-and-pull\nminutes: 15\n---\n"
            "Text with {{ image }} and {{.Id}}.\n"
            "\n"
            "## Push it {#push-it .step}\n"
            "\n"
            "```bash\ndocker push {{ registry }}/x\n```\n"
            '```{.bash fails="no basic auth"}\ndocker pull x \\\n  --quiet\n```\n'
            "```console\n$ docker ps\n```\n"
            "### Not a step\n"
            "~~~bash\necho {{ registry }}\n~~~\n"
            "## And on\n"
        )
    )
    assert (lesson.number, lesson.slug, lesson.title) == (4, "a-lesson", "Push: and pull")
    assert (lesson.lab_name, lesson.minutes) == ("push-and-pull", 15)
    assert lesson.text.startswith("Text with") and lesson.text.endswith("## And on")
    assert lesson.steps == {"push-it": 8} and lesson.titles == {"push-it": "Push it"}
    blocks = [(block.line, block.code, block.fails) for block in lesson.blocks_of("push-it")]
    assert blocks == [
        (10, "docker push {{ registry }}/x", None),
        (13, "docker pull x \\\n  --quiet", "no basic auth"),
        (21, "echo {{ registry }}", None),
    ]
    assert lesson.values == (("image", 6), ("registry", 11), ("registry", 22))


def test_commands_in_a_hint_are_read_without_their_indent(write):
    hint = "??? hint\n    Look:\n\n    ```bash\n    cat <<X\n      y\n    X\n    ```\n"
    text = f"{HEAD}## Do {{#do .step}}\n```bash\nls\n```\n{hint}"
    blocks = read_lesson(write(text)).blocks
    assert [(each.code, each.hint) for each in blocks] == [("ls", False), ("cat <<X\n  y\nX", True)]


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        (
            "After this lesson you can push\nto a.b, and pull. You know why.",
            "You can push to a.b, and pull.",
        ),
        ("\nAfter this lesson you know it.", "You know it."),
        ("After this lesson you can push {{ image }}. And so on.", ""),
        ("After this lesson you can push\n\nto a registry.", ""),
        ("You push an image.", ""),
        ("", ""),
    ],
)
def test_the_goal_is_the_first_sentence_if_it_says_what_can_be_done_afterwards(write, text, goal):
    assert read_lesson(write(HEAD + text)).goal == goal


def test_the_picture_is_the_first_one_of_the_course(write):
    text = "![Far](https://x.test/a.svg) [no](/static/b.svg)\n\n1. ![A b](/static/c.svg#two)\n"
    assert read_lesson(write(HEAD + text + "![](/static/d.svg)")).picture == "/static/c.svg#two"
    assert read_lesson(write(HEAD)).picture == ""


def test_settings_of_a_windows_editor_are_read(write):
    text = (HEAD + "## Do {#do .step}\n```bash\nls\n```\n").replace("\n", "\r\n")
    lesson = read_lesson(write(b"\xef\xbb\xbf" + text.encode()))
    assert lesson.title == "A lesson" and lesson.blocks[0].code == "ls"


def test_only_known_names_are_replaced():
    text = "{{ port }} {{port}} {{ other }} {{.Id}} {{json .RepoTags}} {port}"
    assert fill(text, {"port": "5001"}) == "5001 5001 {{ other }} {{.Id}} {{json .RepoTags}} {port}"


def test_what_is_for_one_registry_only_is_left_out_for_another(write):
    two = '=== "registry 2"\n\n    ```bash\n    echo 2\n\n    echo two\n    ```\n\n'
    three = '=== "registry 3"\n    ??? hint\n        ```bash\n        echo 3\n        ```\n'
    table = '| a |\n|---|\n=== "registry 3"\n    | 3 |\n| b |\n'
    lesson = read_lesson(write(f"{HEAD}## Do {{#do .step}}\n{two}{three}{table}"))
    assert lesson.depends_on_registry
    assert [(each.line, each.code, each.hint) for each in lesson.blocks] == [
        (8, "echo 2\n\necho two", False),
        (16, "echo 3", True),
    ]
    old, new = lesson.with_registry("registry:2"), lesson.with_registry("registry:3")
    title, plain = "## Do {#do .step}\n", "| a |\n|---|\n"
    assert old.text == f"{title}\n```bash\necho 2\n\necho two\n```\n\n{plain}| b |"
    assert new.text == f"{title}??? hint\n    ```bash\n    echo 3\n    ```\n{plain}| 3 |\n| b |"
    assert [each.code for each in old.blocks_of("do")] == ["echo 2\n\necho two"]
    assert [each.code for each in new.blocks_of("do")] == ["echo 3"]


@pytest.mark.parametrize("name", ["registry_image", "registry_config"])
def test_a_value_of_the_registry_makes_a_lesson_depend_on_it(write, name):
    assert read_lesson(write(f"{HEAD}{{{{ {name} }}}}")).depends_on_registry
    assert read_lesson(write(f"{HEAD}```text\n{{{{ {name} }}}}\n```")).depends_on_registry
    assert not read_lesson(write(f"{HEAD}{{{{ registry }}}} {name}")).depends_on_registry
