"""Containers of the engine: what is told of them, and what is done with them."""

import pytest

from labrunner.engine import containers
from labrunner.engine.connection import EngineRefused
from labrunner.verdicts import CannotCheck
from tests.fixtures.engine import eventually


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


def test_a_container_is_made_in_a_network_at_an_address_under_another_name(engine, unique):
    network = engine.create_network(unique, {}, "172.31.211.0/24")
    place = {"network": unique, "address": "172.31.211.9", "aliases": ["other.lab"]}
    try:
        other = engine.create_container("busybox:stable", command=["sleep", "60"], **place)
        try:
            engine.start(other)
            assert engine.container(other).addresses == {unique: "172.31.211.9"}
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


def test_a_container_is_sent_the_signal_that_is_named(engine, docker):
    says = "trap 'echo hung up; exit 3' HUP; echo ready; while :; do sleep 0.1; done"
    container = docker("run", "-d", "busybox:stable", "sh", "-c", says)
    assert eventually(lambda: engine.logs(container) == "ready\n")  # before, it ignores signals
    engine.kill(container, "SIGHUP")
    assert engine.wait(container) == 3 and engine.logs(container) == "ready\nhung up\n"


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


def test_removing_a_container_takes_its_anonymous_volumes_and_not_the_named(engine, docker, unique):
    docker("volume", "create", unique)
    container = docker("run", "-d", "-v", f"{unique}:/named", "registry:2")
    [anonymous] = set(engine.container(container).volumes) - {unique}

    engine.remove_container(container)

    assert engine.volume(anonymous) is None and engine.volume(unique)
