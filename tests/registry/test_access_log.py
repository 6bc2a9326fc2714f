"""The access log of a registry, as registry:2 writes it, and what is no request."""

import time

import pytest

from labrunner.registry import access_log

LOG = """\
time="2026-11-23T14:40:00Z" level=warning msg="No HTTP secret provided - generated random secret."
172.17.0.1 - - [23/Nov/2026:14:40:01 +0000] "GET /v2/ HTTP/1.1" 401 87 "" "docker/20.10.24 go/1.19"
time="2026-11-23T14:40:02Z" level=info msg="authorized" http.request.method=GET
172.17.0.1 - ada [23/Nov/2026:15:40:02 +0100] "PUT /v2/a/b/manifests/1 HTTP/1.1" 201 0 "" "skopeo/1"
172.17.0.1 - - [23/Nov/2026:14:40:03 +0000] "GET /v2/_catalog HTTP/1.1" 200 20 "" ""
half a line
"""


def test_each_request_is_read_with_its_time_in_seconds():
    first, second, third = access_log.parse_log(LOG)
    assert (first.method, first.path, first.status) == ("GET", "/v2/", 401)
    assert (first.client, first.agent) == ("172.17.0.1", "docker/20.10.24 go/1.19")
    assert (second.agent, third.agent) == ("skopeo/1", "")
    assert (second.path, second.status) == ("/v2/a/b/manifests/1", 201)
    assert [round(each.time - first.time) for each in (first, second, third)] == [0, 1, 2]


def test_what_the_engine_asked_a_real_registry_is_found_and_what_was_before_is_not(
    workspaces, real_course
):
    workspace = workspaces.open(real_course.labs["push-and-pull"], "headless")
    name = f"{workspace.registry}/{workspace.image}:latest"
    workspace.tag(workspace.sample, name)
    workspace.push(name)
    asked = [each for each in workspace.requests() if each.agent.startswith("docker/")]
    assert asked[-1].method == "PUT" and asked[-1].path.endswith("/manifests/latest")
    assert asked[-1].status == 201
    assert abs(asked[-1].time - workspace.engine.ask_time()) < 5
    assert workspace.requests(since=workspace.engine.ask_time() + 60) == []


LINES = (
    'time="2026-11-23T14:40:00Z" level=info msg="' + "a b " * 60 + '"',
    "a - a [",
    "1 - - [" + "a" * 60,
    '172.17.0.1 - - [23/Nov/2026:14:40:01 +0000] "GET / ',
    '172.17.0.1 - - [23/Nov/2026:14:40:01 +0000] "GET / HTTP/1.1" 200 0 "',
    " - a" * 60,
    " - - [" * 60,
    "GET " * 60,
)


@pytest.mark.parametrize("end", ["\n", " "], ids=["lines", "one line"])
@pytest.mark.parametrize("line", LINES)
def test_the_time_to_read_a_log_grows_with_its_length_and_no_faster(line, end):
    few, many = (LOG + f"{line}{end}" * number + "\n" + LOG for number in (1_000, 16_000))
    assert len(access_log.parse_log(many)) == 6
    assert reading(many) < 64 * reading(few)  # 16 times as long; 256 times where it is quadratic


def reading(log):
    """The least of three processor times that a log takes to read, in seconds."""
    times = []
    for _ in range(3):
        began = time.process_time()
        access_log.parse_log(log)
        times.append(time.process_time() - began)
    return min(times)
