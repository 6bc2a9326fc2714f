"""Volumes of the engine: their size, and that none is made over another."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from labrunner.engine.connection import EngineRefused


def test_the_size_of_a_volume_is_told_in_bytes(engine, docker, unique):
    docker("volume", "create", unique)
    assert engine.volume_size(unique) == 0
    fill = ["head -c 1000000 /dev/urandom > /v/x"]
    docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "sh", "-c", *fill)
    assert engine.volume_size(unique) == 1_000_000
    assert engine.volume_size(f"{unique}-none") is None
    assert engine.volume_sizes()[unique] == 1_000_000


def test_the_size_of_a_volume_is_told_to_several_that_ask_at_once(engine, docker, unique):
    """Engine 20.10 refuses all but one of them: `a disk usage operation is already running`."""
    docker("volume", "create", unique)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(engine.volume_size, [unique] * 6)) == [0] * 6


def test_a_volume_that_exists_is_refused_and_its_bytes_stay(engine, docker, unique):
    docker("volume", "create", unique)
    docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "sh", "-c", "echo mine >/v/a")

    with pytest.raises(EngineRefused, match=f"a volume named {unique} exists"):
        engine.create_volume(unique, {"a": "b"})

    read = docker("run", "--rm", "-v", f"{unique}:/v", "busybox:stable", "cat", "/v/a")
    assert read == "mine" and engine.volume(unique).labels == {}
