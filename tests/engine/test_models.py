"""What is read from the engine's answers: moments, containers and their ports."""

import pytest

from labrunner.engine.models import Container, read_seconds


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
