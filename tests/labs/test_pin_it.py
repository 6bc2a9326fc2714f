"""Lab 6, done in other ways than the solution's, and what it says to near misses."""

import secrets
import subprocess

import pytest
import requests

ACCEPT = "Accept: application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["pin-it"], "headless")


@pytest.fixture
def opened(opened_once):
    """A workspace as after its opening: its repository has a name that no test before has used."""
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
    assert "docker push" in judge(opened, "push-it").next
    docker("push", f"{name}:1.0")
    kept = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", f"{name}:1.0")
    assert judge(opened, "push-it").passed and judge(opened, "keep-its-digest", kept).passed
    build(f"{name}:1.0", f"{unique}-two")
    assert not judge(opened, "move-the-tag", kept).passed
    docker("push", f"{name}:1.0")
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


def test_the_next_step_names_the_first_digest_where_the_engine_knows_it(shared):
    """Some engines let go of an image's digest when its tag moves."""
    known = shared.engine.images(reference=f"{shared.registry}/{shared['app']}@{first(shared)}")
    pinned = f"`docker pull {place(shared)}@{first(shared)}`."
    assert (judge(shared, "pull-by-digest").next == pinned) == bool(known)


def test_a_digest_that_no_manifest_has_is_named(moved, docker):
    docker("pull", f"{place(moved)}@sha256:{'1' * 64}", fails=True)
    found = judge(moved, "pull-by-digest").found
    assert found == f"The registry has no manifest with the digest `sha256:{'1' * 12}…`."
    for step in ("move-the-tag", "roll-back"):
        assert "has no manifest" in judge(moved, step, f"sha256:{'1' * 64}").found


def test_the_second_digest_is_not_the_first(shared):
    verdict = judge(shared, "move-the-tag", manifest(shared).digest)
    assert verdict.found.endswith("That is the second image, not the first.")
    assert "It should be in the file `first`." in verdict.next


def test_an_image_id_is_named(shared):
    for step in ("move-the-tag", "roll-back"):
        verdict = judge(shared, step, manifest(shared, first(shared)).config_digest)
        assert "is the digest of a config, which is an image's id" in verdict.found
        assert "--digests" in verdict.next


@pytest.fixture
def index(pushed, docker):
    """An index that is `1.0` now, of the image that was pushed, which was pulled by the tag."""
    part = manifest(pushed)
    size = len(pushed.api.raw_manifest(pushed["app"], "1.0").body)
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    platform = {"os": "linux", "architecture": "amd64"}
    row = {"mediaType": kind, "digest": part.digest, "size": size, "platform": platform}
    index = "application/vnd.docker.distribution.manifest.list.v2+json"
    sent = requests.put(
        f"http://{pushed.registry}/v2/{pushed['app']}/manifests/1.0",
        json={"schemaVersion": 2, "mediaType": index, "manifests": [row]},
        headers={"Content-Type": index},
        timeout=10,
    )
    assert sent.status_code == 201
    docker("pull", f"{place(pushed)}:1.0")
    return part.digest


def test_a_part_of_an_index_is_neither_the_image_nor_an_older_one(pushed, index):
    verdict = judge(pushed, "keep-its-digest", index)
    assert verdict.reason == "part" and "the image for one platform" in verdict.found
    verdict = judge(pushed, "move-the-tag", index)
    assert (verdict.status, verdict.reason) == ("failed", "part")


def test_a_pull_of_an_index_by_its_tag_is_none_by_digest(pushed, index):
    """It asks for the parts by their digests."""
    assert judge(pushed, "pull-by-digest").reason == "by-tag"


def test_a_layers_digest_is_named(shared):
    verdict = judge(shared, "keep-its-digest", manifest(shared).layers[0].digest)
    assert verdict.found.endswith("is one of its layers.")


def test_what_is_no_digest_is_named(shared):
    for step in ("keep-its-digest", "move-the-tag", "roll-back"):
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
    assert "point to the second image" in judge(moved, "roll-back", first(moved)).found
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
