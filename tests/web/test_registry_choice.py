"""The choice between the registries, on the pages that differ with it."""

import html
import re

import pytest

from app import create_app
from labrunner.session.services import get_services
from tests.fixtures.engine import close_all
from tests.fixtures.web import HERE, JSON, LAB, LESSON

DIFFERENT = """
```bash
docker run {{ registry_image }} serve {{ registry_config }}
```

=== "registry 2"

    Only two says so.

    ```bash
    docker volume ls
    ```

=== "registry 3"
    Only three says so.
"""
CHOICE = "/lessons/tiny/version"
STAYS = "A running registry stays as it is."


@pytest.fixture
def app(tiny, instance, engine):
    """A course whose lessons differ with the registry, do not, and are for registry 3 alone."""
    different = LESSON.replace("## Say it {#", f"{DIFFERENT}\n## Say it {{#")
    (tiny / "lessons/01-tiny.md").write_text(different)
    for name, images in (("same", "registry:2"), ("three", "registry:3")):
        (tiny / f"labs/{name}").mkdir()
        lab = LAB.replace("registry:2", images)
        (tiny / f"labs/{name}/lab.py").write_text(lab)
    same = LESSON.replace("lab: tiny", "lab: same")
    (tiny / "lessons/03-same.md").write_text(same)
    (tiny / "lessons/04-three.md").write_text(
        same.replace("lab: same", "lab: three") + "\n{{ registry_image }} alone.\n"
    )
    made = create_app(tiny, instance, 8000, "x")
    yield made
    close_all(get_services(made).workspaces)


@pytest.fixture
def ask(app):
    return Asker(app)


class Asker:
    """Somebody who is let in."""

    def __init__(self, app):
        self.browser = app.test_client()
        self.browser.get("/?token=x", base_url=HERE)

    def __call__(self, path="/lessons/tiny"):
        """What a page says, without its markup."""
        self.page = self.browser.get(path, base_url=HERE).text
        return " ".join(html.unescape(re.sub("<[^>]+>", "", self.page)).split())

    def choose(self, *fields, path=CHOICE, **options):
        self()
        token = re.search(r'"csrf_token" value="([^"]+)"', self.page)[1]
        sent = {"csrf_token": token, "registry": list(fields)}
        return self.browser.post(path, data=sent, base_url=HERE, **options)

    def pressed(self):
        return re.findall(r'aria-pressed="true">registry (\d)<', self.page)


def test_a_page_follows_the_choice_which_is_kept_for_the_learner(tiny, instance, app, ask):
    said = ask()
    assert "docker run registry:2 serve /etc/docker/registry/config.yml" in said
    assert "Only two says so." in said and "Only three" not in said
    assert ask.pressed() == ["2"] and STAYS in said

    answer = ask.choose("3")
    assert (answer.status_code, answer.location) == (303, "/lessons/tiny#version")

    later = Asker(create_app(tiny, instance, 8000, "x"))  # another browser, after a restart
    for each in (ask, later):
        said = each()
        assert "docker run registry:3 serve /etc/distribution/config.yml" in said
        assert "Only three says so." in said and "Only two" not in said
        assert each.pressed() == ["3"]
    assert ask.choose("2", headers=JSON).json == {"registry": "2"}
    assert "Only two says so." in later()


def test_a_lab_that_is_started_follows_as_well(app, ask):
    services = get_services(app)
    lab = services.course.labs["tiny"]
    services.workspaces.open(lab, "learner")
    assert "docker run registry:2" in ask()
    ask.choose("3")
    said, there = ask(), services.engine.image("registry:3")
    assert "The lab is started." in said and "docker run registry:3" in said
    assert (STAYS in said) == bool(there)
    missing = "registry:3 is not on your engine. script/lab kit get registry:3 fetches it."
    assert (missing in said) == (not there)
    assert services.session(lab).workspace.registry_image == "registry:3"


def test_there_is_no_choice_where_nothing_differs(ask):
    ask.choose("3")
    for path in ("/lessons/reading", "/lessons/same", "/lessons/three"):
        ask(path)
        assert "</h1>" in ask.page and 'id="version"' not in ask.page, path
    ask.choose("2")
    assert "registry:3 alone." in ask("/lessons/three")


@pytest.mark.parametrize("sent", [["4"], [""], ["registry:3"], ["2", "3"], []])
def test_another_choice_is_refused(app, ask, sent):
    ask.choose("3")
    answer = ask.choose(*sent)
    assert answer.status_code == 400
    assert ("Choose registry 2 or 3." in answer.text) == (len(sent) == 1)
    assert get_services(app).workspaces.registry_choice.image == "registry:3"


def test_a_lesson_that_there_is_not_has_no_choice(ask):
    assert ask.choose("3", path="/lessons/none/version").status_code == 404
