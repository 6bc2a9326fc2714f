"""Push a tag, move it to another image, and get the first one back by its digest."""

import secrets
from contextlib import suppress

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
    Passed,
    Sentence,
    act,
    digest_in,
    find_name,
    has_blob,
    is_same,
    pull,
    pull_and_retag,
    pulls_since_push,
    push_as,
    pushed_tags,
    read_image_text,
    require_tag,
    retag,
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
    "Submit the digest that `{app}:1.0` had before the tag moved. It should be in the file "
    "`first`. If not, the column DIGEST of `docker image ls --digests` may still show it."
)
BEGINS = "The verdict of `keep-its-digest` shows how it begins."
A_PART = "{digest} is only a part of it: the image for one platform, or a record of its build."


# Acts, for the solutions and mistakes


def first_digest(workspace):
    """Return the first image's digest, from the file that the page and solutions keep it in."""
    return (workspace.work / "first").read_text().strip().rpartition("@")[2]


def _digest(workspace, tag="1.0"):
    """Return the digest behind a tag in the registry, or None."""
    manifest = workspace.api.manifest(workspace["app"], tag)
    return manifest.digest if manifest else None


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
    manifest = _require_pushed(workspace)
    if _greeting(workspace) == "":
        found = "The image `{app}:1.0` has no greeting: its file `/greeting` is empty."
        compare = "If you gave the argument, compare `app/Dockerfile` with the lesson's."
        todo = Sentence.joined(BUILD_AND_PUSH, compare)
        raise NotYet("blank", found=found, next=todo, greeting=FIRST)
    return Sentence("`{app}:1.0` is {digest} in the registry.", digest=short(manifest.digest))


@push_it.solution
def _(workspace):
    if not _greeting(workspace):
        push_build(FIRST)(workspace)


push_it.mistake("built, but not pushed", reason="not-pushed")(
    lambda ws: ws.tag(_build(ws, FIRST), _ref(ws))
)
push_it.mistake(
    "pushed without the tag", advice="/{app}:latest {registry}/{app}:1.0", reason="elsewhere"
)(push_build(FIRST, "latest"))
push_it.mistake("built without the argument", advice="--build-arg", reason="blank")(push_build(""))


@lab.step(advice=REPO_DIGESTS)
def keep_its_digest(workspace, answer):
    """You know the digest of `{app}:1.0`, as the registry has it."""
    push_it.require(workspace)
    manifest, app = _require_pushed(workspace), workspace["app"]
    if _greeting(workspace) == SECOND:
        found = "`{app}:1.0` is the second build already."
        raise NotYet("moved-already", found=found, next=BUILD_AND_PUSH, greeting=FIRST)
    image = workspace.find_image(app, "1.0")
    todo: str = REPO_DIGESTS
    if not image or not is_same(workspace.api, app, manifest, image.id, image.layers):
        pull_it = "Pull `{registry}/{app}:1.0` first: your engine does not have that image."
        todo = Sentence.joined(pull_it, todo)
    digest = digest_in(answer, next=todo)
    if digest == manifest.digest:
        found = Sentence("`{app}:1.0` is {digest}. Keep this digest.", digest=short(digest))
        return Passed(found, facts={"first": digest})
    if digest in [part.digest for part in manifest.manifests]:
        reason, found = "part", A_PART
    elif digest in manifest.image_ids:
        reason, found = "image-id", "{digest} is the digest of its config."
        if image and image.id == digest:
            found = "{digest} is the digest of its config, the image's id on your engine."
    elif has_blob(workspace, app, digest):
        reason, found = "layer", "{digest} is one of its layers."
    else:
        reason, found = "another-digest", "{digest} is another digest."
    raise NotYet(reason, found=found, next=todo, digest=short(digest))


@keep_its_digest.solution
def _(workspace):
    if _greeting(workspace) == SECOND:
        push_build(FIRST)(workspace)
    (workspace.work / "first").write_text(_pinned(workspace, _digest(workspace)))
    return first_digest(workspace)


keep_its_digest.without_answer(push_it.require)
keep_its_digest.near_miss("the config's digest, which is the image's id", reason="image-id")(
    lambda ws: ws.api.manifest(ws["app"], "1.0").config_digest
)
keep_its_digest.near_miss("the digest of a layer", reason="layer")(
    lambda ws: ws.api.manifest(ws["app"], "1.0").layers[0].digest
)
keep_its_digest.mistake("the next step done already", advice=FIRST, reason="moved-already")(
    push_build(SECOND), _digest
)


@lab.step(advice=FIND_FIRST)
def move_the_tag(workspace, answer):
    """`{app}:1.0` is another image now, and `{registry}` still has the first one. Your answer is
    the digest of the first image."""
    now, first = _require_moved(workspace)
    digest = _require_first(workspace, answer, first, but=now)
    found = "`{app}:1.0` is {now} now. The registry still has {first}."
    found = Sentence(found, now=short(now.digest), first=short(digest))
    return Passed(found, facts={"first": digest, "second": now.digest})


@move_the_tag.solution
def _(workspace):
    if _digest(workspace) == first_digest(workspace):
        push_build(SECOND)(workspace)
    return first_digest(workspace)


move_the_tag.without_answer(lambda ws: _require_moved(ws))
move_the_tag.mistake("built again, but not pushed", advice=PUSH, reason="not-pushed")(
    lambda ws: ws.tag(_build(ws, SECOND), _ref(ws)), first_digest
)
move_the_tag.mistake(
    "the same image pushed again", advice="docker build -t {registry}/{app}:1.0", reason="not-moved"
)(lambda ws: ws.push(_ref(ws)), first_digest)
move_the_tag.mistake(
    "a new tag instead", advice="docker image tag {registry}/{app}:1.1", reason="another-tag"
)(push_build(SECOND, "1.1"), first_digest)
move_the_tag.mistake("the second digest", reason="not-the-first")(push_build(SECOND), _digest)


@move_the_tag.mistake("the first image's id", reason="no-manifest")
def _(workspace):
    config = workspace.api.manifest(workspace["app"], "1.0").config_digest
    push_build(SECOND)(workspace)
    return config


@lab.step(advice=PULL)
def pull_by_digest(workspace):
    """You have pulled the first image by its digest, while `1.0` is the second one."""
    now, first = _require_moved(workspace)
    pulled, refused, by_tag = pulls_since_push(workspace, workspace["app"], "1.0", now)
    for digest in pulled:
        if digest == first.digest if first else digest != now.digest:
            found = "You have pulled {digest}, while `1.0` is {now}."
            return Sentence(found, digest=short(digest), now=short(now.digest))
    if now.digest in pulled:
        reason = "pinned-now"
        found = "You pulled the digest that `{app}:1.0` has now."
    elif pulled:
        reason, found = "another-image", "You pulled {digest}, which is not the first image."
    elif any(has_blob(workspace, workspace["app"], digest) for digest in refused):
        reason = "image-id"
        found = "You asked for an image's id. The registry has no manifest with that digest."
    elif refused:
        reason, found = "no-manifest", "The registry has no manifest with the digest {digest}."
    elif by_tag:
        reason = "by-tag"
        found = "You pulled `{app}:1.0` by its tag, so you got the image that it points to now."
    else:
        reason = "not-pulled"
        found = "Nobody has pulled from that repository by digest since the tag moved."
    told = first and "second" in workspace.record.facts  # the learner has submitted it by then
    kept = "`{pull}`, and after the `@` the digest that you kept."
    raise NotYet(
        reason,
        expected="A pull of `{registry}/{app}@sha256:…`, with the first image's digest.",
        found=found,
        next=f"`{PULL}{first.digest}`." if told else kept,
        digest=short((pulled or refused or [""])[-1]),
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


@pull_by_digest.mistake("pinned to a build that is neither", reason="another-image")
def _(workspace):
    push_build("Hello.", "0.9")(workspace)
    workspace.pull(_pinned(workspace, _digest(workspace, "0.9")))


@lab.step(advice=PUSH, evidence=True)
def roll_back(workspace, answer):
    """`{app}:1.0` is the first image again, and the second one is `{app}:1.1`. Your answer is the
    digest of the first image."""
    one, first = _require_pushed(workspace), _first(workspace)
    two = workspace.api.manifest(workspace["app"], "1.1")
    digest = _require_first(workspace, answer, first)
    now, first = short(one.digest), short(digest)
    todo: str = pull_and_retag(_pinned(workspace, digest), _ref(workspace))
    if not two or two.digest == digest:
        reason, found = "no-second-tag", "There is no `{app}:1.1`."
        todo = _tag_second(workspace, one.digest != digest)
        if two and one.digest == digest:
            reason, found = "same-image", "Both tags point to the first image, {first}."
        elif two:
            reason = "swapped"
            found = "`{app}:1.0` is {now}, not {first}, and `1.1` is the first: they are swapped."
    elif one.digest == two.digest:
        reason, found = "same-image", "Both tags point to {now}, not to the first image."
    elif one.digest != digest:
        reason, found = "not-back", "`{app}:1.0` is {now}, not {first}."
    else:
        second = short(two.digest)
        return Sentence("`1.0` is {now} again, and `1.1` is {second}.", now=now, second=second)
    raise NotYet(reason, found=found, next=todo, now=now, first=first, list=LIST)


@roll_back.solution
def bring_back(workspace):
    first = first_digest(workspace)
    second = _build(workspace, SECOND) if _digest(workspace) == first else _ref(workspace)
    workspace.push_as(second, _ref(workspace, "1.1"))
    workspace.push_as(_pinned(workspace, first), _ref(workspace))
    return first


roll_back.mistake(
    "no tag for the second", advice="docker push {registry}/{app}:1.1", reason="no-second-tag"
)(push_first("1.0"), first_digest)
roll_back.mistake("both tags the same image", reason="same-image")(
    push_as("{registry}/{app}:1.1", "{registry}/{app}:1.0"), first_digest
)
roll_back.mistake("the tags swapped", advice="docker push {registry}/{app}:1.1", reason="swapped")(
    push_first("1.1"), first_digest
)
roll_back.mistake("all right, but another digest", advice=FIND_FIRST, reason="not-the-first")(
    bring_back, lambda ws: _digest(ws, "1.1")
)


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


def _greeting(workspace):
    """Return what the file `/greeting` says in the image `1.0`, or None where it has none."""
    return read_image_text(workspace, workspace["app"], "1.0", "greeting")


def _build(workspace, greeting):
    """Build an image that is `{registry}/{app}:latest` on the engine."""
    name = f"{workspace.registry}/{workspace['app']}"
    return workspace.build(lab.folder, name, greeting=greeting)


# What is wrong, and what to do


def _require_pushed(workspace):
    """Return the manifest behind `1.0` in the registry, or say what there is instead."""
    build = Sentence(BUILD_AND_PUSH, greeting=FIRST)
    return require_tag(workspace, workspace["app"], "1.0", build=build)


def _first(workspace):
    """Return the first image, whose digest an earlier step has proved; None where none has. Raises
    `NotYet` where the registry has lost it."""
    digest = workspace.record.facts.get("first")
    if not digest:
        return None
    if manifest := workspace.api.manifest(workspace["app"], digest):
        return manifest
    todo = retag("$(cat first)", _ref(workspace))
    todo = Sentence.joined(todo, "If your engine has lost it, too, reset the lab.")
    raise NotYet("lost", found="The registry no longer has the first image.", next=todo)


def _require_moved(workspace):
    """Return the manifest behind `1.0`, and the first image as `_first` does. Raise `NotYet` while
    they are the same or, where nobody knows the first one, while `1.0` was pushed only once."""
    now, first = _require_pushed(workspace), _first(workspace)
    app, tags = workspace["app"], pushed_tags(workspace, workspace["app"])
    moved = now.digest != first.digest if first else tags.count("1.0") != 1
    if moved:
        return now, first
    image, last = workspace.find_image(app, "1.0"), tags[-1] if tags else "1.0"
    reason, more, todo = "not-moved", "", BUILD_AND_PUSH
    if image and not is_same(workspace.api, app, now, image.id, image.layers):
        reason, todo = "not-pushed", f"`docker push {find_name(workspace, app, '1.0')}`."
        more = "Your engine has another image with that name."
    elif _digest(workspace, last) not in (None, now.digest):
        reason, more = "another-tag", "`{app}:{tag}` is another image."
        todo = retag(_ref(workspace, last), _ref(workspace))
    found = Sentence.joined("`{app}:1.0` is still {digest}.", more)
    values = {"digest": short(now.digest), "greeting": SECOND, "tag": last}
    raise NotYet(reason, found=found, next=todo, **values)


def _require_first(workspace, answer, first, but=None):
    """Return the digest in an answer, which is the first image's or, where nobody knows that, any
    image's but this one."""
    app, digest, todo = workspace["app"], digest_in(answer, next=FIND_FIRST), FIND_FIRST
    if has_blob(workspace, app, digest):
        reason = "no-manifest"
        found = "{digest} is the digest of a config, which is an image's id, or of a layer."
    elif not workspace.api.manifest(app, digest):
        reason, found = "no-manifest", "In the registry, `{app}` has no manifest {digest}."
    elif first and digest in [part.digest for part in first.manifests]:
        reason, found = "part", A_PART
    elif digest != first.digest if first else but and digest == but.digest:
        reason, found = "not-the-first", "{digest} is not the first image{known}."
        todo = Sentence.joined(FIND_FIRST, BEGINS if first else "")
    else:
        return digest
    tags = [tag for tag in ("1.0", "1.1") if _digest(workspace, tag) == digest]
    known = Sentence(", but `{app}:{tag}`", tag=tags[0]) if tags else ""
    raise NotYet(reason, found=found, next=todo, digest=short(digest), known=known)


def _tag_second(workspace, moved):
    """Return how the second image gets its tag. moved: `1.0` still points to it."""
    second = workspace.record.facts.get("second")
    if moved or (second and workspace.api.manifest(workspace["app"], second)):
        old = _ref(workspace) if moved else _pinned(workspace, second)
        return pull_and_retag(old, _ref(workspace, "1.1"))
    return (
        "{list} may show the second image's digest. Tag and push that image as `1.1`. If not, "
        "build it again under that name."
    )
