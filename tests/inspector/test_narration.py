"""What a registry's log says, in words.

The logs in `logs/` are real ones of registry 2.8.2 and Engine 20.10.24, of skopeo 1.9.3,
podman 4.3.1 and curl 7.88.1, as they came.
"""

import re
from pathlib import Path

import pytest

from labrunner.inspector import narration
from labrunner.inspector.contents import Descriptor, ManifestEntry, RegistryContents, Tag
from labrunner.registry import access_log

LOGS = Path(__file__).parent / "logs"
OURS = '172.17.0.1 - - [23/Nov/2026:14:00:00 +0000] "GET /v2/ HTTP/1.1" 200 2 "" ""\n'
BLOB = re.compile(r"/blobs/(sha256:[0-9a-f]{64})")
DIGEST = re.compile(r"/manifests/(sha256:[0-9a-f]{64})")


def log(*names):
    return OURS + "".join((LOGS / f"{name}.log").read_text() for name in names)


def digests(name):
    """The blobs in a log, in the order in which they were asked for; the config comes last."""
    return list(dict.fromkeys(BLOB.findall(log(name))))


def contents(pushed, repository="my-image", digest="sha256:d"):
    """A contents with the image that was pushed in a log: each layer 1.5 MB, the config 1 kB."""
    *layers, config = dict.fromkeys(BLOB.findall(log(pushed)))
    blobs = [Descriptor(each, 1_500_000, "layer") for each in layers] + [
        Descriptor(config, 1000, "config")
    ]
    entry = ManifestEntry(repository, digest, 500, tuple(blobs))
    return RegistryContents((repository,), (Tag(repository, "latest", digest),), (entry,))


def told(name, known=None):
    """The sentences for the visits in a log, oldest first."""
    found = narration.narrate(access_log.parse_log(log(name)), known or RegistryContents())
    return [sentence for _, sentence in reversed(found)]


PULLED = DIGEST.search(log("pull-part"))[1]
REFUSED = "and was refused with 401: it came without a login, or with a wrong one."
LOGIN = "The first request was answered with 401; then came the login."


@pytest.mark.parametrize(
    ("name", "pushed", "sentences"),
    [
        (
            "push-new",
            "push-new",
            [
                "Your push of `my-image:latest` made 16 requests: 2 layers were sent (3.0 MB), "
                "then the config, then the manifest."
            ],
        ),
        (
            "push-again",
            "push-new",
            [
                "Your push of `my-image:latest` made 5 requests: 2 layers were there already and "
                "not sent, the config was there already, only the manifest was sent."
            ],
        ),
        (
            "push-shared",
            "push-shared",
            [
                "Your push of `other-image:1.0` made 14 requests: one layer was mounted from "
                "`my-image` and not sent, one was sent (1.5 MB), then the config, then the "
                "manifest."
            ],
        ),
        (
            "pull-part",
            "push-new",
            [
                "Your pull of `my-image:latest` made 5 requests: it fetched the manifest, the "
                "config and one layer (1.5 MB); one layer was there already and not asked for."
            ],
        ),
        (
            "pull-up-to-date",
            "push-new",
            [
                "Your pull of `my-image:latest` made 3 requests: it read the manifest and asked "
                "for no layer, because none was missing."
            ],
        ),
        (
            "pull-missing",
            None,
            [
                "Your pull of `my-image:latest` made 3 requests: the registry answered 404: it has "
                "no such image."
            ],
        ),
        (
            "pull-new",  # of which the contents knows nothing
            None,
            ["Your pull of `whole:latest` made 5 requests: it fetched the manifest and 2 blobs."],
        ),
        ("push-refused", None, [f"Your engine made one request, {REFUSED}"]),
        ("login-refused", None, [f"Your engine made 2 requests, {REFUSED}"]),
        (
            "login",
            None,
            [f"Your engine made 2 requests: it asked whether a registry is there. {LOGIN}"],
        ),
        (
            "push-with-login",
            "push-with-login",
            [
                "Your push of `my-image:latest` made 12 requests: one layer was sent (1.5 MB), "
                f"then the config, then the manifest. {LOGIN}"
            ],
        ),
        (
            "curl-deletes",
            None,
            [
                "A deletion of `my-image@sha256:65341df…` by `curl` made one request: the manifest "
                "is gone; its layers stay on the disk until garbage is collected."
            ],
        ),
        (
            "curl-looks",
            None,
            [
                "`curl` made one request about `my-image`: it asked for the list of tags.",
                "`curl` made one request: it asked for the list of repositories.",
            ],
        ),
        ("curl-head", None, ["`curl` made one request about `box`: it asked for the manifest."]),
        (
            "skopeo-push",
            None,
            [
                "A push of `box:1.0` by `skopeo` made 10 requests: 2 blobs were sent, then the "
                "manifest."
            ],
        ),
        (
            "skopeo-pull",
            None,
            [
                "A pull of `box:1.0` by `skopeo` made 4 requests: it fetched the manifest and 2 "
                "blobs."
            ],
        ),
        (
            "push-mounted",
            "push-mounted",
            [
                "Your push of `other/x:2` made 13 requests: 2 layers were mounted from `one` and "
                "not sent, the config was sent, then the manifest."
            ],
        ),
        (
            "push-two-at-once",
            None,
            [
                "Your push of `p:1` made 10 requests: one blob was mounted from `other/x` and not "
                "sent, one was sent, then the manifest.",
                "Your push of `q:1` made 13 requests: 2 blobs were mounted from `other/x` and not "
                "sent, one was sent, then the manifest.",
            ],
        ),
        ("pull-digest", None, ["Your pull of `one` made 3 requests: it fetched 2 blobs."]),
        (
            "skopeo-copy",
            None,
            [
                "A pull of `one:1` by `skopeo` made 4 requests: it fetched the manifest and 2 "
                "blobs.",
                "A push of `sk:1` by `skopeo` made 11 requests: 2 blobs were sent, then the "
                "manifest.",
            ],
        ),
        (
            "podman-push",
            None,
            [
                "`containers` made one request about `one`: it asked for the blob.",
                "A push of `pod:1` by `containers` made 8 requests: one blob was mounted from "
                "`one` and not sent, one was sent, then the manifest.",
            ],
        ),
        (
            "podman-pull",
            None,
            [
                "A pull of `one:1` by `containers` made 4 requests: it fetched the manifest and 2 "
                "blobs."
            ],
        ),
        (
            "docker-manifest",
            None,
            [
                "`Docker-Client` made 3 requests about `one`: it asked for the manifest and the "
                "blob."
            ],
        ),
    ],
)
def test_a_real_log_is_told_in_words(name, pushed, sentences):
    known = contents(pushed, digest=PULLED) if pushed else None
    assert told(name, known) == sentences


def one(method_path_status, agent="docker/20.10.24", client="172.17.0.1"):
    """The sentence for requests like `GET /v2/ 200`."""
    requests = [access_log.Request(0, "172.17.0.1", "GET", "/v2/", 200, "")]
    for line in method_path_status:
        method, path, status = line.split()
        requests.append(access_log.Request(1, client, method, path, int(status), agent))
    [(_, sentence)] = narration.narrate(requests, RegistryContents())
    return sentence


def test_a_digest_alone_sends_nothing():
    asked = one(["HEAD /v2/a/manifests/1 200"])
    assert asked == (
        "Your pull of `a:1` made one request: it only asked for the digest. Nothing was missing, "
        "so nothing was sent."
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "it deletes only by digest"),
        (404, "it does not have that"),
        (405, "deletion is not switched on"),
        (500, "the registry answered 500"),
    ],
)
def test_a_deletion_that_did_not_happen_says_why(status, words):
    assert words in one([f"DELETE /v2/a/manifests/1 {status}"], agent="curl/8")


def test_a_push_that_did_not_end_and_one_that_was_not_taken():
    begun = ["POST /v2/a/blobs/uploads/ 202", "PUT /v2/a/blobs/uploads/x?digest=sha256%3Aaa 201"]
    assert one(begun).endswith("the manifest did not follow, so there is no image yet.")
    ended = one([*begun, "PUT /v2/a/manifests/1 400"])
    assert ended.endswith("the registry did not accept the manifest, and answered 400.")


LAYER, CONFIG = (f"/v2/a/blobs/sha256:{digit * 64}" for digit in "ab")
# Not captured, but written from containerd's source, its pusher.go and resolver.go: the requests of
# an engine that keeps its images in containerd's store.
CONTAINERD = "docker/28.5.1"


def test_an_engine_with_containerds_store_asks_for_the_manifest_before_it_sends_it():
    upload = "/v2/a/blobs/uploads/"
    new = [f"HEAD {LAYER} 404", f"POST {upload} 202", f"PUT {upload}x?digest=sha256%3Aaa 201"]
    first = [*new, "HEAD /v2/a/manifests/1 404", "PUT /v2/a/manifests/1 201"]
    assert one(first, CONTAINERD).endswith(": one blob was sent, then the manifest.")
    again = [f"HEAD {LAYER} 200", f"HEAD {CONFIG} 200", "HEAD /v2/a/manifests/1 200"]
    assert one(again, CONTAINERD) == (
        "Your push of `a:1` made 3 requests: 2 blobs were there already and not sent, the manifest "
        "was there already, and nothing was sent."
    )
    index = [f"{what} /v2/a/manifests/sha256:{'c' * 64}" for what in ("HEAD", "PUT")]
    whole = [*new, f"{index[0]} 404", f"{index[1]} 201", *first[-2:]]
    assert one(whole, CONTAINERD).endswith(": one blob was sent, then 2 manifests.")


def test_an_engine_with_containerds_store_pulls_an_index_and_its_image():
    manifests = [f"GET /v2/a/manifests/sha256:{digit * 64} 200" for digit in "cd"]
    pull = ["HEAD /v2/a/manifests/1 200", *manifests, f"GET {CONFIG} 200", f"GET {LAYER} 200"]
    assert one(pull, CONTAINERD) == (
        "Your pull of `a:1` made 5 requests: it fetched the manifest and 2 blobs."
    )


def test_a_client_that_only_asks_whether_a_blob_is_there_has_pushed_nothing():
    """As podman does before it mounts a layer from another repository."""
    assert one([f"HEAD {LAYER} 200"], "containers/5.24.1") == (
        "`containers` made one request about `a`: it asked for the blob."
    )


def test_docker_manifest_inspect_is_no_pull():
    said = one(["GET /v2/a/manifests/1 200", f"GET {CONFIG} 200"], "Docker-Client/20.10.24")
    assert said.endswith("about `a`: it asked for the manifest and the blob.")


def test_another_machines_engine_is_named_by_its_address():
    pull = ["HEAD /v2/a/manifests/1 200", "GET /v2/a/blobs/sha256:aa 200"]
    assert one(pull, client="172.20.0.3").startswith(
        "A pull of `a:1` by an engine at `172.20.0.3` made 2 requests"
    )


def test_an_agent_and_a_name_can_be_anything():
    evil = "<img>`/1"
    said = one(["GET /v2/%60%3Cb%3E/manifests/1 200"], agent=evil)
    assert said.startswith("A pull of `<b>:1` by `<img>` made one request")


def test_only_the_last_five_are_told_newest_first():
    paths = [f"/v2/r{number}/manifests/1" for number in range(9)]
    requests = [access_log.Request(1, "1", "HEAD", path, 200, "docker/1") for path in paths]
    told = narration.narrate(requests, RegistryContents())
    assert [transfer.repository for transfer, _ in told] == ["r8", "r7", "r6", "r5", "r4"]


def test_of_ten_thousand_lines_the_last_visits_are_told():
    requests = access_log.parse_log(log(*("push-new", "push-again", "pull-part") * 400))
    assert len(requests) > 10_000
    found = [transfer.kind for transfer, _ in narration.narrate(requests, RegistryContents())]
    assert found == ["pull", "push", "push", "pull", "push"]
