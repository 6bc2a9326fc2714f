"""Lose what a registry holds, get it back, and keep it in a volume with a name."""

import re
from pathlib import PurePosixPath

from labrunner import (
    RUN,
    CannotCheck,
    Lab,
    NotARegistry,
    NotYet,
    RegistryDown,
    short,
)

lab = Lab(title="Keep what you push", images=["registry:2", "busybox:stable"], sample=True)

STORE = "/var/lib/registry"  # where a registry keeps its files, unless its settings say otherwise
ANONYMOUS = re.compile("[0-9a-f]{64}")  # the engine's own name for a volume that was given none
PUSH = "`docker image tag {image} {registry}/{image}`, then `docker push {registry}/{image}`"
WITH_THE_NAMED_VOLUME = f"-v {{volume}}:{STORE} --name {{name}} registry:2"  # for the advice
WITH_THE_OLD_VOLUME = f":{STORE} --name {{name}} registry:2"


@lab.value
def volume(workspace):
    return workspace.unused("registry-data")


@lab.step
def find_the_files(workspace, answer):
    """`{registry}` keeps your image in an anonymous volume, and you know its name."""
    expected = workspace.fill("The name of the volume in which `{registry}` keeps your image.")
    container = _registry(workspace, expected)
    mount = _mount(container)
    if not mount or not _anonymous(mount.source):
        raise NotYet(
            expected="A registry that was started without `-v`.",
            found=f"`{container.name}` keeps its files in {_described(mount)}.",
            next=f"{_anew(workspace, container)}, then {workspace.fill(PUSH)}.",
        )
    if not _holds(workspace, expected):
        raise NotYet(
            expected=expected,
            found=workspace.fill("`{registry}` holds no `{image}:latest` yet."),
            next=workspace.fill(f"{PUSH}."),
        )
    name = ANONYMOUS.search(answer)
    if name and name[0] == mount.source:
        return f"`{container.name}` keeps your image in {_described(mount)}."
    found = "Your answer has no volume's name in it, which is 64 hexadecimal digits."
    if name and name[0] == container.id:
        found = "That is the id of the container. Its volume has a name of its own."
    elif name:
        found = f"`{container.name}` does not keep its files in {short(name[0])}."
    raise NotYet(
        expected=expected,
        found=found,
        next=f"`docker inspect --format '{{{{(index .Mounts 0).Name}}}}' {container.name}`.",
    )


@find_the_files.solution
def _(workspace):
    workspace.run_registry()
    _push(workspace)
    return _mount(workspace.registry_container()).source


@find_the_files.mistake("nothing pushed", advice="docker push {registry}/{image}")
def _(workspace):
    workspace.run_registry()
    return _mount(workspace.registry_container()).source


@find_the_files.mistake("a volume with a name already", advice="docker rm -f {name}")
def _(workspace):
    workspace.run_registry(volumes={STORE: workspace["volume"]})
    _push(workspace)
    return workspace["volume"]


@find_the_files.mistake("the container's id for the volume's name", advice="docker inspect")
def _(workspace):
    container = workspace.run_registry()
    _push(workspace)
    return container


@find_the_files.mistake("the name of another volume", advice="docker inspect")
def _(workspace):
    workspace.run_registry()
    _push(workspace)
    return "0123456789abcdef" * 4


@lab.step
def lose_the_image(workspace):
    """A new registry answers on `{registry}`, without your image; the old volume is left over."""
    expected = workspace.fill(
        "A new registry on `{registry}`, without `{image}`; the volume of the old one is left over."
    )
    container = _registry(workspace, expected)
    if _holds(workspace, expected):
        mount = _mount(container)
        found = f"`{container.name}` still has it: it is the container that you pushed to."
        if mount and not _anonymous(mount.source):
            found = f"`{container.name}` still has it: {_described(mount)} outlives its containers."
        elif not _took_a_push(workspace, container):
            found = f"`{container.name}` is new, but was given the volume of the old one, as with "
            found += "`--volumes-from`."
        raise NotYet(expected=expected, found=found, next=f"{_anew(workspace, container)}.")
    left, gone = _left_over(workspace), _gone(workspace)
    if left:
        return f"`{container.name}` is new, and has no such image. {_listed(left)} is left over."
    raise NotYet(
        expected=expected,
        found=f"{_listed(gone)} went with its container, as with `docker rm -v` or `docker run "
        "--rm`."
        if gone
        else "There was no registry with an anonymous volume before this one.",
        next=workspace.fill(f"Once more: {PUSH}. ")
        + f"Then replace it without `-v`: {_anew(workspace, container)}.",
    )


@lose_the_image.solution
def _(workspace):
    workspace.engine.remove_container(_registry(workspace, "").id, volumes=False)
    workspace.run_registry()


@lose_the_image.mistake("the same container, restarted", advice="docker rm -f {name}")
def _(workspace):
    _restart(workspace)


@lose_the_image.mistake("the old one only stopped", advice="docker rm {name}")
def _(workspace):
    workspace.engine.stop(_registry(workspace, "").id)


@lose_the_image.mistake("removed together with its volume", advice="without `-v`")
def _(workspace):
    _replace(workspace)


@lab.step
def get_it_back(workspace):
    """`{registry}` holds your image again, and nobody has pushed it there."""
    expected = workspace.fill("`{registry}` holds `{image}:latest` again, without a push.")
    known = _anonymous_volumes(workspace)  # the first is the one that was pushed to
    old = known[0] if known else None
    container = _registry(workspace, expected, old)
    manifest = _holds(workspace, expected)
    found = f"`{container.name}` has no such image in {_described(_mount(container))}"
    if manifest:
        if not _took_a_push(workspace, container):
            return f"`{container.name}` took no push, and has {short(manifest.digest)}."
        found = f"`{container.name}` has it because you pushed it to this very container"
    raise NotYet(
        expected=expected,
        found=f"{found}{_elsewhere(container)}.",
        next=f"{_anew(workspace, container, old)}.",
    )


@get_it_back.solution
def _(workspace):
    _replace(workspace, _left_over(workspace)[0])


@get_it_back.mistake("pushed again instead", advice=WITH_THE_OLD_VOLUME)
def _(workspace):
    _push(workspace)


@get_it_back.mistake("a slip in the volume's name", advice=WITH_THE_OLD_VOLUME)
def _(workspace):
    _replace(workspace, f"{workspace['volume']}-x")


@get_it_back.mistake("the volume at another path", advice=WITH_THE_OLD_VOLUME)
def _(workspace):
    _replace(workspace, _left_over(workspace)[0], at="/registry")


@lab.step(lasting=True)
def name_a_volume(workspace):
    """`{registry}` keeps its files in a volume with a name, or in a folder of yours."""
    expected = f"A volume with a name, or a folder, is mounted at `{STORE}`."
    container = _registry(workspace, expected, workspace["volume"])
    mount = _mount(container)
    found = f"`{container.name}` keeps its files in {_described(mount)}"
    if mount and not _anonymous(mount.source):
        return f"{found}."
    raise NotYet(
        expected=expected,
        found=f"{found}{_elsewhere(container)}.",
        next=f"{_anew(workspace, container, workspace['volume'])}.",
    )


@name_a_volume.solution
def _(workspace):
    _replace(workspace, workspace["volume"])


@name_a_volume.mistake("an anonymous volume again", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _replace(workspace)


@name_a_volume.mistake("the volume at another path", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _replace(workspace, workspace["volume"], at="/data")


@name_a_volume.mistake("in memory", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _replace(workspace, tmpfs={STORE: ""})


@lab.step
def replace_it_again(workspace):
    """A container that took no push has your image: the volume has kept it, with its digest."""
    expected = workspace.fill("A new container on `{registry}` has what an older one was given.")
    container = _registry(workspace, expected, workspace["volume"])
    mount = _mount(container)
    kept = mount and not _anonymous(mount.source)
    manifest = _holds(workspace, expected) if kept else None
    if manifest and not _took_a_push(workspace, container):
        return (
            f"The container `{container.name}`, {short(container.id)}, took no push. It has your "
            f"image, {short(manifest.digest)}, because {_described(mount)} has."
        )
    full = _fullest(workspace)
    source = mount.source if kept else full or workspace["volume"]
    if manifest:
        found = (
            f"`{container.name}` has it because you pushed it to this very container. A restart "
            "does not make it another."
        )
    elif full not in (None, mount and mount.source):
        source = full
        found = (
            f"`{container.name}` keeps its files in {_described(mount)}. What the one before was "
            f"given is in the volume `{full}`."
        )
    else:
        raise NotYet(
            expected=expected,
            found=f"`{container.name}` has no such image in {_described(mount)}.",
            next=workspace.fill(f"Push it first: {PUSH}. ")
            + f"Then replace the container: {_anew(workspace, container, source)}.",
        )
    raise NotYet(expected=expected, found=found, next=f"{_anew(workspace, container, source)}.")


@replace_it_again.solution
def _(workspace):
    _push(workspace)
    _replace(workspace, workspace["volume"])


@replace_it_again.mistake("nothing pushed before", advice="docker push {registry}/{image}")
def _(workspace):
    _replace(workspace, workspace["volume"])


@replace_it_again.mistake("the same container, restarted", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _push(workspace)
    _restart(workspace)


@replace_it_again.mistake("an empty other volume mounted", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _push(workspace)
    _replace(workspace, f"{workspace['volume']}-x")


@replace_it_again.mistake("no volume the second time", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _push(workspace)
    _replace(workspace)


@replace_it_again.mistake("pushed again after the replacement", advice=WITH_THE_NAMED_VOLUME)
def _(workspace):
    _push(workspace)
    _replace(workspace, workspace["volume"])
    _push(workspace)


@lab.step
def clear_up(workspace):
    """No anonymous volume of your registries is left over, and your image is still there."""
    expected = workspace.fill("Nothing is left over but the volume in which `{image}` is.")
    if left := _left_over(workspace):
        raise NotYet(
            expected=expected,
            found=f"Left over, and used by no container: {_listed(left)}.",
            next=f"`docker volume rm {' '.join(left)}`.",
        )
    if _anonymous_volumes(workspace) or not _gone(workspace):
        raise NotYet(
            expected=expected,
            found="There is nothing to clear up yet: no anonymous volume is left over.",
            next="Do the steps before this one first.",
        )
    _registry(workspace, expected, workspace["volume"])
    manifest = _holds(workspace, expected)
    if not manifest:
        raise NotYet(
            expected=expected,
            found=workspace.fill("Nothing is left over, but `{registry}` has no `{image}` either."),
            next=workspace.fill(f"{PUSH}."),
        )
    has = workspace.fill("Nothing is left over, and `{registry}` still has your image")
    return f"{has}, {short(manifest.digest)}."


@clear_up.solution
def _(workspace):
    for name in _left_over(workspace):
        workspace.engine.remove_volume(name)


@clear_up.mistake("docker rm -v, which takes only a container's own", advice="docker volume rm")
def _(workspace):
    _replace(workspace, workspace["volume"])


@clear_up.mistake("the named volume removed as well", advice="docker push {registry}/{image}")
def _(workspace):
    workspace.engine.remove_container(_registry(workspace, "").id)
    for name in (workspace["volume"], *_left_over(workspace)):
        workspace.engine.remove_volume(name)
    workspace.run_registry(volumes={STORE: workspace["volume"]})


def _run(workspace, source=None):
    """The command that starts the registry, with a volume or folder for its files or without."""
    run = workspace.fill(RUN)
    return run.replace(" --name", f" -v {source}:{STORE} --name") if source else run


def _anew(workspace, container, source=None):
    return f"`docker rm -f {container.name}`, then {_run(workspace, source)}"


def _registry(workspace, expected, source=None):
    """The container of the registry that answers. source: what the wanted one mounts."""
    run = _run(workspace, source)
    try:
        workspace.api.ping()
    except (RegistryDown, NotARegistry) as wrong:
        container = workspace.registry_container()
        todo = wrong.next.replace(_run(workspace), run)
        if container and container.state == "exited":
            todo = f"`docker rm {container.name}`, then {run}."
        raise NotYet(expected=expected, found=wrong.found, next=todo) from None
    container = workspace.registry_container()
    if container and container.publishes(workspace.port):
        return container
    raise NotYet(
        expected=expected,
        found="A registry answers there, but no container publishes that port.",
        next=f"Stop the program that answers, then {run}.",
    )


def _holds(workspace, expected):
    """The manifest of the lab's image in the registry, or None."""
    manifest = workspace.api.manifest(workspace.image, "latest")
    if manifest and workspace.sample not in manifest.ids:
        raise NotYet(
            expected=expected,
            found=workspace.fill("`{registry}/{image}:latest` is another image than yours."),
            next=workspace.fill(f"{PUSH}. The tag will move."),
        )
    return manifest


def _took_a_push(workspace, container):
    """Whether the image was pushed to this very container, whose log is as old as it is. Where
    requests are not logged, the engine may remember when it pushed."""
    if asked := workspace.requests():
        manifests = f"/v2/{workspace.image}/manifests/"
        return any(each.method == "PUT" and each.path.startswith(manifests) for each in asked)
    since, now = workspace.record.opened, workspace.engine.info().time
    name = f":{workspace.port}/{workspace.image}:latest"
    events = workspace.engine.events(since, now, type="image", event="push")
    if pushes := [event.time for event in events if event.id.endswith(name)]:
        return max(pushes) > container.created
    raise CannotCheck(
        f"The log of `{container.name}` shows no requests, and the engine remembers no push.",
        next="Push the image with `docker push`, then replace the container once more.",
    )


def _mount(container):
    """What is mounted where the registry keeps its files."""
    root = container.environment.get("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", STORE)
    files = PurePosixPath(root, "docker/registry/v2")
    around = [each for each in container.mounts if files.is_relative_to(each.target)]
    return max(around, key=lambda each: len(each.target), default=None)


def _elsewhere(container):
    """A volume or folder that somebody mounted where the registry does not look."""
    for each in container.mounts:
        if each != _mount(container):
            return f"; {_described(each)} is mounted at `{each.target}`, where it does not look"
    return ""


def _anonymous(name):
    return bool(ANONYMOUS.fullmatch(name))


def _described(mount):
    if not mount:
        return "the container itself or in memory"
    if mount.kind == "bind":
        return f"the folder `{mount.source}`"
    if _anonymous(mount.source):
        return f"the anonymous volume {short(mount.source)}"
    return f"the volume `{mount.source}`"


def _seen(workspace):
    """The volumes of the lab's containers, the oldest first, also of those that are gone: those
    that checks have met, and those that the engine remembers of containers by the lab's names."""
    engine, record = workspace.engine, workspace.record
    now = engine.info().time
    created = engine.events(record.opened, now, type="container", event="create")
    ours = {event.id for event in created if event.attributes.get("name") in record.names}
    mounts = engine.events(record.opened, now, type="volume", event="mount")
    recalled = [event.id for event in mounts if event.attributes.get("container") in ours]
    return list(dict.fromkeys([*record.seen["volumes"], *recalled]))


def _anonymous_volumes(workspace):
    there = {each.name for each in workspace.engine.volumes()}
    return [name for name in _seen(workspace) if name in there and _anonymous(name)]


def _left_over(workspace):
    """The anonymous volumes that no container has any more."""
    known = _anonymous_volumes(workspace)
    return [name for name in known if not workspace.engine.containers(volume=name)]


def _gone(workspace):
    """The anonymous volumes that were removed."""
    there = {each.name for each in workspace.engine.volumes()}
    return [name for name in _seen(workspace) if name not in there and _anonymous(name)]


def _fullest(workspace):
    """The named volume that holds most, or None where all are empty."""
    named = [name for name in _seen(workspace) if not _anonymous(name)]
    sizes = [(workspace.engine.volume_size(name) or 0, name) for name in named]
    return max((row for row in sizes if row[0]), default=(0, None))[1]


def _push(workspace):
    name = f"{workspace.registry}/{workspace.image}:latest"
    workspace.tag(workspace.sample, name)
    workspace.push(name)


def _replace(workspace, source=None, at=STORE, **options):
    """Remove the container with its anonymous volume, and run another."""
    workspace.engine.remove_container(_registry(workspace, "").id)
    workspace.run_registry(volumes={at: source} if source else {}, **options)


def _restart(workspace):
    workspace.engine.restart(_registry(workspace, "").id)
    workspace.wait_for_registry()


def _listed(names):
    return " and ".join(map(short, names))
