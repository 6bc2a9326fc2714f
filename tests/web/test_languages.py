"""Pages, verdicts and the decoder in another language."""

import html
import json
import re
from gettext import GNUTranslations
from io import BytesIO

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app import create_app
from labrunner import language
from labrunner.language import Sentence, dump, translated
from labrunner.session.services import get_services
from labrunner.text import in_order, one_by_one
from labrunner.verdicts import NotYet
from labrunner.workspaces.creation import Creation
from labrunner.workspaces.record import Record
from script.sentences import is_sentence
from tests.fixtures.engine import ROOT, close_all
from tests.fixtures.languages import (
    BEGIN,
    END,
    MARKING,
    Unmarked,
    composed,
    fault,
    sentences,
    sentences_of,
)
from tests.fixtures.security import csrf
from tests.fixtures.web import HERE, HTMX, JSON

IN_MARKING = {"Accept-Language": MARKING}
GERMAN = {"Accept-Language": "de-AT, de;q=0.9, en;q=0.5"}
ERROR = (
    "Error response from daemon: manifest for localhost:5000/hello:2 not found: manifest unknown"
)
CHECK = "/lessons/tiny/steps/make-a-volume/check"
ENGLISH = (  # what no page shows: commands, and what is wrong with an entry of the decoder
    "labrunner/address.py",
    "labrunner/cli/*.py",
    "labrunner/headless/*.py",
    "labrunner/doctor.py",
    "labrunner/decoder/messages.py",
)

CATALOG = """
msgid ""
msgstr ""
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Not there yet."
msgstr "Noch nicht."

msgid "Expected"
msgstr "Erwartet"

msgid "Found"
msgstr "Gefunden"

msgid "You said {answer}"
msgstr "Gesagt wurde {answer}"

msgid "Error decoder"
msgstr "Fehlerdeuter"

msgid "Lesson %(number)s: %(title)s"
msgstr "Lektion %(number)s: %(title)s"

msgid "%(count)s step"
msgid_plural "%(count)s steps"
msgstr[0] "%(count)s Schritt"
msgstr[1] "%(count)s Schritte"

msgid "The registry has no `{reference}`."
msgstr "Die Registry hat kein `{reference}`."
"""


@pytest.fixture(autouse=True)
def own_language():
    """What a request of a test has chosen in this thread ends with the test."""
    with language.speaking(language.SOURCE):
        yield


@pytest.fixture
def app(tiny, instance, engine):
    """The tiny course with its lab started, in this process."""
    app = create_app(tiny, instance, 8000, "x")
    with app.app_context():
        services = get_services()
        services.session(services.course.labs["tiny"]).start(lambda line: None)
    yield app
    close_all(services.workspaces)


@pytest.fixture
def marking(marking, tiny):
    """The language that marks what it translates, with the sentences of the tiny course's lab."""
    marking.known |= sentences_of(tiny / "labs/tiny/lab.py")


@pytest.fixture
def german(monkeypatch, tmp_path):
    """A real catalog of a few sentences, as `script/translations` compiles it."""
    folder = tmp_path / "locale/de/LC_MESSAGES"
    folder.mkdir(parents=True)
    (tmp_path / "de.po").write_text(CATALOG)
    with (tmp_path / "de.po").open("rb") as source, (folder / "labrunner.mo").open("wb") as made:
        write_mo(made, read_po(source))
    monkeypatch.setattr(language, "FOLDER", tmp_path / "locale")
    language.catalog.cache_clear()
    yield
    language.catalog.cache_clear()


class Browser:
    """A browser that is logged in, and asks for pages in a language."""

    def __init__(self, app, wanted):
        self.client, self.wanted = app.test_client(), wanted
        self.get("/?token=x")
        self.csrf = csrf(self.client)

    def get(self, path, **headers):
        return self.client.get(path, base_url=HERE, headers={**self.wanted, **headers})

    def submit(self, path, headers=None, **fields):
        data = {"csrf_token": self.csrf, **fields}
        headers = {**self.wanted, "Origin": HERE, **(headers or {})}
        return self.client.post(path, base_url=HERE, headers=headers, data=data)


def text(answer):
    return " ".join(html.unescape(re.sub("<[^>]+>", "", answer.text)).split())


def of_the_course(course):
    """What a course says itself, which has no catalog."""
    for lesson in course.lessons:
        yield from (lesson.title, f"{lesson.number}. {lesson.title}", lesson.goal)
        yield from lesson.titles.values()
        asked = course.questions(lesson)
        for question in filter(None, (asked.prediction, *asked.review)):
            yield from (question.asks, *question.options, question.why)


def unmarked(answer, course):
    said = {" ".join(re.sub("`[^`]*`", "`", each or "").split()) for each in of_the_course(course)}
    own = {part.strip(" ,.:;·“”()") for each in said for part in [each, *each.split("`")]}
    return [each for each in Unmarked(answer.text).found if each not in own | {"Registry Lab"}]


# Which language


def test_a_page_says_its_language_and_that_another_reader_may_get_another(app, marking):
    english, other = Browser(app, {}), Browser(app, IN_MARKING)
    for path in ("/", "/lessons/tiny", "/decode", "/names", "/report", "/lessons/none"):
        page = other.get(path)
        assert '<html lang="xx">' in page.text and '<html lang="en">' in english.get(path).text
        assert "Accept-Language" in page.headers["Vary"]
    for path in ("/static/style.css", "/health"):
        assert "Accept-Language" not in other.get(path).headers.get("Vary", "")
    refused = app.test_client().get("/", base_url=HERE, headers=IN_MARKING)
    assert (
        refused.status_code == 401
        and f"{BEGIN}You need the server's current token{END}" in refused.text
    )


def test_a_reader_gets_the_language_that_they_like_best(tiny, instance, german):
    app = create_app(tiny, instance, 8000, "x")
    for wanted, spoken in {
        "de": "de",
        "de-AT, en;q=0.9": "de",
        "fr, de;q=0.5": "de",
        "en, de;q=0.9": "en",
        "en-GB, de;q=0.9": "en",
        "de;q=0, fr": "en",
        "*": "en",
        "": "en",
        "no such header;;q=x": "en",
    }.items():
        refused = app.test_client().get("/", base_url=HERE, headers={"Accept-Language": wanted})
        assert f'<html lang="{spoken}">' in refused.text, wanted


# What is said


def test_every_sentence_of_the_pages_goes_through_a_catalog(app, marking, engine):
    with app.app_context():
        course = get_services().course
    browser = Browser(app, IN_MARKING)
    seen = [browser.get(path) for path in ("/", "/lessons/tiny", "/lessons/reading")]
    seen += [browser.get(path) for path in ("/names", "/names?name=My-Image", "/report", "/none")]
    seen += [browser.get(f"/lessons/tiny/{page}") for page in ("finish", "reset", "registry")]
    seen += [browser.get("/lessons/tiny/steps/say-it/back"), browser.submit("/lessons/tiny/start")]
    seen += [browser.submit("/decode", HTMX, text=each) for each in (ERROR, "all is well")]
    seen += [browser.submit(CHECK, more="x"), browser.submit("/lessons/tiny/steps/none/skip")]
    for change in ("check", "skip", "solve"):
        seen.append(browser.submit(f"/lessons/tiny/steps/make-a-volume/{change}", HTMX))
        seen += [browser.get(path) for path in ("/lessons/tiny", "/report", "/lessons/tiny/report")]
    seen.append(browser.submit("/lessons/tiny/steps/say-it/check", HTMX, answer="no"))
    seen.append(browser.get("/lessons/tiny"))
    for answer in seen:
        assert unmarked(answer, course) == [], answer.request.path
    assert sum(answer.text.count(BEGIN) for answer in seen) > 1000


def test_so_does_every_sentence_of_the_course_that_is_no_lessons_own(instance, engine, marking):
    app = create_app(ROOT, instance, 8000, "x")
    with app.app_context():
        course = get_services().course
    browser = Browser(app, IN_MARKING)
    slugs = ("name-that-image", "push-and-pull")  # with a prediction, questions and pictures
    for path in ("/", "/decode", *(f"/lessons/{slug}" for slug in slugs)):
        assert unmarked(browser.get(path), course) == [], path
    goals = {step.goal for lab in course.labs.values() for step in lab.steps}
    assert goals and goals <= sentences()


def test_a_verdict_is_read_in_another_language_whoever_asked_for_it(app, marking):
    english, other = Browser(app, {}), Browser(app, IN_MARKING)
    english.submit("/lessons/tiny/steps/say-it/check", answer="<b>{registry}")
    said = text(other.get("/lessons/tiny"))
    assert f"{BEGIN}Found{END} {BEGIN}You said <b>{{registry}}{END}" in said
    assert f"{BEGIN}Next{END} {BEGIN}Say word, then more.{END}" in said
    assert "Found You said <b>{registry}" in text(english.get("/lessons/tiny"))
    assert f"{BEGIN}You said <b>{{registry}}{END}" in text(other.get("/report"))
    kept = other.client.get("/report", base_url=HERE, headers=JSON)
    assert BEGIN not in kept.text and '"found":"You said <b>{registry}"' in kept.text


def test_a_catalog_that_lacks_a_sentence_shows_the_english_one(app, german):
    browser = Browser(app, GERMAN)
    verdict = text(browser.submit("/lessons/tiny/steps/say-it/check", HTMX, answer="no"))
    assert "Noch nicht. Erwartet The word. Gefunden Gesagt wurde no Next Say word" in verdict
    assert "2 Schritte, about 5 minutes" in text(browser.get("/"))
    assert "Lektion 1: A tiny lesson" in text(browser.get("/lessons/tiny/report"))
    decoded = browser.submit("/decode", text=ERROR)
    assert "Fehlerdeuter" in decoded.text and "What does this error mean?" in decoded.text


def test_the_decoder_explains_in_another_language_with_the_words_of_the_error(app, marking):
    browser = Browser(app, IN_MARKING)
    finding = browser.submit("/decode", HTMX, text=ERROR).text
    assert re.search(rf"<dd>{BEGIN}[^<]*<code>localhost:5000", finding)
    for name in ("Means", "Why", "Next", "Read on"):
        assert f"<dt>{BEGIN}{name}{END}</dt>" in finding
    as_json = browser.client.post(
        "/decode",
        base_url=HERE,
        headers={**IN_MARKING, **JSON, "Origin": HERE},
        data={"csrf_token": browser.csrf, "text": ERROR},
    )
    assert BEGIN not in as_json.text


def test_files_that_are_refused_are_explained_in_another_language(tiny, instance, marking):
    (tiny / "lessons/03-lost.md").write_text("---\ntitle: Lost\nlab: none\n---\n")
    app = create_app(tiny, instance, 8000, "x")
    with app.app_context():
        course = get_services().course
    browser = Browser(app, IN_MARKING)
    lost = browser.get("/lessons/lost")
    assert unmarked(lost, course) == []
    assert f"{BEGIN}There is no lab none: add labs/none/lab.py.{END}" in text(lost)
    head = b'{"registry-lab": "progress", "version": 1}\n'
    for line in (b"", b'{"kind": 1}', b'{"kind": "lab", "lab": "a", "done_at": 1}'):
        sent = browser.submit("/progress", file=(BytesIO(head + line + b"\n"), "progress.jsonl"))
        assert sent.status_code == 400 and unmarked(sent, course) == []
        assert f"{BEGIN}Line 2: {BEGIN}" in text(sent)


def test_a_lesson_says_that_it_is_in_english_where_the_page_is_not(app, marking):
    page = Browser(app, IN_MARKING).get("/lessons/tiny").text
    assert '<div lang="en"><p>Your registry is at' in page
    assert 'lang="en"' not in Browser(app, {}).get("/lessons/tiny").text.replace(
        '<html lang="en">', ""
    )


# Sentences


def test_a_sentence_keeps_its_values_in_every_language(marking):
    inner = Sentence("{some} and {other}", some="`{other}`", other=Sentence.of("the tag"))
    said = Sentence("`{said}` means the same, but leaves out {missing}.", missing=inner)
    filled = said.fill({"said": "a", "other": "b"})
    assert filled == "`a` means the same, but leaves out `{other}` and the tag."
    with language.speaking(MARKING):
        assert translated(filled) == (
            "⟦`a` means the same, but leaves out ⟦`{other}` and ⟦the tag⟧⟧.⟧"
        )
        assert translated(Sentence.counted("{count} hour", "{count} hours", 1)) == "⟦1 hour⟧"
    assert translated(filled) == filled
    kept = Sentence.load(json.loads(json.dumps(dump(filled))))
    assert kept == filled
    with language.speaking(MARKING):
        assert translated(kept) == translated(Sentence.load(dump(filled))) != filled
    assert Sentence.joined("One.", "", "Two.") == "One. Two."


def test_a_command_in_a_verdict_is_filled_and_what_a_learner_typed_is_not(tmp_path, engine):
    record = Record("1", "tiny", "learner", "open", 0, {}, {"registry": "localhost:5000"})
    failure = NotYet(
        found="`{said}` is not there.",
        next="Tag it, then {push}.",
        said="{registry}",
        push=Sentence("`docker push {registry}/{image}`"),
        image="hello",
    )
    verdict = failure.verdict("It is there.", Creation(tmp_path, record, engine).fill)
    assert verdict.found == "`{registry}` is not there."
    assert verdict.next == "Tag it, then `docker push localhost:5000/hello`."


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('NotYet(found=f"There is no `{name}`.", next="Make it.")', {"There is no `{}`."}),
        ('NotYet(found="There is none.", next=f"{PULL}, then {PUSH}.")', {"{}, then {}."}),
        ('found = "`{app}` is " + f"{digest} in the registry."', {"{} in the registry."}),
        ("found += ', and `1.1` is it.'", {", and `1.1` is it."}),
        ("todo += 'later.'", {"later."}),
        ('NotYet(found="There is no `{name}`.", next=f"{PUSH}.", name=name)', set()),
        ('todo = f"`docker rm {name}`."', set()),
        ('place = f"{registry}/{image}:1.0"', set()),
        ('pattern = rf"{name}(?::(?P<tag>{tag}))?"', set()),
        ('dockerfile = first + "LABEL version=2\\n"', set()),
    ],
)
def test_a_sentence_that_is_composed_too_early_is_found(source, found):
    assert composed(source) == found


def test_no_sentence_is_composed_before_it_is_translated():
    paths = {*ROOT.glob("labs/*/lab.py"), *ROOT.glob("labrunner/**/*.py")}
    for part in ENGLISH:
        left_out = {*ROOT.glob(part)}
        assert left_out and left_out <= paths
        paths -= left_out
    found = {path.relative_to(ROOT): composed(path.read_text()) for path in paths}
    assert {path: texts for path, texts in found.items() if texts} == {}


def test_commands_in_order_are_one_sentence_in_every_language(marking):
    said = in_order("`a {name}`", "", "`b {image}`")
    filled = said.fill({"name": "c", "image": "d"})
    assert filled == "`a c`, then `b d`."
    with language.speaking(MARKING):
        assert translated(filled) == "⟦⟦`a c`, then `b d`⟧.⟧"
    assert in_order("", "`docker run`") == "`docker run`."
    assert in_order("`docker stop a`", "`docker start a`", stop=False) == (
        "`docker stop a`, then `docker start a`"
    )
    assert one_by_one("`a`, then `b`", "`c`") == "`a`, then `b`. Then `c`."


@pytest.mark.parametrize(
    ("source", "said", "lost"),
    [
        ("Lesson %(number)s: %(title)s", "%(title)s (Lektion %(number)s)", False),
        ("Lesson %(number)s: %(title)s", "Lektion %(nummer)s: %(title)s", True),
        ("`{said}` is not in the name.", "`{said}` steht nicht im Namen.", False),
        ("`{said}` is not in the name.", "Das steht nicht im Namen.", True),
        ("Press <em>Check my work</em>.", "<em>Prüfen</em> drücken.", False),
        ("Press <em>Check my work</em>.", "Prüfen drücken.", True),
        ("Width of the work pane", 'Breite" onfocus="x', True),
    ],
)
def test_a_translation_that_loses_a_value_or_a_tag_is_found(source, said, lost):
    assert bool(fault(source, said)) == lost


def test_no_catalog_loses_anything(german):
    """The course's own, and the one of these tests."""
    folders = [ROOT / "labrunner/locale", language.FOLDER]
    found = [path for folder in folders for path in folder.glob("*/LC_MESSAGES/*.mo")]
    assert found
    for path in found:
        with path.open("rb") as file:
            messages = GNUTranslations(file)._catalog
        for source, translation in messages.items():
            text = source[0] if isinstance(source, tuple) else source
            assert not text or not fault(text, translation), path


def test_what_is_no_sentence_is_not_for_translators():
    assert all(map(is_sentence, ("There is none.", "`{image}` is it", "it has {count} tags")))
    assert not any(map(is_sentence, ("{owner}/{app}:{tag}", "localhost", "Found", "a b", "X-Y: z")))
