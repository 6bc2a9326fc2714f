"""Ask a registry over HTTP what it holds: repositories, tags, manifests and layers."""

import hashlib
import io
import json
import re
import secrets
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from labrunner import CannotCheck, Lab, NotYet, digest_in, listed, short

lab = Lab(title="Read the API", images=["registry:2", "busybox:stable"], registry=True)

ACCEPT = (
    '-H "Accept: application/vnd.oci.image.index.v1+json, '
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    'application/vnd.docker.distribution.manifest.v2+json"'
)


@lab.value
def word(workspace):
    """What the name of the repository begins with: the page gives it."""
    return f"find-{secrets.token_hex(2)}"


@lab.value
def repository(workspace):
    return f"{workspace['word']}/{secrets.token_hex(4)}"


@lab.value
def small(workspace):
    return f"small-{secrets.token_hex(2)}"


@lab.value
def large(workspace):
    return f"large-{secrets.token_hex(2)}"


@lab.setup
def push_two_images(workspace):
    """Both are built on one image, which is built on busybox. None of them stays on the engine."""
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


@lab.step
def find_the_repository(workspace, answer):
    """You know the name of the repository in `{registry}` that begins with `{word}/`."""
    name, catalog = workspace["repository"], workspace.api.repositories()
    if name not in catalog:
        raise _gone(workspace)
    answer = answer.strip("\"'`, ")
    if answer == name:
        return f"`{name}` is in the catalog of `{workspace.registry}`."
    first, _, second = name.partition("/")
    if answer.startswith(("{", "[")):
        found = "Your answer is a whole list."
    elif answer.strip("/") == first:
        found = f"`{answer}` is only the first part of the name. The rest belongs to it too."
    elif answer.strip("/") == second:
        found = f"`{answer}` is only the last part of the name. `{first}/` belongs to it too."
    elif answer.startswith(f"{name}:"):
        found = f"`{answer}` has a tag. The catalog lists repositories, without tags."
    elif answer.endswith(f"/{name}"):
        found = f"`{answer}` has the registry in front, which is no part of a repository's name."
    elif answer in catalog:
        found = f"`{answer}` is in the catalog, but it is not this lab's."
    else:
        found = f"There is no repository `{answer}` in the catalog."
    raise NotYet(
        expected=workspace.fill("The one name in the catalog that begins with `{word}/`, whole."),
        found=found,
        next=workspace.fill(
            "`curl -s http://{registry}/v2/_catalog`, and submit the name that begins with "
            "`{word}/`, without the quotes around it."
        ),
    )


@find_the_repository.solution
def _(workspace):
    first = workspace["word"] + "/"
    return next(name for name in workspace.api.repositories() if name.startswith(first))


@find_the_repository.near_miss("only its first part", advice="without the quotes")
def _(workspace):
    return workspace["word"]


@find_the_repository.mistake("another repository", advice="begins with `{word}/`")
def _(workspace):
    workspace.tag("busybox:stable", f"{workspace.registry}/team/busybox:1")
    workspace.push(f"{workspace.registry}/team/busybox:1")
    return "team/busybox"


@lab.step
def list_its_tags(workspace, answer):
    """You know the tags of that repository."""
    repository = workspace["repository"]
    tags = set(workspace.api.tags(repository) or ())
    if not tags:
        raise _gone(workspace)
    told = _words(answer)
    if told == tags:
        return f"`{repository}` has the tags {listed(sorted(tags))}."
    missing, foreign = sorted(tags - told), sorted(told - tags)
    if foreign:
        found = f"{listed(foreign)} {'is no tag' if len(foreign) == 1 else 'are no tags'} of it."
    else:
        found = f"Your answer lacks {len(missing)} of its {len(tags)} tags."
    raise NotYet(
        expected=f"The {len(tags)} tags of the repository, in any order.",
        found=found,
        next=f"`curl -s http://{workspace.registry}/v2/{repository}/tags/list`, and submit all "
        "that stands between the square brackets.",
    )


@list_its_tags.solution
def _(workspace):
    return ", ".join(workspace.api.tags(workspace["repository"]))


@list_its_tags.near_miss("one tag of two", advice="/tags/list")
def _(workspace):
    return workspace["small"]


@list_its_tags.near_miss("the repository's name", advice="square brackets")
def _(workspace):
    return workspace["repository"]


@lab.step
def take_a_digest(workspace, answer):
    """You know the digest of the manifest behind the tag that begins with `small-`."""
    tag, manifest = workspace["small"], _manifest(workspace, "small")
    expected = f"The digest of the manifest that `{tag}` points to."
    todo = (
        f"`curl -sI {ACCEPT} {_url(workspace)}/manifests/{tag}`, and submit the digest behind "
        "`Docker-Content-Digest`."
    )
    digest = digest_in(answer, expected=expected, next=todo)
    if digest == manifest.digest:
        return f"`{tag}` points to {short(digest)}."
    raise NotYet(expected=expected, found=_known_as(workspace, digest), next=todo)


@take_a_digest.solution
def _(workspace):
    return _manifest(workspace, "small").digest


@take_a_digest.near_miss("the image's id, which is the config's digest", advice="curl -sI")
def _(workspace):
    return _manifest(workspace, "small").config


@take_a_digest.near_miss("asked without Accept", advice="Accept: application/vnd.oci.image.index")
def _(workspace):
    told = workspace.api.request("GET", f"{workspace['repository']}/manifests/{workspace['small']}")
    return told.headers.get("Docker-Content-Digest") or hashlib.sha256(told.body).hexdigest()


@lab.step
def find_the_shared_layer(workspace, answer):
    """You know the digest of the layer that both images have, and busybox has not."""
    expected = "The digest of the one layer that both images have, and `busybox:stable` has not."
    url, small, large = _url(workspace), workspace["small"], workspace["large"]
    both = f'`curl -s {ACCEPT} "{url}/manifests/{{{small},{large}}}"`'
    todo = (
        f"{both} prints both manifests. Under `layers`, look for the digests that stand in both. "
        "The lowest layer stands first, and is busybox's."
    )
    digest, shared = digest_in(answer, expected=expected, next=todo), _shared(workspace)
    if digest == shared.digest:
        return f"{short(digest)} is in both images, {shared.size} bytes compressed."
    raise NotYet(expected=expected, found=_known_as(workspace, digest), next=todo)


@find_the_shared_layer.solution
def _(workspace):
    return _shared(workspace).digest


@find_the_shared_layer.near_miss("busybox's layer, which both have too", advice="is busybox's")
def _(workspace):
    return _manifest(workspace, "large").layers[0].digest


@find_the_shared_layer.near_miss("a layer of one image only", advice="that stand in both")
def _(workspace):
    return _manifest(workspace, "small").layers[-1].digest


@find_the_shared_layer.near_miss("the layer's diff id", advice="Under `layers`")
def _(workspace):
    manifest = _manifest(workspace, "small")
    diff_ids = _config(workspace, manifest).json["rootfs"]["diff_ids"]
    return diff_ids[manifest.layers.index(_shared(workspace))]


@lab.step
def open_the_layer(workspace, answer):
    """You know the name of the file in that layer."""
    shared = _shared(workspace).digest
    files = _files(workspace, shared)
    name = answer.split()[-1].strip("\"'`").removeprefix("./").strip("/")
    if name in files:
        return f"`{name}` is in the layer {short(shared)}."
    found = f"That layer has no file `{name}`."
    for tag in (workspace["small"], workspace["large"]):
        if name == f"own-{tag}":
            found = f"`{name}` is in the layer that only `{tag}` has."
    raise NotYet(
        expected="The name of the file in the layer that both images share.",
        found=found,
        next=f"`curl -s {_url(workspace)}/blobs/{shared} | tar -tzf -`, and submit what it prints.",
    )


@open_the_layer.solution
def _(workspace):
    return _files(workspace, _shared(workspace).digest)[0]


@open_the_layer.near_miss("a file of another layer", advice="tar -tzf -")
def _(workspace):
    return _files(workspace, _manifest(workspace, "small").layers[-1].digest)[0]


@lab.step
def weigh_the_image(workspace, answer):
    """You know the compressed size of the image whose tag begins with `large-`, in bytes."""
    tag, manifest = workspace["large"], _manifest(workspace, "large")
    size = sum(layer.size for layer in manifest.layers)
    last = answer.splitlines()[-1].lower()
    number = re.sub(r"[\s,._']|bytes?", "", last)
    if number == str(size):
        return f"The layers of `{tag}` are {size} bytes together."
    raise NotYet(
        expected=f"The compressed size of `{tag}` in bytes, a whole number: the sum of its layers.",
        found=_weighed(workspace, manifest, number, last),
        next=f"`curl -s {ACCEPT} {_url(workspace)}/manifests/{tag}`, and add up each `size` under "
        "`layers`, not the one under `config`.",
    )


@weigh_the_image.solution
def _(workspace):
    return str(sum(layer.size for layer in _manifest(workspace, "large").layers))


@weigh_the_image.near_miss("the config added", advice="not the one under `config`")
def _(workspace):
    manifest = _manifest(workspace, "large")
    layers = sum(layer.size for layer in manifest.layers)
    return str(layers + len(_config(workspace, manifest).body))


@weigh_the_image.near_miss("the size that push prints", advice="under `layers`")
def _(workspace):
    manifest = _manifest(workspace, "large")
    return str(_length(workspace, manifest))


@weigh_the_image.mistake("the engine's SIZE", advice="under `layers`")
def _(workspace):
    name = f"{workspace.registry}/{workspace['repository']}:{workspace['large']}"
    workspace.pull(name)
    return str(workspace.engine.image(name).size)


def _build(workspace, name, base, file, least):
    """An image with one layer more than its base, which holds one file of random bytes."""
    with TemporaryDirectory() as folder:
        content = secrets.token_bytes(least + secrets.randbelow(9 * least))
        Path(folder, file).write_bytes(content)
        Path(folder, "Dockerfile").write_text(f"FROM {base}\nCOPY {file} /\n")
        return workspace.build(Path(folder), name)


def _url(workspace):
    return f"http://{workspace.registry}/v2/{workspace['repository']}"


def _gone(workspace):
    return NotYet(
        expected=workspace.fill("`{registry}` holds the two images that this lab has pushed."),
        found="It no longer does.",
        next="Start the lab again: it pushes them again.",
    )


def _manifest(workspace, which):
    """The manifest of one of the two images; where the tag points to an index, its manifest."""
    manifest = workspace.api.manifest(workspace["repository"], workspace[which])
    if not manifest:
        raise _gone(workspace)
    return manifest.children[0] if manifest.children else manifest


def _blob(workspace, digest):
    return workspace.api.request("GET", f"{workspace['repository']}/blobs/{digest}")


def _config(workspace, manifest):
    return _blob(workspace, manifest.config)


def _length(workspace, manifest):
    """The bytes of the manifest itself."""
    path = f"{workspace['repository']}/manifests/{manifest.digest}"
    return len(workspace.api.request("GET", path, accept=manifest.media_type).body)


def _shared(workspace):
    """Of the layers that both images have, the highest: those below are busybox's."""
    others = _manifest(workspace, "large").layers
    return [layer for layer in _manifest(workspace, "small").layers if layer in others][-1]


def _files(workspace, digest):
    try:
        with tarfile.open(fileobj=io.BytesIO(_blob(workspace, digest).body)) as archive:
            return [member.name for member in archive if member.isfile()]
    except tarfile.TarError:
        raise CannotCheck(
            f"The layer {short(digest)} cannot be read here.", next="Go on with the next step."
        ) from None


def _known_as(workspace, digest):
    """What this digest is the digest of, as far as the two images go."""
    shared, both = _shared(workspace), f"`{workspace['small']}` and `{workspace['large']}`"
    names: dict[str, str] = {}
    for which in ("small", "large"):
        tag, manifest = workspace[which], _manifest(workspace, which)
        path = f"{workspace['repository']}/manifests/{tag}"
        plain = workspace.api.request("GET", path).headers.get("Docker-Content-Digest")
        diff_ids = _config(workspace, manifest).json["rootfs"]["diff_ids"]
        names |= dict.fromkeys(diff_ids, f"a diff id of `{tag}`: the digest of a layer unpacked")
        for layer in manifest.layers:
            names[layer.digest] = f"a layer that only `{tag}` has"
        names[plain] = (
            f"the digest of another manifest, which the registry makes of that of `{tag}` for a "
            "client that does not say which kinds it accepts"
        )
        names[manifest.config] = (
            f"the digest of the config of `{tag}`; with the classic image store it is the image's "
            "id as well"
        )
        names[manifest.digest] = f"the digest of the manifest that `{tag}` points to"
    for layer in manifest.layers[: manifest.layers.index(shared)]:
        names[layer.digest] = f"the layer of busybox, on which {both} are built"
    names[shared.digest] = f"the layer that {both} share"
    known = names.get(digest, "neither a manifest of this repository, nor a config, nor a layer")
    return f"{short(digest)} is {known}."


def _weighed(workspace, manifest, number, answer):
    """What else weighs that much."""
    tag = workspace["large"]
    layers = sum(layer.size for layer in manifest.layers)
    config, itself = len(_config(workspace, manifest).body), _length(workspace, manifest)
    name = f"{workspace.registry}/{workspace['repository']}:{tag}"
    image = workspace.engine.image(name)
    known = {
        layers + config: "The config's size is added, which is no layer",
        config: "That is the size of the config",
        itself: "That is the size of the manifest, which `docker push` prints as `size:`",
        sum(layer.size for layer in _manifest(workspace, "small").layers): (
            f"That is the size of `{workspace['small']}`"
        ),
        **{layer.size: "That is the size of one layer alone" for layer in manifest.layers},
    }
    if image:
        known.setdefault(image.size, "That is the size on your engine, where it lies unpacked")
    if re.search(r"\d\s*[kmg]i?b?$", answer):
        return f"`{answer.strip()}` is rounded, as `docker image ls` prints sizes of the engine."
    if not re.fullmatch("[0-9]{1,18}", number):
        return "Your answer is no whole number."
    more = "more" if int(number) > layers else "less"
    return known.get(int(number), f"{number} bytes are {more} than its layers together") + "."


def _words(answer):
    """The tags in an answer: a list in JSON, or words; of a reference, what follows the colon."""
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        told = told.get("tags")
    if isinstance(told, list):
        return {str(each) for each in told}
    words = re.split(r"[\s,;\"'`\[\]]+", answer)
    return {each.rpartition(":")[2] for each in words if each}
