"""The prediction that a lesson opens with, and the questions that it ends with, over HTTP."""

import html
import re

import pytest

from tests.fixtures.engine import ASKED, eventually
from tests.fixtures.web import HTMX, JSON, Site, end, free_port, write_tiny

STEP = "/lessons/tiny/steps/make-a-volume"
PREDICT = "/lessons/tiny/prediction"
ASK = "/lessons/reading/questions/tiny-2"
OPEN = "The step “Make a volume” shows what is right."
KEPT = f"Your prediction is saved. {OPEN} You can change it until then."
NOT_SO = "You predicted: no. That was wrong. You make it."


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory, engine):
    """A server of the tiny course with questions; the module's tests start the lab anew."""
    folder = tmp_path_factory.mktemp("shared")
    root = write_tiny(folder / "tiny")
    (root / "lessons/01-tiny.toml").write_text(ASKED)
    site = Site(root, folder / "instance", free_port())
    yield site
    end(site, engine)


@pytest.fixture
def visitor(started_site):
    return started_site.visitor()


def text(answer) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub("<[^>]+>", "", answer.text)).split())


def section(visitor, id="prediction") -> str:
    """The source of a section of the lesson's page."""
    page = visitor.get("/lessons/tiny").text
    return re.search(rf'<(section|div)[^>]* id="{id}".*?</\1>', page, re.DOTALL)[0]


def predict(visitor, choice, **options):
    return visitor.submit(PREDICT, {"choice": choice}, allow_redirects=False, **options)


def make_it(visitor, docker):
    word = re.search(r"word-\w+", visitor.get("/lessons/tiny").text)[0]
    docker("volume", "create", word)
    return visitor.submit(f"{STEP}/check")


def test_a_lesson_opens_with_its_prediction_which_is_kept_and_can_be_changed(visitor):
    page = visitor.get("/lessons/tiny").text
    assert (
        page.index("Your registry is at") < page.index('id="prediction"') < page.index('id="lab"')
    )
    assert OPEN in page and "checked" not in section(visitor)
    assert re.findall(r'value="([^"]*)" autocomplete', section(visitor)) == [
        "no",
        "`perhaps`",
        "yes",
    ]
    for choice in ("yes", "no"):
        answer = predict(visitor, choice)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/lessons/tiny#prediction")
        assert re.findall(r'value="(\w+)" [^>]*checked', section(visitor)) == [choice]
        assert KEPT in section(visitor)
    assert KEPT in predict(visitor, "yes", headers=HTMX).text
    assert predict(visitor, "no", headers=JSON).json() == {"prediction": "no"}


@pytest.mark.parametrize(
    ("choice", "says"), [("yes", "You predicted: yes. You were right."), ("no", NOT_SO)]
)
def test_the_step_shows_whether_it_was_so_and_the_prediction_stays(visitor, docker, choice, says):
    predict(visitor, choice)
    assert "You predicted" not in visitor.get("/lessons/tiny").text
    make_it(visitor, docker)
    assert says in section(visitor) and says in section(visitor, "verdict-make-a-volume")
    assert "<form" not in section(visitor)
    predict(visitor, "yes" if choice == "no" else "no")
    assert says in section(visitor)
    assert says in visitor.submit(f"{STEP}/check", headers=HTMX).text


def test_who_predicts_nothing_is_told_the_answer_and_no_more(visitor, docker):
    make_it(visitor, docker)
    assert "The answer: yes. You make it." in section(visitor)
    assert "yes" not in section(visitor, "verdict-make-a-volume")


def test_a_prediction_that_the_lesson_no_longer_offers_is_none(started_site, visitor):
    predict(visitor, "no")
    file = started_site.root / "lessons/01-tiny.toml"
    file.write_text(ASKED.replace('"no", ', ""))
    try:
        changed = Site(started_site.root, started_site.instance, free_port(), token="changed")
        page = changed.visitor().get("/lessons/tiny").text
        changed.stop()
    finally:
        file.write_text(ASKED)
    assert OPEN in page and KEPT not in page


def test_a_reset_begins_it_anew(visitor):
    predict(visitor, "yes")
    items = re.findall(r'name="item" value="([^"]+)"', visitor.get("/lessons/tiny/reset").text)
    visitor.submit("/lessons/tiny/reset", {"item": items})
    status = "/lessons/tiny/start"
    assert eventually(lambda: visitor.get(status, headers=JSON).json()["status"] == "started")
    assert OPEN in section(visitor) and KEPT not in section(visitor)


def test_a_prediction_made_before_the_next_start_is_kept(visitor):
    predict(visitor, "no")
    items = re.findall(r'name="item" value="([^"]+)"', visitor.get("/lessons/tiny/finish").text)
    visitor.submit("/lessons/tiny/finish", {"item": items})
    assert "Start lab" in visitor.get("/lessons/tiny").text
    predict(visitor, "yes")
    visitor.start()
    assert re.findall(r'value="(\w+)" [^>]*checked', section(visitor)) == ["yes"]


def test_nothing_of_it_is_counted(visitor):
    before = visitor.get("/report", headers=JSON).json()
    predict(visitor, "no")
    visitor.get(ASK, params={"choice": "an image"})
    assert visitor.get("/report", headers=JSON).json() == before


def test_a_lesson_ends_with_questions_on_those_before_it(visitor):
    page = visitor.get("/lessons/reading").text
    assert page.index("Text with a") < page.index('id="questions"')
    assert page.count("<legend") - page.count("<legend class") == 2  # no more are there to ask
    assert "What is it?" in page and "How many are there?" in page
    assert 'id="questions"' not in visitor.get("/lessons/tiny").text


def test_an_answer_is_right_or_not_and_is_not_stored(started_site, visitor):
    before = started_site.state()
    right, wrong = (visitor.get(ASK, params={"choice": each}) for each in ("a volume", "an image"))
    assert "You answered: a volume. Right. It is a volume." in text(right)
    assert "You answered: an image. Wrong. It is a volume." in text(wrong)
    for page in (right, wrong):
        assert (
            'href="/lessons/tiny#make-a-volume">Lesson 1: A tiny lesson, “Make a volume”'
            in page.text
        )
        assert 'href="/lessons/reading#questions"' in page.text
    fragment = visitor.get(ASK, params={"choice": "a volume"}, headers=HTMX)
    assert text(fragment).count("Right. It is a volume.") == 2 and "<html" not in fragment.text
    said = visitor.get(ASK, params={"choice": "an image"}, headers=JSON).json()
    assert said == {"right": False, "why": "It is a volume."}
    assert started_site.state() == before


def test_what_is_no_option_is_refused(visitor):
    for choice in ("maybe", "", "YES", "<b>"):
        assert predict(visitor, choice).status_code == 400
        assert visitor.get(ASK, params={"choice": choice}).status_code == 400
    assert visitor.get(ASK).status_code == visitor.submit(PREDICT).status_code == 400
    assert visitor.post(PREDICT, data={"choice": "yes"}).status_code == 400  # without the token
    for slug in ("no", "reading"):
        assert visitor.submit(f"/lessons/{slug}/prediction", {"choice": "yes"}).status_code == 404
    for path in ("/lessons/reading/questions/tiny-3", "/lessons/no/questions/tiny-1"):
        assert visitor.get(path, params={"choice": "one"}).status_code == 404
    assert OPEN in section(visitor) and KEPT not in section(visitor)


def test_a_damaged_progress_file_keeps_nobody_from_the_questions(started_site, visitor):
    (started_site.instance / "progress.db").write_bytes(b"no database" * 1000)
    answer = predict(visitor, "yes")
    assert answer.status_code == 503 and "Move the file away" in text(answer)
    assert OPEN in section(visitor)
    assert 'id="questions"' in visitor.get("/lessons/reading").text
