"""Which requests in a registry's log belong together."""

from labrunner.inspector import transfers
from labrunner.registry.access_log import Request

ENGINE = "docker/20.10.24 go/1.19"
LAYER = "/v2/app/blobs/sha256:" + 64 * "a"
UPLOAD = "/v2/app/blobs/uploads/"


def log(*lines, client="172.17.0.1", agent=ENGINE, start=1000, step=0):
    """Requests from lines like `GET /v2/ 200`, one every `step` seconds."""
    requests = []
    for number, line in enumerate(lines):
        method, path, status = line.split()
        at = start + number * step
        requests.append(Request(at, client, method, path, int(status), agent))
    return requests


def kinds(requests):
    return [
        (each.kind, each.reference, len(each.requests))
        for each in transfers.group_transfers(requests)
    ]


PUSH = ("GET /v2/ 200", f"HEAD {LAYER} 404", f"POST {UPLOAD} 202", "PUT /v2/app/manifests/1 201")
PULL = ("GET /v2/ 200", "HEAD /v2/app/manifests/1 200", f"GET {LAYER} 200")


def test_a_push_ends_with_its_manifest():
    assert kinds(log(*PUSH, *PUSH)) == [("push", "app:1", 4)] * 2
    assert kinds(log(*PUSH, *PUSH[1:])) == [("push", "app:1", 4), ("push", "app:1", 3)]


def test_a_pull_begins_by_looking_for_the_registry_or_with_a_tag():
    assert kinds(log(*PULL, *PULL)) == [("pull", "app:1", 3)] * 2
    assert kinds(log(*PULL[1:], *PULL[1:])) == [("pull", "app:1", 2)] * 2


def test_two_that_go_on_at_once_are_told_apart():
    other = [line.replace("/app/", "/team/other/") for line in PUSH]
    both = [line for pair in zip(PUSH, other, strict=True) for line in pair]
    assert [each[:2] for each in kinds(log(*both))] == [("push", "app:1"), ("push", "team/other:1")]
    one, two = log(*PUSH), log(*PUSH, client="172.20.0.3")
    mixed = [each for pair in zip(one, two, strict=True) for each in pair]
    assert kinds(mixed) == [("push", "app:1", 4)] * 2


def test_each_of_two_at_once_has_its_own_first_request():
    other = [line.replace("/app/", "/other/") for line in PUSH]
    mixed = log(PUSH[0], other[0], *other[1:], *PUSH[1:])
    assert kinds(mixed) == [("push", "other:1", 4), ("push", "app:1", 4)]


def test_a_login_and_what_was_refused_before_are_no_part_of_a_push():
    login = ("GET /v2/ 401", "GET /v2/ 200")
    lines = log("GET /v2/ 401", *login, "GET /v2/ 401", *PUSH[1:])
    assert kinds(lines) == [("query", "", 3), ("push", "app:1", 4)]


def test_an_upload_takes_as_long_as_it_takes():
    lines = (*PUSH[:3], f"PATCH {UPLOAD}1 202", f"PUT {UPLOAD}1?digest=sha256%3Aaa 201", PUSH[3])
    slow = [*log(*lines[:4]), *log(*lines[4:], start=2000)]
    assert kinds(slow) == [("push", "app:1", 6)]


def test_what_is_far_apart_does_not_belong_together():
    assert len(kinds(log(*PULL, step=100))) == 3


def test_a_deletion_and_what_is_asked_by_hand_are_no_pull():
    asked = log(
        "GET /v2/app/manifests/1 200",
        f"GET {LAYER} 200",
        "DELETE /v2/app/manifests/sha256:aabbccddeeff 202",
        "GET /v2/_catalog 200",
        agent="curl/7.88.1",
    )
    assert [kind for kind, _, _ in kinds(asked)] == ["deletion", "query"]
    assert kinds(asked[:2]) == [("query", "app", 2)]


def test_our_own_requests_are_no_visit_but_tell_where_this_machine_is():
    own = log("GET /v2/ 200", agent="")
    [local] = transfers.group_transfers([*own, *log(*PULL)])
    [remote] = transfers.group_transfers([*own, *log(*PULL, client="172.20.0.3")])
    assert local.local and not remote.local
    assert not transfers.group_transfers(log(*PULL))[0].local


def test_a_path_is_shown_without_what_only_the_registry_reads():
    uuid = "911d0a4f-829d-43ea-b154-474d7aa2c846"
    path = f"{UPLOAD}{uuid}?_state=uOlLU-jch&digest=sha256%3A" + 64 * "b"
    [transfer] = transfers.group_transfers(log(f"PUT {path} 201"))
    assert transfer.requests[0].short_path == f"{UPLOAD}911d0a4f…?digest=sha256%3Abbbbbbb…"
    assert transfer.requests[0].parameter("digest") == "sha256:" + 64 * "b"


def test_a_repository_may_have_any_name():
    lines = ("HEAD /v2/blobs/manifests/manifests/1 200", "GET /v2/%3Cb%3E/manifests/2 404")
    names = [each.repository for each in transfers.group_transfers(log(*lines))]
    assert names == ["blobs/manifests", "<b>"]


def test_a_visit_has_the_same_id_however_much_of_the_log_is_left():
    requests = [*log(*PULL, start=900), *log(*PUSH), *log(*PULL, start=1100)]
    ids = [each.id for each in transfers.group_transfers(requests)]
    assert len(set(ids)) == 3
    assert [each.id for each in transfers.group_transfers(requests[len(PULL) :])] == ids[1:]
    assert [each.id for each in transfers.group_transfers([*requests, *log(*PUSH, start=2000)])][
        :3
    ] == ids
