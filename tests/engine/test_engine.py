"""The engine: questions and acts on the real one, and faults from a stand-in on a socket."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from labrunner.engine import containers
from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.engine import Engine
from labrunner.engine.models import Container, read_seconds
from labrunner.verdicts import CannotCheck
from tests.fixtures.engine import VERSION, request_of, response, serving
from tests.fixtures.engine_calls import ACTS, CALLS, QUERIES, UNREAD

ROW: dict[str, object] = {
    "Id": "a",
    "Names": ["/b"],
    "Image": "c",
    "ImageID": "d",
    "State": "running",
    "Status": "Up",
    "Ports": [{"PrivatePort": 5000}],
    "Labels": {},
}


def chunks(*lines, end=True):
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines)
    return head + body + (b"0\r\n\r\n" if end else b"")


# Questions


@pytest.mark.parametrize("ask", [Engine.images, Engine.containers])
@pytest.mark.parametrize(
    "words",
    ["rpc error: desc = content digest sha256:1: not found", "unable to find image sha256:1"],
)
def test_a_list_is_had_although_an_image_goes_meanwhile(tmp_path, monkeypatch, ask, words):
    """The containerd store refuses the whole list then."""
    refusal = json.dumps({"message": words})
    answers = [response(refusal, "500 Internal Server Error")] * 2 + [response("[]")]

    def serve(connection):
        head = request_of(connection).split("\r\n")[0]
        connection.sendall(response(json.dumps(VERSION)) if "/version" in head else answers.pop(0))

    with serving(serve, unix=tmp_path / "engine.sock") as path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        assert ask(Engine()) == []
        answers += [response('{"message": "lost"}', "500 Internal Server Error")]
        with pytest.raises(EngineRefused, match="lost"):
            ask(Engine())


def test_what_is_not_there_is_none(engine, unique):
    for ask in (engine.container, engine.image, engine.volume):
        assert ask(unique) is None
    for name in ("", "Not A Reference", "a:b:c", "../../etc"):
        assert engine.image(name) is None


def test_about_tells_version_store_and_clock(engine):
    version, about = engine.version(), engine.info()
    assert version.version and version.api and about.image_store != "?"
    assert abs(engine.ask_time() - time.time()) < 60


def test_a_container_is_listed_with_its_published_ports_and_inspected_with_the_wanted(
    engine, docker, unique
):
    container = docker("run", "-d", "--name", unique, "-p", "127.0.0.1::5000", "registry:2")

    [listed] = engine.containers(name=unique)
    found = engine.container(container)

    assert (listed.id, listed.name, listed.state) == (container, unique, "running")
    assert listed.publishes(next(port.host for port in listed.ports if port.host))
    assert [(port.container, port.host) for port in found.ports] == [
        (5000, next(port.host for port in listed.ports))
    ]
    assert found.running and found.restart_policy == "no" and found.exit_code == 0
    assert [mount.target for mount in found.mounts] == ["/var/lib/registry"]
    assert found.created < found.started < engine.ask_time()
    engine.stop(container)
    stopped = engine.container(container)
    assert stopped.state == "exited" and abs(stopped.finished - engine.ask_time()) < 10
    assert engine.containers(name=unique)[0].ports == ()


def test_a_port_of_a_range_is_known_once_the_engine_has_chosen_it(engine, docker, unique):
    docker("create", "--name", unique, "-p", "127.0.0.1:5950-5960:5000", "registry:2")
    assert [port.host for port in engine.container(unique).bindings] == [0]
    docker("start", unique)
    [port] = engine.container(unique).ports
    assert 5950 <= port.host <= 5960 and engine.container(unique).publishes(port.host)


def test_a_port_that_is_only_asked_for_is_not_published(engine, docker, unique):
    """As before a start, on the host's network, and for UDP."""
    port = 5961
    ask = ("-p", f"127.0.0.1:{port}:5000", "-p", f"127.0.0.1:{port + 1}:5000/udp")
    docker("create", "--name", unique, *ask, "registry:2")
    created = engine.container(unique)
    assert created.binds(port) and not created.publishes(port)
    assert not created.binds(port + 1)
    host = engine.container(docker("create", "--network", "host", *ask, "registry:2"))
    assert host.on_host_network and not host.binds(port)


def test_the_networks_of_a_container_are_known(engine, docker, unique):
    network = docker("network", "create", unique)
    container = docker("run", "-d", "--network", unique, "busybox:stable", "true")
    assert engine.container(container).networks == (network,)


def test_what_is_mounted_set_and_where_a_container_is(engine, docker, unique, tmp_path):
    docker("network", "create", unique)
    docker("volume", "create", unique)
    mounts = ("-v", f"{unique}:/v", "-v", f"{tmp_path}:/b:ro", "--network", unique)
    container = docker("run", "-d", "-e", "A=b=c", *mounts, "busybox:stable", "sleep", "60")
    found = engine.container(container)
    assert sorted((mount.kind, mount.source, mount.target) for mount in found.mounts) == [
        ("bind", str(tmp_path), "/b"),
        ("volume", unique, "/v"),
    ]
    assert found.volumes == [unique]
    assert found.environment["A"] == "b=c"
    assert found.addresses[unique].count(".") == 3


def test_a_container_is_made_in_a_network_under_another_name(engine, docker, unique):
    network = engine.create_network(unique, {}, "172.31.211.0/24")
    try:
        other = engine.create_container(
            "busybox:stable", command=["sleep", "60"], network=unique, aliases=["other.lab"]
        )
        try:
            engine.start(other)
            assert engine.container(other).addresses[unique].startswith("172.31.211.")
            words = ["ping", "-c", "1", "-W", "2", "other.lab"]
            code, output = engine.execute(other, words)
            assert code == 0 and "1 packets received" in output
        finally:
            engine.remove_container(other)
    finally:
        engine.remove_network(network)


def test_a_command_in_a_container_tells_its_exit_code_and_words(engine, docker):
    container = docker("run", "-d", "busybox:stable", "sleep", "60")
    assert engine.execute(container, ["echo", "hello"]) == (0, "hello\n")
    code, output = engine.execute(container, ["ls", "/none"])
    assert code == 1 and "No such file" in output
    docker("kill", container)
    with pytest.raises(EngineRefused, match="is not running"):
        engine.execute(container, ["true"])


def test_a_query_whose_output_the_engine_loses_is_run_again(engine, docker, monkeypatch):
    container = docker("run", "-d", "busybox:stable", "sleep", "60")
    execute, lost = engine._execute, [True, True, False]
    monkeypatch.setattr(
        engine, "_execute", lambda *words: (0, "") if lost.pop(0) else execute(*words)
    )
    assert engine.query(container, ["sh", "-c", "echo one two; exit 3"]) == (3, "one two\n")
    lost += [True] * 3
    with pytest.raises(CannotCheck, match="engine lost the output of `echo`") as error:
        engine.query(container, ["echo", "one"])
    assert error.value.next == "Check again."


def test_a_query_tells_the_exit_code_where_a_container_has_no_shell(engine, docker):
    container = docker("run", "-d", "busybox:stable", "sleep", "60")
    assert engine.execute(container, ["rm", "/bin/sh"])[0] == 0
    code, output = engine.query(container, ["echo", "one"])
    assert code in (126, 127) and "executable file not found" in output


def test_files_of_a_container_are_written_and_read_also_when_it_is_stopped(engine, docker):
    container = docker("create", "busybox:stable", "true")
    engine.write_file(container, "/etc/a/b.txt", b"one")
    assert engine.read_file(container, "/etc/a/b.txt") == b"one"
    engine.write_file(container, "/big", b"x" * (1 << 20) + b"x")
    for path in ("/none", "/etc/a", "/big"):
        assert engine.read_file(container, path) is None
    assert engine.read_files(container, "/etc/a") == {"/etc/a/b.txt": b"one"}
    assert engine.read_files(container, "/none") == {}
    sizes = [engine.file_size(container, path) for path in ("/etc/a/b.txt", "/big", "/none")]
    assert sizes == [3, (1 << 20) + 1, None]


def test_a_file_of_a_container_is_read_however_its_path_is_written_and_through_links(
    engine, docker
):
    made = "mkdir -p /d/e; echo one > /d/e/f; ln -s e/f /d/link; ln -s /d /folder; ln -s no /d/none"
    container = docker("run", "-d", "busybox:stable", "sh", "-c", made)
    engine.wait(container)
    for path in ("/d/e/f", "/d//e/./f", "/d/e/../e/f", "/d/link", "/folder/e/f", "/folder/link"):
        assert engine.read_file(container, path) == b"one\n", path
    assert engine.read_file(container, "/d/none") is None
    assert engine.read_files(container, "/folder") == {
        "/folder/e/f": b"one\n",
        "/folder/link": b"one\n",
        "/folder/none": b"",
    }


def test_the_size_of_a_volume_is_told_in_bytes(engine, docker, unique):
    docker("volume", "create", unique)
    assert engine.volume_size(unique) == 0
    fill = ["head -c 1000000 /dev/urandom > /v/x"]
    docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "sh", "-c", *fill)
    assert engine.volume_size(unique) == 1_000_000
    assert engine.volume_size(f"{unique}-none") is None


def test_the_size_of_a_volume_is_told_to_several_that_ask_at_once(engine, docker, unique):
    """Engine 20.10 refuses all but one of them: `a disk usage operation is already running`."""
    docker("volume", "create", unique)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(engine.volume_size, [unique] * 6)) == [0] * 6


def test_a_container_is_sent_the_signal_that_is_named(engine, docker):
    says = "trap 'echo hung up; exit 3' HUP; while :; do sleep 0.1; done"
    container = docker("run", "-d", "busybox:stable", "sh", "-c", says)
    engine.kill(container, "SIGHUP")
    assert engine.wait(container) == 3 and engine.logs(container) == "hung up\n"


def test_events_between_two_moments_are_found_by_filter(engine, docker, unique):
    began = engine.ask_time()
    docker("volume", "create", unique)
    events = engine.events(began, engine.ask_time(), type="volume", event="create")
    assert unique in [event.id for event in events]
    assert engine.events(began - 20, began - 10, type="volume", volume=unique) == []


def test_the_log_of_a_container_holds_both_streams(engine, docker):
    container = docker("create", "busybox:stable", "sh", "-c", "echo out; echo err >&2")
    engine.start(container)
    assert engine.wait(container) == 0
    assert sorted(engine.logs(container).split()) == ["err", "out"]
    assert engine.logs(container, errors=False) == "out\n"


def test_of_a_log_that_is_too_large_the_last_lines_are_read(engine, docker, monkeypatch):
    container = docker("run", "-d", "busybox:stable", "seq", "10000")
    engine.wait(container)
    assert len(engine.logs(container).split()) == 2000
    monkeypatch.setattr(containers, "LARGEST_LOG", 20_000)  # 13 bytes for each line
    assert engine.logs(container).split() == [str(number) for number in range(9801, 10001)]
    terminal = docker("run", "-d", "-t", "busybox:stable", "seq", "10000")
    engine.wait(terminal)
    assert engine.logs(terminal).split()[-1] == "10000"


# Acts


def test_a_volume_that_exists_is_refused_and_its_bytes_stay(engine, docker, unique):
    docker("volume", "create", unique)
    docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "sh", "-c", "echo mine >/v/a")

    with pytest.raises(EngineRefused, match=f"a volume named {unique} exists"):
        engine.create_volume(unique, {"a": "b"})

    read = docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "cat", "/v/a")
    assert read == "mine" and engine.volume(unique).labels == {}


def test_removing_what_is_gone_is_no_complaint(engine, unique):
    engine.remove_container("0" * 64)
    engine.remove_volume(unique)
    engine.remove_network("0" * 64)
    engine.remove_image(f"{unique}:latest")


def test_removing_a_container_takes_its_anonymous_volumes_and_not_the_named(engine, docker, unique):
    docker("volume", "create", unique)
    container = docker("run", "-d", "-v", f"{unique}:/named", "registry:2")
    [anonymous] = set(engine.container(container).volumes) - {unique}

    engine.remove_container(container)

    assert engine.volume(anonymous) is None and engine.volume(unique)


def test_a_refusal_has_the_engines_own_words(engine, unique):
    with pytest.raises(EngineRefused) as caught:
        engine.create_container(f"{unique}:latest")
    assert f"No such image: {unique}:latest" in caught.value.words
    assert caught.value.found.startswith("The engine refused: ")


def test_an_error_inside_a_real_push_is_raised(engine, unique):
    name = f"127.0.0.1:1/{unique}:latest"
    engine.tag("busybox:stable", name)
    try:
        with pytest.raises(EngineRefused, match="connection refused"):
            list(engine.push(name))
    finally:
        engine.remove_image(name)
    with pytest.raises(EngineRefused, match="connection refused"):
        list(engine.pull(name))


# Faults


def test_no_engine_is_said_at_once_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineDown, match="No engine answers at") as caught:
        Engine().info()
    assert "script/bootstrap" in caught.value.next


def test_an_engine_that_takes_no_connection_is_given_up(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as waiting:
        hung.bind(f"{tmp_path}/engine.sock")
        hung.listen(0)  # so one connection waits, and no other can
        waiting.connect(f"{tmp_path}/engine.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        with pytest.raises(EngineDown, match="No engine answers at"):
            Engine(timeout=5).info()


def test_no_permission_on_the_socket_is_said_with_what_to_do():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as closed:
        closed.bind(f"{folder}/engine.sock")
        closed.listen()
        os.chmod(f"{folder}/engine.sock", 0)
        os.chmod(folder, 0o755)  # noqa: S103 - the other user must reach the socket to be refused
        script = f"""
            import os
            from labrunner.engine.connection import EngineDown
            from labrunner.engine.engine import Engine
            os.environ.update(DOCKER_HOST="unix://{folder}/engine.sock", HOME="{folder}")
            if os.getuid() == 0:  # root may use any socket
                os.setgroups([])
                os.setuid(65534)
            try:
                Engine().info()
            except EngineDown as down:
                print(down.found, down.next)
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "You may not use the engine's socket" in said
    assert "usermod -aG docker" in said


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://[", "unix:/nowhere"])
def test_an_address_that_cannot_be_used_is_said(monkeypatch, address):
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineDown):
        Engine(timeout=1).info()


def test_an_engine_that_never_answers_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with serving(lambda connection: time.sleep(60), unix=path):
        began = time.monotonic()
        with pytest.raises(EngineDown, match=r"does not answer within 0\.3 seconds"):
            Engine(timeout=0.3).containers()
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[",
        chunks(b'{"status": "Pushing"}\r\n', end=False),
        chunks(b'{"status": "Pushing"}\r\n')[:-30],
        chunks(b'{"status": "Pu'),
        chunks(b"rubbish"),
    ],
    ids=["at once", "in the body", "after a line", "in a chunk", "in a line", "rubbish"],
)
def test_an_engine_that_dies_in_a_call_is_down_and_nothing_else(fake, answer):
    with fake(answer):
        for name in CALLS.keys() - (UNREAD if answer.endswith(b"\r\n0\r\n\r\n") else set()):
            with pytest.raises(EngineDown):
                raise AssertionError((name, CALLS[name](Engine(timeout=1))))


ODD = ("null", "5", '"text"', "{}", "[{}]", "[null]", '{"Id": 5, "Volumes": {}}', "[" * 100_000)


@pytest.mark.parametrize("body", ODD, ids=[body[:30] for body in ODD])
def test_an_answer_of_another_form_is_no_answer(fake, body):
    with fake(response(body)):
        for name, call in {**QUERIES, "wait": ACTS["wait"]}.items():
            with pytest.raises(EngineDown, match="does not answer as a Docker Engine does"):
                raise AssertionError((name, call(Engine(timeout=5))))


def test_an_error_of_another_form_is_no_answer(fake):
    for body in ("null", "[]", "{}", '{"message": 5}'):
        with fake(response(body, "404 Not Found")), pytest.raises(EngineDown):
            raise AssertionError((body, Engine(timeout=5).containers()))


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({"Id": None}, "containers"),
        ({"Labels": {"a": {}}}, "containers"),
        ({"Ports": [{"PrivatePort": "x"}]}, "containers"),
        ({"State": 1}, "containers"),
        ({"RepoTags": "a:b"}, "images"),
        ({"RepoTags": [5]}, "images"),
        ({"Size": "big"}, "images"),
    ],
)
def test_a_part_of_another_form_is_no_answer(fake, change, call):
    image = {"Id": "a", "Size": 1, "RepoTags": ["a:b"]}
    row = {"containers": ROW, "images": image}[call]
    with fake(response(json.dumps([row]))):
        assert len(getattr(Engine(timeout=5), call)()) == 1
    with fake(response(json.dumps([{**row, **change}]))), pytest.raises(EngineDown):
        raise AssertionError(getattr(Engine(timeout=5), call)())


@pytest.mark.parametrize(
    "version",
    [
        None,
        [],
        {},
        "1.41",
        {"ApiVersion": None},
        {"ApiVersion": "new"},
        {"ApiVersion": "1.1", "MinAPIVersion": "1.0"},
    ],
)
def test_an_engine_that_does_not_say_its_version_is_none(fake, version):
    with fake(response("[]"), version=version), pytest.raises(EngineDown):
        raise AssertionError(Engine(timeout=5).containers())


@pytest.mark.parametrize(
    "line",
    [
        {"errorDetail": {"message": "the disk is full"}},
        {"error": "the disk is full"},
        {"errorDetail": {"message": "the disk is full"}, "error": "full"},
    ],
)
def test_an_error_inside_a_stream_is_raised_in_either_spelling(fake, line):
    stream = chunks(b'{"status": "Pushing"}\r\n', json.dumps(line).encode() + b"\r\n")
    with fake(stream):
        for act in ("push", "pull"):
            with pytest.raises(EngineRefused) as caught:
                list(getattr(Engine(timeout=1), act)("a/b:c"))
            assert caught.value.words == "the disk is full"


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.43", "1.24", "1.43"),
        ("1.52", "1.44", "1.44"),
        ("1.53", "1.40", "1.44"),
        ("1.60", "1.50", "1.50"),
    ],
)
def test_the_version_is_one_that_both_speak(fake, newest, oldest, spoken):
    seen: list[str] = []
    version = {"Version": "x", "ApiVersion": newest, "MinAPIVersion": oldest}
    with fake(chunks(b"[]"), version, seen):
        assert Engine(timeout=1).containers() == []
    assert seen[-1].startswith(f"GET /v{spoken}/containers/json")


def test_a_pull_asks_for_one_tag_and_never_for_all(fake):
    seen: list[str] = []
    with fake(chunks(b'{"status": "x"}\r\n'), seen=seen):
        list(Engine(timeout=1).pull("localhost:5001/my-image"))
    assert "fromImage=localhost%3A5001%2Fmy-image&tag=latest" in seen[-1]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("unix:///var/run/docker.sock", None),
        ("npipe:////./pipe/docker_engine", None),
        ("tcp://localhost:2375", None),
        ("tcp://[::1]:2375", None),
        ("tcp://192.0.2.7:2376", "192.0.2.7"),
        ("ssh://me@build.example", "build.example"),
        ("build.example:2376", "build.example"),
    ],
)
def test_an_engine_on_another_machine_is_known_by_its_host(monkeypatch, address, host):
    monkeypatch.setenv("DOCKER_HOST", address)
    assert Engine().remote_host == host


# Facts


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("1970-01-01T00:01:00.123456789Z", 60.123456789),
        ("1970-01-01T02:01:00.123456789+02:00", 60.123456789),
        ("1969-12-31T19:01:00.000000001-05:00", 60.000000001),
        ("1970-01-01T02:01:00+02:00", 60),
    ],
)
def test_moments_are_read_with_nine_decimals_and_any_zone(written, seconds):
    assert read_seconds(written) == pytest.approx(seconds, abs=1e-6)


def test_a_container_of_an_engine_that_says_less_can_be_read():
    row = {
        "Id": "a",
        "Name": "/b",
        "Image": "sha256:c",
        "Config": {"Image": "d", "Labels": None},
        "HostConfig": {"PortBindings": {"5000/tcp": [{"HostPort": "5001"}], "53/udp": None}},
        "State": {"Status": "created", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z"},
        "NetworkSettings": {"Networks": {"x": {"NetworkID": ""}}},
    }
    container = Container.from_api(row)
    assert container.binds(5001) and container.finished == 0
    assert container.restart_policy == "no" and container.networks == ()


def test_only_tcp_ports_count_in_a_list_and_in_a_container(engine, docker, unique):
    sleep = ("busybox:stable", "sleep", "60")
    docker("run", "-d", "--name", unique, "-p", "127.0.0.1:5962:5000/udp", *sleep)
    [listed] = engine.containers(name=unique)
    found = engine.container(unique)
    assert listed.ports == found.ports == found.bindings == ()


def test_the_engine_in_use_is_the_one_of_the_tests():
    assert Engine().remote_host is None, os.environ.get("DOCKER_HOST")
