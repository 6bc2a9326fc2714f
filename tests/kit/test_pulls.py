"""Images that are pulled, and what is said and done where they cannot be."""

import json
import socketserver
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler

import pytest

from labrunner.engine.engine import Engine
from labrunner.kit import kit as kit_module
from labrunner.kit.errors import ImageUnavailable, SourceUnavailable
from labrunner.kit.kit import Kit
from labrunner.kit.recipes import RECIPES
from tests.fixtures.kit import BUSYBOX, MARKS, OUT_OF_REACH, PREFIX, RECIPES_HERE, flask_kit, forget

pytestmark = MARKS


def test_get_says_why_it_builds(engine):
    kit, said = Kit(engine, [OUT_OF_REACH], RECIPES_HERE), []
    try:
        assert kit.get(OUT_OF_REACH, said.append)
        assert said[-2:] == [
            "localhost:9 cannot be reached.",
            f"Building `{OUT_OF_REACH}` from packages.",
        ]
    finally:
        forget(engine, OUT_OF_REACH)


def test_an_image_without_a_recipe_and_a_network_exits_3_and_names_the_way_out(engine):
    reference = f"localhost:9/{PREFIX}/other:1"
    result = flask_kit(Kit(engine, [reference]), "get")
    assert result.exit_code == 3
    assert "localhost:9 cannot be reached" in result.stderr and "kit load" in result.stderr
    assert "no recipe" in flask_kit(Kit(engine, [reference]), "build").stderr


def test_one_image_that_cannot_be_had_does_not_keep_the_others_back(engine, busybox):
    kit = Kit(engine, [f"localhost:9/{PREFIX}/other:1", BUSYBOX], RECIPES_HERE)
    assert flask_kit(kit, "get").exit_code == 3
    assert engine.image(BUSYBOX)


def test_what_has_to_be_compiled_is_left_to_the_labs_where_it_must_be_quick(engine):
    kit = Kit(engine, [OUT_OF_REACH], {OUT_OF_REACH: RECIPES["registry:3"]})
    result = flask_kit(kit, "get", "--quick")
    assert (result.exit_code, engine.image(OUT_OF_REACH)) == (0, None)
    assert f"`{OUT_OF_REACH}` is compiled when you start a lab that needs it." in result.stdout


class StandIn(BaseHTTPRequestHandler):
    """An engine without images whose pulls go wrong: no real registry does this on demand."""

    def do_GET(self):
        self.server.asked[self.path.split("?")[0].split("/")[-1]] += 1
        if "/images/" in self.path:
            self.answer(404, {"message": "No such image"})
        elif self.path.endswith("/info"):
            self.answer(200, {"SystemTime": "2026-01-01T00:00:00Z"})
        else:
            self.answer(200, {"Version": "20.10.24", "ApiVersion": "1.41"})

    def do_POST(self):
        self.server.asked["pull"] += 1
        if self.server.refusal is None:
            self.server.over.wait(10)
        else:
            self.answer(500, {"message": self.server.refusal})

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Refuses pulls with the words in `refusal`; stays silent where that is None."""
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), StandIn) as server:
        server.daemon_threads = True
        server.asked, server.over, server.refusal = Counter(), threading.Event(), None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_a_rate_limit_is_asked_about_once(stand_in):
    stand_in.refusal = "toomanyrequests: You have reached your unauthenticated pull rate limit."
    kit = Kit(Engine(), ["a:1", "b:1", "c:1"], {})
    for reference in kit.references:
        with pytest.raises(SourceUnavailable, match="Docker Hub does not allow more pulls") as told:
            kit.get(reference)
        assert "kit load" in told.value.next
    assert stand_in.asked["pull"] == 1


def test_a_pull_that_hangs_is_given_up(stand_in, monkeypatch):
    monkeypatch.setattr(kit_module, "PULL_TIMEOUT", 0.3)
    start = time.monotonic()
    with pytest.raises(SourceUnavailable, match="Docker Hub cannot be reached"):
        Kit(Engine(), ["a:1"], {}).pull("a:1")
    assert time.monotonic() - start < 20
    assert stand_in.asked["pull"] == 1


def test_a_pull_that_ends_without_an_image_is_no_success(stand_in, monkeypatch):
    monkeypatch.setattr(StandIn, "do_POST", lambda self: self.answer(200, {"status": "Pulling"}))
    with pytest.raises(ImageUnavailable, match="is not there"):
        Kit(Engine(), ["a:1"], {}).pull("a:1")
