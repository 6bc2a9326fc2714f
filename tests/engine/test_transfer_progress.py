"""How far a pull or push is, in bytes: what the engine reports, and what the page shows of it."""

import os
import socket
import tarfile
import threading
import time
from contextlib import suppress

import pytest

from labrunner.engine.transfer_progress import ProgressLine, follow
from tests.fixtures.engine import eventually, serving
from tests.fixtures.web import JSON

SIZE = 12_000_000  # bytes that cannot be compressed


def line(part, status, current=0, total=0):
    return ProgressLine(part, status, current, total)


def test_the_bytes_of_all_layers_are_added_and_a_layer_that_is_done_counts_in_full():
    shown = []
    steps = [
        line("", "Pulling from x"),
        line("a", "Waiting"),
        line("a", "Downloading", 10, 100),
        line("b", "Downloading", 5, 50),
        line("a", "Download complete"),
        line("a", "Extracting", 1, 100),
        line("c", "Downloading", 7),
    ]
    follow(steps, lambda *bytes: shown.append(bytes))
    assert shown == [(10, 100), (15, 150), (105, 150), (105, 150), (112, 0)]


@pytest.fixture
def line_to_registry(docker):
    """The address of a real registry behind a line that can be made slow, and what makes it so."""
    container = docker("run", "-d", "-p", "127.0.0.1::5000", "registry:2")
    port = int(docker("port", container, "5000").splitlines()[0].rpartition(":")[2])
    slow = threading.Event()

    def pump(source, sink, sleep):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                time.sleep(0.02 if sleep and slow.is_set() else 0)
            sink.shutdown(socket.SHUT_WR)

    def answer(connection):
        with socket.create_connection(("127.0.0.1", port)) as registry:
            there = threading.Thread(target=pump, args=(connection, registry, False))
            there.start()
            pump(registry, connection, True)
            there.join()

    with serving(answer) as address:
        yield f"localhost:{address.rpartition(':')[2]}", slow


@pytest.fixture
def large(engine, docker, line_to_registry, unique, tmp_path):
    """An image of `SIZE` bytes that is in the registry and not on the engine, and its pushes."""
    registry, slow = line_to_registry
    reference = f"{registry}/{unique}:1"
    (tmp_path / "bytes").write_bytes(os.urandom(SIZE))
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(tmp_path / "bytes", "bytes")
    engine.import_image(tmp_path / "image.tar", reference, [])
    pushed = []
    follow(engine.push(reference), lambda *bytes: pushed.append(bytes))
    engine.remove_image(engine.image(reference).id)
    slow.set()
    yield reference, pushed
    if found := engine.image(reference):
        engine.remove_image(found.id)


def test_a_push_and_a_pull_are_followed_to_their_last_byte(engine, large):
    reference, pushed = large
    assert pushed[-1][0] == pushed[-1][1] >= SIZE
    pulled = []
    follow(engine.pull(reference), lambda *bytes: pulled.append(bytes))
    assert pulled[-1][0] == pulled[-1][1] >= SIZE
    assert len({done for done, _ in pulled}) > 3
    assert pulled == sorted(pulled)


@pytest.fixture
def pulling(large, tiny, serve):
    """A server of the tiny course, whose lab first pulls a large image over a slow line."""
    path = tiny / "labs/tiny/lab.py"
    path.write_text(path.read_text().replace('"registry:2"', f'"registry:2", "{large[0]}"'))
    return serve()


def test_a_start_shows_the_bytes_of_the_image_that_it_pulls(pulling, open_page):
    """In the page as it moves, without JavaScript, and as JSON."""
    page = open_page(pulling, "/lessons/tiny")
    visitor = pulling.visitor()
    page.evaluate("""() => {
        window.announced = []; window.bars = [];
        new MutationObserver(() => announced.push(announce.textContent))
            .observe(announce, {childList: true, characterData: true, subtree: true});
        new MutationObserver(() => {
            const bar = document.querySelector("progress");
            if (bar) bars.push([bar.value, bar.max, bar.closest("label").innerText]);
        }).observe(document.getElementById("start"), {childList: true, subtree: true});
        addEventListener("beforeunload", () =>
            sessionStorage.setItem("seen", JSON.stringify({announced, bars})));
    }""")
    page.get_by_role("button", name="Start lab").click()
    shown = eventually(lambda: "MB of 12.0 MB" in visitor.get("/lessons/tiny/start").text, 60)
    told = visitor.get("/lessons/tiny/start", headers=JSON).json()
    assert shown and 0 < told["done"] <= told["total"]
    assert "<progress max=" in visitor.get("/lessons/tiny/start").text
    page.get_by_text("The lab is started.").wait_for(timeout=60_000)
    seen = page.evaluate("JSON.parse(sessionStorage.getItem('seen'))")
    moved = [bar for bar in seen["bars"] if bar[1] > 1]
    assert len({value for value, _, _ in moved}) > 2
    assert all(value <= total and total >= SIZE for value, total, _ in moved)
    assert all(" MB of 12.0 MB" in said or " kB of 12.0 MB" in said for _, _, said in moved)
    assert sum("Pulling" in said for said in seen["announced"]) == 1
