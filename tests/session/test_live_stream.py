"""Live verdicts over HTTP: the stream of events that an open page reads."""

import re
import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from labrunner.web.limits import MAX_CONNECTIONS as PLACES
from tests.fixtures.engine import eventually
from tests.fixtures.pages import AS_BROWSERS_DO, word

PATIENCE = 60  # seconds for what has to come
CHECK = "/lessons/tiny/steps/make-a-volume/check"
STREAM = "/lessons/tiny/live"


class Stream:
    """What an open page gets, read as it comes."""

    def __init__(self, visitor, path=STREAM):
        self.answer = visitor.get(path, headers=AS_BROWSERS_DO, stream=True)
        self.text, self.ended = "", False
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        with suppress(requests.RequestException, AttributeError):  # closed while it reads
            for data in self.answer.iter_content(None):
                self.text += data.decode()
        self.ended = True

    def close(self):
        with suppress(OSError, AttributeError, ValueError):  # it was read to its end
            line = socket.socket(fileno=socket.dup(self.answer.raw.fileno()))
            with line:
                line.shutdown(socket.SHUT_RDWR)
        self.reader.join(5)
        self.answer.close()

    @property
    def passed(self):
        return "Make a volume: passed." in self.text


def started(site):
    """Somebody who has started the lab."""
    visitor = site.visitor()
    visitor.start()
    return visitor


@pytest.fixture
def visitor(started_site):
    """Somebody who has started the lab."""
    return started_site.visitor()


@pytest.fixture
def volume(visitor):
    """The volume that the lab wants."""
    return word(visitor)


def test_a_stream_begins_with_all_steps_and_brings_those_that_change(visitor, volume, docker):
    visitor.submit(CHECK)
    stream = Stream(visitor)
    assert stream.answer.status_code == 200
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    assert "Content-Encoding" not in stream.answer.headers
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    first, _, _ = stream.text.partition("event: found")
    places = re.findall(r'id="(verdict-[a-z-]+)" hx-swap-oob', first)
    assert places == ["verdict-make-a-volume", "verdict-say-it"]
    assert "Not there yet." in first and "Not done yet." in first
    assert all(line[:6] in ("event:", "data: ", "retry:", "") for line in first.split("\n"))

    docker("volume", "create", volume)
    assert eventually(lambda: stream.passed, PATIENCE)
    last = stream.text.rpartition("event: steps")[2]
    assert "verdict-make-a-volume" in last and "verdict-say-it" not in last
    assert "1 of 2" in last
    stream.close()


def test_the_door_holds_for_a_stream(visitor):
    assert requests.get(visitor.url + STREAM, timeout=5).status_code == 401
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert visitor.get(STREAM, headers=headers).status_code == 403
    assert visitor.post(STREAM).status_code in (400, 405)


def test_there_is_no_stream_without_a_started_lab(shared_site):
    visitor = shared_site.visitor()
    assert visitor.get(STREAM).status_code == 409
    assert visitor.get("/lessons/reading/live").status_code == 404
    assert visitor.get("/lessons/no/live").status_code == 404


def held(site):
    """How many files and connections the server has open."""
    pid = site.process.pid
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(list(Path(f"/proc/{worker}/fd").iterdir()))


def test_fifty_pages_are_told_at_once_and_nobody_waits(started_site, visitor, volume, docker):
    assert PLACES >= 50
    streams = [Stream(visitor) for _ in range(PLACES)]
    try:
        assert [stream.answer.status_code for stream in streams] == [200] * PLACES
        assert eventually(
            lambda: all("event: found" in stream.text for stream in streams), PATIENCE
        )
        docker("volume", "create", volume)
        assert visitor.get("/lessons/tiny").ok
        assert eventually(lambda: all(stream.passed for stream in streams), PATIENCE)

        refused = visitor.get(STREAM)
        assert refused.status_code == 503
        assert "This server cannot serve more open pages and terminals" in refused.text
        assert visitor.head(STREAM).status_code == 503
        assert visitor.submit(CHECK).ok
        at_work = held(started_site)
    finally:
        for stream in streams:
            stream.close()

    assert eventually(lambda: held(started_site) <= at_work - PLACES, PATIENCE), (
        at_work,
        held(started_site),
    )
    streams = [Stream(visitor) for _ in range(PLACES)]
    for stream in streams:
        stream.close()
    assert [stream.answer.status_code for stream in streams] == [200] * PLACES


def test_pages_that_read_nothing_hold_nobody_up(site, docker):
    visitor = started(site)
    cookies = "; ".join(f"{each.name}={each.value}" for each in visitor.cookies)
    head = f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {cookies}\r\n\r\n"
    stream = Stream(visitor)
    with ExitStack() as pages:
        for _ in range(PLACES - 1):
            page = pages.enter_context(socket.create_connection(("127.0.0.1", site.port)))
            page.sendall(head.encode())
            assert page.recv(12) == b"HTTP/1.1 200"
        assert visitor.head(STREAM).status_code == 503
        docker("volume", "create", word(visitor))
        assert eventually(lambda: stream.passed, PATIENCE)
        assert visitor.get("/lessons/tiny").ok
        site.process.terminate()
        site.process.wait(PATIENCE)
    stream.close()


def test_a_head_of_a_stream_takes_no_place(visitor):
    stream = Stream(visitor)
    for _ in range(PLACES):
        assert visitor.head(STREAM).status_code == 200
    stream.close()


def test_the_server_ends_soon_with_streams_open(site):
    visitor = started(site)
    streams = [Stream(visitor) for _ in range(PLACES)]
    assert eventually(lambda: all("event: found" in each.text for each in streams), PATIENCE)
    site.process.terminate()
    site.process.wait(30)  # seconds; 3 are promised, on a machine that does nothing else
    assert eventually(lambda: all(stream.ended for stream in streams), PATIENCE)
    assert "Traceback" not in site.log.read_text()


def test_a_page_that_shows_a_lab_of_before_is_told_that_it_is_over(visitor):
    [shown] = re.findall(r'data-stream="([^"]+)"', visitor.get("/lessons/tiny").text)
    stream = Stream(visitor, path=shown)
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    assert visitor.submit("/lessons/tiny/finish").ok
    assert eventually(lambda: "event: over" in stream.text, PATIENCE)
    stream.close()
    for again in (lambda: None, visitor.start):
        again()
        assert visitor.get(shown).text == "event: over\ndata: \n\n"


def test_a_step_that_passed_first_no_longer_says_that_another_is_open(visitor, volume, docker):
    said = "An earlier step is still open: Make a volume."
    visitor.submit("/lessons/tiny/steps/say-it/check", {"answer": volume})
    stream = Stream(visitor)
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    assert said in plain(stream.text)
    docker("volume", "create", volume)
    assert eventually(lambda: stream.passed, PATIENCE)
    stream.close()
    last = stream.text.rpartition("event: steps")[2]
    assert 'id="verdict-say-it"' in last and said not in plain(last)
    checked = visitor.submit(CHECK, headers={"HX-Request": "true"})
    assert 'id="verdict-say-it"' in checked.text and said not in plain(checked.text)


def plain(html):
    return re.sub("<[^>]+>", "", html)
