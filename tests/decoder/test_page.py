"""The decoder on its page, in a verdict, and as a command."""

import html
import json
import os
import pty
import re
import subprocess
import sys

import pytest

from labrunner.decoder.messages import known_messages
from tests.fixtures.engine import ROOT
from tests.fixtures.pages import text
from tests.fixtures.web import HTMX, JSON

PASTED = """$ docker push localhost:5000/apps/x
The push refers to repository [localhost:5000/apps/x]
no basic auth credentials
"""
EVIL = "<img src=x onerror=alert(1)> no basic auth credentials {{ registry }} \u202e"


@pytest.fixture(scope="module")
def site(shared_site):
    return shared_site


def submit(visitor, pasted, **options):
    return visitor.submit("/decode", {"text": pasted}, **options)


def test_a_pasted_error_is_explained_without_javascript(site):
    visitor = site.visitor()
    answer = submit(visitor, PASTED)
    said = text(answer)
    assert "You are not logged in to this registry no basic auth credentials Means" in said
    assert "Next Run docker login localhost:5000, then the same command again." in said
    assert "docs.docker.com/reference/cli/docker/login/" in said
    assert html.unescape(answer.text).count(PASTED) == 1  # it stands in the field still


def test_an_unknown_text_is_told_where_to_look(site):
    said = text(submit(site.visitor(), "segmentation fault"))
    assert "This text has no error that the decoder knows." in said
    assert "docker logs <container>" in said
    assert "journalctl -u docker" in said and "script/lab doctor" in said


def test_the_page_lists_all_messages_each_with_an_anchor(site):
    answer = site.visitor().get("/decode")
    assert answer.ok
    ids = re.findall(r'<h3 id="([a-z0-9-]+)"', answer.text)
    assert sorted(ids) == sorted(message.id for message in known_messages())
    said = text(answer)
    for message in known_messages():
        assert message.title in said and " ".join(message.says.split()) in said


def test_the_lesson_is_linked_where_the_course_has_it(serve, tiny):
    visitor = serve().visitor()
    assert "/lessons/a-private-registry" not in visitor.get("/decode").text
    (tiny / "lessons/08-a-private-registry.md").write_text("---\ntitle: Locked\n---\nText.")
    visitor = serve(token="second").visitor()
    assert "Lesson 8: Locked" in text(submit(visitor, PASTED))
    assert 'href="/lessons/a-private-registry"' in visitor.get("/decode").text


def test_every_page_links_the_decoder_and_the_names(site):
    visitor = site.visitor()
    for path in ("/", "/lessons/tiny", "/decode", "/names", "/nothing"):
        page = visitor.get(path).text
        assert 'href="/decode"' in page and 'href="/names"' in page


def test_htmx_gets_the_explanation_alone_and_json_the_findings(site):
    visitor = site.visitor()
    answer = submit(visitor, PASTED, headers=HTMX)
    assert "<html" not in answer.text and "All errors" not in answer.text
    assert "Recognised: You are not logged in to this registry." in text(answer)
    (finding,) = submit(visitor, PASTED, headers=JSON).json()["findings"]
    assert finding["id"] == "no-basic-auth"
    assert submit(visitor, "x", headers=JSON).json() == {"findings": []}


def test_what_is_pasted_is_text_and_never_markup(site):
    for headers in ({}, HTMX):
        answer = submit(site.visitor(), EVIL, headers=headers)
        assert "<img src=x" not in answer.text
        assert "You are not logged in" in answer.text


def test_a_paste_is_refused_without_the_token_of_the_form_or_with_other_fields(site):
    visitor = site.visitor()
    assert visitor.post("/decode", data={"text": "x"}).status_code == 400
    assert visitor.submit("/decode", {"text": "x", "more": "y"}).status_code == 400
    assert visitor.submit("/decode").status_code == 400
    assert submit(visitor, "x" * 70_000).status_code == 413


def test_a_paste_is_not_kept_or_logged(site):
    before = site.state()
    submit(site.visitor(), f"{PASTED} secret-7c2f")
    assert site.state() == before
    assert "secret-7c2f" not in site.log.read_text()


def test_a_verdict_links_to_what_its_error_means(serve, tiny):
    lab = tiny / "labs/tiny/lab.py"
    found = 'The start failed: Bind for 0.0.0.0:5000 failed: port is already allocated."'
    lab.write_text(lab.read_text().replace('There is <i>none</i>."', found))
    visitor = serve().visitor()
    visitor.start()
    assert "/decode#" not in visitor.get("/lessons/tiny").text
    answer = visitor.submit("/lessons/tiny/steps/make-a-volume/check", headers=HTMX)
    assert 'href="/decode#port-is-allocated"' in answer.text
    assert "What this error means: Another container uses the port" in text(answer)
    said = visitor.submit("/lessons/tiny/steps/make-a-volume/check", headers=JSON).json()
    assert set(said) == {"step", "status", "seconds", "expected", "found", "next"}
    visitor.submit("/lessons/tiny/steps/say-it/check", {"answer": "hello"})
    assert visitor.get("/lessons/tiny").text.count("/decode#") == 2  # also as the current step's


# In a browser


def test_an_error_is_explained_on_the_page_and_the_focus_stays(site, open_page):
    page = open_page(site, "/decode")
    page.keyboard.press("Tab")
    for _ in range(9):
        if page.evaluate("document.activeElement.id") == "text":
            break
        page.keyboard.press("Tab")
    page.keyboard.insert_text(PASTED)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#decoded").get_by_text("docker login localhost:5000").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Explain it"
    assert page.locator("#announce").inner_text().startswith("Recognised: You are not logged in")
    page.get_by_label("What your terminal says").fill("all is well")
    page.get_by_role("button", name="Explain it").click()
    page.locator("#decoded").get_by_text("This text has no error").wait_for()
    assert page.locator("#decoded .finding").count() == 0


def test_the_decoder_works_with_javascript_off(site, open_page):
    page = open_page(site, "/decode", java_script_enabled=False)
    page.get_by_label("What your terminal says").fill(EVIL)
    page.get_by_role("button", name="Explain it").click()
    assert page.url == f"{site.url}/decode"
    assert page.get_by_label("What your terminal says").input_value() == EVIL
    assert page.locator("#decoded .finding").count() == 1
    assert page.locator("img").count() == 0


# As a command


def run(commands, *words, given=None):
    """Exit code, standard output and standard error, with `given` on standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *commands.words, "decode", *words],
        cwd=ROOT,
        input=given,
        capture_output=True,
        timeout=60,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return done.returncode, out, err


def test_the_command_explains_its_arguments_and_exits_0(commands):
    code, out, err = commands("decode", "ERROR:", "--x", "manifest", "unknown")
    assert (code, err) == (0, "")
    assert out.startswith("The registry has no such image\n")
    for label in ("Found", "Means", "Why", "Next", "Read on"):
        assert f"  {label}" in out


def test_the_command_reads_what_is_piped_to_it(commands):
    given = b"\xff\xfe" + b"x\n" * 200_000 + PASTED.encode()
    code, out, _ = run(commands, "--json", given=given)
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["id"]) == (0, "no-basic-auth")
    assert "`docker login localhost:5000`" in finding["next"]


def test_the_command_exits_1_for_what_it_does_not_know_and_2_for_nothing(commands):
    code, out, err = commands("decode", "all", "is", "well")
    assert (code, out) == (1, "")
    assert "journalctl -u docker" in err
    assert commands("decode", "--json", "all is well")[:2] == (1, '{"findings": []}\n')
    code, out, err = run(commands, given=b" \n")
    assert (code, out) == (2, "")
    assert "script/lab decode 'manifest unknown'" in err
    code, out, err = run(commands, "--json", given=b"")
    assert (code, list(json.loads(out))) == (2, ["error"])


def test_the_command_says_what_it_waits_for_on_a_terminal(commands):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flask", *commands.words, "decode"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "press Enter and Ctrl-D" in process.stderr.readline()
        os.write(ours, b"manifest unknown\n\x04")
        out, _ = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "The registry has no such image" in out
