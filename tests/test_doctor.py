"""What `doctor` finds on this machine."""

import socket
import subprocess
import sys

import pytest

from labrunner.address import Address
from labrunner.doctor import examine
from labrunner.engine.engine import Engine
from labrunner.kit.kit import Kit
from labrunner.kit.recipes import RECIPES
from labrunner.workspaces import manager
from tests.fixtures.engine import UNSUITABLE, response, serving, standing_in

ADDRESS = Address.from_environment(1)
NO_PROXY = "http://127.0.0.1:1"  # nothing listens there


@pytest.fixture
def findings(monkeypatch, tmp_path):
    """What is not as it should be in this respect, where no proxy is set but those given."""
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def call(words, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found = examine(Kit(Engine(timeout=5), ()), ADDRESS, tmp_path)
        return [each for each in found if each.kind != "ok" and words in each.found]

    return call


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": NO_PROXY},
        {"all_proxy": NO_PROXY},
        {"ALL_PROXY": NO_PROXY, "no_proxy": "example.org"},
        {"http_proxy": NO_PROXY, "no_proxy": "localhost"},
        {"http_proxy": NO_PROXY, "NO_PROXY": "127.0.0.1"},
        {"http_proxy": NO_PROXY, "NO_PROXY": "localhost, 127.0.0.1"},
        {"http_proxy": NO_PROXY, "no_proxy": "*"},
        {"HTTP_PROXY": NO_PROXY},
        {"HTTPS_PROXY": NO_PROXY},
    ],
    ids=str,
)
def test_a_proxy_that_keeps_curl_from_the_registry_is_a_problem(engine, findings, variables):
    found = [each for each in findings("proxy", **variables) if each.kind == "problem"]
    with serving(lambda connection: connection.sendall(response("ok"))) as address:
        port = address.partition(":")[2]
        asked = [["curl", "-s", f"http://{host}:{port}"] for host in ("localhost", "127.0.0.1")]
        reached = [subprocess.run(each, capture_output=True).returncode == 0 for each in asked]
    assert bool(found) == (not all(reached))
    for each in found:
        assert "so the lessons' `curl` asks the proxy for your registry" in each.found
        assert ("`localhost`" in each.found, "`127.0.0.1`" in each.found) == tuple(
            not one for one in reached
        )
        assert each.next.startswith("`export no_proxy=")


def test_what_no_proxy_has_stays_in_what_to_do(engine, findings):
    [found] = findings("proxy", http_proxy=NO_PROXY, no_proxy="example.org,127.0.0.0/8")
    assert "`no_proxy` lacks `localhost`, so" in found.found
    assert "`export no_proxy=example.org,127.0.0.0/8,localhost`" in found.next


def test_a_proxy_that_curl_does_not_read_is_a_note(engine, findings):
    [found] = findings("proxy", HTTP_PROXY=NO_PROXY)
    assert found.kind == "note"
    assert "`HTTP_PROXY` is set, and `no_proxy` lacks `localhost` and `127.0.0.1`" in found.found


@pytest.mark.parametrize(
    ("family", "host", "listens"),
    [
        (socket.AF_INET6, "::", True),
        (socket.AF_INET, "127.0.0.1", False),
        (socket.AF_INET, "", False),
        (socket.AF_INET6, "::", False),
    ],
)
def test_a_port_is_taken_also_where_nothing_can_connect_to_it(
    engine, findings, monkeypatch, family, host, listens
):
    with socket.socket(family) as holder:
        if family == socket.AF_INET6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        holder.bind((host, 0))
        if listens:
            holder.listen()
        port = holder.getsockname()[1]
        monkeypatch.setattr(manager, "PREFERRED_PORT", port)
        [found] = findings(f"Port {port}, for the registry,")
    assert found.kind == "note"
    assert "is taken by a program on this machine." in found.found


def test_an_image_that_a_lab_compiles_is_a_note_and_any_other_a_problem(engine, tmp_path):
    missing = ("localhost:9/busybox:x", "localhost:9/registry:x")
    kit = Kit(engine, missing, {missing[1]: RECIPES["registry:3"]})
    found = [each for each in examine(kit, ADDRESS, tmp_path) if "is missing" in each.found]
    assert [each.kind for each in found] == ["problem", "note"]


@pytest.mark.parametrize(("answers", "why"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_an_engine_that_the_course_cannot_use_is_a_problem(
    findings, monkeypatch, tmp_path, answers, why
):
    with standing_in(tmp_path / "engine.sock", answers) as address:
        [found] = findings(why, DOCKER_HOST=address)
    assert found.kind == "problem"


@pytest.fixture
def container(engine):
    """The id of a container that the engine knows."""
    id = engine.create_container("busybox:stable")
    yield id
    engine.remove_container(id)


@pytest.mark.skipif(sys.platform != "linux", reason="the engine runs in a virtual machine")
@pytest.mark.parametrize(
    ("inside", "host", "place"),
    [
        ("", "", "on this machine, and its labs on this machine's engine;"),
        ("known", "", "in a container, and its labs on the engine that runs the container;"),
        (
            "0" * 64,
            "",
            "in a container, and its labs on an engine beside it, in the same network namespace;",
        ),
        ("0" * 64, "another", "in a container;"),
    ],
    ids=["on this machine", "on the host's engine", "composed", "elsewhere"],
)
def test_it_says_where_the_course_runs_and_where_its_labs(
    engine, container, monkeypatch, tmp_path, inside, host, place
):
    mounts = tmp_path / "mountinfo"
    id = container if inside == "known" else inside
    mounts.write_text(f"7 1 8:1 /docker/containers/{id}/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr("labrunner.doctor.IN_CONTAINER", mounts if inside else tmp_path / "absent")
    monkeypatch.setattr("labrunner.doctor.MOUNTS", mounts)
    if host:
        monkeypatch.setattr(socket, "gethostname", lambda: host)
    [found, *_] = examine(Kit(engine, ()), ADDRESS, tmp_path)
    assert found.found == f"The course runs {place} its pages are at `http://127.0.0.1:1`."


def test_it_says_which_server_is_before_the_pages(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIPT_NAME", "/user/alice")
    for origin, pages in (
        ("", "`http://127.0.0.1:8000/user/alice`."),
        (
            "https://class.example.org",
            "`https://class.example.org/user/alice`, behind a server that passes requests on to "
            "port 8000.",
        ),
    ):
        monkeypatch.setenv("LABRUNNER_ORIGIN", origin)
        [found, *_] = examine(Kit(engine, ()), Address.from_environment(8000), tmp_path)
        assert found.found.endswith(f"; its pages are at {pages}")
