"""The server's worker: no client holds one of its threads without end."""

import socket
from contextlib import ExitStack

import pytest
import requests

from labrunner.web.limits import THREADS
from tests.fixtures.web import Site, free_port, write_tiny


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server that waits a second for the rest of a request."""
    folder = tmp_path_factory.mktemp("worker")
    options = {"GUNICORN_CMD_ARGS": "--keep-alive 1"}
    site = Site(write_tiny(folder / "tiny"), folder / "instance", free_port(), **options)
    yield site
    site.stop()


HEAD = "GET / HTTP/1.1\r\nHost: "
FORM = (
    "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Length: 100\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="
)


def test_requests_that_do_not_come_whole_hold_nobody_up(site):
    host = f"127.0.0.1:{site.port}"
    with ExitStack() as held:
        lines = []
        for begun in ("", HEAD, FORM):
            for _ in range(THREADS * 2 // 3):
                line = held.enter_context(socket.create_connection(("127.0.0.1", site.port), 10))
                line.sendall(begun.format(host=host).encode())
                lines.append(line)
        assert requests.get(f"{site.url}/health", timeout=4).text == "ok\n"
        for line in lines:
            while line.recv(65536):  # the server's last word, and the end
                pass
    assert "Traceback" not in site.log.read_text()
