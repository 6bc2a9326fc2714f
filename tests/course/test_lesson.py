"""A lesson's front matter, headings, code blocks and names."""

import pytest

from labrunner.course.lesson import Refused, fill, read_lesson

HEAD = "---\ntitle: A lesson\nlab: a-lab\n---\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="04-a-lesson.md"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def refused(write):
    """The line and sentence with which this text is refused."""

    def refused(text, name="04-a-lesson.md"):
        with pytest.raises(Refused) as caught:
            read_lesson(write(text, name))
        return caught.value.line, caught.value.what

    return refused


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


def test_settings_of_a_windows_editor_are_read(write):
    text = (HEAD + "## Do {#do .step}\n```bash\nls\n```\n").replace("\n", "\r\n")
    lesson = read_lesson(write(b"\xef\xbb\xbf" + text.encode()))
    assert lesson.title == "A lesson" and lesson.blocks[0].code == "ls"


def test_only_known_names_are_replaced():
    text = "{{ port }} {{port}} {{ other }} {{.Id}} {{json .RepoTags}} {port}"
    assert fill(text, {"port": "5001"}) == "5001 5001 {{ other }} {{.Id}} {{json .RepoTags}} {port}"


@pytest.mark.parametrize(
    "name", ["lesson.md", "4-a.md", "04_a.md", "04-A.md", "004-a.md", "04-a-.md", "04-ä.md"]
)
def test_a_stray_file_name_is_refused(refused, name):
    line, what = refused(HEAD, name)
    assert line == 0 and "04-push-and-pull.md" in what


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (b"", 0, "The file is empty."),
        (b" \n\n", 0, "The file is empty."),
        (HEAD.encode() + b"ok\n\xff\xfe\n", 6, "This is not UTF-8."),
        ("Text.\n", 1, "Begin the file with `---`"),
        ("---\ntitle: A\n", 1, "Close the settings"),
        ("---\nlab: a\n---\n", 3, "Give the lesson a `title:`."),
        ("---\ntitle:\n---\n", 3, "Give the lesson a `title:`."),
        ("---\ntitle: A\nauthor: me\n---\n", 3, "not `author`"),
        ("---\ntitle: A\nwhatever\n---\n", 3, "not `whatever`"),
        ("---\ntitle: A\nminutes: ten\n---\n", 3, "whole number"),
        (f"---\ntitle: A\nminutes: {'9' * 5000}\n---\n", 3, "whole number"),
        (HEAD + "\n```bash\n", 6, "Close this code block with `` ``` ``."),
        (HEAD + "## S {#s .step}\n````bash\n```\n", 6, "Close this code block"),
        (HEAD + "\n\n```bash\nls\n```\n", 7, "stands under a step"),
        (HEAD + "## S {#s .step}\n## T\n```bash\nls\n```\n", 7, "stands under a step"),
        (HEAD + "## S {#s .step}\n??? hint\n    ```bash\n    ls\n    ```\n", 7, "not indented"),
        (HEAD + '## S {#s .step}\n```bash fails="x"\nls\n```\n', 6, "{.bash fails="),
        (HEAD + "## S {#s .step}\n```{.bash fails=x}\nls\n```\n", 6, "{.bash fails="),
        (HEAD + '## S {#s .step}\n```{.bash fails=""}\nls\n```\n', 6, "{.bash fails="),
        (HEAD + '## S {#s .step}\n```{.bash fails="x"}\nls\nls\n```\n', 6, "one command"),
        (HEAD + '## S {#s .step}\n```{.bash fails="x"}\n# only\n```\n', 6, "one command"),
        (HEAD + "## S {.step}\n", 5, "one id"),
        (HEAD + "## S {#a #b .step}\n", 5, "one id"),
        (HEAD + "## S {#s .step}\n\n## T {#s .step}\n", 7, "`s` stands in line 5 already"),
    ],
)
def test_a_broken_lesson_is_refused_with_its_line(refused, text, line, what):
    found = refused(text)
    assert found[0] == line
    assert what.replace("`` ``` ``", "`" * 5) in found[1]


def test_what_is_no_file_is_refused(tmp_path):
    folder = tmp_path / "04-folder.md"
    folder.mkdir()
    gone = tmp_path / "05-gone.md"
    gone.symlink_to("nowhere")
    loop = tmp_path / "06-loop.md"
    loop.symlink_to(loop)
    for path in (folder, gone, loop):
        with pytest.raises(Refused, match=r"cannot be read: .+\."):
            read_lesson(path)
