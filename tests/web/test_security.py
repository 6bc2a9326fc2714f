"""The front door: who reaches the app controls the engine."""

import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
import requests

from app import create_app
from labrunner.course.loader import load_course
from labrunner.engine.engine import Engine
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.resources import snapshot
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.web import TOKEN, Site, Visitor, free_port, write_tiny

CHANGING = (
    "/lessons/tiny/start",
    "/lessons/tiny/finish",
    "/lessons/tiny/check",
    "/lessons/tiny/steps/make-a-volume/check",
    "/lessons/tiny/steps/say-it/check",
    "/logout",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One server for all tests here, which it must stand unchanged."""
    folder = tmp_path_factory.mktemp("door")
    site = Site(write_tiny(folder / "tiny"), folder / "instance", free_port())
    yield site
    site.stop()


@pytest.fixture
def unchanged(site, engine: Engine, pytestconfig):
    """At the end the engine, the workspaces and the progress are as they were."""
    is_alone = "engine" in getattr(pytestconfig, "workerinput", {})  # nobody else uses the engine
    before, there = site.state(), ids(engine) if is_alone else None
    yield
    assert site.state() == before
    if is_alone:
        assert ids(engine) == there


def ids(engine: Engine) -> dict[str, set[str]]:
    """All that the engine has."""
    return {kind: set(found) for kind, found in snapshot(engine).items()}


@pytest.fixture
def app(tiny, instance):
    """The app in this process, where a fault can be put in."""
    return create_app(tiny, instance, 8000, TOKEN)


HERE = "http://127.0.0.1:8000"


def csrf(client) -> str:
    """The token that a form of the course page has."""
    page = client.get("/", base_url=HERE).text
    return re.search(r'"csrf_token" value="([^"]+)"', page)[1]


def addresses(app):
    """Each rule of the app, with an address that it matches."""
    values = {"slug": "tiny", "step_id": "make-a-volume", "filename": "css/page.css", "id": "x"}
    for rule in app.url_map.iter_rules():
        yield re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], rule.rule), rule


def raw(site: Site, path: str, cookie: str = "", header: str = "") -> bytes:
    """The answer to a path that is sent just as it stands, byte by byte."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {cookie}\r\n{header}"
        line.sendall(f"{head}Connection: close\r\n\r\n".encode("latin-1"))
        return b"".join(iter(lambda: line.recv(65536), b""))


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
        assert "other fields than expected" in answer.text
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


def test_the_server_logs_no_token(site):
    requests.get(f"{site.url}/?a=1&token={TOKEN}", timeout=30)
    Visitor(site.url).submit("/login", {"token": TOKEN})
    assert eventually(lambda: "POST /login" in site.log.read_text())
    assert TOKEN not in site.log.read_text()
    assert '"GET /?a=1 HTTP/1.1" 303' in site.log.read_text()


def test_flask_run_prints_an_address_and_logs_no_token(tmp_path):
    port = free_port()
    environ = {name: text for name, text in os.environ.items() if name != "LABRUNNER_TOKEN"}
    script = f"app:create_app(instance='{tmp_path}')"
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "flask", "--app", script, "run", "--port", str(port)],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert eventually(lambda: "Press CTRL+C" in log.read_text(), 60)
        printed = log.read_text()
        address = next(each.split()[1] for each in printed.splitlines() if "Open http" in each)
        token = address.partition("token=")[2]
        assert address == f"http://127.0.0.1:{port}/?token={token}" and len(token) >= 32
        assert requests.get(address, timeout=30).status_code == 200
        with pytest.raises(ConnectionRefusedError):  # another address, though of this machine too
            socket.create_connection(("127.0.0.2", port), timeout=10)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
    rest = log.read_text().replace(address, "")
    assert "GET /?token=…" in rest and token not in rest


def test_flask_run_serves_no_other_machine(commands):
    everywhere = "0.0.0.0"  # noqa: S104 - it is refused
    with commands.start("run", "--host", everywhere, "--port", str(free_port())) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Leave out --host" in err and "Traceback" not in out + err


@pytest.mark.parametrize(("words", "debug"), [(["--debug"], "0"), (["--debugger"], "0"), ([], "1")])
def test_flask_run_has_no_debugger(commands, monkeypatch, words, debug):
    monkeypatch.setattr("flask.cli.run_simple", lambda *_, **options: pytest.fail("served"))
    code, _, err = commands("run", "--no-reload", *words, FLASK_DEBUG=debug)
    assert (code, err.count("\n")) == (2, 1)
    assert "Leave out --debug" in err


def test_each_start_has_another_token(tiny, instance, monkeypatch):
    monkeypatch.delenv("LABRUNNER_TOKEN", raising=False)
    tokens = {create_app(tiny, instance, 8000).config["TOKEN"] for _ in range(3)}
    assert len(tokens) == 3 and all(len(token) >= 32 for token in tokens)


def test_a_start_of_the_server_removes_what_a_killed_run_left(tiny, instance, engine):
    workspaces = Workspaces(instance / "workspaces", engine, load_course(tiny).labs)
    killed = workspaces.open(workspaces.labs["tiny"], "headless")
    killed.create_volume(killed["word"])
    killed.lock.release()
    create_app(tiny, instance, 8000, TOKEN)
    assert eventually(lambda: not workspaces.all())
    assert engine.volume(killed["word"]) is None


def test_commands_print_no_address(tmp_path):
    script = f"app:create_app(instance='{tmp_path}')"
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", script, "labs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0 and "token" not in done.stdout + done.stderr


def test_what_is_secret_on_disk_is_for_the_learner_alone(site):
    assert stat.S_IMODE((site.instance / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(site.instance.stat().st_mode) == 0o700


def test_an_instance_that_others_may_read_is_closed_to_them(tiny, instance):
    instance.mkdir(mode=0o755)
    create_app(tiny, instance, 8000, TOKEN)
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700


def test_a_command_makes_an_instance_for_the_learner_alone(commands, instance):
    assert commands("check-lab", "push-and-pull")[0] == 2  # not started
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700
