"""Ask a registry over HTTP what it holds: repositories, tags, manifests and layers."""

import hashlib
import io
import json
import re
import secrets
import tarfile
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
    Sentence,
    act,
    digest_in,
    last_line,
    last_word,
    listed,
    push_as,
    require_manifest_taken,
    short,
    tags_in,
)

lab = Lab(
    title="Read the API",
    images=["registry:2", "busybox:stable"],
    registry=True,
    values={
        "word": lambda ws: f"find-{secrets.token_hex(2)}",
        "repository": lambda ws: f"{ws['word']}/{secrets.token_hex(4)}",
        "small": lambda ws: f"small-{secrets.token_hex(2)}",
        "large": lambda ws: f"large-{secrets.token_hex(2)}",
    },
)

CATALOG = (
    "Look in the catalog for the name that begins with `{word}/`. Submit all of it, without the "
    "quotes around it."
)
LIST_TAGS = (
    "Ask for `tags/list` of the repository, and submit everything between the square brackets. The "
    "hint has the commands."
)
READ = (
    "Look at the manifest of the tag that begins with `small-`, and submit the digest under "
    "`config`."
)
HEAD = (
    "Ask for the manifest of the tag that begins with `small-`, with all four kinds in `Accept`. "
    "Its digest is in the header `Docker-Content-Digest`. The hint has the commands."
)
COMPARE = (
    "Look under `layers` for the digests that are in both manifests. The lowest layer comes first, "
    "and is busybox's."
)
OPEN = (
    "Fetch the blob that has the shared layer's digest, and have `tar -tzf -` list what is in it. "
    "The hint has the command."
)
ADD_UP = (
    "In the manifest of the tag that begins with `large-`, add up each `size` under `layers`, but "
    "not the one under `config`."
)
TESTED = "tested"  # a tag

KNOWN_AS = {  # what the digest in an answer is, by the reason
    "diff-id": "{digest} is a diff id of `{tag}`: the digest of an unpacked layer.",
    "own-layer": "{digest} is a layer that only `{tag}` has.",
    "other": "{digest} is the digest of another manifest, which the registry makes from that of "
    "`{tag}` for a client that does not say which kinds it accepts.",
    "config": "{digest} is the digest of the config of `{tag}`, which is also the image's id in "
    "the classic image store.",
    "manifest": "{digest} is the digest of the manifest that `{tag}` points to.",
    "busybox": "{digest} is the layer of busybox, which `{small}` and `{large}` are built on.",
    "shared": "{digest} is the layer that `{small}` and `{large}` share.",
    "": "{digest} is not the digest of a manifest, a config or a layer in this repository.",
}


@lab.setup
def push_two_images(workspace):
    """Push two images built on one image, which is built on busybox. None stays on the engine."""
    repository, tags = workspace["repository"], (workspace["small"], workspace["large"])
    if all(workspace.api.manifest(repository, tag) for tag in tags):
        return
    place = f"{workspace.registry}/{repository}"
    made = [f"{place}:latest"]
    _build(workspace, place, "busybox:stable", f"shared-{secrets.token_hex(3)}", 1000)
    for tag, least in zip(tags, (10_000, 300_000), strict=True):
        own = _build(workspace, f"{place}-{tag}", f"{place}:latest", f"own-{tag}", least)
        workspace.tag(own, f"{place}:{tag}")
        made = [f"{place}-{tag}:latest", f"{place}:{tag}", *made]
        workspace.push(f"{place}:{tag}")
    for name in made:
        workspace.engine.remove_image(name)


@lab.step(advice=CATALOG)
def find_the_repository(workspace, answer):
    """You know the full name of the repository in `{registry}` that begins with `{word}/`."""
    name, catalog = workspace["repository"], workspace.api.repositories()
    if name not in catalog:
        raise _gone()
    said = last_line(answer).strip(", \"'`")
    if said == name:
        return "`{repository}` is in the catalog of `{registry}`."
    first, _, second = name.partition("/")
    if answer.startswith(("{", "[")):
        reason, found = "list", "Your answer is a whole list, not one name."
    elif said.strip("/") == first:
        reason = "first-part"
        found = "`{said}` is only the first part of the name. The rest is part of it, too."
    elif said.strip("/") == second:
        reason = "last-part"
        found = "`{said}` is only the last part of the name. `{word}/` is part of it, too."
    elif said.startswith(f"{name}:"):
        reason = "tag"
        found = "`{said}` has a tag. The catalog lists repositories, without tags."
    elif said.endswith(f"/{name}"):
        reason = "registry"
        found = "`{said}` begins with the registry, which is not part of a repository's name."
    elif said in catalog:
        reason, found = "other", "`{said}` is in the catalog, but it is another repository."
    else:
        reason, found = "unknown", "There is no repository `{said}` in the catalog."
    raise NotYet(reason, found=found, next=CATALOG, said=said)


find_the_repository.solution("{repository}")
find_the_repository.near_miss("only its first part", reason="first-part")("{word}")
find_the_repository.mistake("another repository", reason="other")(
    push_as("{registry}/team/busybox:1", "busybox:stable"), "team/busybox"
)


@lab.step(advice=LIST_TAGS)
def list_its_tags(workspace, answer):
    """You know all tags of that repository."""
    tags = set(workspace.api.tags(workspace["repository"]) or ())
    if not tags:
        raise _gone()
    said = tags_in(answer)
    if said == tags:
        return Sentence("`{repository}` has the tags {tags}.", tags=listed(sorted(tags)))
    foreign = sorted(said - tags)[:5]
    if foreign:
        reason, found = "no-tag", "The repository does not have {foreign}."
    else:
        reason, found = "missing", "Your answer leaves out {count} of its {all} tags."
        found = Sentence(found, count=len(tags - said), all=len(tags))
    raise NotYet(reason, found=found, next=LIST_TAGS, foreign=listed(foreign))


list_its_tags.solution(lambda ws: ", ".join(ws.api.tags(ws["repository"])))
list_its_tags.near_miss("one tag of two", reason="missing")("{small}")
list_its_tags.near_miss("the repository's name", reason="no-tag")("{repository}")


@lab.step(advice=READ)
def read_a_manifest(workspace, answer):
    """You know the digest of the config of the image whose tag begins with `small-`."""
    config = _manifest(workspace, "small").config_digest
    _require_digest(workspace, answer, config, READ)
    return Sentence("The manifest of `{small}` names the config {digest}.", digest=short(config))


read_a_manifest.solution(lambda ws: _manifest(ws, "small").config_digest)
read_a_manifest.near_miss("the config of the other image", reason="config")(
    lambda ws: _manifest(ws, "large").config_digest
)
read_a_manifest.near_miss("a layer", reason="busybox")(
    lambda ws: _manifest(ws, "small").layers[0].digest
)


@lab.step(advice=HEAD)
def take_a_digest(workspace, answer):
    """You know the digest of the manifest that the tag beginning with `small-` points to."""
    digest = _manifest(workspace, "small").digest
    _require_digest(workspace, answer, digest, HEAD)
    return Sentence("`{small}` points to {digest}.", digest=short(digest))


take_a_digest.solution(lambda ws: _manifest(ws, "small").digest)
take_a_digest.near_miss("the image's id, which is the config's digest", reason="config")(
    lambda ws: _manifest(ws, "small").config_digest
)


@take_a_digest.near_miss("asked without Accept", reason="other", registry="registry:2")
def _(workspace):
    said = workspace.api.request("GET", f"{workspace['repository']}/manifests/{workspace['small']}")
    return said.headers.get("Docker-Content-Digest") or hashlib.sha256(said.body).hexdigest()


@lab.step(advice=COMPARE)
def find_the_shared_layer(workspace, answer):
    """You know the digest of the layer that both images have, and busybox does not."""
    shared = _shared(workspace)
    _require_digest(workspace, answer, shared.digest, COMPARE)
    found = "{digest} is in both images, {size} bytes compressed."
    return Sentence(found, digest=short(shared.digest), size=shared.size)


find_the_shared_layer.solution(lambda ws: _shared(ws).digest)
find_the_shared_layer.near_miss("busybox's layer, which both have too", reason="busybox")(
    lambda ws: _manifest(ws, "large").layers[0].digest
)
find_the_shared_layer.near_miss("a layer of one image only", reason="own-layer")(
    lambda ws: _manifest(ws, "small").layers[-1].digest
)


@find_the_shared_layer.near_miss("the layer's diff id", reason="diff-id")
def _(workspace):
    manifest = _manifest(workspace, "small")
    return _diff_ids(workspace, manifest)[manifest.layers.index(_shared(workspace))]


@lab.step
def open_the_layer(workspace, answer):
    """You know the name of the file in the layer that both images share."""
    shared, name = _shared(workspace).digest, last_word(answer).removeprefix("./").strip("/")
    if name in _files(workspace, shared):
        return Sentence("`{file}` is in the layer {digest}.", file=name, digest=short(shared))
    reason = "no-file"
    found = "That layer has no file `{file}`." if name else "Your answer does not name a file."
    for tag in (workspace["small"], workspace["large"]):
        if name == f"own-{tag}":
            reason = "own-layer"
            found = Sentence("`{file}` is in the layer that only `{tag}` has.", tag=tag)
    raise NotYet(reason, found=found, next=OPEN, file=name)


open_the_layer.solution(lambda ws: _files(ws, _shared(ws).digest)[0])
open_the_layer.near_miss("a file of another layer", advice="tar -tzf -", reason="own-layer")(
    lambda ws: _files(ws, _manifest(ws, "small").layers[-1].digest)[0]
)


@lab.step(advice=ADD_UP)
def weigh_the_image(workspace, answer):
    """You know the compressed size of the image whose tag begins with `large-`, in bytes."""
    size = _size(_manifest(workspace, "large"))
    said = last_line(answer).lower()
    number = re.sub(r"[\s,._']|bytes?", "", said)
    if number == str(size):
        return Sentence("The layers of `{large}` add up to {size} bytes.", size=size)
    reason, found = _weighed(workspace, number, said)
    raise NotYet(reason, found=found, next=ADD_UP, said=said)


weigh_the_image.solution(lambda ws: str(_size(_manifest(ws, "large"))))


@weigh_the_image.near_miss("the config added", reason="with-config")
def _(workspace):
    manifest = _manifest(workspace, "large")
    return str(_size(manifest) + len(_blob(workspace, manifest.config_digest).body))


weigh_the_image.near_miss("the size that push prints", reason="manifest")(
    lambda ws: str(_length(ws, _manifest(ws, "large")))
)


@weigh_the_image.mistake("the engine's SIZE", reason="unpacked")
def _(workspace):
    name = workspace.ref(workspace["repository"], workspace["large"])
    workspace.pull(name)
    return str(workspace.engine.image(name).size)


@lab.step
def mark_the_small_image(workspace):
    """In the repository that begins with `{word}/`, the tag `tested` points to the same manifest
    as the tag that begins with `small-`."""
    repository = workspace["repository"]
    small, tested = (
        workspace.api.manifest(repository, tag) for tag in (workspace["small"], TESTED)
    )
    if not small:
        raise _gone()
    if not tested:
        require_manifest_taken(workspace, repository, TESTED)
        todo = "A manifest makes the tag: send one under that tag, as each push does at its end."
        raise NotYet("no-tag", found="That repository has no tag `tested`.", next=todo)
    digest = short(tested.digest)
    if tested.digest == small.digest:
        found = "`tested` points to {digest}, as the tag of the small image does."
        return Sentence(found, digest=digest)
    reason, found = "another-image", "`tested` points to {digest}, which is another image."
    todo = "Send the manifest of the other tag under this one. The tag will move."
    if tested.image_ids & small.image_ids:
        reason = "other-bytes"
        found = "`tested` points to {digest}: the same image, but not the same bytes."
        todo = "Send what the registry sent you, byte for byte: `--data-binary` changes nothing."
    raise NotYet(reason, found=found, next=todo, digest=digest)


@act
def send_manifest(workspace, which, *, tag=TESTED, kind="", change=bytes):
    """Send the manifest of one of the two images under a tag, as `curl -X PUT` does."""
    got = workspace.api.raw_manifest(workspace["repository"], workspace[which])
    headers = {"Content-Type": kind or got.headers["Content-Type"]}
    with closing(HTTPConnection("127.0.0.1", workspace.port, timeout=10)) as connection:
        connection.request("PUT", _path(workspace, tag), change(got.body), headers)
        connection.getresponse().read()


mark_the_small_image.solution(send_manifest("small"))
mark_the_small_image.mistake("the other image", advice="will move", reason="another-image")(
    send_manifest("large")
)
mark_the_small_image.mistake(
    "saved by a program that reformats the JSON", advice="--data-binary", reason="other-bytes"
)(send_manifest("small", change=lambda body: json.dumps(json.loads(body)).encode()))
mark_the_small_image.mistake(
    "sent with the type that curl adds", advice="`Content-Type`", reason="refused"
)(send_manifest("small", kind="application/x-www-form-urlencoded"))
mark_the_small_image.mistake(
    "sent as schema 1", advice="with all four kinds in `Accept`", reason="schema-1"
)(send_manifest("small", kind="application/vnd.docker.distribution.manifest.v1+prettyjws"))
mark_the_small_image.mistake(
    "refused, then sent under another tag", advice="under that tag", reason="no-tag"
)(
    send_manifest("small", kind="application/x-www-form-urlencoded"),
    send_manifest("small", tag="testet"),
)


def _path(workspace, tag):
    """Return the path of a manifest in the API."""
    return f"/v2/{workspace['repository']}/manifests/{tag}"


def _build(workspace, name, base, file, least):
    """Build an image with one layer more than its base, which holds one file of random bytes."""
    with TemporaryDirectory() as folder:
        content = secrets.token_bytes(least + secrets.randbelow(9 * least))
        Path(folder, file).write_bytes(content)
        Path(folder, "Dockerfile").write_text(f"FROM {base}\nCOPY {file} /\n")
        return workspace.build(Path(folder), name)


def _gone():
    return NotYet(
        "images-gone",
        expected="`{registry}` holds the two images that this lab has pushed.",
        found="It no longer does.",
        next="Start the lab again to push them again.",
    )


def _manifest(workspace, which):
    """Return the manifest of one of the two images; where the tag points to an index, its own."""
    manifest = workspace.api.manifest(workspace["repository"], workspace[which])
    if not manifest:
        raise _gone()
    return manifest.manifests[0] if manifest.manifests else manifest


def _blob(workspace, digest):
    return workspace.api.request("GET", f"{workspace['repository']}/blobs/{digest}")


def _diff_ids(workspace, manifest):
    return _blob(workspace, manifest.config_digest).json["rootfs"]["diff_ids"]


def _size(manifest):
    return sum(layer.size for layer in manifest.layers)


def _length(workspace, manifest):
    """Return the bytes of the manifest itself."""
    path = f"{workspace['repository']}/manifests/{manifest.digest}"
    return len(workspace.api.request("GET", path, accept=manifest.media_type).body)


def _shared(workspace):
    """Return the highest of the layers that both images have: those below are busybox's."""
    others = _manifest(workspace, "large").layers
    return [layer for layer in _manifest(workspace, "small").layers if layer in others][-1]


def _files(workspace, digest):
    try:
        with tarfile.open(fileobj=io.BytesIO(_blob(workspace, digest).body)) as archive:
            return [member.name for member in archive if member.isfile()]
    except tarfile.TarError:
        found = Sentence("The layer {digest} cannot be read here.", digest=short(digest))
        raise CannotCheck(found, next="Go on with the next step.") from None


def _require_digest(workspace, answer, right, next):
    """Raise `NotYet` where an answer is not this digest."""
    digest = digest_in(answer, next=next)
    if digest != right:
        reason, found = _known_as(workspace, digest)
        raise NotYet(reason, found=found, next=next, digest=short(digest))


def _known_as(workspace, digest):
    """Return a reason and a sentence: what this digest is the digest of."""
    known, shared = {}, _shared(workspace)
    for which in ("small", "large"):
        tag, manifest = workspace[which], _manifest(workspace, which)
        plain = workspace.api.request("GET", f"{workspace['repository']}/manifests/{tag}")
        known.update(dict.fromkeys(_diff_ids(workspace, manifest), ("diff-id", tag)))
        known.update({layer.digest: ("own-layer", tag) for layer in manifest.layers})
        known[plain.headers.get("Docker-Content-Digest")] = "other", tag
        known[manifest.config_digest] = "config", tag
        known[manifest.digest] = "manifest", tag
    for layer in manifest.layers[: manifest.layers.index(shared)]:
        known[layer.digest] = "busybox", ""
    known[shared.digest] = "shared", ""
    reason, tag = known.get(digest, ("", ""))
    return reason or "other", Sentence(KNOWN_AS[reason], tag=tag)


def _weighed(workspace, number, said):
    """Return a reason and a sentence: what else weighs that much."""
    manifest = _manifest(workspace, "large")
    size, config = _size(manifest), len(_blob(workspace, manifest.config_digest).body)
    image = workspace.engine.image(workspace.ref(workspace["repository"], workspace["large"]))
    known = {}
    if image:
        known[image.size] = "unpacked", "That is the size on your engine, which unpacks the layers."
    known[size + config] = "with-config", "That includes the config, which is not a layer."
    known[config] = "config", "That is the size of the config."
    pushed = "That is the size of the manifest, which `docker push` prints as `size:`."
    known[_length(workspace, manifest)] = "manifest", pushed
    known[_size(_manifest(workspace, "small"))] = "small", "That is the size of `{small}`."
    for layer in manifest.layers:
        known[layer.size] = "one-layer", "That is the size of one layer only."
    if re.search(r"\d\s*[kmg]i?b?$", said):
        return "rounded", "`{said}` is rounded, like the sizes that `docker image ls` prints."
    if not re.fullmatch("[0-9]{1,18}", number):
        return "no-number", "Your answer is not a whole number."
    other = "{size} bytes is less than its layers add up to."
    if int(number) > size:
        other = "{size} bytes is more than its layers add up to."
    return known.get(int(number), ("other", Sentence(other, size=number)))
