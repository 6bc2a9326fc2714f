"""Lose what a registry holds, get it back, and keep it in a named volume."""

from labrunner import (
    ANONYMOUS,
    RUN,
    STORAGE,
    Lab,
    NotYet,
    Passed,
    SecondRegistry,
    Sentence,
    act,
    anonymous_volumes,
    describe_difference,
    describe_mount,
    describe_other_mount,
    fullest_volume,
    has_push,
    is_anonymous,
    left_over_volumes,
    listed,
    push_as,
    require_memory,
    require_no_other_user,
    require_no_refusal,
    require_registry,
    restart_registry,
    run_registry,
    short,
    start_second_registry,
    storage_mount,
    took_a_push,
    volume_from_before,
    was_handed_on,
)

lab = Lab(
    title="Keep what you push",
    images=["registry:2", "busybox:stable"],
    sample=True,
    values={
        "volume": lambda ws: ws.unused("registry-data"),
        "copy": lambda ws: ws.unused("registry-copy"),
        "second": lambda ws: ws.unused("second-registry"),
    },
)

PUSH = Sentence(
    "`docker image tag {image} {registry}/{image}`, then `docker push {registry}/{image}`"
)
WRITE = "Write the name of the volume that has it now into `volume.txt`, as in the first step."
AGAIN = Sentence("{push}. {write} Then replace the container, without `-v`: {replace}")
MOUNTS = "Submit the `Name` that `docker inspect {container}` prints under `Mounts`."
NAMED = "-v {volume}:/var/lib/registry --name {name} {registry_image}"  # for the advice
OLD = ":/var/lib/registry --name {name} {registry_image}"


# Acts, for the solutions and mistakes


push = push_as("{registry}/{image}:latest")
# The containerd store sends nothing for a tag that is right already. So that it has to:
push_other = push_as("{registry}/{image}:latest", "busybox:stable")


def leave_volume(workspace):
    """Remove the container without its anonymous volume."""
    workspace.engine.remove_container(workspace.registry_container().id, volumes=False)


@act
def replace(workspace, source=None, at=STORAGE, **options):
    """Remove the container with its anonymous volume, and run another."""
    workspace.engine.remove_container(workspace.registry_container().id)
    workspace.run_registry(volumes={at: source} if source else {}, **options)


@lab.step(advice="docker inspect")
def find_the_files(workspace, answer):
    """`{registry}` keeps your image in an anonymous volume, and you know its name."""
    container, mount, values = _require_anonymous(workspace)
    volume = ANONYMOUS.search(answer)
    if not volume:
        reason = "no-volume"
        found = "Your answer does not have a volume's name, which is 64 hexadecimal digits."
    elif volume[0] == mount.source:
        found = Sentence("`{container}` keeps your image in {place}.", **values)
        return Passed(found, facts={"volume": mount.source})
    elif volume[0] == container.id:
        reason = "container-id"
        found = "That is the id of the container. Its volume has a name of its own."
    else:
        reason, found = "another-volume", "`{container}` does not keep its files in {volume}."
        found = Sentence(found, volume=short(volume[0]))
    raise NotYet(reason, found=found, next=MOUNTS, **values)


find_the_files.without_answer(lambda ws: _require_anonymous(ws))
find_the_files.solution(run_registry(), push, lambda ws: ws.registry_container().volumes[0])
find_the_files.mistake("nothing pushed", advice=PUSH, reason="not-pushed")(
    run_registry(), lambda ws: ws.registry_container().volumes[0]
)
find_the_files.mistake(
    "a named volume already", advice="docker rm -f {name}", reason="not-anonymous"
)(lambda ws: ws.run_registry(volumes={STORAGE: ws["volume"]}), push, "{volume}")
find_the_files.mistake("the container's id instead of the volume's name", reason="container-id")(
    run_registry(), push, lambda ws: ws.registry_container().id
)
find_the_files.mistake("the name of another volume", reason="another-volume")(
    run_registry(), push, "0123456789abcdef" * 4
)


@lab.step(advice="`volume.txt`")
def lose_the_image(workspace):
    """A new registry answers on `{registry}`, without your image. The old volume is left over."""
    container = _registry(workspace)
    mount, values = storage_mount(workspace, container), _values(workspace, container)
    if not _held(workspace):
        left, gone = left_over_volumes(workspace), anonymous_volumes(workspace, there=False)
        known = workspace.record.facts.get("volume")
        old = known if known in left else volume_from_before(workspace)
        if old in left:
            found = "`{container}` is new, and does not have your image. Left over: {volumes}."
            return Sentence(found, volumes=_listed(left), **values)
        require_no_other_user(workspace, [old] if old else [])
        again = Sentence(AGAIN, write=WRITE, **values)
        if gone:
            reason = "volume-gone"
            found = "Removed with its container, for example by `docker rm -v`: {gone}."
        else:
            require_memory(workspace, again)
            reason, found = "none-left", "No volume is left over that has your image."
        todo = "Do it again: {again}."
        raise NotYet(reason, found=found, next=todo, again=again, gone=_listed(gone))
    todo = "{replace}."
    if mount and not is_anonymous(mount.source):
        reason = "named-volume"
        found = "`{container}` still has it: {place} outlives its containers."
    elif took_a_push(workspace, container):
        reason = "same-container"
        found = "`{container}` still has it: it is the container that you pushed to."
        if mount and mount.source != workspace.record.facts.get("volume", mount.source):
            todo = Sentence.joined(WRITE, "Then {replace}.")
    else:
        reason = "handed-on"
        found = "`{container}` is new, but uses the old volume, for example by `--volumes-from`."
    raise NotYet(reason, found=found, next=todo, **values)


@lose_the_image.solution
def push_and_lose(workspace):
    workspace.engine.start(workspace.registry_container().id)
    workspace.wait_for_registry()
    push(workspace)
    leave_volume(workspace)
    workspace.run_registry()


lose_the_image.mistake(
    "the same container, restarted", advice="docker rm -f {name}", reason="same-container"
)(restart_registry)
lose_the_image.mistake("the old one only stopped", advice="docker rm {name}", reason="exited")(
    lambda ws: ws.engine.stop(ws.registry_container().id)
)
lose_the_image.mistake("removed together with its volume", reason="volume-gone")(replace())
lose_the_image.mistake("an empty volume left over", reason="volume-gone")(
    replace(), leave_volume, run_registry()
)
lose_the_image.mistake("pushed again after that", reason="same-container")(replace(), push)


@lab.step(advice=OLD)
def get_it_back(workspace):
    """`{registry}` holds your image again, and nobody has pushed it again."""
    serves = workspace.service().container  # what volumes hold is asked only where it matters
    container = _registry(workspace, None if serves else volume_from_before(workspace))
    manifest, mount = _held(workspace), storage_mount(workspace, container)
    if manifest and not took_a_push(workspace, container):
        found = "Nobody pushed to `{container}`, and it has {digest}."
        found = Sentence(found, digest=short(manifest.digest), container=container.name)
        lost = len(anonymous_volumes(workspace)) > 1  # an empty registry came in between
        return Passed(found, (find_the_files.id, lose_the_image.id) if lost else ())
    source, todo = volume_from_before(workspace), "{replace}."
    if manifest:
        reason, source = "pushed", source or (mount.source if mount else None)
        found = "`{container}` has your image because you pushed it to this container{other}."
    else:
        reason, found = "no-image", "`{container}` does not have your image in {place}{other}."
        if not source:
            reason, todo = "lost", Sentence("Do it again: {again}.", again=AGAIN)
            found = Sentence.joined(found, "No anonymous volume has it, either.")
    values = _values(workspace, container, source)
    raise NotYet(reason, found=found, next=todo, write=WRITE, **values)


@get_it_back.solution
def _(workspace):
    if not volume_from_before(workspace):
        push_and_lose(workspace)
    replace(volume_from_before(workspace))(workspace)


get_it_back.mistake("pushed again instead", reason="pushed")(push)
get_it_back.mistake("a slip in the volume's name", reason="no-image")(replace("{volume}-x"))
get_it_back.mistake("the volume at another path", reason="no-image")(
    lambda ws: replace(volume_from_before(ws), at="/registry")(ws)
)
get_it_back.mistake("its last volume removed", advice="without `-v`", reason="lost")(
    lambda ws: ws.engine.remove_volume(volume_from_before(ws))
)


@get_it_back.mistake("the name of a volume that is gone", reason="no-image")
def _(workspace):
    gone = volume_from_before(workspace)
    workspace.engine.remove_volume(gone)
    push_and_lose(workspace)
    replace(gone)(workspace)


@lab.step(lasting=True, advice=NAMED)
def name_a_volume(workspace):
    """`{registry}` keeps its files in a named volume, or in a folder of yours."""
    container = _registry(workspace, workspace["volume"])
    mount = storage_mount(workspace, container)
    values = _values(workspace, container, workspace["volume"])
    if mount and not is_anonymous(mount.source):
        return Sentence("`{container}` keeps its files in {place}.", **values)
    reason = "anonymous" if mount else "no-volume"
    expected = "A named volume, or a folder of yours, is mounted at `/var/lib/registry`."
    found = "`{container}` keeps its files in {place}{other}."
    raise NotYet(reason, expected=expected, found=found, next="{replace}.", **values)


name_a_volume.solution(replace("{volume}"))
name_a_volume.mistake("an anonymous volume again", reason="anonymous")(replace())
name_a_volume.mistake("the volume at another path", reason="anonymous")(
    replace("{volume}", at="/data")
)
name_a_volume.mistake("in memory", reason="no-volume")(replace(tmpfs={STORAGE: ""}))


@lab.step(advice=NAMED)
def replace_it_again(workspace):
    """A container that nobody pushed to has your image: the volume kept it, with its digest."""
    container = _registry(workspace, workspace["volume"])
    mount = storage_mount(workspace, container)
    kept = mount if mount and not is_anonymous(mount.source) else None
    manifest = _held(workspace) if kept else None
    if manifest and not took_a_push(workspace, container):
        found = (
            "Nobody pushed to the container `{container}`, {id}. It has your image, {digest}, "
            "because {place} has it."
        )
        id, digest = short(container.id), short(manifest.digest)
        return Sentence(found, id=id, digest=digest, **_values(workspace, container))
    full = fullest_volume(workspace, anonymous=False)
    source, todo = kept.source if kept else full or workspace["volume"], "{replace}."
    if manifest:
        reason = "same-container"
        found = "`{container}` has it because you pushed it to this container."
        found = Sentence.joined(found, "A restart does not make a new one.")
    elif full and not (mount and mount.source == full):
        reason, source = "another-volume", full
        found = "What you pushed before is in the volume `{full}`."
        found = Sentence.joined("`{container}` keeps its files in {place}.", found)
    else:
        start = _start(workspace, source)
        require_no_refusal(workspace, workspace.image, again=PUSH, start=start)
        reason, found = "not-pushed", "`{container}` does not have your image in {place}."
        todo = "Push it first: {push}. Then replace the container: {replace}."
        if not kept:
            found, todo = "`{container}` keeps its files in {place}.", "{replace}, then {push}."
    values = _values(workspace, container, source)
    raise NotYet(reason, found=found, next=todo, full=full, **values)


replace_it_again.solution(push, replace("{volume}"))
replace_it_again.mistake("nothing pushed before", advice=PUSH, reason="not-pushed")(
    replace("{volume}")
)
replace_it_again.mistake("the same container, restarted", reason="same-container")(
    push_other, push, restart_registry
)
replace_it_again.mistake("another, empty volume mounted", reason="another-volume")(
    push, replace("{volume}-x")
)
replace_it_again.mistake("no volume the second time", reason="another-volume")(push, replace())
replace_it_again.mistake("pushed again after the replacement", reason="same-container")(
    push, replace("{volume}"), push_other, push
)


@lab.step
def clear_up(workspace):
    """No anonymous volume of your registries is left over, and your image is still there."""
    if left := left_over_volumes(workspace):
        found = "Left over, and not used by any container: {volumes}."
        todo = f"`docker volume rm {' '.join(left)}`."
        raise NotYet("left-over", found=found, next=todo, volumes=_listed(left))
    require_no_other_user(workspace, anonymous_volumes(workspace, there=True))
    if anonymous_volumes(workspace, there=True) or not anonymous_volumes(workspace):
        found = "There is nothing to clear up yet: no anonymous volume is left over."
        raise NotYet("nothing-yet", found=found, next="Do the steps before this one first.")
    _registry(workspace, workspace["volume"])
    if not (manifest := _held(workspace)):
        found = "Nothing is left over, but `{registry}` does not have your image either."
        raise NotYet("no-image", found=found, next="{push}.", push=PUSH)
    found = "Nothing is left over, and `{registry}` still has your image, {digest}."
    found = Sentence(found, digest=short(manifest.digest))
    earlier = (find_the_files.id, lose_the_image.id, get_it_back.id)
    return Passed(found, earlier if was_handed_on(workspace) else ())


@clear_up.solution
def _(workspace):
    for name in left_over_volumes(workspace):
        workspace.engine.remove_volume(name)
    if not _held(workspace):
        push(workspace)


clear_up.mistake(
    "docker rm -v, which removes only the container's own volume",
    advice="docker volume rm",
    reason="left-over",
)(replace("{volume}"))


@clear_up.mistake("the named volume removed as well", advice=PUSH, reason="no-image")
def _(workspace):
    workspace.engine.remove_container(workspace.registry_container().id)
    for name in [workspace["volume"], *left_over_volumes(workspace)]:
        workspace.engine.remove_volume(name)
    workspace.run_registry(volumes={STORAGE: workspace["volume"]})


@lab.step
def try_a_copy(workspace):
    """`{second}` is another registry, on a port of its own, and has your image. Nobody has pushed
    it there: its files are a copy of the files of `{registry}`."""
    container = _registry(workspace, workspace["volume"])
    if not (held := _held(workspace)):
        found = "`{registry}` does not have your image, so there is nothing to copy."
        raise NotYet("not-pushed", found=found, next="{push}.", push=PUSH)
    second = SecondRegistry.require(workspace)
    shared, own = (storage_mount(workspace, each) for each in (container, second.container))
    manifest = second.api.manifest(workspace.image, "latest")
    values = _values(workspace, second.container)
    if own and shared and own.source == shared.source:
        reason = "same-volume"
        found = "`{container}` and `{first}` share {place}. That is not a copy."
    elif not manifest or manifest.digest != held.digest:
        reason, found = "no-image", "`{container}` does not have your image in {place}{other}."
    elif has_push(second.requests(), workspace.image):
        reason, found = "pushed", "`{container}` has your image because you pushed it there."
    else:
        found = "`{container}` has {digest} as well, in {place}."
        return Sentence(found, digest=short(manifest.digest), **values)
    raise NotYet(
        reason,
        found=found,
        next="Remove `{container}`, and fill a volume that the two do not share: a container that "
        "mounts the old volume and the new one can copy the files. Then run it again, with the new "
        "volume.",
        first=container.name,
        **values,
    )


def serve_second(workspace, source):
    return start_second_registry(workspace, volumes={STORAGE: workspace[source]})


@try_a_copy.solution
def _(workspace):
    volumes = {"/from:ro": workspace.registry_container().mounts[0].source}
    volumes["/to"] = workspace["copy"]
    workspace.run_to_end("busybox:stable", ["cp", "-a", "/from/.", "/to"], volumes=volumes)
    serve_second(workspace, "copy")


try_a_copy.mistake("both on one volume", advice="do not share", reason="same-volume")(
    lambda ws: serve_second(ws, "volume")
)
try_a_copy.mistake("on an empty volume", advice="copy the files", reason="no-image")(
    lambda ws: serve_second(ws, "copy")
)
try_a_copy.mistake("pushed instead of copied", advice="copy the files", reason="pushed")(
    lambda ws: ws.push_as(ws.sample, f"{serve_second(ws, 'copy')}/{ws.image}:latest")
)


# The registry, and its container


def _registry(workspace, source=None):
    """Return the container of the registry that answers. source: what the wanted one mounts."""
    return require_registry(workspace, start=_start(workspace, source), anew=True)


def _require_anonymous(workspace):
    """Return the container, its anonymous volume, which has the image, and what verdicts name."""
    container = _registry(workspace)
    mount, values = storage_mount(workspace, container), _values(workspace, container)
    if not mount or not is_anonymous(mount.source):
        expected = "A registry that was started without `-v`."
        found, todo = "`{container}` keeps its files in {place}.", "{replace}, then {push}."
        raise NotYet("not-anonymous", expected=expected, found=found, next=todo, **values)
    if not _held(workspace):
        require_no_refusal(workspace, workspace.image, again=PUSH)
        found = "`{registry}` does not hold `{image}:latest` yet."
        raise NotYet("not-pushed", found=found, next="{push}.", push=PUSH)
    return container, mount, values


def _start(workspace, source):
    """Return the command that starts the registry, with a volume or folder or without."""
    if not source:
        return RUN
    publish = f"-p {workspace.port}:5000 -v {source}:{STORAGE}"
    return f"`docker run -d {publish} --name {workspace.name} {workspace.registry_image}`"


def _values(workspace, container, source=None):
    """Return what verdicts name. source: what is mounted by the container that replaces this."""
    replace = "`docker rm -f {container}`, then {start}"
    return {
        "container": container.name,
        "place": describe_mount(storage_mount(workspace, container)),
        "other": describe_other_mount(workspace, container),
        "push": PUSH,
        "replace": Sentence(replace, container=container.name, start=_start(workspace, source)),
    }


def _held(workspace):
    """Return the manifest of the lab's image in the registry, or None."""
    manifest = workspace.api.manifest(workspace.image, "latest")
    if manifest and not workspace.is_sample(manifest):
        found = "`{registry}/{image}:latest` is another image{differs}."
        found = Sentence(found, differs=describe_difference(workspace, manifest))
        raise NotYet("another-image", found=found, next="{push}. The tag will move.", push=PUSH)
    return manifest


def _listed(volumes):
    """Return volumes by the beginnings of their names, as `short` does one."""
    return listed(short(each).strip("`") for each in volumes)
