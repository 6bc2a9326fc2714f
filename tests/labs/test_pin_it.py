"""Lab 6, done in other ways than the solution's, and what it says to near misses."""

import re
import secrets
import subprocess
from dataclasses import replace

import pytest
import requests

from labrunner.registry.client import Registry

ACCEPT = "Accept: application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["pin-it"], "headless")


@pytest.fixture
def opened(opened_once):
    """A workspace as after its opening: its repository has a name that no test before has used."""
    opened_once.record.facts.clear()
    opened_once.record.values["app"] = opened_once.unused(f"my-app-{secrets.token_hex(2)}")
    opened_once.prepare(lambda line: None)
    return opened_once


@pytest.fixture
def pushed(opened):
    """A workspace whose first two steps are done."""
    do(opened, "push-it")
    do(opened, "keep-its-digest")
    return opened


@pytest.fixture
def moved(pushed):
    """A workspace whose tag has moved."""
    do(pushed, "move-the-tag")
    return pushed


@pytest.fixture(scope="module")
def shared(shared_workspaces):
    """The same, for tests that leave it as it was."""
    workspace = shared_workspaces.open(shared_workspaces.labs["pin-it"], "headless")
    do(workspace, "push-it")
    do(workspace, "keep-its-digest")
    do(workspace, "move-the-tag")
    return workspace


def do(workspace, step):
    answer = workspace.lab.find(step).solve(workspace) or ""
    assert judge(workspace, step, answer).passed
    return answer


def judge(workspace, step, answer=""):
    return workspace.lab.find(step).judge(workspace, answer)


def first(workspace):
    """The digest in the file, which holds a whole reference: the page's commands pull it."""
    return (workspace.work / "first").read_text().partition("@")[2]


def place(workspace, host="localhost"):
    return f"{host}:{workspace.port}/{workspace['app']}"


def manifest(workspace, reference="1.0"):
    return workspace.api.manifest(workspace["app"], reference)


@pytest.fixture
def build(docker, tmp_path):
    """Builds an image with the learner's command line."""

    def run(name, content):
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:stable\nLABEL own={content}\n")
        docker("build", "-q", "-t", name, str(tmp_path))

    return run


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_whole_way_with_the_command_line_by_either_host(opened, docker, build, unique, host):
    name = place(opened, host)
    build(f"{name}:1.0", f"{unique}-one")
    assert judge(opened, "push-it").next == f"`docker push {name}:1.0`."
    docker("push", f"{name}:1.0")
    kept = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", f"{name}:1.0")
    assert judge(opened, "push-it").passed and judge(opened, "keep-its-digest", kept).passed
    build(f"{name}:1.0", f"{unique}-two")
    for answer in ("", kept):
        assert judge(opened, "move-the-tag", answer).reason == "not-moved"
    docker("push", f"{name}:1.0")
    assert judge(opened, "move-the-tag").found.endswith("Everything else is ready.")
    assert judge(opened, "move-the-tag", kept).passed
    assert not judge(opened, "pull-by-digest").passed
    docker("image", "rm", "-f", f"{name}:1.0", kept)
    docker("run", "--rm", kept, "true")
    assert judge(opened, "pull-by-digest").passed
    docker("pull", f"{name}:1.0")
    docker("tag", f"{name}:1.0", f"{name}:1.1")
    docker("tag", kept, f"{name}:1.0")
    assert not judge(opened, "roll-back", kept).passed
    docker("push", f"{name}:1.1")
    docker("push", f"{name}:1.0")
    assert judge(opened, "roll-back", kept).passed


def test_a_digest_is_right_as_push_and_curl_print_it(pushed, docker):
    digest = first(pushed)
    said = docker("push", f"{place(pushed)}:1.0").splitlines()[-1]
    header = f"Docker-Content-Digest: {digest}\r"
    for form in (said, header, digest[7:], f'"{place(pushed)}@{digest}"'):
        assert judge(pushed, "keep-its-digest", form).passed, form


def test_a_pull_by_tag_and_digest_is_one_by_digest(moved, docker):
    docker("pull", f"{place(moved)}:1.0@{first(moved)}")
    assert judge(moved, "pull-by-digest").passed


def test_a_pull_is_seen_in_the_registrys_log_when_the_engine_has_forgotten_it(moved, monkeypatch):
    monkeypatch.setattr(moved.engine, "events", lambda *moments, **filters: [])
    assert not judge(moved, "pull-by-digest").passed
    moved.pull(f"{place(moved)}@{first(moved)}")
    assert judge(moved, "pull-by-digest").passed


def test_a_pull_by_tag_alone_is_seen_in_the_log_as_none_by_digest(moved, monkeypatch):
    moved.pull(f"{place(moved)}:1.0")
    monkeypatch.setattr(moved.engine, "events", lambda *moments, **filters: [])
    assert judge(moved, "pull-by-digest").found.startswith("Nobody has pulled")


def test_a_look_with_curl_is_no_pull(shared, docker):
    url = f"http://{shared.registry}/v2/{shared['app']}/manifests/{first(shared)}"
    subprocess.run(["curl", "-sf", "-H", ACCEPT, url], check=True, capture_output=True)
    docker("manifest", "inspect", "--insecure", f"{place(shared)}@{first(shared)}")
    assert judge(shared, "pull-by-digest").found.startswith("Nobody has pulled")


def test_a_pull_from_before_the_tag_moved_does_not_count(pushed):
    pushed.pull(f"{place(pushed)}@{first(pushed)}")
    do(pushed, "move-the-tag")
    assert judge(pushed, "pull-by-digest").found.startswith("Nobody has pulled")


def test_the_next_step_names_the_first_digest(shared):
    assert judge(shared, "pull-by-digest").next == f"`docker pull {place(shared)}@{first(shared)}`."


def test_a_digest_that_no_manifest_has_is_named(moved, docker):
    docker("pull", f"{place(moved)}@sha256:{'1' * 64}", fails=True)
    found = judge(moved, "pull-by-digest").found
    assert found == f"The registry has no manifest with the digest `sha256:{'1' * 12}…`."
    for step in ("move-the-tag", "roll-back"):
        assert "has no manifest" in judge(moved, step, f"sha256:{'1' * 64}").found


def test_the_second_digest_is_not_the_first(shared):
    verdict = judge(shared, "move-the-tag", manifest(shared).digest)
    assert verdict.found.endswith(f" is not the first image, but `{shared['app']}:1.0`.")
    assert "It should be in the file `first`." in verdict.next
    assert verdict.next.endswith("The verdict of `keep-its-digest` shows how it begins.")


def test_a_first_push_that_was_corrected_is_neither_the_first_image_nor_the_second(
    opened, docker, build, unique
):
    name, digests = place(opened), []
    for word in ("mistaken", "first"):
        build(f"{name}:1.0", f"{unique}-{word}")
        docker("push", f"{name}:1.0")
        digests.append(manifest(opened).digest)
    mistaken, kept = digests
    assert judge(opened, "keep-its-digest", kept).passed
    assert judge(opened, "move-the-tag", kept).reason == "not-moved"
    build(f"{name}:1.0", f"{unique}-second")
    docker("push", f"{name}:1.0")
    verdict = judge(opened, "move-the-tag", mistaken)
    assert verdict.reason == "not-the-first" and kept not in verdict.next
    assert judge(opened, "move-the-tag", kept).passed
    docker("pull", f"{name}@{mistaken}")
    verdict = judge(opened, "pull-by-digest")
    assert (verdict.reason, verdict.next) == ("another-image", f"`docker pull {name}@{kept}`.")
    docker("pull", f"{name}@{kept}")
    assert judge(opened, "pull-by-digest").passed


def test_until_the_first_digest_was_submitted_no_verdict_of_a_later_step_names_it(pushed, docker):
    kept = first(pushed)
    pushed.lab.find("move-the-tag").solve(pushed)
    assert kept not in judge(pushed, "pull-by-digest").next
    assert judge(pushed, "move-the-tag", kept).passed
    assert kept in judge(pushed, "pull-by-digest").next


def test_where_its_digest_was_not_kept_the_tag_has_moved_with_the_second_push(pushed):
    pushed.record.facts.clear()
    kept = first(pushed)
    for step, answer in (("move-the-tag", kept), ("pull-by-digest", "")):
        assert judge(pushed, step, answer).reason == "not-moved"
    pushed.lab.find("move-the-tag").solve(pushed)
    assert judge(pushed, "move-the-tag", manifest(pushed).digest).reason == "not-the-first"
    pushed.pull(f"{place(pushed)}@{kept}")
    assert judge(pushed, "pull-by-digest").passed
    for step in ("move-the-tag", "roll-back"):
        do(pushed, step)


def test_an_image_that_the_registry_has_lost_is_not_to_be_pulled_from_it(moved):
    moved.record.facts["first"] = f"sha256:{'1' * 64}"
    for step in ("move-the-tag", "pull-by-digest", "roll-back"):
        verdict = judge(moved, step, first(moved))
        assert verdict.reason == "lost" and "docker pull" not in verdict.next


def test_the_second_image_gets_its_tag_even_after_the_first_has_its_own_back(moved, docker):
    do(moved, "pull-by-digest")
    kept = first(moved)
    moved.push_as(f"{place(moved)}@{kept}", f"{place(moved)}:1.0")
    for reason in ("no-second-tag", "same-image"):
        verdict = judge(moved, "roll-back", kept)
        assert verdict.reason == reason and kept not in verdict.next
        if reason == "no-second-tag":
            moved.push_as(f"{place(moved)}@{kept}", f"{place(moved)}:1.1")
    follow(docker, verdict.next)
    assert judge(moved, "roll-back", kept).passed


def test_tags_that_are_swapped_are_set_right_without_losing_the_second_image(moved, docker):
    do(moved, "pull-by-digest")
    kept, second = first(moved), manifest(moved).digest
    moved.push_as(f"{place(moved)}@{kept}", f"{place(moved)}:1.1")
    for reason in ("swapped", "same-image"):
        verdict = judge(moved, "roll-back", kept)
        assert verdict.reason == reason
        follow(docker, verdict.next)
    assert judge(moved, "roll-back", kept).passed
    assert manifest(moved, "1.1").digest == second


def follow(docker, advice):
    for command in re.findall("`docker (.*?)`", advice):
        docker(*command.split())


def test_going_back_to_a_step_forgets_what_was_kept_before(services, real_course):
    lab = real_course.labs["pin-it"]
    session, to = services.session(lab), lab.find("move-the-tag")
    session.start_at(to, lambda line: None)
    before = session.require_workspace()
    assert before.record.facts["first"] == first(before)
    assert session.reset({item.id for item in session.resources()}, to) == []
    session.start_at(to, lambda line: None)
    after = session.require_workspace()
    assert after.record.facts["first"] == first(after) != before.record.facts["first"]


def test_an_image_id_is_named(shared):
    for step in ("move-the-tag", "roll-back"):
        verdict = judge(shared, step, manifest(shared, first(shared)).config_digest)
        assert "is the digest of a config, which is an image's id" in verdict.found
        assert "--digests" in verdict.next


@pytest.fixture
def index(pushed, docker):
    """An index that is `1.0` now, of the image that was pushed, which was pulled by the tag."""
    part = put_index(pushed)
    docker("pull", f"{place(pushed)}:1.0")
    return part


def put_index(workspace):
    """Make `1.0` an index of the image that it is; that image's digest."""
    part = manifest(workspace)
    size = len(workspace.api.raw_manifest(workspace["app"], "1.0").body)
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    platform = {"os": "linux", "architecture": "amd64"}
    row = {"mediaType": kind, "digest": part.digest, "size": size, "platform": platform}
    index = "application/vnd.docker.distribution.manifest.list.v2+json"
    sent = requests.put(
        f"http://{workspace.registry}/v2/{workspace['app']}/manifests/1.0",
        json={"schemaVersion": 2, "mediaType": index, "manifests": [row]},
        headers={"Content-Type": index},
        timeout=10,
    )
    assert sent.status_code == 201
    return part.digest


def test_a_greeting_is_missed_in_an_index_too_and_where_it_cannot_be_read_nothing_is_said(
    opened, monkeypatch
):
    push_build = opened.lab.find("push-it").mistakes[-1]
    push_build.make(opened)
    put_index(opened)
    assert judge(opened, "push-it").reason == "blank"
    ask = Registry.request

    def garble(api, method, path, **how):
        answer = ask(api, method, path, **how)
        return replace(answer, body=b"{}") if "/blobs/" in path else answer

    monkeypatch.setattr(Registry, "request", garble)
    assert judge(opened, "push-it").passed


def test_a_part_of_an_index_is_neither_the_image_nor_an_older_one(pushed, index):
    verdict = judge(pushed, "keep-its-digest", index)
    assert verdict.reason == "part" and "the image for one platform" in verdict.found
    assert judge(pushed, "keep-its-digest", manifest(pushed).digest).passed
    pushed.push_as("busybox:stable", f"{place(pushed)}:1.0")
    verdict = judge(pushed, "move-the-tag", index)
    assert (verdict.status, verdict.reason) == ("failed", "part")


def test_a_pull_of_an_index_by_its_tag_is_none_by_digest(pushed, index):
    """It asks for the parts by their digests."""
    assert judge(pushed, "pull-by-digest").reason == "by-tag"


def test_a_layers_digest_is_named(pushed):
    verdict = judge(pushed, "keep-its-digest", manifest(pushed).layers[0].digest)
    assert verdict.found.endswith("is one of its layers.")
    assert "Your answer does not have a digest" in judge(pushed, "keep-its-digest", "1.0").found


def test_what_is_no_digest_is_named(shared):
    for step in ("move-the-tag", "roll-back"):
        assert "Your answer does not have a digest" in judge(shared, step, "1.0").found
        assert "more than one digest" in judge(shared, step, f"{'1' * 64} {'2' * 64}").found


def test_the_second_build_under_a_new_tag_is_not_a_moved_tag(pushed, docker, build, unique):
    build(f"{place(pushed)}:1.1", unique)
    docker("push", f"{place(pushed)}:1.1")
    for answer in (first(pushed), manifest(pushed, "1.1").digest):
        verdict = judge(pushed, "move-the-tag", answer)
        assert verdict.status == "failed" and f"`{pushed['app']}:1.1`" in verdict.found
        assert f"docker image tag {place(pushed)}:1.1 {place(pushed)}:1.0" in verdict.next


def test_a_tag_of_its_own_for_the_first_image_does_no_harm(pushed):
    pushed.tag(f"{place(pushed)}:1.0", f"{place(pushed)}:old")
    pushed.push(f"{place(pushed)}:old")
    do(pushed, "move-the-tag")


def test_an_image_under_another_name_is_found(opened, docker, build, unique, engine):
    for name in map(opened.fill, ("{app}:1.0", "{app}:latest", "{registry}/team/{app}:1.0")):
        build(name, unique)
        verdict = judge(opened, "push-it")
        engine.remove_image(name)
        assert verdict.found == f"Your engine has `{name}`, but not `{place(opened)}:1.0`."
        assert verdict.next.startswith(f"`docker image tag {name} {place(opened)}:1.0`")


def test_without_any_image_the_verdict_says_how_to_build_one(opened):
    for step in ("push-it", "move-the-tag", "pull-by-digest", "roll-back"):
        verdict = judge(opened, step, "x")
        assert verdict.status == "failed"
        assert verdict.found == "Neither your engine nor the registry has an image with that name."
        assert f"docker build -t {place(opened)}:1.0" in verdict.next


def test_one_image_under_both_tags_is_told_from_two(moved):
    first_one = f"{place(moved)}@{first(moved)}"
    moved.pull(first_one)
    missing = judge(moved, "roll-back", first(moved))
    assert missing.found == f"There is no `{moved['app']}:1.1`."
    moved.tag(f"{place(moved)}:1.0", f"{place(moved)}:1.1")
    moved.push(f"{place(moved)}:1.1")
    assert "not to the first image" in judge(moved, "roll-back", first(moved)).found
    moved.tag(first_one, f"{place(moved)}:1.0")
    moved.push(f"{place(moved)}:1.0")
    assert judge(moved, "roll-back", first(moved)).passed
    moved.tag(first_one, f"{place(moved)}:1.1")
    moved.push(f"{place(moved)}:1.1")
    assert "point to the first image" in judge(moved, "roll-back", first(moved)).found


def test_without_its_registry_no_step_can_be_checked(moved):
    moved.engine.stop(moved.engine.containers(name=moved.name)[0].id)
    for step in ("push-it", "move-the-tag", "pull-by-digest", "roll-back"):
        verdict = judge(moved, step, first(moved))
        assert verdict.status == "unknown" and f"docker start {moved.name}" in verdict.next
