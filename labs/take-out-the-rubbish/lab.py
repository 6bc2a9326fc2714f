"""Delete an image from your registry by its digest, and get its bytes back from the disk."""

import re

from labrunner import (
    RUN,
    CannotCheck,
    Lab,
    NotARegistry,
    NotYet,
    RegistryDown,
    listed,
    short,
)

lab = Lab(title="Take out the rubbish", images=["registry:2", "busybox:stable"], sample=True)

OLD, NEW = "1.0", "2.0"
BALLAST = 3 << 20  # the bytes that each image has to itself, as the Dockerfile makes them
LITTLE = 1 << 20  # bytes; less than this is not worth a collection
ROOT = "/var/lib/registry"
CONFIG = "/etc/docker/registry/config.yml"
NO_DIGEST = "sha256:" + 64 * "0"  # of no manifest
DIGEST = re.compile(r"sha256(?::|%3A)([0-9a-f]{64})")  # in a path, or in its query
ANONYMOUS = re.compile(r"[0-9a-f]{64}")  # the engine's own name for a volume

START = (
    "`docker run -d -p {port}:5000 --name {name} -v {volume}:/var/lib/registry "
    "-e REGISTRY_STORAGE_DELETE_ENABLED=true registry:2`"
)
PUSH = (
    "`docker image tag {0} {{registry}}/{{image}}:{1}`, then "
    "`docker push {{registry}}/{{image}}:{1}`"
)
PUSH_OLD, PUSH_NEW = PUSH.format("{old_image}", OLD), PUSH.format("{image}", NEW)
DELETE = "`curl -i -X DELETE http://{{registry}}/v2/{{image}}/manifests/{0}`"
COLLECT = (
    "`docker stop {0}`, then `docker run --rm --volumes-from {0} registry:2 garbage-collect "
    f"{CONFIG}`, then `docker start {{0}}`"
)


@lab.value
def volume(workspace):
    return workspace.unused("registry-data")


@lab.value
def old_image(workspace):
    return workspace.unused("old-image")


@lab.setup
def _(workspace):
    if not workspace.engine.image(f"{workspace['old_image']}:latest"):
        workspace.build(lab.folder, workspace["old_image"], WORKSPACE=f"{workspace.id}-old")


@lab.step(lasting=True)
def switch_deletion_on(workspace):
    """The registry on `{registry}` allows deletion, and keeps its images in a volume of yours."""
    expected = workspace.fill("`{registry}` allows deletion, and its images lie in a named volume.")
    start = workspace.fill(START)
    try:
        workspace.api.ping()
        workspace.api.repositories()
        status = workspace.api.delete(workspace.image, NO_DIGEST).status
    except (RegistryDown, NotARegistry) as wrong:
        todo = wrong.next.replace(workspace.fill(RUN), start)
        raise NotYet(expected=expected, found=wrong.found, next=todo) from None
    container = _container(workspace)
    anew = f"Make the container anew: `docker rm -f {container.name}`, then {start}."
    if status != 404:
        settings = [f"{key}={each}" for key, each in container.environment.items() if "DEL" in key]
        what = f"`{settings[0]}` does not switch" if settings else "nothing switches"
        raise NotYet(
            expected=expected,
            found=f"Asked to delete what it does not have, it answers {status}, not 404: {what} "
            "deletion on.",
            next=anew,
        )
    storage = _storage(container)
    if not storage or ANONYMOUS.fullmatch(storage.source):
        mounts = [mount for mount in container.mounts if not ANONYMOUS.fullmatch(mount.source)]
        where = f"; `{mounts[0].source}` is mounted at `{mounts[0].target}`" if mounts else ""
        raise NotYet(
            expected=expected,
            found=f"Deletion is on, but the images lie in an anonymous volume{where}.",
            next=anew,
        )
    return f"`{container.name}` allows deletion; its images lie in `{storage.source}`."


@switch_deletion_on.solution
def _(workspace):
    _start(workspace, REGISTRY_STORAGE_DELETE_ENABLED="true")


@switch_deletion_on.mistake("deletion is off", advice="REGISTRY_STORAGE_DELETE_ENABLED=true")
def _(workspace):
    _start(workspace)


@switch_deletion_on.mistake("a slip in the setting", advice="REGISTRY_STORAGE_DELETE_ENABLED=true")
def _(workspace):
    _start(workspace, REGISTRY_DELETE_ENABLED="true")


@switch_deletion_on.mistake("an anonymous volume", advice="-v {volume}:/var/lib/registry")
def _(workspace):
    workspace.run_registry(environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true"})


@switch_deletion_on.mistake("a volume at another path", advice="-v {volume}:/var/lib/registry")
def _(workspace):
    _start(workspace, "/registry", REGISTRY_STORAGE_DELETE_ENABLED="true")


@lab.step
def push_two_images(workspace):
    """`{registry}` has two images: `{image}:1.0` is your `{old_image}`, `{image}:2.0` is your
    `{image}`."""
    expected = workspace.fill(
        "`{image}:1.0` is your `{old_image}`; `{image}:2.0` is your `{image}`."
    )
    old, new = _images(workspace)
    if missing := [push for image, push in ((old, PUSH_OLD), (new, PUSH_NEW)) if not image]:
        tags = workspace.api.tags(workspace.image)
        raise NotYet(
            expected=expected,
            found=f"The repository `{workspace.image}` has {listed(tags) if tags else 'no tags'}.",
            next=workspace.fill(f"{'. Then '.join(missing)}."),
        )
    right = workspace.sample in new.ids
    if old.digest == new.digest:
        raise NotYet(
            expected=expected,
            found=f"Both tags name one image, {short(old.digest)}: a deletion would take both.",
            next=workspace.fill(f"{PUSH_OLD if right else PUSH_NEW}."),
        )
    if not right:
        raise NotYet(
            expected=expected,
            found=workspace.fill("`2.0` is not your `{image}`."),
            next=workspace.fill(f"{PUSH_NEW}. Then {PUSH_OLD}. The tags will move."),
        )
    own = sum(dict(_blobs(old).items() - _blobs(new).items()).values())
    if not _near(own, BALLAST):
        raise NotYet(
            expected=expected,
            found=f"`1.0` is another image: it has {_mb(own)} to itself, not {_mb(BALLAST)}.",
            next=workspace.fill(f"{PUSH_OLD}. The tag will move."),
        )
    held = _held(workspace)
    return f"`1.0` and `2.0` are two images. They take {_mb(held)} of the disk: {held:,} bytes."


@push_two_images.solution
def _(workspace):
    _push(workspace, workspace["old_image"], OLD)
    _push(workspace, workspace.image, NEW)


@push_two_images.mistake("one image under both tags", advice="{old_image} {registry}/{image}:1.0")
def _(workspace):
    _push(workspace, workspace.image, OLD)
    _push(workspace, workspace.image, NEW)


@push_two_images.mistake("the wrong way round", advice="{image} {registry}/{image}:2.0")
def _(workspace):
    _push(workspace, workspace.image, OLD)
    _push(workspace, workspace["old_image"], NEW)


@push_two_images.mistake("another image as 1.0", advice="{old_image} {registry}/{image}:1.0")
def _(workspace):
    _push(workspace, "busybox:stable", OLD)
    _push(workspace, workspace.image, NEW)


@lab.step
def delete_by_digest(workspace):
    """The registry no longer has the image `{image}:1.0`; it still has `2.0`."""
    expected = "The registry no longer has `1.0`, and still has `2.0`."
    old, new = _images(workspace)
    asked = [
        request
        for request in workspace.requests()
        if request.method == "DELETE" and f"/{workspace.image}/manifests/" in request.path
        if not request.path.endswith(NO_DIGEST)
    ]
    by_digest = [each for each in asked if each.status == 202 and "sha256:" in each.path]
    tagged, held = _tagged(workspace), _held(workspace)
    garbage = held - sum(tagged.values())
    logged = by_digest or (not asked and garbage > LITTLE)  # the log goes with its container
    if (old and new and old.digest == new.digest) or (new and not old and not logged):
        raise NotYet(
            expected=expected,
            found="The tag `1.0` has moved or gone, but you have deleted nothing by its digest: "
            "the old image lies there without a tag.",
            next=workspace.fill(f"{PUSH_OLD}. Then delete it by the digest that push prints."),
        )
    if old:
        delete = workspace.fill(DELETE.format(old.digest))
        found = f"`1.0` is still there, {short(old.digest)}"
        raise NotYet(
            expected=expected,
            found=f"{found}.{_refused(asked[-1], old) if asked else ''}"
            if new
            else f"{found}; you deleted `2.0` instead.",
            next=f"{delete}." if new else workspace.fill(f"{PUSH_NEW}. Then {delete}."),
        )
    if not new:
        raise NotYet(
            expected=expected,
            found=f"The repository `{workspace.image}` has neither `1.0` nor `2.0`.",
            next=workspace.fill(f"{PUSH_NEW}."),
        )
    return (
        f"`1.0` is gone, and `2.0` is there. The disk holds {_mb(held)}, or {held:,} bytes: "
        f"{_mb(garbage)} of that belong to no tag."
    )


@delete_by_digest.solution
def _(workspace):
    workspace.api.delete(workspace.image, _images(workspace)[0].digest)


@delete_by_digest.mistake("deleted by tag", advice="/v2/{image}/manifests/sha256:")
def _(workspace):
    workspace.api.delete(workspace.image, OLD)


@delete_by_digest.mistake("deleted by the image's id", advice="/v2/{image}/manifests/sha256:")
def _(workspace):
    workspace.api.delete(workspace.image, _images(workspace)[0].config)


@delete_by_digest.mistake("a digest asked without Accept", advice="/manifests/sha256:")
def _(workspace):
    answer = workspace.api.request("HEAD", f"{workspace.image}/manifests/{OLD}", accept="*/*")
    workspace.api.delete(workspace.image, answer.headers["Docker-Content-Digest"])


@delete_by_digest.mistake("removed on the engine only", advice="curl -i -X DELETE")
def _(workspace):
    workspace.engine.remove_image(_name(workspace, OLD))


@delete_by_digest.mistake("deleted the wrong one", advice="docker push {registry}/{image}:2.0")
def _(workspace):
    workspace.api.delete(workspace.image, _images(workspace)[1].digest)


@delete_by_digest.mistake("deleted both", advice="docker push {registry}/{image}:2.0")
def _(workspace):
    for image in _images(workspace):
        workspace.api.delete(workspace.image, image.digest)


@delete_by_digest.mistake("moved the tag instead", advice="docker push {registry}/{image}:1.0")
def _(workspace):
    _push(workspace, workspace.image, OLD)


@lab.step
def collect_the_garbage(workspace, answer):
    """The bytes of `1.0` are gone from the disk. Your answer says how many kilobytes came back."""
    expected = "Nothing of `1.0` is on the registry's disk any more, and the registry runs."
    held = _clean(workspace, expected)
    number = re.search(r"\d+\.?\d*", answer.replace(",", ""))
    units = (1024, 1, 1_000_000)  # kilobytes as of `du`, bytes, megabytes
    sizes = [int(float(number[0]) * unit) for unit in units] if number else []
    if not (told := [size for size in sizes if _near(size, BALLAST)]):
        left = any(_near(size, held) for size in sizes)
        before = any(_near(size, held + BALLAST) for size in sizes)
        what = " That is what is left." if left else " That was there before." if before else ""
        raise NotYet(
            expected="The kilobytes before the collection, less those after it.",
            found=f"The disk is clean, and holds {_mb(held)}. Your answer "
            + (f"is {number[0]}.{what}" if number else "has no number."),
            next="From what `du -sk` printed before, subtract what it prints now.",
        )
    return (
        f"Before: {_mb(held + told[0])}. After: {_mb(held)}, or {held:,} bytes. "
        f"{_mb(told[0])} came back."
    )


@collect_the_garbage.solution
def _(workspace):
    before = _held(workspace)
    _stop_collect_start(workspace)
    return str(before - _held(workspace))


@collect_the_garbage.near_miss("deleted, but not collected", advice=f"garbage-collect {CONFIG}")
def _(workspace):
    return "16"


@collect_the_garbage.mistake("collected in another volume", advice="--volumes-from {name}")
def _(workspace):
    _collect(workspace)
    return "3088"


@collect_the_garbage.mistake("collected in the running registry", advice="docker restart {name}")
def _(workspace):
    workspace.engine.execute(_container(workspace).id, ["registry", "garbage-collect", CONFIG])
    return "3088"


@collect_the_garbage.mistake("pushed again after that", advice="docker restart {name}")
def _(workspace):
    workspace.engine.execute(_container(workspace).id, ["registry", "garbage-collect", CONFIG])
    _push(workspace, workspace["old_image"], OLD)
    return "3088"


@collect_the_garbage.mistake("not started again", advice="docker start {name}")
def _(workspace):
    workspace.engine.stop(_container(workspace).id)
    _collect(workspace, volumes_from=[workspace.name])
    return "3088"


@collect_the_garbage.mistake("what is left for an answer", advice="subtract")
def _(workspace):
    _stop_collect_start(workspace)
    return str(_held(workspace))


@lab.step
def pull_what_stays(workspace):
    """`{registry}/{image}:2.0` still pulls, whole, from the registry as it is now."""
    expected = workspace.fill("A pull of `{registry}/{image}:2.0` fetches all its layers.")
    _clean(workspace, expected)
    new = _images(workspace)[1]
    blobs, name = _blobs(new), _name(workspace, NEW)
    if lost := [digest for digest in blobs if _head(workspace, digest).status == 404]:
        raise NotYet(
            expected=expected,
            found=f"The registry has the manifest of `2.0`, but not what that names: no blob "
            f"{short(lost[0])}.",
            next=workspace.fill(f"{PUSH_NEW}. It sends what is missing."),
        )
    layer = max(blobs, key=blobs.get)
    fetched = [
        request
        for request in workspace.requests(_container(workspace).started)
        if (request.method, request.status) == ("GET", 200) and layer in request.path
    ]
    if not fetched:
        images = [image for image in workspace.engine.images() if image.id in new.ids]
        tags = [tag for image in images for tag in image.tags]
        remove = f"`docker image rm {' '.join(tags)}`, then " if tags else ""
        raise NotYet(
            expected=expected,
            found=f"Since the registry started, nobody has fetched the layer {short(layer)}"
            + (f": your engine still has it, as {listed(tags)}." if tags else "."),
            next=f"{remove}`docker pull {name}`.",
        )
    return f"`{name}` was fetched whole, {_mb(sum(blobs.values()))}: {short(new.digest)}."


@pull_what_stays.solution
def _(workspace):
    workspace.engine.remove_image(f"{workspace.image}:latest")
    workspace.engine.remove_image(_name(workspace, NEW))
    workspace.pull(_name(workspace, NEW))


@pull_what_stays.mistake("pulled what was still there", advice="docker image rm")
def _(workspace):
    workspace.pull(_name(workspace, NEW))


@pull_what_stays.mistake("its layer was deleted", advice="docker push {registry}/{image}:2.0")
def _(workspace):
    layer = _images(workspace)[1].layers[-1].digest
    workspace.api.request("DELETE", f"{workspace.image}/blobs/{layer}")


def _start(workspace, path=ROOT, **environment):
    workspace.run_registry(volumes={path: workspace["volume"]}, environment=environment)


def _push(workspace, image, tag):
    workspace.tag(image, _name(workspace, tag))
    workspace.push(_name(workspace, tag))


def _collect(workspace, **host):
    workspace.run_to_end("registry:2", ["garbage-collect", CONFIG], **host)


def _stop_collect_start(workspace):
    container = _container(workspace).id
    workspace.engine.stop(container)
    _collect(workspace, volumes_from=[container])
    workspace.engine.start(container)
    workspace.wait_for_registry()


def _name(workspace, tag):
    return f"{workspace.registry}/{workspace.image}:{tag}"


def _container(workspace):
    container = workspace.registry_container()
    if not container or not container.publishes(workspace.port):
        raise CannotCheck(
            workspace.fill("No container serves the registry on `{registry}`."),
            next=workspace.fill(f"Stop what answers there, then {START}."),
        )
    return container


def _storage(container):
    """What is mounted where the registry keeps its images."""
    root = container.environment.get("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", ROOT)
    above = [mount for mount in container.mounts if f"{root}/".startswith(f"{mount.target}/")]
    return max(above, key=lambda mount: len(mount.target), default=None)


def _held(workspace):
    """The bytes on the registry's disk: of a volume by the engine, of a folder by `du`."""
    container = _container(workspace)
    storage = _storage(container)
    size = None
    if storage and storage.kind == "volume":
        size = workspace.engine.volume_size(storage.source)
    elif storage:
        code, printed = workspace.engine.execute(container.id, ["du", "-sk", storage.target])
        size = int(printed.split()[0]) * 1024 if code == 0 else None
    if size is None:
        raise CannotCheck(
            f"What the registry in `{container.name}` holds cannot be measured.",
            next=workspace.fill(f"Use a named volume: {START}."),
        )
    return size


def _images(workspace):
    """The manifests behind the two tags."""
    return [workspace.api.manifest(workspace.image, tag) for tag in (OLD, NEW)]


def _blobs(manifest):
    """The size of each blob of an image by its digest; the config's is taken for 0."""
    blobs = {layer.digest: layer.size for layer in manifest.layers}
    blobs |= {manifest.config: 0} if manifest.config else {}
    for child in manifest.children:
        blobs |= _blobs(child)
    return blobs


def _tagged(workspace):
    """The blobs of all images in the registry that have a tag."""
    blobs: dict[str, int] = {}
    for repository in workspace.api.repositories():
        for tag in workspace.api.tags(repository) or ():
            manifest = workspace.api.manifest(repository, tag)
            blobs |= _blobs(manifest) if manifest else {}
    return blobs


def _clean(workspace, expected):
    """The bytes on the registry's disk, once they are of tagged images only. Raises `NotYet`."""
    try:
        tags = workspace.api.tags(workspace.image) or []
    except RegistryDown as down:
        raise NotYet(expected=expected, found=down.found, next=down.next) from None
    name = _container(workspace).name
    old, new = _images(workspace)
    collect = COLLECT.format(name)
    if old:
        raise NotYet(
            expected=expected,
            found="`1.0` is in the registry: what has a tag is no garbage.",
            next=workspace.fill(f"{DELETE.format(old.digest)}. Then {collect}."),
        )
    if OLD in tags:
        raise NotYet(
            expected=expected,
            found="The tag `1.0` is back, but no image behind it: the registry ran while you "
            "collected, believed to have the blobs still, and took only the rest of your push.",
            next=workspace.fill(f"`docker restart {name}`. Then {PUSH_OLD}. Then delete it by ")
            + f"the digest that push prints, and {collect}.",
        )
    if not new:
        raise NotYet(
            expected=expected,
            found="The registry does not have `2.0`, which was to stay.",
            next=workspace.fill(f"{PUSH_NEW}."),
        )
    tagged, held = _tagged(workspace), _held(workspace)
    garbage = held - sum(tagged.values())
    if garbage > LITTLE:
        raise NotYet(
            expected=expected,
            found=f"The disk holds {_mb(held)}, and {_mb(garbage)} of that belong to no tag.",
            next=f"{collect}. If you have done that, a manifest without a tag names them: do it "
            "again, with `--delete-untagged` behind `garbage-collect`.",
        )
    if ghost := _ghost(workspace, tagged):
        raise NotYet(
            expected=expected,
            found=f"The disk is clean, but the registry still believes to have {short(ghost)}: it "
            "ran while you collected, and remembers what it had.",
            next=f"`docker restart {name}`. The next time, stop it before you collect.",
        )
    return held


def _ghost(workspace, tagged):
    """A blob that the registry says it has and cannot send; of those that it was asked for."""
    paths = [each.path for each in workspace.requests() if f"/{workspace.image}/" in each.path]
    digests = {f"sha256:{digits}" for path in paths for digits in DIGEST.findall(path)}
    for digest in sorted(digests - tagged.keys()):
        head = _head(workspace, digest)
        if head.status == 200 and int(head.headers.get("Content-Length", LITTLE)) < LITTLE:
            try:
                workspace.api.request("GET", f"{workspace.image}/blobs/{digest}")
            except RegistryDown:  # it hangs up without a whole answer
                return digest
    return None


def _head(workspace, digest):
    return workspace.api.request("HEAD", f"{workspace.image}/blobs/{digest}")


def _refused(request, old):
    """Why a request did not delete `1.0`."""
    reference = request.path.rpartition("/")[2]
    if "sha256:" not in reference:
        return (
            f" You asked it to delete the tag `{reference}`, and it answered {request.status}: it "
            "deletes by digest."
        )
    if reference == old.config:
        return f" You deleted {short(reference)}, the image id, which here is its config's digest."
    return (
        f" You asked it to delete {short(reference)}, and it answered {request.status}. "
        "Without `Accept`, a registry may tell the digest of another form of the manifest."
    )


def _near(number, wanted):
    """Within a tenth: `du` counts whole blocks, the engine counts bytes."""
    return abs(number - wanted) <= wanted / 10


def _mb(size):
    return f"{size / 1e6:.1f} MB"
