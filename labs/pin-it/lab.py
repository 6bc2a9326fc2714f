"""Push a tag, move it to another image, and get the first one back by its digest."""

import secrets
from contextlib import suppress

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
    Sentence,
    act,
    count_pushes,
    digest_in,
    find_name,
    has_blob,
    is_same,
    pull,
    pulls_since_push,
    push_as,
    require_no_refusal,
    short,
)

lab = Lab(
    title="Pin it",
    images=["registry:2", "busybox:stable"],
    registry=True,
    values={
        "app": lambda ws: ws.unused(f"my-app-{secrets.token_hex(2)}"),
        "service": lambda ws: ws.unused("my-service"),
    },
)

FIRST, SECOND = "Hello from the first build.", "Hello from the second build."
BUILD_AND_PUSH = (
    "`BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build -t {registry}/{app}:1.0 "
    '--build-arg GREETING="{greeting}" app`, then `docker push {registry}/{app}:1.0`.'
)
PUSH = Sentence("`docker push {registry}/{app}:1.0`")
PULL = Sentence("docker pull {registry}/{app}@")
LIST = Sentence("`docker image ls --digests {registry}/{app}`")
REPO_DIGESTS = (
    "Look under `RepoDigests` in what `docker image inspect` prints, and submit the digest after "
    "the `@`."
)
FIND_FIRST = (
    "Submit the digest that `{app}:1.0` had before the second push. It should be in the file "
    "`first`. If not, the column DIGEST of `docker image ls --digests` may still show it."
)
RETAG = "`docker image tag {old} {new}`, then `docker push {new}`."
PULL_AND_RETAG = "`docker pull {old}`, `docker image tag {old} {new}`, then `docker push {new}`."
A_PART = "{digest} is only a part of it: the image for one platform, or a record of its build."


# Acts, for the solutions and mistakes


def first_digest(workspace):
    """Return the first image's digest, from the file that the page and solutions keep it in."""
    return (workspace.work / "first").read_text().strip().rpartition("@")[2]


@act
def push_build(workspace, greeting, tag="1.0"):
    workspace.push_as(_build(workspace, greeting), _ref(workspace, tag))


@act
def push_first(workspace, tag):
    """Push the first image under a tag."""
    workspace.push_as(_pinned(workspace, first_digest(workspace)), _ref(workspace, tag))


@lab.step(advice=PUSH)
def push_it(workspace):
    """`{registry}` holds your image as `{app}:1.0`."""
    digest = short(_require_pushed(workspace).digest)
    return Sentence("`{app}:1.0` is {digest} in the registry.", digest=digest)


@push_it.solution
def _(workspace):
    if not workspace.api.manifest(workspace["app"], "1.0"):
        built = workspace.find_image(workspace["app"])
        workspace.push_as(built.id if built else _build(workspace, FIRST), _ref(workspace))


push_it.mistake("built, but not pushed", reason="not-pushed")(
    lambda ws: ws.tag(_build(ws, FIRST), _ref(ws))
)
push_it.mistake(
    "pushed without the tag", advice="/{app}:latest {registry}/{app}:1.0", reason="elsewhere"
)(push_build(FIRST, "latest"))


@lab.step(advice=REPO_DIGESTS)
def keep_its_digest(workspace, answer):
    """You know the digest of `{app}:1.0`, as the registry has it."""
    manifest = _require_pushed(workspace)
    image = workspace.find_image(workspace["app"], "1.0")
    todo: str = REPO_DIGESTS
    if not image or not _is_same(workspace, manifest, image):
        pull_it = "Pull `{registry}/{app}:1.0` first: your engine does not have that image."
        todo = Sentence.joined(pull_it, todo)
    digest = digest_in(answer, next=todo)
    if digest == manifest.digest:
        return Sentence("`{app}:1.0` is {digest}. Keep this digest.", digest=short(digest))
    if digest in _parts(manifest):
        reason, found = "part", A_PART
    elif digest in manifest.image_ids:
        reason, found = "image-id", "{digest} is the digest of its config."
        if image and image.id == digest:
            found = "{digest} is the digest of its config, the image's id on your engine."
    elif has_blob(workspace, workspace["app"], digest):
        reason, found = "layer", "{digest} is one of its layers."
    else:
        reason, found = "another-digest", "{digest} is another digest."
    raise NotYet(reason, found=found, next=todo, digest=short(digest))


@keep_its_digest.solution
def _(workspace):
    (workspace.work / "first").write_text(_pinned(workspace, _digest(workspace)))
    return first_digest(workspace)


keep_its_digest.near_miss("the config's digest, which is the image's id", reason="image-id")(
    lambda ws: ws.api.manifest(ws["app"], "1.0").config_digest
)
keep_its_digest.near_miss("the digest of a layer", reason="layer")(
    lambda ws: ws.api.manifest(ws["app"], "1.0").layers[0].digest
)


@lab.step
def move_the_tag(workspace, answer):
    """`{app}:1.0` is another image now, and `{registry}` still has the first one. Your answer is
    the digest of the first image."""
    now = _require_pushed(workspace)
    digest = digest_in(answer, next=FIND_FIRST)
    if digest == now.digest:
        raise _not_moved(workspace, now)
    if digest in _parts(now):
        raise NotYet("part", found=A_PART, next=FIND_FIRST, digest=short(digest))
    first = _require_manifest(workspace, digest)
    tag = _tag_where(workspace, lambda manifest: manifest == first)
    if tag and count_pushes(workspace, workspace["app"], "1.0") < 2:
        found = "{digest} is `{app}:{tag}`, and `{app}:1.0` was pushed only once."
        todo = Sentence(RETAG, old=_ref(workspace, tag), new=_ref(workspace))
        raise NotYet("pushed-once", found=found, next=todo, digest=short(digest), tag=tag)
    found = "`{app}:1.0` is {now} now. The registry still has {first}."
    return Sentence(found, now=short(now.digest), first=short(digest))


@move_the_tag.solution
def _(workspace):
    if _digest(workspace) == first_digest(workspace):
        push_build(SECOND)(workspace)
    return first_digest(workspace)


move_the_tag.mistake("built again, but not pushed", advice=PUSH, reason="not-pushed")(
    lambda ws: ws.tag(_build(ws, SECOND), _ref(ws)), first_digest
)
move_the_tag.mistake(
    "the same image pushed again", advice="docker build -t {registry}/{app}:1.0", reason="not-moved"
)(lambda ws: ws.push(_ref(ws)), first_digest)
move_the_tag.mistake(
    "a new tag instead", advice="docker image tag {registry}/{app}:1.1", reason="another-tag"
)(push_build(SECOND, "1.1"), first_digest)


@move_the_tag.mistake("the first image's id", advice=FIND_FIRST, reason="no-manifest")
def _(workspace):
    config = workspace.api.manifest(workspace["app"], "1.0").config_digest
    push_build(SECOND)(workspace)
    return config


@lab.step(advice=PULL)
def pull_by_digest(workspace):
    """You have pulled the first image by its digest, while `1.0` is the second one."""
    now = _require_pushed(workspace)
    pulled, refused, by_tag = pulls_since_push(workspace, workspace["app"], "1.0", now)
    for digest in pulled:
        if digest != now.digest and workspace.api.manifest(workspace["app"], digest):
            found = "You have pulled {digest}, while `1.0` is {now}."
            return Sentence(found, digest=short(digest), now=short(now.digest))
    if pulled:
        reason = "pinned-now"
        found = "You pulled the digest that `{app}:1.0` has now."
    elif any(has_blob(workspace, workspace["app"], digest) for digest in refused):
        reason = "image-id"
        found = "You asked for an image's id. The registry has no manifest with that digest."
    elif refused:
        reason, found = "no-manifest", "The registry has no manifest with the digest {digest}."
        found = Sentence(found, digest=short(refused[-1]))
    elif by_tag:
        reason = "by-tag"
        found = "You pulled `{app}:1.0` by its tag, so you got the image that it points to now."
    else:
        reason = "not-pulled"
        found = "Nobody has pulled from that repository by digest since the tag moved."
    others = _untagged(workspace, now) or _others(workspace, now)
    kept = "`{pull}`, and after the `@` the digest that you kept."
    raise NotYet(
        reason,
        expected="A pull of `{registry}/{app}@sha256:…`, with the first image's digest.",
        found=found,
        next=f"`{PULL}{others[0]}`." if len(others) == 1 else kept,
        pull=PULL,
    )


pull_by_digest.solution(lambda ws: ws.pull(_pinned(ws, first_digest(ws))))
pull_by_digest.mistake("pulled by tag", reason="by-tag")(pull("{registry}/{app}:1.0"))
pull_by_digest.mistake("pinned to what the tag is now", reason="pinned-now")(
    lambda ws: ws.pull(_pinned(ws, _digest(ws)))
)


@pull_by_digest.mistake("pinned to the image's id", reason="image-id")
def _(workspace):
    config = workspace.api.manifest(workspace["app"], first_digest(workspace)).config_digest
    with suppress(CannotCheck):  # the engine says why not
        workspace.pull(_pinned(workspace, config))


@lab.step(advice=PUSH, evidence=True)
def roll_back(workspace, answer):
    """`{app}:1.0` is the first image again, and the second one is `{app}:1.1`. Your answer is the
    digest of the first image."""
    one = _require_pushed(workspace)
    two = workspace.api.manifest(workspace["app"], "1.1")
    digest = digest_in(answer, next=FIND_FIRST)
    _require_manifest(workspace, digest)
    now, first = short(one.digest), short(digest)
    todo: str = Sentence(PULL_AND_RETAG, old=_pinned(workspace, digest), new=_ref(workspace))
    if not two:
        reason, found = "no-second-tag", "There is no `{app}:1.1`."
        same = "Do the same for the second image, with its own digest and `1.1`: {commands}"
        todo = Sentence(same, commands=todo)
        if one.digest != digest:
            todo = Sentence(PULL_AND_RETAG, old=_ref(workspace), new=_ref(workspace, "1.1"))
    elif one.digest == two.digest == digest:
        reason, found = "same-image", "Both tags point to the first image, {first}."
        todo = "{list} shows the second image's digest. Tag and push that image as `1.1`."
    elif one.digest == two.digest:
        reason, found = "same-image", "Both tags point to the second image, {now}."
    elif two.digest == digest:
        reason = "swapped"
        found = "`{app}:1.0` is {now}, not {first}, and `1.1` is the first: they are swapped."
    elif one.digest != digest:
        reason, found = "not-back", "`{app}:1.0` is {now}, not {first}."
    else:
        second = short(two.digest)
        return Sentence("`1.0` is {now} again, and `1.1` is {second}.", now=now, second=second)
    raise NotYet(reason, found=found, next=todo, now=now, first=first, list=LIST)


@roll_back.solution
def _(workspace):
    first = first_digest(workspace)
    moved_back = _digest(workspace) == first
    second = _build(workspace, SECOND) if moved_back else _ref(workspace)
    workspace.push_as(second, _ref(workspace, "1.1"))
    workspace.push_as(_pinned(workspace, first), _ref(workspace))
    return first


roll_back.mistake(
    "no tag for the second", advice="with its own digest and `1.1`", reason="no-second-tag"
)(push_first("1.0"), first_digest)
roll_back.mistake("both tags the same image", reason="same-image")(
    push_as("{registry}/{app}:1.1", "{registry}/{app}:1.0"), first_digest
)
roll_back.mistake("the tags swapped", reason="swapped")(push_first("1.1"), first_digest)


@lab.step(advice="the digest that `1.1` has now")
def deploy_it_pinned(workspace):
    """The container `{service}` was created from the second build, by its digest. No push to `1.1`
    can change its image."""
    two = workspace.api.manifest(workspace["app"], "1.1")
    container = workspace.engine.container(workspace["service"])
    if not two or not container:
        found, todo = "There is no container `{service}`.", "Create it from the second build."
        if not two:
            found = "There is no `{app}:1.1` in your registry."
            todo = "Do the step before this one first."
        raise NotYet("missing", found=found, next=todo)
    name, _, digest = container.image.partition("@")
    one = workspace.api.manifest(workspace["app"], "1.0")
    if digest == two.digest:
        found = "`{service}` is pinned to {digest}, the second build."
        return Sentence(found, digest=short(digest))
    if digest and one and digest == one.digest:
        reason, found = "first-build", "`{service}` is pinned to the first build."
    elif digest:
        reason = "another-digest"
        found = "`{service}` is pinned to {digest}, not to the second build."
    elif "/" in name:
        reason, found = "by-tag", "`{service}` was created from `{source}`, and a tag can move."
    else:
        reason, name = "by-id", name[:19]
        found = "`{service}` was created from the id `{source}`, which names no registry."
    raise NotYet(
        reason,
        found=found,
        next="A container keeps its image. Remove it, and create it again from a name with `@` and "
        "the digest that `1.1` has now.",
        digest=short(digest),
        source=name,
    )


@act
def deploy(workspace, image):
    workspace.remove_own(workspace["service"])
    workspace.create(image, name=workspace["service"])


deploy_it_pinned.solution(lambda ws: deploy(_pinned(ws, _digest(ws, "1.1")))(ws))
deploy_it_pinned.mistake("by the tag", reason="by-tag")(deploy("{registry}/{app}:1.1"))
deploy_it_pinned.mistake("pinned to the first build", reason="first-build")(
    lambda ws: deploy(_pinned(ws, first_digest(ws)))(ws)
)
deploy_it_pinned.mistake("by the image's id", reason="by-id")(
    lambda ws: deploy(ws.find_image(ws["app"], "1.1").id)(ws)
)


def _ref(workspace, tag="1.0"):
    return workspace.ref(workspace["app"], tag)


def _pinned(workspace, digest):
    return f"{workspace.registry}/{workspace['app']}@{digest}"


def _digest(workspace, tag="1.0"):
    """Return the digest behind a tag in the registry."""
    return workspace.api.manifest(workspace["app"], tag).digest


def _build(workspace, greeting):
    """Build an image that is `{registry}/{app}:latest` on the engine."""
    name = f"{workspace.registry}/{workspace['app']}"
    return workspace.build(lab.folder, name, greeting=greeting)


# What is wrong, and what to do


def _require_pushed(workspace):
    """Return the manifest behind `1.0` in the registry, or say what there is instead."""
    app = workspace["app"]
    if manifest := workspace.api.manifest(app, "1.0"):
        return manifest
    tags = [tag for image in workspace.engine.images() for tag in image.tags]
    tags = [tag for tag in tags if tag.rpartition(":")[0].split("/")[-1] == app]
    pushed = [_ref(workspace, tag) for tag in workspace.api.tags(app) or ()]
    if find_name(workspace, app, "1.0"):
        require_no_refusal(workspace, app, again=PUSH)
        reason, todo = "not-pushed", f"{PUSH}."
        found = "Your engine has `{new}`, but the registry has no such tag."
    elif pushed:
        reason, todo = "elsewhere", PULL_AND_RETAG
        found = "The registry has `{old}`, but not `{new}`."
    elif tags:
        reason, todo = "misnamed", RETAG
        found = "Your engine has `{old}`, but not `{new}`."
    else:
        reason, todo = "no-image", BUILD_AND_PUSH
        found = "Neither your engine nor the registry has an image with that name."
    expected = "`{registry}` holds your image as `{app}:1.0`."
    values = {"old": (pushed or tags or [""])[0], "new": _ref(workspace), "greeting": FIRST}
    raise NotYet(reason, expected=expected, found=found, next=todo, **values)


def _is_same(workspace, manifest, image):
    """Return whether an image of the registry is this one of the engine."""
    return is_same(workspace.api, workspace["app"], manifest, image.id, image.layers)


def _not_moved(workspace, now):
    """Say why the digest in the answer is the one that `1.0` has."""
    image = workspace.find_image(workspace["app"], "1.0")
    other = _tag_where(workspace, lambda manifest: manifest != now)
    reason, more, todo = "not-moved", "", BUILD_AND_PUSH
    if image and not _is_same(workspace, now, image):
        reason, todo = "not-pushed", f"{PUSH}."
        more = "Your engine has another image with that name."
    elif count_pushes(workspace, workspace["app"], "1.0") > 1 and _untagged(workspace, now):
        more = "That is the second image, not the first."
        reason, todo = "second", FIND_FIRST
    elif other:
        reason, more = "another-tag", "`{app}:{tag}` is another image."
        todo = Sentence(RETAG, old=_ref(workspace, other), new=_ref(workspace))
    found = Sentence.joined("`{app}:1.0` is {digest}, the digest in your answer.", more)
    values = {"digest": short(now.digest), "greeting": SECOND, "tag": other}
    return NotYet(reason, found=found, next=todo, **values)


def _require_manifest(workspace, digest):
    """Return what the registry has under the digest in an answer."""
    if has_blob(workspace, workspace["app"], digest):
        found = "{digest} is the digest of a config, which is an image's id, or of a layer."
    elif manifest := workspace.api.manifest(workspace["app"], digest):
        return manifest
    else:
        found = "In the registry, `{app}` has no manifest {digest}."
    raise NotYet("no-manifest", found=found, next=FIND_FIRST, digest=short(digest))


# What there is


def _parts(manifest):
    """Return the digests of what an index names: images of platforms, notes about the build."""
    return [each.digest for each in manifest.manifests]


def _tag_where(workspace, condition):
    """Return a tag whose manifest meets the condition, or None."""
    app = workspace["app"]
    tags = workspace.api.tags(app) or ()
    return next((tag for tag in tags if condition(workspace.api.manifest(app, tag))), None)


def _places(workspace):
    """Return the repository's name with each host that stands for the registry."""
    return [name.rpartition(":")[0] for name in workspace.spellings(workspace["app"])]


def _others(workspace, now):
    """Return the digests of this repository, other than the tag's, which both engine and registry
    have."""
    names = [name.partition("@") for image in workspace.engine.images() for name in image.digests]
    places = _places(workspace)
    digests = {digest for place, _, digest in names if place in places and digest != now.digest}
    return [digest for digest in digests if workspace.api.manifest(workspace["app"], digest)]


def _untagged(workspace, now):
    """Return those of them that no tag of the registry names."""
    api, app = workspace.api, workspace["app"]
    tagged = [api.manifest(app, tag) for tag in api.tags(app) or ()]
    tagged = [manifest.digest for manifest in tagged if manifest]
    return [digest for digest in _others(workspace, now) if digest not in tagged]
