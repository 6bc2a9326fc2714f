"""Lab 5, done in other ways than the solution's, and what it says to near misses."""

import hashlib
import json
import re
from contextlib import closing
from http.client import HTTPConnection

import pytest

from labrunner.workspaces import resources

STEPS = (
    "find-the-repository",
    "list-its-tags",
    "read-a-manifest",
    "take-a-digest",
    "find-the-shared-layer",
    "open-the-layer",
    "weigh-the-image",
)


@pytest.fixture(scope="module")
def opened(shared_workspaces):
    """One for all tests that only answer."""
    return shared_workspaces.open(shared_workspaces.labs["read-the-api"], "headless")


@pytest.fixture(scope="module")
def opened_twice(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["read-the-api"], "headless")


@pytest.fixture
def another(opened_twice):
    """Another one, with all that the lab gives, whatever a test has taken away."""
    opened_twice.prepare(lambda line: None)
    return opened_twice


def judge(workspace, step, answer):
    return workspace.lab.find(step).judge(workspace, answer)


def solution(workspace, step):
    return workspace.lab.find(step).solve(workspace)


def manifest(workspace, which):
    return workspace.api.manifest(workspace["repository"], workspace[which])


def test_the_page_does_not_tell_what_is_to_be_found(real_course):
    lesson = real_course.lesson_of("read-the-api")
    assert {name for name, _ in lesson.values} == {"registry", "word"}


def test_nothing_of_the_two_images_stays_on_the_engine(opened):
    names = [tag for image in opened.engine.images() for tag in image.tags]
    assert not [tag for tag in names if opened["word"] in tag]
    kinds = {item.kind for item in resources.find_resources(opened)}
    assert kinds == {"container", "volume"}


def test_the_two_images_share_one_layer_that_busybox_has_not(opened):
    small, large = manifest(opened, "small"), manifest(opened, "large")
    assert small.layers[:2] == large.layers[:2] and small.layers[2] != large.layers[2]
    assert (len(small.layers), len(large.layers)) == (3, 3)


def test_a_start_of_the_open_lab_keeps_the_images(opened):
    before = manifest(opened, "small"), manifest(opened, "large")
    opened.prepare(lambda line: None)
    assert (manifest(opened, "small"), manifest(opened, "large")) == before


def test_images_that_went_with_their_registry_are_pushed_again(another):
    before = manifest(another, "small")
    [registry] = another.engine.containers(name=another.name)
    another.engine.remove_container(registry.id)
    another.run_registry()
    for step in STEPS:
        verdict = judge(another, step, f"sha256:{'0' * 64}")
        assert (verdict.status, verdict.found) == ("failed", "It no longer does.")
        assert "Start the lab again" in verdict.next
    another.prepare(lambda line: None)
    assert manifest(another, "small").digest != before.digest


def test_a_neighbours_answers_are_of_no_use(opened, another):
    for step in STEPS:
        assert not judge(another, step, solution(opened, step)).passed


def test_without_its_registry_no_step_can_be_checked(another):
    another.engine.stop(another.engine.containers(name=another.name)[0].id)
    for step in STEPS:
        verdict = judge(another, step, f"sha256:{'0' * 64}")
        assert verdict.status == "unknown" and f"docker start {another.name}" in verdict.next


@pytest.mark.parametrize(
    ("step", "form"),
    [
        ("find-the-repository", '"{}"'),
        ("find-the-repository", " `{}`,"),
        ("take-a-digest", "Docker-Content-Digest: {}\r"),
        ("take-a-digest", '{{"digest": "{}"}}'),
        ("find-the-shared-layer", '         "digest": "{}"'),
        ("open-the-layer", "./{}"),
        ("open-the-layer", "-rw-r--r-- root/root 1234 2026-01-01 12:00 {}"),
        ("weigh-the-image", "{} bytes"),
        ("weigh-the-image", "2709\n{}\n"),
    ],
)
def test_an_answer_is_right_in_other_forms(opened, step, form):
    assert judge(opened, step, form.format(solution(opened, step))).passed


def test_a_digest_is_right_without_its_algorithm_as_openssl_prints_it(opened):
    digits = manifest(opened, "small").digest.removeprefix("sha256:")
    assert judge(opened, "take-a-digest", f"SHA2-256(stdin)= {digits.upper()}").passed


def test_a_size_is_right_with_separators(opened):
    size = int(solution(opened, "weigh-the-image"))
    for form in (f"{size:,}", f"{size:_}", f"{size:,}".replace(",", " ")):
        assert judge(opened, "weigh-the-image", form).passed, form


@pytest.mark.parametrize(
    "form",
    ["{0} {1}", "{1}, {0}", '["{0}","{1}"]', '{{"name":"x","tags":["{1}","{0}"]}}', "a:{0} {1}"],
)
def test_tags_are_right_in_any_order_and_form(opened, form):
    answer = form.format(opened["small"], opened["large"])
    assert judge(opened, "list-its-tags", answer).passed


def test_the_docker_command_alone_will_do(opened, docker):
    place = f"{opened.registry}/{opened['repository']}"
    shown = [
        json.loads(docker("manifest", "inspect", "--insecure", "-v", f"{place}:{opened[which]}"))
        for which in ("small", "large")
    ]
    small, large = (each.get("SchemaV2Manifest") or each["OCIManifest"] for each in shown)
    assert judge(opened, "take-a-digest", shown[0]["Descriptor"]["digest"]).passed
    [_, shared] = [layer for layer in small["layers"] if layer in large["layers"]]
    assert judge(opened, "find-the-shared-layer", shared["digest"]).passed
    total = sum(layer["size"] for layer in large["layers"])
    assert judge(opened, "weigh-the-image", str(total)).passed


def test_a_tag_that_docker_pushes_points_to_the_same_manifest(another, docker):
    place = f"{another.registry}/{another['repository']}"
    docker("pull", f"{place}:{another['small']}")
    docker("tag", f"{place}:{another['small']}", f"{place}:tested")
    docker("push", f"{place}:tested")
    docker("rmi", f"{place}:{another['small']}", f"{place}:tested")
    assert judge(another, "mark-the-small-image", "").passed


def put(workspace, tag, body, kind):
    """Send a manifest as curl does; the status of the answer."""
    path = f"/v2/{workspace['repository']}/manifests/{tag}"
    with closing(HTTPConnection("127.0.0.1", workspace.port, timeout=10)) as connection:
        connection.request("PUT", path, body, {"Content-Type": kind})
        return connection.getresponse().status


def test_what_was_sent_last_says_why_a_manifest_was_refused(another):
    another.run_registry()  # without the tag
    another.prepare(lambda line: None)

    def reason():
        return judge(another, "mark-the-small-image", "").reason

    repository, small = another["repository"], another["small"]
    plain = another.api.request("GET", f"{repository}/manifests/{small}")
    if "v1+prettyjws" in plain.headers["Content-Type"]:  # not for one that was pushed as OCI
        assert put(another, "tested", plain.body, plain.headers["Content-Type"]) >= 400
        assert reason() == "schema-1"
    right = another.api.raw_manifest(repository, small)
    kind = right.headers["Content-Type"]
    assert put(another, "tested", right.body[:-1], kind) == 400
    assert reason() == "not-of-that-kind"
    assert put(another, "tested", right.body, "text/plain") == 400
    assert reason() == "refused"
    assert put(another, "testet", right.body, kind) == 201
    assert reason() == "no-tag"
    assert put(another, "tested", right.body, kind) == 201
    assert judge(another, "mark-the-small-image", "").passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{word}", "`{word}` is only the first part of the name."),
        ("{word}/", "`{word}/` is only the first part of the name."),
        ("{last}", "`{last}` is only the last part of the name."),
        ("{registry}/{repository}", "begins with the registry"),
        ("{repository}:{small}", "has a tag."),
        ('{{"repositories":["{repository}"]}}', "Your answer is a whole list, not one name."),
        ("busybox", "There is no repository `busybox` in the catalog."),
        ("my-{{repository}}", "no repository `my-{{repository}}` in the catalog."),
    ],
)
def test_a_near_miss_of_the_repository_is_named_and_not_given_away(opened, answer, words):
    values = {**opened.record.values, "last": opened["repository"].partition("/")[2]}
    verdict = judge(opened, "find-the-repository", answer.format(**values))
    assert verdict.status == "failed" and words.format(**values) in verdict.found
    assert opened["repository"] not in verdict.expected + verdict.next


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{small}", "Your answer leaves out 1 of its 2 tags."),
        ("{small} {large} latest", "The repository does not have `latest`."),
        ("{repository}", "The repository does not have `{repository}`."),
        ("[]", "Your answer leaves out 2 of its 2 tags."),
    ],
)
def test_a_near_miss_of_the_tags_is_named(opened, answer, words):
    values = opened.record.values
    verdict = judge(opened, "list-its-tags", answer.format(**values))
    assert verdict.status == "failed" and verdict.found == words.format(**values)


def near_digests(workspace):
    """Digests that may be taken for another, and what they are."""
    small, large = manifest(workspace, "small"), manifest(workspace, "large")
    path = f"{workspace['repository']}/manifests/{workspace['small']}"
    body = workspace.api.request(
        "GET", f"{workspace['repository']}/blobs/{small.config_digest}"
    ).body
    diff_ids = json.loads(body)["rootfs"]["diff_ids"]
    yield small.config_digest, f"the digest of the config of `{workspace['small']}`"
    yield small.layers[0].digest, "the layer of busybox"
    yield small.layers[2].digest, f"a layer that only `{workspace['small']}` has"
    yield large.layers[2].digest, f"a layer that only `{workspace['large']}` has"
    yield diff_ids[1], "a diff id of"
    yield large.digest, f"the manifest that `{workspace['large']}` points to"
    yield (
        "sha256:" + hashlib.sha256(b"").hexdigest(),
        "not the digest of a manifest, a config or a layer",
    )
    plain = workspace.api.request("GET", path)
    if "v1+prettyjws" in plain.headers["Content-Type"]:  # not for one that was pushed as OCI
        yield plain.headers["Docker-Content-Digest"], "that does not say which kinds it accepts"


@pytest.mark.parametrize("step", ["take-a-digest", "find-the-shared-layer"])
def test_a_near_miss_of_a_digest_is_named(opened, step):
    for digest, words in near_digests(opened):
        verdict = judge(opened, step, digest)
        assert verdict.status == "failed" and words in verdict.found, verdict
        assert verdict.found.startswith(f"`{digest[:19]}…` is ")


def test_the_manifests_digest_is_not_the_layers_and_the_other_way_round(opened):
    shared, small = solution(opened, "find-the-shared-layer"), manifest(opened, "small").digest
    assert "share" in judge(opened, "take-a-digest", shared).found
    assert "manifest that" in judge(opened, "find-the-shared-layer", small).found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("sha256:8ecc5ec6ef17", "Your answer does not have a digest"),
        (f"sha256:{'1' * 64} sha256:{'2' * 64}", "Your answer has more than one digest."),
        ("small", "Your answer does not have a digest"),
    ],
)
def test_what_is_no_digest_is_named(opened, answer, words):
    for step in ("take-a-digest", "find-the-shared-layer"):
        assert words in judge(opened, step, answer).found


def test_a_near_miss_of_the_size_is_named(opened):
    large, small = manifest(opened, "large"), manifest(opened, "small")
    path = f"{opened['repository']}/blobs/{large.config_digest}"
    config = len(opened.api.request("GET", path).body)
    size = sum(layer.size for layer in large.layers)
    for answer, words in {
        str(size + config): "That includes the config",
        str(config): "That is the size of the config",
        str(sum(layer.size for layer in small.layers)): f"the size of `{opened['small']}`",
        str(large.layers[0].size): "the size of one layer only",
        str(size + 1): f"{size + 1} bytes is more than its layers add up to",
        str(size - 1): f"{size - 1} bytes is less than its layers add up to",
        "1.32MB": "`1.32mb` is rounded",
        "a lot": "Your answer is not a whole number.",
        "9" * 5000: "Your answer is not a whole number.",
    }.items():
        verdict = judge(opened, "weigh-the-image", answer)
        assert verdict.status == "failed" and words in verdict.found, (answer, verdict)


def test_the_size_that_a_push_prints_is_named(opened, docker, engine):
    name = f"{opened.registry}/{opened['repository']}:{opened['large']}"
    docker("pull", name)
    size = re.search(r"size: (\d+)", docker("push", name))[1]
    assert "which `docker push` prints" in judge(opened, "weigh-the-image", size).found
    engine.remove_image(name)
