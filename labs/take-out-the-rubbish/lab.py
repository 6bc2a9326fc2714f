"""Delete an image from your registry by its digest, and get its bytes back from the disk."""

from labrunner import (
    STORAGE,
    CannotCheck,
    Lab,
    NotYet,
    Passed,
    Sentence,
    act,
    blob_sizes,
    build_another,
    collect,
    collect_running,
    collection_fault,
    configuration_path,
    deleted_digests,
    deletions,
    describe_mount,
    describe_other_mount,
    explain_deletion_off,
    explain_no_deletion,
    explain_no_pull,
    has_blob,
    in_order,
    is_anonymous,
    listed,
    logged_requests,
    megabytes,
    one_by_one,
    own_bytes,
    pull,
    push_as,
    remove_sample,
    require_no_refusal,
    require_registry,
    restart_registry,
    run_registry,
    short,
    sizes_in,
    stop_collect_start,
    storage_mount,
    stored_bytes,
    try_deletion,
    untag,
    untagged_bytes,
)

BALLAST = 3 << 20  # the bytes that each image has to itself

lab = Lab(
    title="Take out the rubbish",
    images=["registry:2", "busybox:stable"],
    sample=True,
    ballast=BALLAST,
    values={
        "volume": lambda ws: ws.unused("registry-data"),
        "old_image": lambda ws: ws.unused("old-image"),
    },
)
lab.setup(build_another("{old_image}", BALLAST))

OLD, NEW = "1.0", "2.0"
OLD_NAME, NEW_NAME = "{registry}/{image}:1.0", "{registry}/{image}:2.0"
LITTLE = 1 << 20  # bytes; less than this is not worth a collection
DELETION = {"REGISTRY_STORAGE_DELETE_ENABLED": "true"}
NO_DELETION = {"REGISTRY_STORAGE_DELETE_ENABLED": "false"}

START = (
    "`docker run -d -p {port}:5000 --name {name} -v {volume}:/var/lib/registry "
    "-e REGISTRY_STORAGE_DELETE_ENABLED=true {registry_image}`"
)
TAG_OLD = "`docker image tag {old_image} {registry}/{image}:1.0`"
TAG_NEW = "`docker image tag {image} {registry}/{image}:2.0`"
PUSH_OLD = in_order(TAG_OLD, "`docker push {registry}/{image}:1.0`", stop=False)
PUSH_NEW = in_order(TAG_NEW, "`docker push {registry}/{image}:2.0`", stop=False)
DELETE = "`curl -i -X DELETE http://{registry}/v2/{image}/manifests/{digest}`"
DELETE_PUSHED = Sentence("delete it by the digest that push prints")
RESTART = "`docker restart {container}`"
AGAIN, COLLECT_FROM = "docker restart {name}", "--volumes-from {name}"  # for the advice
COLLECT = Sentence(
    "`docker stop {container}`, then `docker run --rm --volumes-from {container} {its_image} "
    "garbage-collect {its_config}`, then `docker start {container}`"
)
DELETE_AND_COLLECT = Sentence("{delete}, and {collect}", delete=DELETE_PUSHED, collect=COLLECT)
TEXTS = {  # of verdicts, by their reasons
    "no-log": "`1.0` is not there, and nothing is left of it on the disk. The registry's log does "
    "not go back far enough to say why: a log is removed with its container.",
    "tag-moved": "The tag `1.0` has moved or gone, but you have not deleted anything by digest: "
    "the old image is still stored, without a tag.",
    "deleted": "`1.0` is gone, and `2.0` is there. {size} is on the disk, or {bytes} bytes. No "
    "tag of `{image}` needs {loose} of that.",
    "blob-lost": "The registry has the manifest of `2.0`, but not everything that the manifest "
    "lists: the blob {blob} is missing.",
    "pushed-again": "The tag `1.0` is back, but its image is not complete: the registry ran while "
    "you collected, so it believed that it still had the blobs, and did not take them.",
    "garbage": "If you have done that, a manifest without a tag still needs them: do it again, "
    "with `--delete-untagged` after `garbage-collect`.",
}


@act
def start(workspace, environment, path=STORAGE):
    workspace.run_registry(volumes={path: workspace["volume"]}, environment=environment)


@act
def delete(workspace, repository, tag):
    """Delete the image behind a tag, with all its tags there."""
    if manifest := workspace.api.manifest(repository, tag):
        workspace.api.delete(repository, manifest.digest)


def delete_by_tag(workspace):
    workspace.api.delete(workspace.image, OLD)


@lab.step(lasting=True, advice=START)
def switch_deletion_on(workspace):
    """The registry on `{registry}` allows deletion, and keeps its images in a volume of yours."""
    container = require_registry(workspace, start=START)
    workspace.api.repositories()
    status = try_deletion(workspace.api, workspace.image)
    storage = storage_mount(workspace, container)
    if status == 404 and storage and not is_anonymous(storage.source):
        found = "`{container}` allows deletion; its images are in `{place}`."
        return Sentence(found, container=container.name, place=storage.source)
    replace = in_order(f"`docker rm -f {container.name}`", START)
    todo = Sentence("Create the container again: {replace}", replace=replace)
    if status == 404:
        found = "Deletion is on, but the registry keeps its files in {where}{other}."
        where, other = describe_mount(storage), describe_other_mount(workspace, container)
        raise NotYet("anonymous", found=found, next=todo, where=where, other=other)
    reason, why = explain_deletion_off(workspace, container)
    found = "Asked to delete what it does not have, it answers {status}, not 404: {why}."
    raise NotYet(reason, found=found, next=todo, status=status, why=why)


switch_deletion_on.solution(start(DELETION))
switch_deletion_on.mistake("deletion is off", reason="deletion-off")(start(NO_DELETION))
switch_deletion_on.mistake("a slip in the setting", reason="deletion-off", registry="registry:2")(
    start({"REGISTRY_DELETE_ENABLED": "true"})
)
switch_deletion_on.mistake("an anonymous volume", reason="anonymous")(
    run_registry(environment=DELETION)
)
switch_deletion_on.mistake("a volume at another path", reason="anonymous")(
    start(DELETION, "/registry")
)


@lab.step(advice=TAG_OLD)
def push_two_images(workspace):
    """`{registry}` has two images: `{image}:1.0` is your `{old_image}`, and `{image}:2.0` is your
    `{image}`."""
    old, new = _images(workspace)
    if missing := [push for image, push in ((old, PUSH_OLD), (new, PUSH_NEW)) if not image]:
        require_no_refusal(workspace, workspace.image, again=missing[0], start=START)
        tags = listed(workspace.api.tags(workspace.image) or ()) or Sentence("no tags")
        todo = one_by_one(*missing)
        raise NotYet("missing", found="The repository `{image}` has {tags}.", next=todo, tags=tags)
    right = workspace.is_sample(new)
    if old.digest == new.digest:
        found = "Both tags point to one image, {digest}: deleting it removes both."
        todo = in_order(PUSH_OLD if right else PUSH_NEW)
        raise NotYet("one-image", found=found, next=todo, digest=short(old.digest))
    if not right:
        todo = Sentence.joined(one_by_one(PUSH_NEW, PUSH_OLD), "The tags will move.")
        raise NotYet("wrong-new", found="`2.0` is not your `{image}`.", next=todo)
    if not _near(own := own_bytes(old, new), BALLAST):
        found = "`1.0` is another image: {own} is its own, not {wanted}."
        todo = Sentence.joined(in_order(PUSH_OLD), "The tag will move.")
        sizes = {"own": megabytes(own), "wanted": megabytes(BALLAST)}
        raise NotYet("wrong-old", found=found, next=todo, **sizes)
    held = stored_bytes(workspace)
    found = "`1.0` and `2.0` are two images, {size} on the disk: {bytes} bytes."
    return Sentence(found, size=megabytes(held), bytes=f"{held:,}")


push_two_images.solution(push_as(OLD_NAME, "{old_image}"), push_as(NEW_NAME, "{image}"))
push_two_images.mistake("one image under both tags", reason="one-image")(
    push_as(OLD_NAME, "{image}"), push_as(NEW_NAME, "{image}")
)
push_two_images.mistake("the wrong way round", advice=TAG_NEW, reason="wrong-new")(
    push_as(OLD_NAME, "{image}"), push_as(NEW_NAME, "{old_image}")
)
push_two_images.mistake("another image as 1.0", reason="wrong-old")(
    push_as(OLD_NAME, "busybox:stable"), push_as(NEW_NAME, "{image}")
)


@lab.step(advice="curl -i -X DELETE http://{registry}/v2/{image}/manifests/sha256:")
def delete_by_digest(workspace):
    """The registry no longer has the image `{image}:1.0`; it still has `2.0`."""
    (old, new), requests = _images(workspace), workspace.requests()
    asked = deletions(requests, workspace.image)
    deleted = deleted_digests(asked)
    loose = untagged_bytes(workspace, workspace.image) if new and not old else 0
    gone = bool(deleted) if asked else loose > LITTLE  # the log goes with its container
    pushed_new = any(each.method == "PUT" and each.path.endswith(f"/{NEW}") for each in requests)
    if new and not (old or loose or asked or pushed_new):
        again = Sentence("Do it again: {todo}", todo=one_by_one(PUSH_OLD, DELETE_PUSHED))
        raise CannotCheck(TEXTS["no-log"], next=workspace.fill(again), reason="no-log")
    digest = old.digest if old else ""
    if new and (digest == new.digest or not (old or gone)):
        reason, found = "tag-moved", TEXTS["tag-moved"]
        todo = one_by_one(PUSH_OLD, DELETE_PUSHED)
    elif old and new:
        if asked and asked[-1].status == 405:
            switch_deletion_on.require(workspace)
        reason, why = explain_no_deletion(asked[-1], old) if asked else ("not-deleted", "")
        found, todo = Sentence.joined("`1.0` is still there, {old}.", why), in_order(DELETE)
    elif old:
        reason = "deleted-new"
        found = "`1.0` is still there, {old}; you deleted `2.0` instead."
        todo = one_by_one(PUSH_NEW, DELETE)
    elif not new:
        reason, todo = "deleted-both", in_order(PUSH_NEW)
        found = "The repository `{image}` has neither `1.0` nor `2.0`."
    else:
        held = stored_bytes(workspace)
        texts = {"size": megabytes(held), "bytes": f"{held:,}", "loose": megabytes(loose)}
        found = Sentence(TEXTS["deleted"], **texts)
        both = workspace.is_sample(new) and _was_old(workspace, deleted, loose)
        return Passed(found, (push_two_images.id,) if both else ())
    raise NotYet(reason, found=found, next=todo, digest=digest, old=short(digest))


@delete_by_digest.solution
def _(workspace):
    old, new = _images(workspace)
    if not new:
        workspace.push_as(workspace.image, workspace.ref(tag=NEW))
    if not old or old == new:
        workspace.push_as(workspace["old_image"], workspace.ref(tag=OLD))
    delete("{image}", OLD)(workspace)


delete_by_digest.mistake("deleted by tag", reason="by-tag", registry="registry:2")(delete_by_tag)
delete_by_digest.mistake(
    "only the tag deleted", advice=PUSH_OLD, reason="tag-moved", registry="registry:3"
)(delete_by_tag)
delete_by_digest.mistake("deleted by the image's id", reason="image-id")(
    lambda ws: ws.api.delete(ws.image, _images(ws)[0].config_digest)
)


@delete_by_digest.mistake("asked without Accept", reason="another-digest", registry="registry:2")
def _(workspace):
    answer = workspace.api.request("HEAD", f"{workspace.image}/manifests/{OLD}", accept="*/*")
    digest = answer.headers.get("Docker-Content-Digest")  # of an OCI image there is none
    workspace.api.delete(workspace.image, digest or f"sha256:{64 * '1'}")


delete_by_digest.mistake("only removed on the engine", reason="not-deleted")(untag(OLD_NAME))
delete_by_digest.mistake("deleted the wrong one", advice=PUSH_NEW, reason="deleted-new")(
    delete("{image}", NEW)
)
delete_by_digest.mistake("deleted both", advice=PUSH_NEW, reason="deleted-both")(
    delete("{image}", OLD), delete("{image}", NEW)
)
delete_by_digest.mistake("moved the tag instead", advice=PUSH_OLD, reason="tag-moved")(
    push_as(OLD_NAME, "{image}")
)


@lab.step(advice=COLLECT_FROM)
def collect_the_garbage(workspace, answer):
    """The bytes of `1.0` are gone from the disk. Your answer says how many kilobytes that freed."""
    sizes = sizes_in(answer, next="Submit only the difference, such as `1600` or `1.6 MB`.")
    _require_clean(workspace)
    held = stored_bytes(workspace)
    for size in sizes:
        if _near(size, BALLAST):
            before, after, freed = map(megabytes, (held + size, held, size))
            found = "Before: {before}. After: {after}, or {bytes} bytes. {freed} was freed."
            return Sentence(found, before=before, after=after, freed=freed, bytes=f"{held:,}")
    now, earlier = (any(_near(size, each) for size in sizes) for each in (held, held + BALLAST))
    told = ["Your answer is {answer}."]
    if now or earlier:
        told.append("That is the size now." if now else "That was the size before.")
    raise NotYet(
        "what-is-left" if now else "another-number",
        expected="The kilobytes before the collection, minus those after it.",
        found=Sentence.joined("The disk is clean, and {left} is left.", *told),
        next="From what `du -sk` printed before, subtract what it prints now.",
        left=megabytes(held),
        answer=answer,
    )


@collect_the_garbage.solution
def _(workspace):
    container = workspace.registry_container().id
    workspace.engine.start(container)
    workspace.wait_for_registry()
    if OLD in (workspace.api.tags(workspace.image) or ()):  # pushed to a registry that remembers
        restart_registry(workspace)
        workspace.push_as(workspace["old_image"], workspace.ref(tag=OLD))
        delete("{image}", OLD)(workspace)
    before = stored_bytes(workspace)
    stop_collect_start(workspace)
    return str(max(before - stored_bytes(workspace), BALLAST))  # where it was collected before this


collect_the_garbage.without_answer(lambda ws: _require_clean(ws))
collect_the_garbage.near_miss("deleted, but not collected", reason="garbage")("16")
collect_the_garbage.near_miss("both sizes", advice="difference", reason="no-size")("7448 4344")
collect_the_garbage.mistake("collected in another volume", reason="garbage")(collect, "3088")
collect_the_garbage.mistake("collected in the running registry", advice=AGAIN, reason="remembers")(
    collect_running, "3088"
)
collect_the_garbage.mistake("pushed again after that", advice=AGAIN, reason="pushed-again")(
    collect_running, push_as(OLD_NAME, "{old_image}"), "3088"
)
collect_the_garbage.mistake("not started again", advice="docker start {name}", reason="exited")(
    lambda ws: ws.engine.stop(ws.registry_container().id),
    lambda ws: collect(ws, volumes_from=[ws.name]),
    "3088",
)
collect_the_garbage.mistake("what is left as the answer", advice="subtract", reason="what-is-left")(
    stop_collect_start, lambda ws: str(stored_bytes(ws))
)


@lab.step
def pull_what_stays(workspace):
    """`{registry}/{image}:2.0` can still be pulled, whole, after the collection."""
    container = _require_clean(workspace)
    new = _images(workspace)[1]
    blobs, name = blob_sizes(new), workspace.ref(tag=NEW)
    if lost := [digest for digest in blobs if not has_blob(workspace, workspace.image, digest)]:
        todo = Sentence.joined(in_order(PUSH_NEW), "It sends what is missing.")
        raise NotYet("blob-lost", found=TEXTS["blob-lost"], next=todo, blob=short(lost[0]))
    layer = max(blobs, key=lambda digest: blobs[digest])
    requests = logged_requests(workspace, container.started)
    if any(each.method == "GET" and each.status == 200 and layer in each.path for each in requests):
        texts = {"size": megabytes(sum(blobs.values())), "digest": short(new.digest)}
        return Sentence("`{name}` was pulled whole, {size}: {digest}.", name=name, **texts)
    images = [image for image in workspace.engine.images() if image.id in new.image_ids]
    tags = [tag for image in images for tag in image.tags]
    found = "Since the registry started, nobody has pulled the layer {layer}{copy}."
    copy, todo = explain_no_pull(name, tags)
    raise NotYet("not-pulled", found=found, next=todo, layer=short(layer), copy=copy)


@pull_what_stays.solution
def _(workspace):
    if workspace.engine.image(workspace.sample):
        workspace.push_as(workspace.sample, workspace.ref(tag=NEW))
        remove_sample(workspace)
    workspace.pull(workspace.ref(tag=NEW))


pull_what_stays.mistake("pulled what was still there", advice="image rm", reason="not-pulled")(
    pull(NEW_NAME)
)
pull_what_stays.mistake("its layer was deleted", advice=PUSH_NEW, reason="blob-lost")(
    lambda ws: ws.api.request("DELETE", f"{ws.image}/blobs/{_images(ws)[1].layers[-1].digest}")
)


@lab.step
def remove_one_tag(workspace):
    """Your `{image}` is in `{registry}` as `shop:2`. It was there as `shop:1`, too, but that tag is
    gone."""
    require_registry(workspace, start=START)
    tags, two = workspace.api.tags("shop") or (), workspace.api.manifest("shop", "2")
    puts = [each.path for each in workspace.requests() if each.method == "PUT" and each.succeeded]
    pushed = [tag for tag in ("1", "2") if f"/v2/shop/manifests/{tag}" in puts]
    if two and "1" in tags:
        reason, found = "still-there", "Both tags are there."
        todo = "Your engine cannot remove a tag from a registry, and images are deleted by digest."
    elif "2" in pushed and not two:
        reason, found = "both-gone", "`shop:2` is gone, too: a deletion removes all of its tags."
        todo = "You can push it again, under the tag that should stay."
    elif not two or not workspace.is_sample(two, "shop"):
        reason, found = "not-pushed", "`shop:2` is missing, or is not your `{image}`."
        todo = "Push your image under both tags."
    elif "1" in pushed:
        return "`shop:2` is your `{image}`, and the tag `shop:1` is gone."
    else:
        reason, found = "never-there", "`shop:2` is there, but the log shows no push of `shop:1`."
        todo = "Push the image under the other tag as well, and then remove that tag."
    raise NotYet(reason, found=found, next=todo)


push_both = [push_as(f"{{registry}}/shop:{tag}", "{registry}/{image}:2.0") for tag in "12"]
remove_one_tag.solution(*push_both, delete("shop", "1"), push_both[1])
remove_one_tag.mistake("the image deleted with both tags", advice="push it", reason="both-gone")(
    *push_both, delete("shop", "1")
)
remove_one_tag.mistake("only removed on the engine", advice="by digest", reason="still-there")(
    *push_both, untag("{registry}/shop:1")
)
remove_one_tag.mistake("one tag only", advice="as well", reason="never-there")(push_both[1])


# What the registry has


def _was_old(workspace, deleted, loose):
    """Return whether the image with these digests was the old one: its bytes are still on the disk,
    or the engine knows it by such a digest."""
    old = workspace.engine.image(f"{workspace['old_image']}:latest")
    known = [name.partition("@")[2] for name in (old.digests if old else ())]
    return _near(loose, BALLAST) or any(digest in known for digest in deleted)


def _images(workspace):
    """Return the manifests behind the two tags."""
    return [workspace.api.manifest(workspace.image, tag) for tag in (OLD, NEW)]


def _require_clean(workspace):
    """Return the registry's container. Raise `NotYet` where its disk has more of this lab than
    tagged images."""
    container = require_registry(workspace, start=START)
    old, new = _images(workspace)
    reason, todo = "", in_order(COLLECT)
    if old:
        reason, todo = "not-deleted", one_by_one(DELETE, COLLECT)
        found = "`1.0` is still in the registry: an image with a tag is not garbage."
    elif OLD in (workspace.api.tags(workspace.image) or ()):
        reason, found = "pushed-again", TEXTS["pushed-again"]
        todo = one_by_one(RESTART, PUSH_OLD, DELETE_AND_COLLECT)
    elif not new:
        reason, todo = "deleted-new", in_order(PUSH_NEW)
        found = "The registry does not have `2.0`, which should stay."
    elif fault := collection_fault(workspace, workspace.image, LITTLE):
        reason, found, delete = fault
        todo = one_by_one(delete, COLLECT) if delete else Sentence.joined(todo, TEXTS["garbage"])
        if reason == "remembers":
            todo = Sentence.joined(in_order(RESTART), "The next time, stop it before you collect.")
    if reason:
        raise NotYet(
            reason,
            found=found,
            next=todo,
            container=container.name,
            digest=old.digest if old else "",
            its_image=container.image,
            its_config=configuration_path(container),
        )
    return container


def _near(number, wanted):
    """Return whether they differ by a tenth at most: `du` counts whole blocks, the engine bytes."""
    return abs(number - wanted) <= wanted / 10
