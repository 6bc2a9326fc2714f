"""Where an image is in a registry, and why a registry refuses one."""

from functools import partial

import pytest

from labrunner.checks import history, refusals
from labrunner.checks.refusals import last_refusal, require_no_refusal
from labrunner.checks.registry import SEARCH, require_registry
from labrunner.course.lab import Step
from labrunner.registry.access_log import parse_log
from labrunner.registry.client import Registry
from labrunner.registry.configuration import Configuration
from labrunner.verdicts import NotYet
from tests.fixtures.engine import eventually

REPOSITORIES = "/var/lib/registry/docker/registry/v2/repositories"
COPIES = f"""
    cd {REPOSITORIES} && mkdir copies
    for number in $(seq 200); do cp -a another copies/number-$number; done
"""
READ_ONLY = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled":true}'}


@pytest.fixture(scope="module")
def opened(shared_workspaces):
    """A workspace of the lab that pushes an image. It has not been pushed there."""
    return shared_workspaces.open(shared_workspaces.labs["push-and-pull"], "headless")


@pytest.fixture(scope="module")
def full(opened, engine):
    """The same, with two hundred other repositories of three tags each in its registry."""
    for tag in ("1", "2", "3"):
        name = f"{opened.registry}/another:{tag}"
        engine.tag("busybox:stable", name)
        assert [step.status for step in engine.push(name)]
        engine.remove_image(name)
    run_inside(opened, COPIES)
    return opened


def run_inside(workspace, script):
    container = workspace.registry_container().id
    assert workspace.engine.execute(container, ["sh", "-ec", script]) == (0, "")


def judge(workspace, step="push-the-image"):
    return workspace.lab.find(step).judge(workspace)


@pytest.fixture
def asked(monkeypatch):
    """The paths that registries are asked for."""
    paths, request = [], Registry.request

    def note(registry, method, path, **how):
        paths.append(path)
        return request(registry, method, path, **how)

    monkeypatch.setattr(Registry, "request", note)
    return paths


def test_a_full_registry_is_not_searched_where_its_log_has_all_pushes(full, asked):
    assert judge(full).reason == "not-tagged"
    assert not [path for path in asked if "_catalog" in path or "copies/" in path]


def test_a_full_registry_is_searched_a_little_and_what_was_not_is_said(full, asked, monkeypatch):
    monkeypatch.setattr(history, "RECENT", 1)
    verdict = judge(full)
    assert len(asked) <= SEARCH + 3  # its own two, and the one that is too many
    assert verdict.reason == "not-tagged"
    assert "the registry has no repository" in verdict.found
    assert verdict.found.endswith(" of its repositories.")


@pytest.mark.parametrize("told_by", ["digests", "events", "log"])
def test_an_image_is_found_wherever_it_was_pushed_in_a_full_registry(
    full, docker, monkeypatch, told_by
):
    workspace, place = full, f"zzz/{told_by}-{full.image}:v9"
    name = f"{workspace.registry}/{place}"
    docker("tag", workspace.image, name)
    docker("push", name)
    if told_by != "digests":
        docker("rmi", name)  # and with it the engine's note of the digest
    if told_by == "log":
        monkeypatch.setattr(workspace.engine, "events", lambda *moments, **filters: [])
    try:
        verdict = judge(workspace)
    finally:
        workspace.engine.remove_image(name)
        run_inside(workspace, f"rm -r {REPOSITORIES}/zzz")
    assert verdict.reason == "elsewhere" and f"`{place}`" in verdict.found


def test_a_registry_that_is_too_slow_cannot_be_checked_and_a_paused_one_is_no_longer_there(
    opened, engine, docker, monkeypatch
):
    def ask(workspace):
        """A registry answers."""
        require_registry(workspace)
        return "It does."

    container = opened.registry_container().id
    monkeypatch.setattr(opened, "client", partial(opened.client, timeout=0.2))
    engine.kill(container, "SIGSTOP")
    try:
        slow = Step(ask).judge(opened)
        docker("pause", container)
        paused = Step(ask).judge(opened)
        docker("unpause", container)
    finally:
        engine.kill(container, "SIGCONT")
        opened.wait_for_registry()
    assert slow.status == "unknown" and slow.next
    assert slow.found == f"`{opened.registry}` did not answer within 0.2 seconds."
    assert (paused.status, paused.reason) == ("failed", "paused")
    assert Step(ask).judge(opened).passed


# Refused


def line(method, path, status, agent="docker/20.10"):
    moment = "26/Nov/2026:12:00:00 +0000"
    return f'172.17.0.1 - - [{moment}] "{method} {path} HTTP/1.1" {status} 1 "" "{agent}"\n'


BLOB = f"/v2/box/blobs/sha256:{'1' * 64}"
UPLOAD, MANIFEST = "/v2/box/blobs/uploads/", "/v2/box/manifests/latest"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([("POST", UPLOAD, 405)], 405),
        ([("POST", UPLOAD, 500), ("HEAD", BLOB, 404)], 500),  # of another layer, meanwhile
        ([("PATCH", UPLOAD, 413)], 413),
        ([("PUT", UPLOAD, 413), ("PUT", UPLOAD, 201)], 413),  # of another blob, side by side
        ([("PATCH", UPLOAD, 413), ("PATCH", UPLOAD, 499)], 413),  # the client gave up another blob
        ([("PATCH", UPLOAD, 499)], None),
        ([("GET", MANIFEST, 500)], 500),
        ([("GET", "/v2/", 401)], 401),
        ([("GET", "/v2/", 401), ("PUT", MANIFEST, 201)], None),
        ([("POST", UPLOAD, 401), ("GET", "/v2/", 200)], None),
        ([("POST", UPLOAD, 405), ("PUT", MANIFEST, 201)], None),
        ([("GET", MANIFEST, 404)], None),  # what is not there is no refusal
        ([("POST", "/v2/other/blobs/uploads/", 405)], None),
        ([("POST", UPLOAD, 405, "curl/7.88")], None),
        ([("POST", UPLOAD, 405, "")], None),
        ([("POST", UPLOAD, 405, "-")], None),  # nginx, of a client without a name
        ([], None),
    ],
)
def test_the_last_request_of_a_push_or_pull_tells_whether_it_was_refused(lines, status):
    refused = last_refusal(parse_log("".join(line(*each) for each in lines)), "box")
    assert (refused and refused.status) == status


def test_a_push_that_a_read_only_registry_refuses_is_explained(opened, docker):
    before = opened.registry_container()
    opened.engine.stop(before.id)
    name = f"{opened.registry}/{opened.image}:latest"
    container = opened.run(
        "registry:2", name=f"{opened.name}-2", ports={5000: opened.port}, environment=READ_ONLY
    )
    opened.wait_for_registry()
    docker("tag", opened.image, name)
    try:
        assert judge(opened).reason == "not-pushed"
        docker("push", name, fails=True)
        assert eventually(lambda: judge(opened).reason == "read-only")  # once it is in the log
        verdict = judge(opened)
    finally:
        opened.engine.remove_image(name)
        opened.engine.remove_container(container)
        opened.engine.start(before.id)
        opened.wait_for_registry()
    assert verdict.status == "failed"
    assert "with HTTP 405: it is read-only, because of its setting `readonly`." in verdict.found
    assert f"`docker rm -f {opened.name}-2`, then `docker run -d -p {opened.port}" in verdict.next
    assert verdict.next.endswith(f"then `docker push {opened.registry}/{opened.image}`.")


CACHE = {"REGISTRY_PROXY_REMOTEURL": "https://registry-1.docker.io"}


@pytest.mark.parametrize(
    ("status", "settings", "reason", "why", "todo"),
    [
        (401, {}, "no-login", "it came without a login for `{registry}`", "`docker login "),
        (413, {}, "too-large", "a layer is larger than a server in front", "Raise its limit"),
        (405, CACHE, "cache", "it is a cache of another registry", "Create the container again"),
        (405, {}, "not-allowed", "it does not allow that.", "Create the container again"),
        (503, {}, "refused", "its log may say why.", "Read `docker logs "),
    ],
)
def test_each_other_refusal_of_a_push_is_explained(
    opened, monkeypatch, status, settings, reason, why, todo
):
    requests = parse_log(line("POST", UPLOAD, status))
    monkeypatch.setattr(opened, "requests", lambda **how: requests)
    monkeypatch.setattr(refusals, "configuration", lambda *of: Configuration(settings))
    with pytest.raises(NotYet) as refused:
        require_no_refusal(opened, "box", again="`docker push box`")
    assert refused.value.reason == reason
    assert f"with HTTP {status}: {why}" in refused.value.found
    assert refused.value.next.startswith(todo)
    assert refused.value.next.endswith(", then `docker push box`.")
