"""What is in a registry: real ones, and stand-ins that answer slowly or oddly."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from labrunner.engine.engine import Engine
from labrunner.inspector import disk_usage, scan
from labrunner.registry.errors import BudgetSpent, RegistryDown, RegistryRefused
from labrunner.verdicts import CannotCheck
from labrunner.web.diagrams import registry, table
from labrunner.web.diagrams.layout import LAYOUTS
from tests.fixtures.certificates import certify
from tests.fixtures.engine import VERSION, eventually, reopen, request_of, response, serving

BALLAST = 3 << 20  # bytes that each image of the lab has to itself
scanner = scan.Scanner()
INDEX = "application/vnd.oci.image.index.v1+json"


def push_two(workspace):
    """Start a registry that allows deletion; the tags 1.0 and 2.0 name two images there."""
    for step in workspace.lab.steps[:2]:
        step.solve(workspace)
    return workspace


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["take-out-the-rubbish"], "headless")


@pytest.fixture
def rubbish(opened_once):
    (opened_once.folder / "shelf.json").unlink(missing_ok=True)
    return push_two(reopen(opened_once, "image", "old_image"))


@pytest.fixture(scope="module")
def shared_rubbish(shared_workspaces):
    lab = shared_workspaces.labs["take-out-the-rubbish"]
    return push_two(shared_workspaces.open(lab, "headless"))


@pytest.fixture
def unchanged(shared_rubbish):
    """The same, for tests that change nothing in the registry; nobody has looked at it yet."""
    (shared_rubbish.folder / "shelf.json").unlink(missing_ok=True)
    return shared_rubbish


def states(contents):
    return sorted(entry.state for entry in contents.manifests)


def test_a_layer_that_two_images_share_is_there_once(unchanged):
    contents = scanner.scan(unchanged)
    assert contents.repositories == (unchanged.image,)
    assert sorted(tag.name for tag in contents.tags) == ["1.0", "2.0"]
    assert states(contents) == ["named", "named"]
    [shared] = [digest for digest in contents.blobs if len(contents.manifests_with(digest)) == 2]
    assert contents.blobs[shared].kind == "layer"
    kinds = sorted(blob.kind for blob in contents.blobs.values())
    assert kinds == ["config", "config", "layer", "layer", "layer"]
    once = sum(blob.size for blob in contents.blobs.values())
    assert contents.stored == once + sum(entry.size for entry in contents.manifests)
    assert contents.stored <= contents.disk_usage < contents.stored + 100_000
    assert contents.garbage == 0
    assert (contents.unread_repositories, contents.unread_tags) == (0, 0)


def test_a_tag_that_moves_leaves_its_manifest_without_one(rubbish):
    old = scanner.scan(rubbish).find(rubbish.image, "1.0")
    name = f"{rubbish.registry}/{rubbish.image}:1.0"
    rubbish.tag(rubbish.sample, name)
    rubbish.push(name)
    for _ in range(2):  # what the next look finds is remembered as well
        contents = scanner.scan(rubbish)
        left = contents.find(rubbish.image, old.digest)
        assert (left.state, left.previous_tags) == ("untagged", ("1.0",))
        moved = contents.find(rubbish.image, "1.0")
        assert moved and sorted(contents.tags_of(moved)) == ["1.0", "2.0"]
        assert contents.garbage == 0


def test_a_deleted_manifest_stays_until_its_bytes_are_collected(rubbish):
    before = scanner.scan(rubbish)
    old = before.find(rubbish.image, "1.0")
    rubbish.lab.find("delete-by-digest").solve(rubbish)
    after = scanner.scan(rubbish)
    left = after.find(rubbish.image, old.digest)
    assert (left.state, left.previous_tags) == ("deleted", ("1.0",))
    assert [tag.name for tag in after.tags] == ["2.0"]
    assert BALLAST < after.garbage < BALLAST * 1.01
    gone = [each for each in after.blobs if after.manifests_with(each) == [left]]
    assert sorted(after.blobs[digest].kind for digest in gone) == ["config", "layer"]
    rubbish.lab.find("collect-the-garbage").solve(rubbish)
    end = scanner.scan(rubbish)  # at once: the contents have changed
    assert states(end) == ["named"]
    assert end.garbage == 0
    assert BALLAST < after.disk_usage - end.disk_usage < BALLAST * 1.01


def test_a_registry_that_ran_during_the_collection_is_not_believed(rubbish):
    scanner.scan(rubbish)
    rubbish.lab.find("delete-by-digest").solve(rubbish)
    assert states(scanner.scan(rubbish)) == ["deleted", "named"]
    container = rubbish.engine.container(rubbish.name)
    config = "/etc/docker/registry/config.yml"
    full = scanner.scan(rubbish).disk_usage
    rubbish.engine.execute(container.id, ["registry", "garbage-collect", config])
    assert eventually(lambda: states(scanner.scan(rubbish)) == ["named"], 60)
    assert BALLAST < full - scanner.scan(rubbish).disk_usage < BALLAST * 1.01


@pytest.fixture
def weighings(monkeypatch):
    """The volumes whose size an engine was asked for."""
    asked, ask = [], Engine.volume_size

    def note(engine, name):
        asked.append(name)
        return ask(engine, name)

    monkeypatch.setattr(Engine, "volume_size", note)
    return asked


def test_the_size_of_the_disk_is_asked_for_again_only_after_a_change_or_a_while(
    rubbish, weighings, monkeypatch
):
    """An engine before 23 refuses the learner's own `docker system df` while it answers ours."""
    sizes = {scanner.scan(rubbish).disk_usage for _ in range(5)}
    assert len(weighings) == len(sizes) == 1 and None not in sizes
    name = f"{rubbish.registry}/{rubbish.image}:3.0"
    rubbish.tag(rubbish.sample, name)
    rubbish.push(name)
    assert {scanner.scan(rubbish).disk_usage for _ in range(3)} != sizes
    assert len(weighings) == 2
    monkeypatch.setattr(disk_usage, "VALID", 0)
    assert scanner.scan(rubbish).disk_usage
    assert len(weighings) == 3


def test_one_size_is_asked_for_at_a_time(engine, tmp_path, monkeypatch):
    answering, most = [], []

    def answer(connection):
        if "/system/df" not in request_of(connection):
            connection.sendall(response(json.dumps(VERSION)))
            return
        answering.append(connection)
        most.append(len(answering))
        time.sleep(0.3)  # while which others would come
        answering.remove(connection)
        connection.sendall(response('{"Volumes": [{"Name": "v", "UsageData": {"Size": 5}}]}'))

    with serving(answer, unix=tmp_path / "engine.sock") as path, ThreadPoolExecutor() as pool:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        sizes = list(pool.map(lambda _: Engine().volume_size("v"), range(4)))
    assert (sizes, most) == ([5] * 4, [1] * 4)


def test_what_was_deleted_unseen_is_not_known(rubbish):
    rubbish.lab.find("delete-by-digest").solve(rubbish)
    assert states(scanner.scan(rubbish)) == ["named"]


def test_an_index_has_its_images_and_their_platforms(rubbish):
    images = [entry.digest for entry in scanner.scan(rubbish).manifests]
    where = f"http://{rubbish.registry}/v2/{rubbish.image}/manifests"
    types = "application/vnd.docker.distribution.manifest.v2+json"
    rows = [
        {"mediaType": types, "digest": digest, "size": 528, "platform": platform}
        for digest, platform in zip(
            images,
            [
                {"os": "linux", "architecture": "amd64"},
                {"os": "linux", "architecture": "arm64", "variant": "v8"},
            ],
            strict=True,
        )
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
    put = requests.put(
        f"{where}/both", data=json.dumps(index), headers={"Content-Type": INDEX}, timeout=5
    )
    assert put.status_code == 201
    contents = scanner.scan(rubbish)
    both = contents.find(rubbish.image, "both")
    assert [child.digest for child in both.children] == images
    assert [child.platform for child in both.children] == ["linux/amd64", "linux/arm64/v8"]
    assert states(contents) == ["named"] * 3

    rubbish.api.delete(rubbish.image, both.digest)
    assert states(scanner.scan(rubbish)) == ["named"] * 2


def test_two_hundred_repositories_are_looked_at_in_bounded_work(rubbish):
    scanner.scan(rubbish)
    name = f"{rubbish.registry}/{rubbish.image}:3.0"
    rubbish.tag(rubbish.sample, name)
    rubbish.push(name)
    copies = f"""
        cd /var/lib/registry/docker/registry/v2/repositories && mkdir many
        for number in $(seq 100 299); do cp -a {rubbish.image} many/repository-$number; done
    """
    container = rubbish.engine.container(rubbish.name)
    assert rubbish.engine.execute(container.id, ["sh", "-ec", copies]) == (0, "")
    own = len([each for each in rubbish.requests() if not each.agent])
    contents = scanner.scan(rubbish)
    asked = len([each for each in rubbish.requests() if not each.agent]) - own
    assert asked <= scan.MAX_REQUESTS + 1  # and one that the first look at the log made
    assert contents.repositories[0] == rubbish.image  # what the lab is about comes first
    assert len(contents.tags) <= scan.MAX_TAGS
    assert len(contents.repositories) + contents.unread_repositories == 201
    seen = [tag for tag in contents.tags if tag.repository in contents.repositories]
    assert len(seen) + contents.unread_tags == 3 * len(contents.repositories)
    assert states(contents) == ["named"] * len(contents.manifests)


def test_what_is_not_looked_at_any_more_is_not_taken_for_untagged(unchanged, monkeypatch):
    scanner.scan(unchanged)
    monkeypatch.setattr(scan, "MAX_TAGS", 1)
    contents = scanner.scan(unchanged)
    assert (len(contents.tags), contents.unread_tags) == (1, 1)
    assert states(contents) == ["named"]
    monkeypatch.undo()
    assert states(scanner.scan(unchanged)) == ["named", "named"]


def test_a_registry_with_a_password_is_read_with_the_login_of_the_lab(workspaces, real_course):
    lab = real_course.labs["lock-the-door"]
    workspace = workspaces.open(lab, "headless")
    for step in (lab.steps[0], lab.find("log-in-and-push")):
        step.solve(workspace)
    with pytest.raises(RegistryRefused) as refused:
        scanner.scan(workspace)
    assert refused.value.status == 401
    contents = scanner.scan(workspace, ("alice", workspace["password"]))
    assert [tag.name for tag in contents.tags] == ["latest"]


def test_a_registry_that_is_down_is_said_to_be(workspaces, real_course):
    workspace = workspaces.open(real_course.labs["run-a-registry"], "headless")
    with pytest.raises(RegistryDown) as down:
        scanner.scan(workspace)
    assert "there is no container for it" in down.value.found


@pytest.fixture
def anywhere(workspaces, real_course):
    """A workspace of which the registry is put elsewhere by its address."""
    workspace = workspaces.open(real_course.labs["run-a-registry"], "headless")

    def at(address):
        workspace.record.values["registry"] = address
        return workspace

    return at


def answering(bodies, seconds=0.0):
    """A registry of fixed answers: the first whose key is in the path. Others are 404."""

    def answer(connection):
        path = request_of(connection).split()[1]
        time.sleep(seconds)
        for part, body in bodies.items():
            if part in path:
                connection.sendall(response(json.dumps(body)))
                return
        connection.sendall(response("{}", status="404 Not Found"))

    return serving(answer)


def test_a_slow_registry_is_left_soon_with_what_it_told(anywhere):
    tags = [f"t{number:02}" for number in range(20)]
    bodies = {
        "_catalog": {"repositories": ["slow"]},
        "tags/list": {"tags": tags},
        "manifests": {"config": {"digest": "sha256:aa", "size": 1}, "layers": []},
    }
    with answering(bodies, seconds=0.2) as address:
        contents = scanner.scan(anywhere(address))
    assert 1 <= len(contents.tags) < 20
    assert len(contents.tags) + contents.unread_tags == 20


def test_a_repository_is_said_to_be_empty_only_where_its_tags_were_read(anywhere, monkeypatch):
    bodies = {
        "_catalog": {"repositories": ["full", "none", "slow"]},
        "full/tags/list": {"tags": ["1"]},
        "none/tags/list": {"tags": None},
        "slow/tags/list": {"tags": ["2"]},
        "manifests": {"config": {"digest": "sha256:aa", "size": 1}, "layers": []},
    }
    with answering(bodies) as address:
        for requests_made in (1, 2):
            monkeypatch.setattr(scan, "MAX_REQUESTS", requests_made)
            with pytest.raises(BudgetSpent):
                scanner.scan(anywhere(address))
        monkeypatch.setattr(scan, "MAX_REQUESTS", 5)  # the last for the tags of the third
        contents = scanner.scan(anywhere(address))
    assert contents.repositories == ("full", "none")
    assert (contents.unread_repositories, contents.unread_tags) == (1, 0)


def test_a_list_of_repositories_without_an_end_is_given_up(anywhere):
    link = 'Link: </v2/_catalog?n=1000&last=a>; rel="next"\r\n'

    def answer(connection):
        request_of(connection)
        time.sleep(0.2)
        connection.sendall(response('{"repositories": ["a"]}', headers=link))

    with serving(answer) as address, pytest.raises(CannotCheck) as given_up:
        scanner.scan(anywhere(address))
    assert given_up.value.found.endswith(
        "its list of `repositories` leads back to an earlier page."
    )


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"config": 1, "layers": {"a": 1}},
        {"layers": [{"digest": "sha256:aa", "size": "many"}]},
        {"layers": [{"digest": "sha256:aa", "size": 1e999}]},
        {"layers": [{"digest": "sha256:aa", "size": 10**400}]},
        {"layers": [{"digest": "sha256:aa", "size": -1}]},
        {"layers": [None] * 9},
        {"manifests": [{"platform": "none"}]},
        {"manifests": [{"digest": "sha256:bb", "platform": {"os": ["x"]}}] * 300},
        {"layers": [{"digest": f"sha256:{n}", "size": n} for n in range(5000)]},
    ],
)
def test_odd_manifests_are_shown_as_far_as_they_can_be_read(anywhere, manifest):
    bodies = {
        "_catalog": {"repositories": ["odd"]},
        "tags/list": {"tags": ["latest"]},
        "manifests/latest": manifest,
    }
    with answering(bodies) as address:
        contents = scanner.scan(anywhere(address))
    assert [tag.name for tag in contents.tags] == ["latest"]
    assert all(len(entry.blobs) <= 128 for entry in contents.manifests)
    assert table.rows(contents) and all(registry.draw(contents, layout).boxes for layout in LAYOUTS)


def test_a_tag_without_a_manifest_is_a_tag_all_the_same(anywhere):
    bodies = {"_catalog": {"repositories": ["ghost"]}, "tags/list": {"tags": ["1.0"]}}
    with answering(bodies) as address:
        contents = scanner.scan(anywhere(address))
    assert [(tag.name, tag.digest) for tag in contents.tags] == [("1.0", "")]
    assert contents.manifests == ()


def test_a_memory_that_cannot_be_read_is_none(unchanged):
    path = unchanged.folder / "shelf.json"
    for text in ("", "{", "[1]", '[{"blobs": 1}]', "null"):
        path.write_text(text)
        assert states(scanner.scan(unchanged)) == ["named", "named"]
    path.unlink()
    path.mkdir()  # so that it cannot be written either
    try:
        assert states(scanner.scan(unchanged)) == ["named", "named"]
    finally:
        path.rmdir()


def test_a_registry_behind_tls_is_read_whoever_signed_its_certificate(workspaces, real_course):
    lab = real_course.labs["push-and-pull"]
    workspace = workspaces.open(lab, "headless")
    for step in lab.steps[:3]:
        step.solve(workspace)
    told = scanner.scan(workspace)
    old = workspace.engine.container(workspace.name)
    [store] = [each.source for each in old.mounts if each.kind == "volume"]
    certify(workspace.work, "DNS:registry.lab")
    workspace.engine.stop(old.id)
    settings = {"CERTIFICATE": "/certs/registry.crt", "KEY": "/certs/registry.key"}
    workspace.run(  # `run_registry` would remove the first registry with its volume
        "registry:2",
        name=f"{workspace.name}-tls",
        ports={5000: workspace.port},
        environment={f"REGISTRY_HTTP_TLS_{name}": path for name, path in settings.items()},
        volumes={"/certs:ro": str(workspace.work), "/var/lib/registry": store},
    )
    workspace.wait_for_registry()
    contents = scanner.scan(workspace)
    assert len(contents.tags) == 1 and contents.tags == told.tags
    assert contents.blobs == told.blobs
    asked = workspace.requests()
    assert asked and not any(each.agent for each in asked)


def test_what_says_that_it_speaks_tls_and_does_not_is_given_up(anywhere):
    said = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

    def answer(connection):
        connection.recv(65536)
        connection.sendall(said.encode())

    with serving(answer) as address, pytest.raises(CannotCheck):
        scanner.scan(anywhere(address))


def test_one_manifest_that_is_too_large_leaves_the_others(anywhere):
    large = {"annotations": {"a": "b" * (4 << 20)}}
    bodies = {
        "_catalog": {"repositories": ["odd"]},
        "tags/list": {"tags": ["large", "small"]},
        "manifests/large": large,
        "manifests/small": {"layers": [{"digest": "sha256:aa", "size": 1}]},
    }
    with answering(bodies) as address:
        contents = scanner.scan(anywhere(address))
    assert [bool(tag.digest) for tag in contents.tags] == [False, True]
    assert len(contents.manifests) == 1


def test_an_index_that_names_itself_has_an_end(anywhere):
    digest = "sha256:" + 64 * "1"
    index = {"manifests": [{"digest": digest}, {"digest": digest}]}
    bodies = {"_catalog": {"repositories": ["odd"]}, "tags/list": {"tags": ["1"]}}
    with answering({**bodies, "manifests": index}) as address:
        contents = scanner.scan(anywhere(address))
    assert len(contents.manifests) == 1


def test_what_is_not_read_of_an_image_is_counted(anywhere):
    layers = [{"digest": f"sha256:{n}", "size": n} for n in range(130)]
    bodies = {"_catalog": {"repositories": ["odd"]}, "tags/list": {"tags": ["1"]}}
    with answering({**bodies, "manifests": {"layers": layers}}) as address:
        workspace = anywhere(address)
        for _ in range(2):
            [entry] = scanner.scan(workspace).manifests
            assert (len(entry.blobs), entry.unread) == (127, 3)
