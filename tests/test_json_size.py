"""The memory that JSON takes."""

import json
import tracemalloc

import pytest

from labrunner.json_size import memory_of

COUNT = 20_000


@pytest.mark.parametrize(
    "text",
    [
        "[" + "{}," * COUNT + "{}]",
        "[" + "[]," * COUNT + "[]]",
        "[" + '{"a":{}},' * COUNT + "{}]",
        "[" + '"é",' * COUNT + '"é"]',
        "[" + "12345.678," * COUNT + "1]",
        "{" + ",".join(f'"{number}":{number}' for number in range(COUNT)) + "}",
        json.dumps([{"Id": "a" * 64, "Names": ["/b"], "Labels": {"c": "d"}, "Ports": []}] * 1000),
        json.dumps(["a" * 200] * 1000),
        '["' + "a" * COUNT + '\N{GRINNING FACE}"]',
        '["' + "a" * COUNT + '\\ud83d\\ude00"]',
        '["' + "\u4e00" * COUNT + '"]',
    ],
    ids=lambda text: text[:12],
)
def test_it_is_never_less_than_reading_takes(text):
    data = text.encode()
    tracemalloc.start()
    try:
        held = json.loads(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held
    assert most <= memory_of(data)
