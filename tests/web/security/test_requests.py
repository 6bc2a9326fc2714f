"""What a request may ask for and bring along, and what its answer gives away."""

import logging
import re

import pytest

from tests.fixtures.security import CHANGING, csrf, raw
from tests.fixtures.web import HERE, TOKEN

ODD = (
    (f"/%0aforged?token={TOKEN}", ""),
    (f"/%0d%0aforged?token={TOKEN}", ""),
    (f"/%09/evil.example?token={TOKEN}", ""),
    (f"/%e2%80%a8forged?token={TOKEN}", ""),
    (f"/%1b[2Jforged?token={TOKEN}", ""),
    (f"/?token={TOKEN}\xff", ""),
    (f"/?\xfftoken={TOKEN}", ""),
    (f"/?%fftoken={TOKEN}", ""),
    (f"/?token={TOKEN} forged", ""),
    (f"/token={TOKEN}", ""),
    ("/", f"Referer: http://127.0.0.1/?token={TOKEN}\r\n"),
    ("/", "SCRIPT_NAME: /forged\r\n"),
    (f"/?token={TOKEN}", "SCRIPT_NAME: /forged\r\n"),
)


def test_an_odd_request_is_refused_and_leaves_one_line_without_the_token(site, unchanged):
    assert b" 200 OK" in raw(site, "/health?first")
    for path, header in ODD:
        head = raw(site, path, header=header).partition(b"\r\n\r\n")[0]
        assert head.split()[1] in (b"400", b"401", b"404"), path
        assert b"evil.example" not in head
    assert b" 200 OK" in raw(site, "/health?last")
    log = site.log.read_text()
    lines = log.partition("/health?first")[2].partition("/health?last")[0].splitlines()[1:-1]
    assert len(lines) == len(ODD), lines
    assert TOKEN not in log
    assert not [line for line in lines if line.startswith("forged")]


def test_a_get_changes_nothing(site, unchanged):
    visitor = site.visitor()
    for path in CHANGING:
        answer = visitor.get(path, allow_redirects=False)
        if path.endswith(("check", "logout")):
            assert answer.status_code == 405 and "POST" in answer.headers["Allow"]
    assert visitor.get("/login").status_code == 405


def test_a_field_that_is_not_asked_for_is_refused(site, unchanged):
    visitor = site.visitor()
    for path in CHANGING:
        fields = {"answer": "x"} if "say-it" in path else {}
        answer = visitor.submit(path, {**fields, "command": "docker ps"})
        assert answer.status_code == 400
        assert "does not have the expected fields" in answer.text
    check = "/lessons/tiny/steps/say-it/check"
    assert visitor.submit(check).status_code == 400
    assert visitor.submit(check, {"answer": ["a", "b"]}).status_code == 400
    assert visitor.submit(CHANGING[3], {"answer": "a"}).status_code == 400


def test_what_is_too_large_is_refused(site, unchanged):
    answer = site.visitor().submit(CHANGING[4], {"answer": "x" * 65 * 1024})
    assert answer.status_code == 413
    assert "at most 64 KiB" in answer.text


def test_what_is_too_large_is_refused_also_where_its_length_is_not_said(site, unchanged):
    visitor = site.visitor()
    form = f"csrf_token={visitor.csrf}&answer={'x' * 65 * 1024}".encode()
    chunks = (form[start : start + 4096] for start in range(0, len(form), 4096))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.post(CHANGING[4], data=chunks, headers=kind).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/lessons/..%2f..%2fapp.py",
        "/lessons/%2e%2e/app.py",
        "/static/..%2f..%2fapp.py",
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/static//etc/passwd",
        "/lessons/tiny%00",
        "/lessons/01-tiny.md",
        "/console",
        "/?__debugger__=yes&cmd=resource&f=style.css",
    ],
)
def test_names_are_looked_up_and_never_joined_to_a_path(site, unchanged, path):
    answer = raw(site, path, "; ".join(f"{c.name}={c.value}" for c in site.visitor().cookies))
    status = answer.split()[1]
    if "//" in path:
        assert status == b"308" and b"/static/etc/passwd" in answer
    else:
        assert status == (b"200" if "?" in path else b"404")
    assert b"create_app" not in answer and b"root:" not in answer and b"debugger" not in answer


def test_unknown_lessons_and_steps_are_not_found(site, unchanged):
    visitor = site.visitor()
    for path in ("/lessons/no/check", "/lessons/tiny/steps/no/check", "/lessons/reading/start"):
        assert visitor.submit(path).status_code == 404
    assert visitor.get("/lessons/no").status_code == 404


def test_pages_are_not_kept_and_static_files_with_a_version_are(site):
    visitor = site.visitor()
    page = visitor.get("/")
    assert page.headers["Cache-Control"] == "no-store"
    for name in ("style.css", "js/theme.js"):
        versioned = re.search(rf'"(/static/{name}\?v=\w+)"', page.text)
        assert versioned
        assert "immutable" in visitor.get(versioned[1]).headers["Cache-Control"]
        assert visitor.get(f"/static/{name}").headers["Cache-Control"] == "no-cache"


def test_a_static_file_sets_no_cookie_and_is_the_same_for_everybody(site):
    visitor = site.visitor()
    for path in ("/static/style.css", "/static/js/theme.js", "/static/icon.svg"):
        headers = visitor.get(path).headers
        assert "Set-Cookie" not in headers
        assert headers["Vary"] == "Accept-Encoding"


def test_a_fault_shows_no_traceback_and_no_log_has_the_token(app, caplog):
    app.add_url_rule("/break", view_func=lambda: 1 / 0)
    client = app.test_client()
    with caplog.at_level(logging.DEBUG):
        client.get(f"/break?token={TOKEN}", base_url=HERE)
        answer = client.get("/break", base_url=HERE)
        form = {"csrf_token": csrf(client), "token": TOKEN + "x"}
        failed = client.post("/login", data=form, base_url=HERE)
    assert answer.status_code == 500
    assert failed.status_code == 401 and "That is not the token." in failed.text
    assert "Something broke in this program" in answer.text
    assert "ZeroDivisionError" not in answer.text and "Traceback" not in answer.text
    assert "ZeroDivisionError" in caplog.text and TOKEN not in caplog.text
