"""Lessons as HTML."""

import html
import re
from pathlib import Path

from labrunner.course import lesson
from labrunner.text import prose
from labrunner.web import markdown


def render(tmp_path: Path, body: str, **values: str) -> list[markdown.Part]:
    path = tmp_path / "01-x.md"
    path.write_text(f"---\ntitle: X\nlab: x\n---\n{body}")
    return markdown.render(lesson.read_lesson(path), values)


STEP = "## Do `it` {#do-it .step}\n"


def test_a_lesson_is_cut_at_its_steps_in_their_order(tmp_path):
    body = f"Before.\n\n{STEP}\nBody.\n\n### Part\n\n## After\n\nMore.\n\n"
    parts = render(tmp_path, body + "## Two {#two .step}\nEnd.")
    assert [part.step for part in parts] == [None, "do-it", None, "two"]
    assert parts[0].html == "<p>Before.</p>"
    assert parts[1].title == "<span>Do <code>it</code></span>"
    assert parts[1].html == "<p>Body.</p>\n<h3>Part</h3>"
    assert parts[2].html == "<h2>After</h2>\n<p>More.</p>"
    assert parts[3].html == "<p>End.</p>"


def test_a_step_in_an_html_block_is_still_a_step(tmp_path):
    parts = render(tmp_path, f"<div>\n{STEP}</div>\n\nText.\n\n## Two {{#two .step}}\n\nEnd.")
    assert sorted(part.step for part in parts if part.step) == ["do-it", "two"]


def test_a_step_in_a_list_is_a_step_once(tmp_path):
    parts = render(tmp_path, "- one\n## Two {#two .step}\n\nEnd.")
    assert [part.step for part in parts if part.step] == ["two"]
    assert 'id="two"' not in "".join(part.html for part in parts)


def test_values_are_filled_in_and_go_templates_stay(tmp_path):
    text = f"`{{{{ registry }}}}` {{{{name}}}} {{{{.Id}}}}\n\n{STEP}\n"
    text += "```bash\ndocker pull {{ registry }}/x\n```"
    first, step = render(tmp_path, text, registry="localhost:5001", name="r")
    assert first.html == "<p><code>localhost:5001</code> r {{.Id}}</p>"
    assert "localhost:5001/x" in step.html


def test_a_value_is_neither_html_nor_markdown(tmp_path):
    (part,) = render(tmp_path, "{{ name }} and `{{ name }}`", name="<b>**x** {{ port }}")
    shown = "&lt;b&gt;**x** {{ port }}"
    assert part.html == f"<p>{shown} and <code>{shown}</code></p>"


def test_a_value_that_is_not_known_yet_is_shown_by_its_name(tmp_path):
    (part,) = render(tmp_path, "Use {{ first_digest }}.")
    assert part.html == "<p>Use &lt;first digest&gt;.</p>"


def test_two_values_do_not_mix_in_lessons_that_are_kept(tmp_path):
    assert render(tmp_path, "{{ port }}", port="1")[0].html == "<p>1</p>"
    assert render(tmp_path, "{{ port }}", port="2")[0].html == "<p>2</p>"


def test_a_block_that_is_meant_to_fail_says_with_what(tmp_path):
    fence = '```{.bash fails="no <b> {{ name }}"}\ndocker pull x\n```'
    (step,) = render(tmp_path, f"{STEP}\n{fence}", name="r")
    assert "This one is meant to fail, with: <code>no &lt;b&gt; r</code>" in step.html
    assert 'class="highlight commands"' in step.html


def test_commands_can_be_told_from_output(tmp_path):
    (step,) = render(tmp_path, STEP + "\n```bash\ndocker ps\n```\n\n```text\ndocker ps\n```\n")
    assert step.html.count("commands") == 1 and step.html.count('class="highlight') == 2


def test_commands_are_shown_character_by_character(tmp_path):
    code = "docker run -d \\\n  -e A='<x>' \"$B\" | grep -v '&' # why\n\n  echo ${C:-1}"
    (step,) = render(tmp_path, f"{STEP}\n```bash\n{code}\n```")
    found = re.search(r"<pre[^>]*><code>(.*)</code></pre>", step.html, re.DOTALL)
    assert found and found[1].count("<span") > 3
    assert html.unescape(re.sub("<[^>]+>", "", found[1])) == code


def test_a_short_word_with_a_hyphen_is_marked_to_stay_whole(tmp_path):
    text = "`kill -QUIT 1`, `a/my-image`, `-`, -x\n\n"
    text += f"{STEP}\n```bash\ncurl --retry-all-errors -s x\n```\n\n```text\n{'-' * 30}x\n```"
    first, step = render(tmp_path, text)
    assert '<code>kill <span class="whole">-QUIT</span> 1</code>' in first.html
    assert first.html.count("<span") == 1
    assert re.findall(r'class="whole">([^<]+)', step.html) == ["--retry-all-errors", "-s"]
    (part,) = render(tmp_path, "```yaml\nimage: my-image\n```")
    assert re.sub("<[^>]+>", "", part.html).strip() == "image: my-image"


def test_hints_are_folded_and_tables_scroll_by_keyboard_or_are_lists(tmp_path):
    (part,) = render(tmp_path, "??? hint\n    Look.\n\n| a |\n|---|\n| `b` |\n")
    assert '<details class="hint">\n<summary>Hint</summary>\n<p>Look.</p>' in part.html
    assert '<div class="scroll" tabindex="0"><table role="table">' in part.html
    assert '<td data-head="a" role="cell"><code>b</code></td>' in part.html


def test_what_is_folded_at_the_end_of_a_step_comes_apart_from_its_text(tmp_path):
    folded = "??? failure\n    No.\n\n??? hint\n    Look.\n"
    step, after = render(tmp_path, f"{STEP}\n??? note\n    Why.\n\nDo it.\n\n{folded}\n## End")
    assert "Why." in step.html and step.html.endswith("<p>Do it.</p>")
    assert step.folded.count("<details") == 2 and step.folded.endswith("</details>")
    assert after.html == "<h2>End</h2>"


def test_a_numbered_list_of_pictures_is_stepped_through(tmp_path):
    text = "1. ![One](/static/x.svg#a)\n   **First.** `{{ name }}`\n2. ![Two](/static/x.svg#b)\n"
    loose = (
        "1. ![One](/static/x.svg#a)\n\n    **First.** `{{ name }}`\n\n2. ![Two](/static/x.svg#b)\n"
    )
    for written in (text, loose):
        (part,) = render(tmp_path, f"{written}\nText.", name="<b>")
        figures = re.findall(r"<li[^>]*><figure>(.*?)</figure></li>", part.html, re.DOTALL)
        assert len(figures) == 2 and 'class="frames"' in part.html
        assert figures[0].startswith('<img alt="One" src="/static/x.svg#a"')
        assert "<strong>First.</strong> <code>&lt;b&gt;</code>" in figures[0].split("figcaption")[1]
        assert part.html.count("<button") == 2 and "<span>1 of 2</span>" in part.html
        assert part.html.endswith("<p>Text.</p>")


def test_other_lists_with_pictures_stay_lists(tmp_path):
    for text in ("- ![](/x.svg) a", "1. ![](/x.svg) a\n2. b", "1. See ![](/x.svg)", "1. a"):
        assert "frames" not in render(tmp_path, text)[0].html


def test_a_picture_of_the_course_has_its_size(tmp_path):
    (part,) = render(tmp_path, "![A](/static/pictures/login.svg#x) ![](/static/no.svg) ![](/x.png)")
    sizes = re.findall(r'width="(\d+)"', part.html)
    assert sizes == ["520"] and "height" in part.html


def test_prose_is_escaped_and_backticks_make_code():
    assert prose("`a` <b> `c`") == "<code>a</code> &lt;b&gt; <code>c</code>"
    assert prose("`<img src=x>`") == "<code>&lt;img src=x&gt;</code>"
    assert prose("one ` only") == "one ` only"
    assert prose("`a` and `b") == "<code>a</code> and `b"
    assert prose("**no** [markdown](x)") == "**no** [markdown](x)"


def test_a_reference_is_drawn_with_its_values_and_a_field_for_others(tmp_path, templates):
    text = (
        "```reference\n{{ registry }}/app\n```\n\n- x\n\n    ```reference\n    <b>{{ no }}\n    ```"
    )
    (part,) = render(tmp_path, text, registry="localhost:5001")
    assert '<div id="reference-1">' in part.html and '<dl class="parts">' in part.html
    assert '<span class="written">localhost:5001</span>' in part.html
    assert 'value="localhost:5001/app"' in part.html
    assert 'id="reference-2"' in part.html and 'value="&lt;b&gt;&lt;no&gt;"' in part.html
    assert "<b>" not in part.html and "drawn" not in part.html


def test_a_value_is_not_drawn_as_a_picture(tmp_path, templates):
    one = render(
        tmp_path,
        "```reference\na\n```\n\n{{ name }}",
        name=f"<div>{markdown.REFERENCE_TOKEN}0e</div>",
    )
    assert one[0].html.count('class="parts"') == 1
