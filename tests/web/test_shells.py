"""The shells of pages: who may have one, and how a page is connected to it."""

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest
import requests
from wsproto.events import Message

from app import create_app
from labrunner.terminal.pty import CHUNK, MOST_TYPED
from labrunner.terminal.supervisor import members
from labrunner.web.limits import MAX_CONNECTIONS, ConnectionLimit, Full
from labrunner.web.services import get_web_services
from labrunner.web.shells import GRACE, UNSEEN, ShellConnection, Shells
from tests.fixtures.engine import eventually
from tests.fixtures.line import Line
from tests.fixtures.terminal import STUBBORN, ended, serving, start_lab
from tests.fixtures.web import HERE, JSON, Visitor
from tests.session.test_live_stream import Stream

BEGIN = "/lessons/tiny/terminal"

pytestmark = pytest.mark.usefixtures("bash")


def test_each_shell_takes_a_place_until_it_has_ended(tmp_path):
    closing = threading.Event()
    shells = Shells(ConnectionLimit(1), closing)
    shell = shells.open(tmp_path, {})
    with pytest.raises(Full):
        shells.open(tmp_path, {})
    shell.type(b"exit\n")
    assert eventually(lambda: not shells.find(shell.id))
    second = eventually(lambda: _begun(shells, tmp_path))
    closing.set()
    assert eventually(lambda: second.ended, 60)


def test_a_shell_goes_with_the_folder_of_its_lab_unless_a_page_has_it(tmp_path):
    closing, folder = threading.Event(), tmp_path / "work"
    shells = Shells(ConnectionLimit(2), closing)
    folder.mkdir()
    first, second = (shells.open(folder, {}) for _ in range(2))
    session = shells.find(second.id)
    assert session
    session.attach(ShellConnection(None, session, closing))
    shutil.rmtree(folder)
    assert not shells.find(first.id)
    assert eventually(lambda: first.ended, 60)
    assert shells.find(second.id) and not second.ended
    closing.set()
    assert eventually(lambda: second.ended, 60)


def test_a_shell_that_ends_with_the_server_does_not_say_that_it_has_ended(tmp_path):
    """The page says then that the connection was lost, and why."""
    closing, sent = threading.Event(), []
    shells = Shells(ConnectionLimit(1), closing)
    session = shells.find(shells.open(tmp_path, {}).id)
    assert session
    connection = ShellConnection(SimpleNamespace(send=sent.append), session, closing)
    session.attach(connection)
    closing.set()
    assert eventually(lambda: session.shell.ended, 60)
    connection._print()
    assert '{"ready": true}' in sent and "ended" not in "".join(map(str, sent))


def _begun(shells, folder):
    try:
        return shells.open(folder, {})
    except Full:
        return None


@pytest.fixture(autouse=True)
def no_line_is_left():
    yield
    while Line.all:
        Line.all.pop().leave()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server with the tiny lab started, for which a terminal needs no engine."""
    folder = tmp_path_factory.mktemp("terminal")
    site = serving(folder)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def visitor(site):
    return site.visitor()


def open_shell(site, visitor):
    """The address of a new shell's websocket."""
    answer = visitor.submit(BEGIN, headers={"Origin": site.url, **JSON})
    assert answer.status_code == 201, answer.text
    return answer.json()["socket"]


@pytest.fixture
def line(site, visitor):
    return Line(site, open_shell(site, visitor), visitor.cookies)


def shells_of(site):
    """The supervisors of the server's shells: a worker has no other children."""
    return {shell for worker in children(site.process.pid) for shell in children(worker)}


def children(pid):
    """Those of all its threads, some of which may end meanwhile."""
    found = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True)
    return set(map(int, found.stdout.split()))


def test_a_page_gets_a_shell_in_the_labs_folder_with_the_values_that_the_lesson_names(site, line):
    line.tell(rows=33, columns=99)
    line.type("pwd; echo $REGISTRY-$WORD-$KEY; stty size; echo en''d\n")
    output = line.until("end\r\n")
    assert str(site.instance / "workspaces/1a2b3c4d/work") in output
    assert "localhost:5001-word-1-\r\n33 99" in output
    assert {"ready": True} in line.told


def test_no_other_origin_gets_a_shell(site, visitor):
    address, before = open_shell(site, visitor), shells_of(site)
    for origin in (
        "http://evil.example",
        "null",
        None,
        "http://127.0.0.1:1",
        "http://localhost",
        f"https://127.0.0.1:{site.port}",
        f"http://127.0.0.1:{site.port}.evil.example",
    ):
        headers = {"Origin": origin} if origin else {}
        assert visitor.submit(BEGIN, headers=headers).status_code == 403, origin
        assert Line(site, address, visitor.cookies, **{"Origin": origin}).status == 403, origin
    assert before and shells_of(site) <= before


def test_nobody_without_the_cookie_gets_a_shell(site, visitor):
    address, before = open_shell(site, visitor), shells_of(site)
    headers = {"Origin": site.url}
    assert requests.post(site.url + BEGIN, headers=headers, timeout=5).status_code == 403
    assert Line(site, address).status == 403
    stranger = Visitor(site.url)
    stranger.cookies.set(f"labrunner-{site.port}", "forged")
    assert Line(site, address, stranger.cookies).status == 403
    assert before and shells_of(site) <= before


def test_logging_out_ends_the_open_shells_and_streams(site, visitor, line):
    session = line.session()
    stream = Stream(visitor, "/lessons/tiny/live")
    try:
        assert eventually(lambda: "event: steps" in stream.text)
        site.visitor().submit("/logout")
        assert eventually(lambda: line.is_closed() is not None, 10)
        assert eventually(lambda: ended(session) and not shells_of(site), 10)
        assert eventually(lambda: stream.ended, 10)
    finally:
        stream.close()
        visitor.get("/", params={"token": site.token})  # for the other tests
        del visitor.csrf


def test_no_other_host_gets_a_shell(site, visitor):
    address, before = open_shell(site, visitor), shells_of(site)
    for host in (
        "evil.example",
        f"evil.example:{site.port}",
        f"127.0.0.1.evil.example:{site.port}",
        "127.0.0.1:1",
    ):
        headers = {"Origin": site.url, "Host": host}
        assert visitor.submit(BEGIN, headers=headers).status_code == 403, host
        assert Line(site, address, visitor.cookies, Host=host).status == 403, host
    assert before and shells_of(site) <= before


@pytest.fixture
def client(tiny, instance):
    return client_of(tiny, instance)


def client_of(root, instance):
    """Somebody with the cookie, for an app in this process."""
    app = create_app(root, instance, 8000, "the-token")
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.get("/?token=the-token", base_url=HERE)
    return client


def begin_with(client):
    """The answer to a page that wants a shell."""
    return client.post(BEGIN, base_url=HERE, headers={"Origin": HERE, **JSON})


def test_a_shell_for_which_there_is_no_place_is_refused_with_a_sentence(tiny, instance, client):
    start_lab(tiny, instance)
    connection_limit = get_web_services(client.application).connection_limit
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            held.enter_context(connection_limit.take())
        answer = begin_with(client)
    assert answer.status_code == 503
    assert "Close" in answer.json["error"] + answer.json["next"]


def test_a_shell_that_cannot_have_its_folder_is_refused_with_a_sentence(tiny, instance, client):
    start_lab(tiny, instance)
    work = instance / "workspaces/1a2b3c4d/work"
    work.rmdir()
    work.write_text("in the way")
    answer = begin_with(client)
    assert answer.status_code == 503
    assert f"A shell could not be started in `{work}`: File exists." in answer.json["error"]
    assert answer.json["next"]


def test_a_form_without_its_token_and_one_that_names_a_command_get_no_shell(site, visitor, line):
    before, headers = shells_of(site), {"Origin": site.url}
    assert visitor.post(BEGIN, headers=headers).status_code == 400
    assert visitor.submit(BEGIN, {"command": "id"}, headers=headers).status_code == 400
    assert visitor.get(BEGIN, headers=headers).status_code == 405
    assert before and shells_of(site) <= before


def test_only_a_started_lab_has_a_terminal(site, visitor, client):
    headers = {"Origin": site.url, **JSON}
    for path in ("/lessons/no/terminal", "/lessons/reading/terminal"):
        assert visitor.submit(path, headers=headers).status_code == 404
    assert begin_with(client).status_code == 409
    assert "Once the lab is started" in client.get("/lessons/tiny", base_url=HERE).text


def test_a_shell_that_is_not_known_and_what_is_no_handshake_are_refused(site, visitor, line):
    address = open_shell(site, visitor)
    path = "/" + address.split("/", 3)[-1]
    headers = {"Origin": site.url}
    assert Line(site, f"{address}x", visitor.cookies).status == 404
    assert visitor.get(path, headers=headers).status_code in (400, 404)
    upgrade = {**headers, "Connection": "Upgrade", "Upgrade": "websocket"}
    assert visitor.get(path, headers=upgrade).status_code == 400
    assert Line(site, address, visitor.cookies).status == 101


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"x" * 65 * 1024, 1009),
        ("[" * 60_000, 1007),
        ("no JSON", 1007),
        ('{"rows": 0, "columns": 80}', 1007),
        ('{"rows": 24, "columns": 100000}', 1007),
        ('{"command": "id"}', 1007),
    ],
)
def test_what_is_too_large_or_not_understood_closes_the_connection(line, message, code):
    line._send(Message(data=message))
    assert eventually(line.is_closed) == code


def test_a_page_that_comes_back_finds_its_shell_with_what_it_printed(site, visitor):
    address = open_shell(site, visitor)
    first = Line(site, address, visitor.cookies)
    number = first.session()
    first.type("word=kept; echo pri''nted\n")
    first.until("printed")
    first.leave()
    second = Line(site, address, visitor.cookies)
    second.until("printed")
    second.type("echo $word-$((40+2))\n")
    second.until("kept-42")
    assert second.session() == number
    second.tell(end=True)
    assert eventually(lambda: ended(number))


def test_the_newest_page_has_the_shell(site, visitor, line):
    address = open_shell(site, visitor)
    first = Line(site, address, visitor.cookies)
    number = first.session()
    second = Line(site, address, visitor.cookies)
    assert second.session() == number
    assert eventually(first.is_closed) == 4001
    second.leave()


def test_each_page_has_a_shell_of_its_own(site, visitor, line):
    other = Line(site, open_shell(site, visitor), visitor.cookies)
    assert other.session() != line.session()
    other.leave()


@pytest.mark.long
def test_a_shell_whose_page_is_gone_or_never_came_ends_with_all_its_children(site, visitor):
    before = shells_of(site)
    open_shell(site, visitor)
    [unasked] = shells_of(site) - before
    line = Line(site, open_shell(site, visitor), visitor.cookies)
    number = line.session()
    line.type(STUBBORN)
    line.until("started-42")
    left = time.monotonic()
    line.leave()
    assert eventually(lambda: ended(number))
    assert time.monotonic() - left >= GRACE
    assert eventually(lambda: unasked not in shells_of(site))


def test_a_shell_that_ends_says_so(line):
    line.type("exit 3\n")
    assert eventually(lambda: line.is_closed())
    assert {"ended": 3} in line.told


def test_a_page_that_falls_behind_holds_the_output_back(site, visitor):
    line = Line(site, open_shell(site, visitor), visitor.cookies, shows=False)
    line.type("yes\n")
    assert eventually(lambda: line._receive() or len(line.output) >= UNSEEN, 60)
    got = -1
    while got != len(line.output):
        got = len(line.output)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            line._receive()
    assert UNSEEN <= got < UNSEEN + CHUNK + 4096  # which a last read may add to a chunk
    line.tell(seen=got)
    assert eventually(lambda: line._receive() or len(line.output) > got)
    line.leave()


def test_the_end_of_an_endless_output_is_near(line):
    line.type("yes\n")
    line.until("y\r\ny\r\n")
    line.type("\x03")
    line.type("echo af''ter\n")
    line.until("after")


def test_more_than_a_shell_reads_closes_the_connection_and_not_the_shell(site, visitor):
    address = open_shell(site, visitor)
    line = Line(site, address, visitor.cookies)
    number = line.session()
    line.type("sleep 1000\n")
    assert eventually(lambda: len(members(number)) == 2, 60)
    typed, closed = 0, None
    while not closed and typed < 4 * MOST_TYPED:
        with suppress(ConnectionError):
            line.type(b"x\n" * 8 * 1024)
        typed += 16 * 1024
        closed = line.is_closed()
    assert (closed or eventually(line.is_closed, 60)) == 1009
    assert typed > MOST_TYPED
    assert members(number)
    again = Line(site, address, visitor.cookies)
    again.type("\x03")
    assert again.session() == number
    again.tell(end=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_server_with_open_shells_ends_and_leaves_none(tmp_path, number):
    site = serving(tmp_path)
    visitor = site.visitor()
    lines = [Line(site, open_shell(site, visitor), visitor.cookies) for _ in range(3)]
    sessions = [line.session() for line in lines]
    lines[0].type(STUBBORN)
    lines[0].until("started-42")
    lines[1].leave()
    os.kill(site.process.pid, number)
    site.process.wait(60)
    assert eventually(lambda: all(ended(each) for each in sessions))


def test_a_killed_worker_leaves_no_shell(tmp_path):
    site = serving(tmp_path)
    visitor = site.visitor()
    line = Line(site, open_shell(site, visitor), visitor.cookies)
    number = line.session()
    line.type(STUBBORN)
    line.until("started-42")
    for worker in children(site.process.pid):
        os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: ended(number))
    site.stop()


def test_it_can_be_switched_off(tiny, instance, monkeypatch):
    monkeypatch.setenv("LABRUNNER_TERMINAL", "off")
    start_lab(tiny, instance)
    client, before = client_of(tiny, instance), children(os.getpid())
    page = client.get("/lessons/tiny", base_url=HERE).text
    assert "The terminal in the page is switched off. Use your own." in page
    assert "terminal.js" not in page and "terminal-open" not in page
    assert "<kbd>j</kbd>" in page and "<kbd>t</kbd>" not in page and "<kbd>F6</kbd>" not in page
    assert begin_with(client).status_code == 404
    assert children(os.getpid()) <= before
