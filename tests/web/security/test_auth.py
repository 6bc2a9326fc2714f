"""Who is let in: a browser with the token of this start, or with the cookie that replaces it."""

import time

import requests

from app import create_app
from tests.fixtures.engine import eventually
from tests.fixtures.security import CHANGING, addresses, csrf, raw
from tests.fixtures.web import HERE, TOKEN, Visitor


def test_without_the_cookie_a_page_says_how_to_get_in(site, unchanged):
    for path in ("/", "/lessons/tiny", "/no/such/page"):
        answer = requests.get(site.url + path, timeout=30)
        assert answer.status_code == 401
        assert "Open the address that was printed in the terminal" in answer.text
    for path in CHANGING:
        assert requests.post(site.url + path, timeout=30).status_code == 403


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(site):
    answer = requests.get(
        f"{site.url}/lessons/tiny?a=1&token={TOKEN}", timeout=30, allow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/lessons/tiny?a=1"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"labrunner-{site.port}=")
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie


def test_a_redirect_after_the_token_stays_on_this_server(site):
    for path in ("//evil.example/", "/\\evil.example/", "/%5cevil.example", "///evil.example"):
        answer = raw(site, f"{path}?token={TOKEN}")
        assert b"\r\nlocation: /evil.example" in answer.lower()


def test_the_token_can_be_pasted(site):
    visitor = Visitor(site.url)
    assert visitor.submit("/login", {"token": "wrong"}).status_code == 401
    assert visitor.get("/").status_code == 401
    assert visitor.submit("/login", {"token": f" {TOKEN} "}).status_code == 200
    assert visitor.get("/").status_code == 200


def test_a_wrong_token_lets_nobody_in(site, unchanged):
    for token in ("", "x", TOKEN[:-1], TOKEN + "x", "é", "%00"):
        answer = requests.get(f"{site.url}/", params={"token": token}, timeout=30)
        assert answer.status_code == 401


def test_an_open_page_outlives_a_restart_and_the_old_token_does_not(serve):
    first = serve()
    visitor = first.visitor()
    first.stop()
    second = serve(port=first.port, token="another")
    assert visitor.get("/").status_code == 200
    assert requests.get(f"{second.url}/?token={TOKEN}", timeout=30).status_code == 401


def test_a_clock_that_is_set_back_logs_nobody_out_and_a_login_ends_after_a_week(app, monkeypatch):
    client, now, day = app.test_client(), time.time(), 24 * 60 * 60
    client.get(f"/?token={TOKEN}", base_url=HERE)
    for passed, status in ((-2, 200), (-day, 200), (6 * day, 200), (8 * day, 401)):
        monkeypatch.setattr(time, "time", lambda passed=passed: now + passed)
        assert client.get("/names", base_url=HERE).status_code == status, passed


def test_logging_out_makes_all_cookies_of_before_worthless(app):
    browser, other = app.test_client(), app.test_client()
    for each in (browser, other):
        each.get(f"/?token={TOKEN}", base_url=HERE)
    assert '<button class="quiet">Log out</button>' in browser.get("/", base_url=HERE).text
    stolen = other.get_cookie("labrunner-8000", domain="127.0.0.1").value
    answer = browser.post("/logout", data={"csrf_token": csrf(browser)}, base_url=HERE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    thief = {"Cookie": f"labrunner-8000={stolen}"}
    replayed = app.test_client(use_cookies=False).get("/", headers=thief, base_url=HERE)
    for answer in (browser.get("/", base_url=HERE), other.get("/", base_url=HERE), replayed):
        assert answer.status_code == 401
    assert browser.get(f"/?token={TOKEN}", base_url=HERE, follow_redirects=True).status_code == 200


def test_every_route_is_closed_unless_it_is_named_as_open(site, app, unchanged):
    open_routes = set()
    for path, rule in addresses(app):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if requests.request(method, site.url + path, timeout=30).ok:
                open_routes.add((rule.endpoint, method))
    assert {name for name, _ in open_routes} == {"static", "style", "auth.health", "auth.login"}
    assert {m for name, m in open_routes if name == "auth.login"} == {"OPTIONS"}


def test_the_server_logs_no_token(site):
    requests.get(f"{site.url}/?a=1&token={TOKEN}", timeout=30)
    Visitor(site.url).submit("/login", {"token": TOKEN})
    assert eventually(lambda: "POST /login" in site.log.read_text())
    assert TOKEN not in site.log.read_text()
    assert '"GET /?a=1 HTTP/1.1" 303' in site.log.read_text()


def test_each_start_has_another_token(tiny, instance, monkeypatch):
    monkeypatch.delenv("LABRUNNER_TOKEN", raising=False)
    tokens = {create_app(tiny, instance, 8000).config["TOKEN"] for _ in range(3)}
    assert len(tokens) == 3 and all(len(token) >= 32 for token in tokens)
