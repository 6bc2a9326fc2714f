"""Names taken apart: on their page, and in a lesson."""

import re

import pytest
from flask import get_template_attribute

from labrunner.web.diagrams import reference
from tests.browser.test_pages import EVIL, NARROW, WIDE
from tests.fixtures.axe import violations
from tests.fixtures.pages import text
from tests.fixtures.web import HTMX, JSON, Site, free_port, write_tiny

DIGEST = f"sha256:{'3f1c' * 16}"
LESSON = """---
title: Names
---
```reference
{{ registry }}/team/my-image:1.0
```

Text.

```reference
nginx
```
"""


pytestmark = pytest.mark.usefixtures("templates")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server of the tiny course and of a lesson on names for all tests that only read."""
    root = write_tiny(tmp_path_factory.mktemp("names") / "tiny")
    (root / "lessons/03-names.md").write_text(LESSON)
    site = Site(root, root.parent / "instance", free_port())
    yield site
    site.stop()


def render(macro: str, name: str, *rest: str) -> str:
    return str(get_template_attribute("names/_reference.html", macro)(reference.draw(name), *rest))


def picture(name: str) -> str:
    return render("picture", name)


def parts(name: str) -> list[tuple[str, str]]:
    """What the picture of a name shows: each part with its label, what is filled in in brackets."""
    shown = picture(name)
    rows = re.findall(r'<dt>(.*?)</dt> <dd class="value">(.*?)</dd>', shown)
    return [
        (plain(label), plain(re.sub('<span class="filled">(.*?)</span>', r"[\1]", value)))
        for label, value in rows
    ]


def plain(shown: str) -> str:
    return re.sub("<[^>]+>", "", shown)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "localhost:5000/team/my-image:1.0",
            [("registry", "localhost:5000/"), ("repository", "team/my-image"), ("tag", ":1.0")],
        ),
        (
            "nginx",
            [
                ("registry filled in", "[docker.io]/"),
                ("repository", "[library/]nginx"),
                ("tag filled in", ":[latest]"),
            ],
        ),
        (
            "docker.io/nginx:1",
            [("registry", "docker.io/"), ("repository", "[library/]nginx"), ("tag", ":1")],
        ),
        (
            "index.docker.io/library/nginx:1",
            [("registry", "docker.io/"), ("repository", "library/nginx"), ("tag", ":1")],
        ),
        (
            "team/app",
            [
                ("registry filled in", "[docker.io]/"),
                ("repository", "team/app"),
                ("tag filled in", ":[latest]"),
            ],
        ),
        (
            f"ghcr.io/a/b/c:1@{DIGEST}",
            [
                ("registry", "ghcr.io/"),
                ("repository", "a/b/c"),
                ("tag", ":1"),
                ("digest", f"@{DIGEST}"),
            ],
        ),
        (
            f"x@{DIGEST}",
            [
                ("registry filled in", "[docker.io]/"),
                ("repository", "[library/]x"),
                ("digest", f"@{DIGEST}"),
            ],
        ),
        (
            "private_registry.io/app:1",
            [("registry", "none"), ("repository", "private_registry.io/app"), ("tag", ":1")],
        ),
    ],
)
def test_a_name_is_drawn_in_its_parts_and_what_is_filled_in_is_marked(name, shown):
    assert parts(name) == shown


def test_an_account_is_named_on_docker_hub_and_nowhere_else():
    assert "account <code>library</code>" in picture("nginx")
    assert "account <code>team</code>" in picture("team/app")
    assert "account" not in picture("localhost:5000/team/app")


def test_what_explain_says_stands_below_the_picture():
    shown = plain(picture("nginx"))
    assert "In full docker.io/library/nginx:latest, in short nginx." in shown
    assert "There is no tag, so it means latest" in shown
    assert "In full x.io/a:1." in plain(picture("x.io/a:1"))
    assert "is a tag, not a port" in picture("my-image:5000")


def test_a_name_that_is_none_says_why_and_is_never_markup():
    shown = picture("localhost:5000/My-Image")
    assert "Docker does not accept this name." in shown
    assert "<code>my-image</code>" in shown
    explorer = render("explorer", f'"><b>{EVIL}', "x")
    assert "<img" not in explorer and "<b>" not in explorer


def test_the_page_takes_a_name_apart_without_javascript(site):
    visitor = site.visitor()
    said = text(visitor.get("/names", params={"name": " localhost:5000/a:2 "}))
    assert "registry localhost:5000/ repository a tag :2" in said
    assert "account library filled in" in text(visitor.get("/names"))
    assert "The name is empty" in text(visitor.get("/names", params={"name": ""}))
    long = visitor.get("/names", params={"name": "a/" * 700})
    assert long.ok and "Docker does not accept this name." in long.text


def test_htmx_gets_the_picture_alone_and_json_the_parts(site):
    visitor = site.visitor()
    answer = visitor.get("/names", params={"name": "nginx"}, headers=HTMX)
    assert "<html" not in answer.text and "<form" not in answer.text
    assert "Registry docker.io, repository library/nginx, tag none, digest none." in answer.text
    row = visitor.get("/names", params={"name": "nginx"}, headers=JSON).json()
    assert (row["canonical"], row["tag"]) == ("docker.io/library/nginx:latest", None)
    assert len(row["notes"]) == 2
    bad = visitor.get("/names", params={"name": "a b"}, headers=JSON)
    assert bad.status_code == 400 and "blank" in bad.json()["error"]


def test_every_name_that_the_page_offers_is_what_it_says(site):
    page = site.visitor().get("/names").text
    tried, slips = page.split("Names with a mistake")
    offered = re.findall(r"<li><a [^>]*><code>(.*?)</code>", tried)
    assert len(offered) == 8
    assert all("does not accept" not in picture(name) for name in offered)
    for name in re.findall(r"<li><a [^>]*><code>(.*?)</code>", slips):
        shown = picture(name)
        assert "does not accept" in shown or "not a host" in shown or "not a port" in shown


def test_a_block_in_a_lesson_is_drawn_with_the_learners_registry(serve, tiny):
    lesson = (tiny / "lessons/01-tiny.md").read_text()
    block = LESSON.split("---\n")[2]
    (tiny / "lessons/01-tiny.md").write_text(lesson.replace("## Make", f"{block}\n## Make"))
    visitor = serve().visitor()
    page = visitor.get("/lessons/tiny")
    assert re.search(r"registry localhost:50\d\d/ repository team/my-image tag :1.0", text(page))
    assert 'id="reference-1"' in page.text and 'id="reference-2"' in page.text
    assert re.search(r'value="localhost:50\d\d/team/my-image:1.0"', page.text)


# In a browser


def test_the_picture_follows_the_typing_and_nothing_else_changes(site, open_page):
    page = open_page(site, "/lessons/names")
    page.evaluate("""() => {
        for (const part of document.querySelectorAll("form, input, #reference-1"))
            part.marked = true;
    }""")
    field = page.locator("#reference-2-name")
    field.fill("ghcr.io/a")
    page.locator("#reference-2").get_by_text("ghcr.io", exact=True).wait_for()
    field.press("End")
    field.press_sequentially("/b:2")
    page.locator("#reference-2 .part.tag").get_by_text("2", exact=True).wait_for()
    assert page.evaluate("document.activeElement.id") == "reference-2-name"
    assert page.locator("#announce").inner_text().startswith("Registry ghcr.io, repository a/b")
    assert page.evaluate("""() => [...document.querySelectorAll("form, input, #reference-1")]
        .every(part => part.marked)""")
    assert "my-image" in page.locator("#reference-1").inner_text()
    field.fill("a b")
    page.locator("#reference-2").get_by_text("Docker does not accept this").wait_for()
    field.press("Enter")
    assert page.url == f"{site.url}/lessons/names"


def test_in_a_lesson_the_form_leads_to_the_page_with_javascript_off(site, open_page):
    page = open_page(site, "/lessons/names", java_script_enabled=False)
    page.get_by_label("Take a name apart").last.fill("redis:7")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/names?name=redis%3A7")
    assert page.get_by_label("Take a name apart").input_value() == "redis:7"
    assert "library/redis" in page.locator(".parts").inner_text()


def test_a_lesson_with_several_names_is_accessible_and_does_not_scroll_sideways(site, open_page):
    page = open_page(site, "/lessons/names")
    for size, colours in ((WIDE, "light"), (NARROW, "dark")):
        page.set_viewport_size(size["viewport"])
        page.emulate_media(color_scheme=colours)
        page.reload()
        assert violations(page) == []
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["viewport"]["width"]
