"""Which host and origin a request must name, and the headers that every answer carries."""

import socket

import pytest
import requests

from app import create_app
from labrunner.web.security.origin import OF_DOCUMENTS
from tests.fixtures.security import CHANGING, addresses
from tests.fixtures.web import HERE, TOKEN


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "localhost:{port}.evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}0",
        "127.1:{port}",
        "0.0.0.0:{port}",
        "user@127.0.0.1:{port}",
        "[::1]",
        "127.0.0.1:{port},evil.example",
        "",
    ],
)
def test_another_host_is_refused(site, unchanged, host):
    visitor = site.visitor()
    host = host.format(port=site.port)
    for path in ("/", "/health", "/static/css/page.css"):
        assert visitor.get(path, headers={"Host": host}).status_code in (400, 403)
    for path in CHANGING:
        answer = visitor.submit(path, headers={"Host": host})
        assert answer.status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_let_in(site, host):
    answer = requests.get(f"{site.url}/health", headers={"Host": f"{host}:{site.port}"}, timeout=30)
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_the_address_in_the_network_is_refused_even_if_it_were_reached(site):
    """`flask run --host 0.0.0.0` binds it; the name in the request gives it away."""
    host = f"{socket.gethostname()}:{site.port}"
    assert requests.get(f"{site.url}/", headers={"Host": host}, timeout=30).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:{port}.evil.example",
        "http://evil.example:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "HTTP://127.0.0.1:{port}",
        "null",
        "",
    ],
)
def test_another_origin_is_refused(site, unchanged, origin):
    visitor = site.visitor()
    for path in CHANGING:
        answer = visitor.submit(path, headers={"Origin": origin.format(port=site.port)})
        assert answer.status_code == 403


def test_a_request_that_a_browser_marks_as_foreign_is_refused(site, unchanged):
    visitor = site.visitor()
    for mark in ("cross-site", "same-site", "none"):
        answer = visitor.submit("/lessons/tiny/start", headers={"Sec-Fetch-Site": mark})
        assert answer.status_code == 403


def test_another_page_may_lead_here_and_have_nothing_loaded_into_it(site):
    """A page on another port of this machine is of the same site: the cookie comes with its
    requests, and those for an image or a frame have no origin."""
    visitor = site.visitor()
    for path in ("/", "/lessons/tiny", "/report.json", "/static/style.css"):
        for mark in ("same-site", "cross-site"):
            for kind in ("image", "script", "iframe", "empty", None):
                headers = {"Sec-Fetch-Site": mark, "Sec-Fetch-Dest": kind}
                assert visitor.get(path, headers=headers).status_code == 403
            headers = {"Sec-Fetch-Site": mark, "Sec-Fetch-Dest": "document"}
            assert visitor.get(path, headers=headers).status_code == 200
        for mark in ("same-origin", "none"):
            headers = {"Sec-Fetch-Site": mark, "Sec-Fetch-Dest": "image"}
            assert visitor.get(path, headers=headers).status_code == 200


def test_a_form_without_its_token_is_refused(site, unchanged):
    visitor = site.visitor()
    for path in CHANGING:
        assert visitor.post(path).status_code == 400
        assert visitor.post(path, data={"csrf_token": "x"}).status_code == 400


def test_no_form_at_all_is_taken_without_its_token_or_from_another_origin(app):
    client = app.test_client()
    client.get(f"/?token={TOKEN}", base_url=HERE)
    paths = [path for path, rule in addresses(app) if "POST" in rule.methods]
    assert len(paths) >= 12
    for path in paths:
        assert client.post(path, base_url=HERE).status_code == 400, path
        foreign = {"Origin": "http://127.0.0.1:8001"}
        assert client.post(path, base_url=HERE, headers=foreign).status_code == 403, path


def test_our_own_origin_is_let_in(site):
    visitor = site.visitor()
    for name in ("127.0.0.1", "localhost", "[::1]"):
        headers = {"Origin": f"http://{name}:{site.port}", "Sec-Fetch-Site": "same-origin"}
        answer = visitor.submit("/lessons/tiny/check", headers=headers)
        assert answer.status_code == 409  # not started: it came through


@pytest.mark.parametrize(
    ("origin", "hosts"),
    [
        ("https://class.example.org", ("class.example.org", "class.example.org:443")),
        ("https://Class.Example.org:443/", ("class.example.org", "CLASS.example.org:443")),
        ("http://10.0.0.7:8080", ("10.0.0.7:8080",)),
        ("http://[fd00::7]", ("[fd00::7]", "[fd00::7]:80")),
    ],
)
def test_a_course_at_a_public_address_answers_to_that_alone(
    tiny, instance, monkeypatch, origin, hosts
):
    monkeypatch.setenv("LABRUNNER_ORIGIN", origin)
    monkeypatch.setenv("SCRIPT_NAME", "/user/alice/")
    client = create_app(tiny, instance, 8000, TOKEN).test_client()

    def ask(host, path="/user/alice/health", **headers):
        return client.get(path, headers={"Host": host, **headers})

    for host in hosts:
        assert ask(host).text == "ok\n"
    [*_, host] = hosts
    mine = f"{origin.partition(':')[0]}://{hosts[0].lower()}"
    assert ask(host, Origin=mine).status_code == 200
    for other in (f"{mine}.evil.example", mine.replace("://", "s://"), "http://127.0.0.1:8000"):
        assert ask(host, Origin=other).status_code == 403
    for name in (f"{host}0", f"x{host}", "127.0.0.1:8000", "localhost:8000"):
        assert ask(name).status_code == 403
    for path in ("/health", "/user/alicex/health", "/user", "/", "/user/alice/user/alice/health"):
        assert ask(host, path).status_code in (401, 404)
        assert ask(host, path).text != "ok\n"
    for path in ("/user/alice", "/user/alice/", "/user/alice//evil.example"):
        led = ask(host, f"{path}?token={TOKEN}&a=1").headers["Location"]
        assert led == f"/user/alice/{path.removeprefix('/user/alice').strip('/')}?a=1"


def test_a_course_with_several_origins_answers_to_each_and_browsers_open_the_first(
    tiny, instance, monkeypatch
):
    monkeypatch.setenv("LABRUNNER_ORIGIN", "http://localhost:8000 https://localhost:8443")
    app = create_app(tiny, instance, 8000, TOKEN)
    assert app.config["ADDRESS"].url == "http://localhost:8000"
    client = app.test_client()

    def ask(host, origin):
        return client.get("/health", headers={"Host": host, "Origin": origin}).status_code

    for host in ("localhost:8000", "localhost:8443"):
        assert ask(host, "http://localhost:8000") == ask(host, "https://localhost:8443") == 200
        assert ask(host, "https://localhost:8000") == ask(host, "http://127.0.0.1:8000") == 403
    assert ask("127.0.0.1:8000", "http://localhost:8000") == 403


def test_every_answer_carries_the_headers(site, app):
    app.add_url_rule("/break", view_func=lambda: 1 / 0)
    client = app.test_client()
    client.get(f"/?token={TOKEN}", base_url=HERE)
    answers = [client.get("/break", base_url=HERE), client.get("/break", base_url="http://evil/")]
    assert [answer.status_code for answer in answers] == [500, 403]
    visitor = site.visitor()
    paths = ("/", "/lessons/tiny", "/nothing", "/static/css/page.css", "/static/no", "/health")
    answers += [visitor.get(path) for path in paths]
    answers += [requests.get(site.url, timeout=30), visitor.post("/lessons/tiny/start")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
        assert "unsafe" not in str(policy) and "script-src 'self'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for name in (
            "Referrer-Policy",
            "Cross-Origin-Opener-Policy",
            "Cross-Origin-Resource-Policy",
        ):
            assert answer.headers[name] == "same-origin"
        assert "Cache-Control" in answer.headers


def test_styles_and_scripts_carry_what_concerns_them(site):
    visitor = site.visitor()
    for path in ("/static/style.css", "/static/js/live.js"):
        headers = visitor.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not set(OF_DOCUMENTS) & set(headers)
    assert visitor.get("/static/pictures/push.svg").headers["Content-Security-Policy"]
