"""Push a tag, move it to another image, and get the first one back by its digest."""

import secrets
from contextlib import suppress

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
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
BUILD = (
    "`BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build -t {registry}/{app}:1.0 "
    '--build-arg GREETING="{greeting}" app`'
)
PUSH = "`docker push {registry}/{app}:1.0`"
PULL = "docker pull {registry}/{app}@"
LIST = "`docker image ls --digests {registry}/{app}`"
INSPECT = "`docker image inspect --format '{{index .RepoDigests 0}}' {registry}/{app}:1.0`"
ROLL_BACK = (
    "`docker pull {first}`, `docker image tag {first} {registry}/{app}:1.0`, then "
    "`docker push {registry}/{app}:1.0`."
)
RETAG = (
    "`docker image tag {registry}/{app}:{tag} {registry}/{app}:{to}`, then "
    "`docker push {registry}/{app}:{to}`."
)
A_PART = "only a part of it: the image for one platform, or a record of its build."


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
    return "`{app}:1.0` is " + f"{short(_require_pushed(workspace).digest)} in the registry."


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


@lab.step(advice="and submit")
def keep_its_digest(workspace, answer):
    """You know the digest of `{app}:1.0`, as the registry has it."""
    manifest = _require_pushed(workspace)
    image = workspace.find_image(workspace["app"], "1.0")
    todo = "Run `docker pull {registry}/{app}:1.0`, and submit the digest that it prints."
    if image and _is_same(workspace, manifest, image):
        todo = f"Run {INSPECT}, and submit what it prints."
    digest = digest_in(answer, next=todo)
    if digest == manifest.digest:
        return f"`{workspace['app']}:1.0` is {short(digest)}. Keep this digest."
    if digest in _parts(manifest):
        reason, found = "part", f"is {A_PART}"
    elif digest in manifest.image_ids:
        reason, found = "image-id", "is the digest of its config"
        found += ", the image's id on your engine." if image and image.id == digest else "."
    elif has_blob(workspace, workspace["app"], digest):
        reason, found = "layer", "is one of its layers."
    else:
        reason, found = "another-digest", "is another digest."
    raise NotYet(reason, found=f"{short(digest)} {found}", next=todo)


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
    digest = digest_in(answer, next=f"{LIST} shows the digests.")
    if digest == now.digest:
        raise _not_moved(workspace, now)
    if digest in _parts(now):
        found = f"{short(digest)} is {A_PART}"
        raise NotYet("part", found=found, next=f"{LIST} shows the digest of the whole image.")
    first = _require_manifest(workspace, digest)
    tag = _tag_where(workspace, lambda manifest: manifest == first)
    if tag and count_pushes(workspace, workspace["app"], "1.0") < 2:
        raise NotYet(
            "pushed-once",
            found=short(digest) + " is `{app}:{tag}`, and `{app}:1.0` was pushed only once.",
            next=RETAG,
            tag=tag,
            to="1.0",
        )
    return "`{app}:1.0` is " + f"{short(now.digest)} now. The registry still has {short(digest)}."


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


@move_the_tag.mistake(
    "the first image's id", advice="--digests {registry}/{app}", reason="no-manifest"
)
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
            return f"You have pulled {short(digest)}, while `1.0` is {short(now.digest)}."
    if pulled:
        reason = "pinned-now"
        found = "You pulled the digest that `{app}:1.0` has now."
    elif any(has_blob(workspace, workspace["app"], digest) for digest in refused):
        reason = "image-id"
        found = "You asked for an image's id. The registry has no manifest with that digest."
    elif refused:
        reason = "no-manifest"
        found = f"The registry has no manifest with the digest {short(refused[-1])}."
    elif by_tag:
        reason = "by-tag"
        found = "You pulled `{app}:1.0` by its tag, so you got the image that it points to now."
    else:
        reason = "not-pulled"
        found = "Nobody has pulled from that repository by digest since the tag moved."
    others = _untagged(workspace, now) or _others(workspace, now)
    raise NotYet(
        reason,
        expected="A pull of `{registry}/{app}@sha256:…`, with the first image's digest.",
        found=found,
        next=f"`{PULL}{others[0]}`."
        if len(others) == 1
        else f"`{PULL}`, and after the `@` the digest that you kept.",
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
    digest = digest_in(answer, next=f"{LIST} shows the digests.")
    _require_manifest(workspace, digest)
    todo = ROLL_BACK
    if not two:
        reason, found = "no-second-tag", "There is no `{app}:1.1`."
        todo = "`docker pull {registry}/{app}:1.0`, " + RETAG
        if one.digest == digest:
            todo = f"Do the same for the second image, with its own digest and `1.1`: {ROLL_BACK}"
    elif one.digest == two.digest == digest:
        reason = "same-image"
        found = f"Both tags point to the first image, {short(digest)}."
        todo = f"{LIST} shows the second image's digest. Tag and push that image as `1.1`."
    elif one.digest == two.digest:
        reason = "same-image"
        found = f"Both tags point to the second image, {short(one.digest)}."
    elif one.digest != digest:
        swapped = two.digest == digest
        reason = "swapped" if swapped else "not-back"
        found = "`{app}:1.0` is " + f"{short(one.digest)}, not {short(digest)}"
        found += ", and `1.1` is the first: they are swapped." if swapped else "."
    else:
        return f"`1.0` is {short(one.digest)} again, and `1.1` is {short(two.digest)}."
    first = _pinned(workspace, digest)
    raise NotYet(reason, found=found, next=todo, first=first, tag="1.0", to="1.1")


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
        found = "no container `{service}`" if two else "no `{app}:1.1` in your registry"
        todo = "Create it from the second build." if two else "Do the step before this one first."
        raise NotYet("missing", found=f"There is {found}.", next=todo)
    name, _, digest = container.image.partition("@")
    one = workspace.api.manifest(workspace["app"], "1.0")
    if digest == two.digest:
        return f"`{container.name}` is pinned to {short(digest)}, the second build."
    if digest and one and digest == one.digest:
        reason, what = "first-build", "is pinned to the first build"
    elif digest:
        reason, what = "another-digest", f"is pinned to {short(digest)}, not to the second build"
    elif "/" in name:
        reason, what = "by-tag", f"was created from `{name}`, and a tag can move"
    else:
        reason, what = "by-id", f"was created from the id `{name[:19]}`, which names no registry"
    raise NotYet(
        reason,
        found=f"`{container.name}` {what}.",
        next="A container keeps its image. Remove it, and create it again from a name with `@` and "
        "the digest that `1.1` has now.",
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
    app, wanted = workspace["app"], _ref(workspace)
    if manifest := workspace.api.manifest(app, "1.0"):
        return manifest
    tags = [tag for image in workspace.engine.images() for tag in image.tags]
    tags = [tag for tag in tags if tag.rpartition(":")[0].split("/")[-1] == app]
    pushed = [_ref(workspace, tag) for tag in workspace.api.tags(app) or ()]
    if find_name(workspace, app, "1.0"):
        require_no_refusal(workspace, app, again=PUSH)
        reason, todo = "not-pushed", f"{PUSH}."
        found = f"Your engine has `{wanted}`, but the registry has no such tag."
    elif pushed:
        name = pushed[0]
        reason, found = "elsewhere", f"The registry has `{name}`, but not `{wanted}`."
        todo = f"`docker pull {name}`, `docker image tag {name} {wanted}`, then {PUSH}."
    elif tags:
        reason, found = "misnamed", f"Your engine has `{tags[0]}`, but not `{wanted}`."
        todo = f"`docker image tag {tags[0]} {wanted}`, then {PUSH}."
    else:
        reason, todo = "no-image", f"{BUILD}, then {PUSH}."
        found = "Neither your engine nor the registry has an image with that name."
    expected = "`{registry}` holds your image as `{app}:1.0`."
    raise NotYet(reason, expected=expected, found=found, next=todo, greeting=FIRST)


def _is_same(workspace, manifest, image):
    """Return whether an image of the registry is this one of the engine."""
    return is_same(workspace.api, workspace["app"], manifest, image.id, image.layers)


def _not_moved(workspace, now):
    """Say why the digest in the answer is the one that `1.0` has."""
    image = workspace.find_image(workspace["app"], "1.0")
    other = _tag_where(workspace, lambda manifest: manifest != now)
    reason, found, todo = "not-moved", "", f"{BUILD}, then {PUSH}."
    if image and not _is_same(workspace, now, image):
        reason, todo = "not-pushed", f"{PUSH}."
        found = " Your engine has another image with that name."
    elif count_pushes(workspace, workspace["app"], "1.0") > 1 and _untagged(workspace, now):
        reason, todo = "second", f"{LIST} shows both digests: submit the one without a tag."
        found = " That is the second image, not the first."
    elif other:
        reason, todo = "another-tag", RETAG
        found = " `{app}:{tag}` is another image."
    found = "`{app}:1.0` is " + f"{short(now.digest)}, the digest in your answer.{found}"
    return NotYet(reason, found=found, next=todo, greeting=SECOND, tag=other, to="1.0")


def _require_manifest(workspace, digest):
    """Return what the registry has under the digest in an answer."""
    if has_blob(workspace, workspace["app"], digest):
        found = f"{short(digest)} is the digest of a config, which is an image's id, or of a layer."
    elif manifest := workspace.api.manifest(workspace["app"], digest):
        return manifest
    else:
        found = "In the registry, `{app}` has no manifest " + f"{short(digest)}."
    todo = f"{LIST} shows digests in the column DIGEST: submit the first image's."
    raise NotYet("no-manifest", found=found, next=todo)


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
