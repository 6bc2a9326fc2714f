"""Requests that nobody would send: whatever comes, the server answers, and never with a fault.

`RANDOM_REQUESTS=10000 script/test -k random_requests` sends as many.
"""

import os
import random
import uuid
from collections import Counter
from urllib.parse import quote

import pytest
from requests import RequestException

from app import create_app
from tests.fixtures.engine import ASKED
from tests.fixtures.web import HTMX, JSON, TOKEN, Site, end, free_port, write_tiny

COUNT = int(os.environ.get("RANDOM_REQUESTS", "400"))
METHODS = ["GET"] * 4 + ["POST"] * 4 + ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"]
VALUES = {
    "slug": ["tiny"] * 8 + ["reading", "tiny ", "TINY"],
    "step_id": ["make-a-volume", "say-it"] * 4 + ["no-step"],
    "filename": ["css/base.css", "vendor/htmx-4.0.1.min.js", "icon.svg", "css"],
    "id": ["0", "a" * 32, "tiny-1"],
}
STRANGE = [
    "",
    ".",
    "..",
    "../app.py",
    "%2e%2e%2fsecret",
    "\0",
    "\n",
    "\r\nX: y",
    "\u202e",
    "\ud7ff",
    "é" * 300,
    "a" * 3000,
    "-1",
    "1e999",
    "{{7*7}}",
    "{registry}",
    "%s%n",
    "<img src=x onerror=alert(1)>",
    "' OR 1=1--",
    "$(reboot)",
    "null",
    "[]",
    "{",
    "localhost:5000/my-image:1.0",
    "one",
    "sha256:" + "0" * 64,
    "true",
    "0",
]
FIELDS = ["answer", "choice", "item", "text", "name", "token", "file", "registry"]
HEADERS = [
    {},
    {},
    JSON,
    HTMX,
    {"Accept": "text/event-stream"},
    {"Accept": ";q=9"},
    {"Range": "bytes=9-1"},
    {"If-None-Match": '"'},
    {"Content-Type": "application/json"},
    {"Content-Type": "multipart/form-data"},
    {"X-Forwarded-Prefix": "/x"},
    {"Cookie": "labrunner-1=;=;"},
    {"Accept-Encoding": "br;q=x"},
    {"Accept-Language": "xx" * 500},
    {"HX-Request": "true", "HX-Target": "\x7f"},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory, engine):
    folder = tmp_path_factory.mktemp("random")
    root = write_tiny(folder / "tiny")
    (root / "lessons/01-tiny.toml").write_text(ASKED)
    lab, prefix = root / "labs/tiny/lab.py", f"random-{uuid.uuid4().hex[:8]}-"
    lab.write_text(lab.read_text().replace('f"word-', f'f"{prefix}'))
    site = Site(root, folder / "instance", free_port())
    yield site
    end(site, engine)
    for volume in engine.volumes():
        if volume.name.startswith(prefix):  # a lab was finished without choosing to remove it
            engine.remove_volume(volume.name)


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """All addresses of the app but those that end the session of the rest."""
    folder = tmp_path_factory.mktemp("rules")
    app = create_app(write_tiny(folder / "tiny"), folder / "instance", 8000, TOKEN)
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "auth.logout"]


def test_no_random_request_is_answered_with_a_fault(site, rules):
    """The most likely values make about half of all requests reach what they ask for."""
    choices = random.Random(COUNT)  # noqa: S311 - no secret
    visitor, answered, reached = site.visitor(), Counter(), set()
    for number in range(COUNT):
        rule, asked = choices.choice(rules), request(choices, visitor.csrf)
        values = {name: value(choices, name) for name in rule.arguments}
        path = rule.rule
        for name, given in values.items():
            path = path.replace(f"<path:{name}>", given).replace(f"<{name}>", given)
        method = choices.choice(sorted(rule.methods & {"GET", "POST"}) * 4 + METHODS)
        try:
            with visitor.request(
                method, path, stream=True, allow_redirects=False, **asked
            ) as answer:
                status = answer.status_code
        except RequestException as error:
            pytest.fail(f"request {number}: {method} {path!r}: no answer: {error}")
        answered[status] += 1
        assert status < 500 or status == 503, (number, method, path, asked, answer.text)
        if status == 401:  # a wrong token ends the session
            visitor = site.visitor()
        elif status < 400:
            reached.add(rule.endpoint)
    assert sum(count for status, count in answered.items() if status < 400) > COUNT / 10, answered
    assert len(reached) > 10, reached
    assert "Traceback" not in site.log.read_text()
    assert visitor.get("/health").ok


def value(choices, name):
    if choices.random() < 0.8:
        return choices.choice(VALUES[name])
    return quote(choices.choice(STRANGE), safe=choices.choice(["", "/"]))


def request(choices, csrf):
    """The parts of a request besides its method and path."""

    def strange(most):
        return {
            choices.choice(FIELDS): choices.choice(STRANGE) for _ in range(choices.randrange(most))
        }

    data = strange(choices.choice([1, 1, 4]))
    if choices.random() < 0.8:
        data["csrf_token"] = csrf
    params = strange(choices.choice([1, 1, 3]))
    return {"params": params, "data": data, "headers": choices.choice(HEADERS)}
