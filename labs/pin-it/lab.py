"""Push a tag, move it to another image, and get the first one back by its digest."""

import secrets
from contextlib import suppress

from labrunner import LOOPBACK, CannotCheck, Lab, NotYet, digest_in, short

lab = Lab(title="Pin it", images=["registry:2", "busybox:stable"], registry=True)

BUILD = (
    "`BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build -t {registry}/{app}:1.0 "
    '--build-arg GREETING="%s" app`'
)
PUSH = "`docker push {registry}/{app}:1.0`"
LIST = "`docker image ls --digests {registry}/{app}`"
NOT_PULLS = ("curl/", "Wget/", "Mozilla/", "Docker-Client/")  # programs that only look


@lab.value
def app(workspace):
    return workspace.unused(f"my-app-{secrets.token_hex(2)}")


@lab.step
def push_it(workspace, answer):
    """`{registry}` holds your image as `{app}:1.0`, and you know its digest."""
    manifest = workspace.api.manifest(workspace["app"], "1.0")
    if not manifest:
        raise _not_pushed(workspace)
    name = _name(workspace, "1.0")
    image = _local(workspace)
    todo = f"`docker pull {name}`, and submit the digest that it prints."
    if image and image.id in manifest.ids:
        form = "{{index .RepoDigests 0}}"
        todo = f"`docker image inspect --format '{form}' {name}`, and submit what it prints."
    expected = f"The digest of `{workspace['app']}:1.0`, as the registry has it."
    digest = digest_in(answer, expected=expected, next=todo)
    if digest == manifest.digest:
        return f"`{workspace['app']}:1.0` is {short(digest)}. Keep this digest."
    found = f"{short(digest)} is not it."
    if digest in manifest.ids:
        found = f"{short(digest)} is the image's id on your engine: the digest of its config."
    elif _is_blob(workspace, digest):
        found = f"{short(digest)} is one of its layers."
    raise NotYet(expected=expected, found=found, next=todo)


@push_it.solution
def _(workspace):
    _push_as(workspace, _build(workspace, "Hello from the first build."), "1.0")
    first = workspace.api.manifest(workspace["app"], "1.0").digest
    _first(workspace).write_text(first)
    return first


@push_it.mistake("built, but not pushed", advice="docker push {registry}/{app}:1.0")
def _(workspace):
    image = _build(workspace, "Hello from the first build.")
    workspace.tag(image, _name(workspace, "1.0"))
    return image


@push_it.mistake("pushed without the tag", advice="/{app}:latest {registry}/{app}:1.0")
def _(workspace):
    _push_as(workspace, _build(workspace, "Hello from the first build."), "latest")
    return workspace.api.manifest(workspace["app"], "latest").digest


@push_it.mistake("the config's digest, which is the image's id", advice="and submit")
def _(workspace):
    _push_as(workspace, _build(workspace, "Hello from the first build."), "1.0")
    return workspace.api.manifest(workspace["app"], "1.0").config


@lab.step
def move_the_tag(workspace, answer):
    """`{app}:1.0` is another image now, and `{registry}` still has the first one. Your answer is
    the digest of the first."""
    name, now = workspace["app"], workspace.api.manifest(workspace["app"], "1.0")
    expected = f"`{name}:1.0` points to a second image, and your answer is the first one's digest."
    if not now:
        raise _not_pushed(workspace)
    digest = digest_in(answer, expected=expected, next=workspace.fill(f"{LIST} shows the digests."))
    if digest == now.digest:
        raise _not_moved(workspace, now, expected)
    first = _manifest(workspace, digest, expected)
    tag = next((tag for tag in workspace.api.tags(name) if _is(workspace, tag, first)), None)
    if tag and _pushes(workspace) < 2:
        raise NotYet(
            expected=expected,
            found=f"{short(digest)} is `{name}:{tag}`, and `{name}:1.0` was pushed only once.",
            next=_retag(workspace, tag),
        )
    return f"`{name}:1.0` is {short(now.digest)} now. The registry still has {short(digest)}."


@move_the_tag.solution
def _(workspace):
    _push_as(workspace, _build(workspace, "Hello from the second build."), "1.0")
    return _first(workspace).read_text()


@move_the_tag.mistake("built again, but not pushed", advice="docker push {registry}/{app}:1.0")
def _(workspace):
    workspace.tag(_build(workspace, "Hello from the second build."), _name(workspace, "1.0"))
    return _first(workspace).read_text()


@move_the_tag.mistake("the same image pushed again", advice="docker build -t {registry}/{app}:1.0")
def _(workspace):
    workspace.push(_name(workspace, "1.0"))
    return _first(workspace).read_text()


@move_the_tag.mistake("a new tag instead", advice="docker image tag {registry}/{app}:1.1")
def _(workspace):
    _push_as(workspace, _build(workspace, "Hello from the second build."), "1.1")
    return _first(workspace).read_text()


@move_the_tag.mistake("the first image's id", advice="--digests {registry}/{app}")
def _(workspace):
    first = workspace.api.manifest(workspace["app"], "1.0").config
    _push_as(workspace, _build(workspace, "Hello from the second build."), "1.0")
    return first


@lab.step
def pull_by_digest(workspace):
    """You have pulled the first image by its digest, while `1.0` is the second one."""
    name, now = workspace["app"], workspace.api.manifest(workspace["app"], "1.0")
    expected = f"A pull of `{workspace.registry}/{name}@sha256:…` with the first image's digest."
    if not now:
        raise _not_pushed(workspace)
    pulled, refused, by_tag = _pulls(workspace)
    for digest in pulled:
        if digest != now.digest and workspace.api.manifest(name, digest):
            return f"You have pulled {short(digest)}, while `1.0` is {short(now.digest)}."
    if pulled:
        found = f"The digest that you pulled is the one that `{name}:1.0` has now."
    elif any(_is_blob(workspace, digest) for digest in refused):
        found = "You asked for an image's id. The registry has no manifest with that digest."
    elif refused:
        found = f"The registry has no manifest with the digest {short(refused[-1])}."
    elif by_tag:
        found = f"You pulled `{name}:1.0` by its tag, and so got the image that it points to now."
    else:
        found = "Nobody has pulled from that repository by digest since the tag moved."
    raise NotYet(expected=expected, found=found, next=_pull_first(workspace, now))


@pull_by_digest.solution
def _(workspace):
    place = f"{workspace.registry}/{workspace['app']}"
    workspace.pull(f"{place}@{_first(workspace).read_text()}")


@pull_by_digest.mistake("pulled by tag", advice="docker pull {registry}/{app}@")
def _(workspace):
    workspace.pull(_name(workspace, "1.0"))


@pull_by_digest.mistake("pinned to what the tag is now", advice="docker pull {registry}/{app}@")
def _(workspace):
    now = workspace.api.manifest(workspace["app"], "1.0")
    workspace.pull(f"{workspace.registry}/{workspace['app']}@{now.digest}")


@pull_by_digest.mistake("pinned to the image's id", advice="docker pull {registry}/{app}@")
def _(workspace):
    config = workspace.api.manifest(workspace["app"], _first(workspace).read_text()).config
    with suppress(CannotCheck):  # the engine says why not
        workspace.pull(f"{workspace.registry}/{workspace['app']}@{config}")


@lab.step
def roll_back(workspace, answer):
    """`{app}:1.0` is the first image again, and the second one is `{app}:1.1`. Your answer is the
    digest of the first."""
    name, place = workspace["app"], f"{workspace.registry}/{workspace['app']}"
    expected = f"`{name}:1.0` is the first image, and `{name}:1.1` the second."
    one, two = (workspace.api.manifest(name, tag) for tag in ("1.0", "1.1"))
    if not one:
        raise _not_pushed(workspace)
    digest = digest_in(answer, expected=expected, next=workspace.fill(f"{LIST} shows the digests."))
    _manifest(workspace, digest, expected)
    back = (
        f"`docker pull {place}@{digest}`, `docker image tag {place}@{digest} {place}:1.0`, then "
        f"`docker push {place}:1.0`."
    )
    if not two:
        found = f"There is no `{name}:1.1`."
        todo = f"`docker pull {place}:1.0`, `docker image tag {place}:1.0 {place}:1.1`, then "
        todo += f"`docker push {place}:1.1`."
        if one.digest == digest:
            todo = f"Do the same for the second image, with its own digest and `1.1`: {back}"
    elif one.digest == two.digest:
        which = "first" if one.digest == digest else "second"
        found = f"Both tags point to one image, the {which}: {short(one.digest)}."
        todo = back
        if which == "first":
            todo = workspace.fill(f"{LIST} shows the second one's digest. Tag and push it as 1.1.")
    elif one.digest != digest:
        turned = ", and `1.1` the first: they are swapped" if two.digest == digest else ""
        found = f"`{name}:1.0` is {short(one.digest)}, not {short(digest)}{turned}."
        todo = back
    else:
        return f"`1.0` is {short(one.digest)} again, and `1.1` is {short(two.digest)}."
    raise NotYet(expected=expected, found=found, next=todo)


@roll_back.solution
def _(workspace):
    name, first = workspace["app"], _first(workspace).read_text()
    _push_as(workspace, _name(workspace, "1.0"), "1.1")
    _push_as(workspace, f"{workspace.registry}/{name}@{first}", "1.0")
    return first


@roll_back.mistake("no tag for the second", advice="with its own digest and `1.1`")
def _(workspace):
    first = _first(workspace).read_text()
    _push_as(workspace, f"{workspace.registry}/{workspace['app']}@{first}", "1.0")
    return first


@roll_back.mistake("both tags the same image", advice="docker push {registry}/{app}:1.0")
def _(workspace):
    _push_as(workspace, _name(workspace, "1.0"), "1.1")
    return _first(workspace).read_text()


@roll_back.mistake("the tags swapped", advice="docker push {registry}/{app}:1.0")
def _(workspace):
    first = _first(workspace).read_text()
    _push_as(workspace, f"{workspace.registry}/{workspace['app']}@{first}", "1.1")
    return first


def _name(workspace, tag):
    return f"{workspace.registry}/{workspace['app']}:{tag}"


def _names(workspace, rest):
    """All spellings of a name: a registry on loopback has three hosts."""
    return [f"{host}:{workspace.port}/{workspace['app']}{rest}" for host in LOOPBACK]


def _first(workspace):
    """Where solutions keep the first image's digest, as the page does."""
    return workspace.work / "first"


def _build(workspace, greeting):
    """An image that is `{registry}/{app}:latest` on the engine."""
    name = f"{workspace.registry}/{workspace['app']}"
    return workspace.build(lab.folder, name, greeting=greeting)


def _push_as(workspace, image, tag):
    workspace.tag(image, _name(workspace, tag))
    workspace.push(_name(workspace, tag))


def _local(workspace):
    """What the engine has as `1.0`."""
    images = (workspace.engine.image(name) for name in _names(workspace, ":1.0"))
    return next((image for image in images if image), None)


def _is_blob(workspace, digest):
    """Whether the repository has it as a config or layer; a manifest is none."""
    return workspace.api.request("HEAD", f"{workspace['app']}/blobs/{digest}").status == 200


def _manifest(workspace, digest, expected):
    """What the registry has under the digest in an answer."""
    if _is_blob(workspace, digest):
        found = f"{short(digest)} is the digest of a config, which is an image's id, or of a layer"
    elif manifest := workspace.api.manifest(workspace["app"], digest):
        return manifest
    else:
        found = f"`{workspace['app']}` in the registry has no manifest {short(digest)}"
    where = workspace.fill(f"{LIST} shows digests in the column DIGEST")
    raise NotYet(expected=expected, found=f"{found}.", next=f"{where}: submit the first one's.")


def _not_pushed(workspace):
    """The registry has no `1.0`: what there is instead."""
    name, wanted = workspace["app"], _name(workspace, "1.0")
    expected = f"`{workspace.registry}` holds your image as `{name}:1.0`."
    tags = [tag for image in workspace.engine.images() for tag in image.tags]
    tags = [tag for tag in tags if tag.rpartition(":")[0].split("/")[-1] == name]
    pushed = [f"{workspace.registry}/{name}:{tag}" for tag in workspace.api.tags(name) or ()]
    push = workspace.fill(PUSH)
    if _local(workspace):
        found, todo = f"Your engine has `{wanted}`, but the registry has no such tag.", f"{push}."
    elif others := pushed or tags:
        where, fetch = ("registry", f"`docker pull {others[0]}`, ") if pushed else ("engine", "")
        found = f"Your {where} has `{others[0]}`, but no `{wanted}`."
        todo = f"{fetch}`docker image tag {others[0]} {wanted}`, then {push}."
    else:
        found = "Neither your engine nor the registry has an image of that name."
        todo = workspace.fill(BUILD) % "Hello from the first build." + f", then {push}."
    return NotYet(expected=expected, found=found, next=todo)


def _not_moved(workspace, now, expected):
    """The digest in the answer is the one that `1.0` has: why."""
    name, image = workspace["app"], _local(workspace)
    found = f"`{name}:1.0` is {short(now.digest)}, the image of your answer."
    other = next((tag for tag in workspace.api.tags(name) if not _is(workspace, tag, now)), None)
    todo = workspace.fill(BUILD) % "Hello from the second build." + f", then {PUSH}."
    if image and image.id not in now.ids:
        found, todo = f"{found} Your engine has another one under that name.", f"{PUSH}."
    elif _pushes(workspace) > 1 and _others(workspace, now):
        found = f"{found} That is the second one already, not the first."
        todo = f"{LIST} shows both digests: submit the one without a tag."
    elif other:
        found, todo = f"{found} `{name}:{other}` is another one.", _retag(workspace, other)
    return NotYet(expected=expected, found=found, next=workspace.fill(todo))


def _others(workspace, now):
    """Digests of this repository, other than the tag's, which engine and registry both have."""
    digests = {name for image in workspace.engine.images() for name in image.digests}
    found = {name.split("@")[1] for name in digests if name.split("@")[0] in _names(workspace, "")}
    found = found - {now.digest}
    return [digest for digest in found if workspace.api.manifest(workspace["app"], digest)]


def _is(workspace, tag, manifest):
    return workspace.api.manifest(workspace["app"], tag) == manifest


def _retag(workspace, tag):
    name, wanted = _name(workspace, tag), _name(workspace, "1.0")
    return f"`docker image tag {name} {wanted}`, then `docker push {wanted}`."


def _pull_first(workspace, now):
    others = _others(workspace, now)
    place = f"{workspace.registry}/{workspace['app']}"
    if len(others) == 1:
        return f"`docker pull {place}@{others[0]}`."
    return f"`docker pull {place}@` with the digest that you kept in the first step behind it."


def _pushed(workspace, request):
    wanted = f"/v2/{workspace['app']}/manifests/1.0"
    return (request.method, request.path, request.status) == ("PUT", wanted, 201)


def _pushes(workspace):
    """How often `1.0` was pushed since the lab was opened."""
    return sum(_pushed(workspace, each) for each in workspace.requests())


def _pulls(workspace):
    """Since `1.0` was last pushed: digests that were pulled, digests that were asked for in vain,
    and whether `1.0` was pulled.

    The engine's events tell which name was pulled. It remembers only 256; and the registry's log
    has what other clients did. A pull by tag asks by digest as well, but never by an old one.
    """
    engine, since = workspace.engine, workspace.record.opened
    events = engine.events(since, engine.info().time, type="image")
    tagged, pinned = _names(workspace, ":1.0"), tuple(_names(workspace, "@"))
    moves = [each.time for each in events if each.action == "push" and each.id in tagged]
    pulls = [each for each in events if each.action == "pull" and each.time > max(moves, default=0)]
    pulled = [each.id.split("@")[1] for each in pulls if each.id.startswith(pinned)]
    requests = workspace.requests()
    moved = [number for number, each in enumerate(requests) if _pushed(workspace, each)]
    path = f"/v2/{workspace['app']}/manifests/sha256:"
    asked = [
        each
        for each in requests[moved[-1] + 1 if moved else 0 :]
        if each.method == "GET" and each.path.startswith(path)
        if each.agent and not each.agent.startswith(NOT_PULLS)
    ]
    seen = {"sha256:" + each.path[len(path) :]: each.status for each in asked}
    now = workspace.api.manifest(workspace["app"], "1.0")
    pulled += [each for each, status in seen.items() if status == 200 and each != now.digest]
    refused = [each for each, status in seen.items() if status != 200]
    return pulled, refused, any(each.id in tagged for each in pulls)
