"""Name an image after your registry, push it there, and pull it back."""

from labrunner import LOOPBACK, CannotCheck, Lab, NotYet, listed, misnamed, short

lab = Lab(
    title="Push and pull", images=["registry:2", "busybox:stable"], registry=True, sample=True
)

TAG = "`docker image tag {image} {registry}/{image}`"
PUSH = "`docker push {registry}/{image}`"
PULL = "`docker pull {registry}/{image}`"
REMOVE = "`docker image rm {image} {registry}/{image}`"
RUN_IT = "`docker run --rm {registry}/{image}`"


@lab.step
def tag_the_image(workspace):
    """Your image has the name `{registry}/{image}:latest` as well."""
    wanted = _names(workspace)
    expected = workspace.fill("`{registry}/{image}:latest` is a name of your image `{image}`.")
    retag = workspace.fill(f"{TAG}.")
    for name in wanted:
        image = workspace.engine.image(name)
        if image and image.id == workspace.sample:
            return f"`{name}` is your image, {short(image.id)}."
        if image:
            raise NotYet(
                expected=expected,
                found=f"`{name}` is another image, {short(image.id)}{_known_as(image, wanted)}.",
                next=f"{retag} The name moves to your image.",
            )
    image = workspace.engine.image(workspace.sample)
    others = [tag for tag in image.tags if tag != f"{workspace.image}:latest"] if image else []
    if not image:
        raise NotYet(
            expected=expected,
            found=workspace.fill("Your engine no longer has the image `{image}`."),
            next="Start the lab again: it builds the image again.",
        )
    if not others:
        raise NotYet(
            expected=expected,
            found=workspace.fill("Your image has no name but `{image}:latest`."),
            next=retag,
        )
    raise NotYet(
        expected=expected,
        found=misnamed(workspace, others[0], workspace.image, "latest"),
        next=retag,
    )


@tag_the_image.solution
def _(workspace):
    workspace.tag(workspace.sample, _name(workspace))


@tag_the_image.mistake("the port written as a tag", advice="{registry}/{image}")
def _(workspace):
    workspace.tag(workspace.sample, f"{workspace.image}:{workspace.port}")


@tag_the_image.mistake("a slip in the path", advice="{registry}/{image}")
def _(workspace):
    workspace.tag(workspace.sample, f"{workspace.registry}/{workspace.image}x:latest")


@tag_the_image.mistake("another tag", advice="{registry}/{image}")
def _(workspace):
    workspace.tag(workspace.sample, f"{workspace.registry}/{workspace.image}:v1")


@tag_the_image.mistake("another image under the name", advice="{image} {registry}/{image}")
def _(workspace):
    workspace.tag("busybox:stable", _name(workspace))


@lab.step(lasting=True)
def push_the_image(workspace):
    """`{registry}` holds your image as `{image}:latest`."""
    expected = workspace.fill("`{registry}` holds your image `{image}` under the tag `latest`.")
    manifest = workspace.api.manifest(workspace.image, "latest")
    if manifest and workspace.sample in manifest.ids:
        return f"`{_name(workspace)}` is your image, {short(manifest.digest)}."
    if manifest:
        raise NotYet(
            expected=workspace.fill("`{image}:latest` in the registry is your `{image}`, ")
            + f"{short(workspace.sample)}.",
            found=f"{short(manifest.digest)}{_which(workspace, manifest.ids)}.",
            next=workspace.fill(f"{TAG}, then {PUSH}. The tag will move."),
        )
    if place := _elsewhere(workspace):
        raise NotYet(
            expected=expected,
            found=f"Your image, under `{place}` only.",
            next=workspace.fill(f"{TAG}, then {PUSH}. `{place}` may stay."),
        )
    names = [name for name in _names(workspace) if workspace.engine.image(name)]
    repositories = workspace.api.repositories()
    lacks = f"the registry has no repository `{workspace.image}`"
    if workspace.image in repositories:
        lacks = f"the registry's repository `{workspace.image}` has no tag `latest`"
    if names:
        raise NotYet(
            expected=expected,
            found=f"`{names[0]}` is a name on your engine, but {lacks}.",
            next=f"`docker push {names[0]}`.",
        )
    raise NotYet(
        expected=expected,
        found=f"Your engine has no image of that name, and {lacks}.",
        next=workspace.fill(f"{TAG}, then {PUSH}."),
    )


@push_the_image.solution
def _(workspace):
    workspace.push(_name(workspace))


@push_the_image.mistake("tagged, but not pushed", advice="docker push {registry}/{image}")
def _(workspace):
    workspace.tag(workspace.sample, _name(workspace))


@push_the_image.mistake("pushed under another tag", advice="{image} {registry}/{image}")
def _(workspace):
    _push_as(workspace, workspace.sample, f"{workspace.registry}/{workspace.image}:v1")


@push_the_image.mistake("pushed under another name", advice="{image} {registry}/{image}")
def _(workspace):
    _push_as(workspace, workspace.sample, f"{workspace.registry}/team/app:latest")


@push_the_image.mistake("another image under the right name", advice="The tag will move")
def _(workspace):
    _push_as(workspace, "busybox:stable", _name(workspace))


@lab.step
def remove_your_copies(workspace):
    """Your engine has the image no more; the registry still has it."""
    expected = workspace.fill("Your engine has the image `{image}` under no name.")
    image = workspace.engine.image(workspace.sample)
    manifest = workspace.api.manifest(workspace.image, "latest")
    if not manifest or workspace.sample not in manifest.ids:
        raise NotYet(
            expected=workspace.fill("`{registry}` still has your image when your engine does not."),
            found=workspace.fill("`{registry}` does not hold it as `{image}:latest`."),
            next=workspace.fill(f"Push it first: {PUSH}.")
            if image
            else "Start the lab again: it builds the image again. Then tag and push it.",
        )
    if not image:
        return f"Your engine no longer has {short(workspace.sample)}; `{workspace.registry}` does."
    names = image.tags or (image.id[7:19],)
    found = f"It still has it as {listed(names)}."
    todo = f"`docker image rm {' '.join(names)}`."
    if users := [each.name for each in workspace.engine.containers(ancestor=image.id)]:
        found += f" The container {listed(users)} was made from it, and so holds it."
        todo = f"`docker rm -f {' '.join(users)}`, then {todo}"
    raise NotYet(expected=expected, found=found, next=todo)


@remove_your_copies.solution
def _(workspace):
    workspace.engine.remove_image(f"{workspace.image}:latest")
    workspace.engine.remove_image(_name(workspace))


@remove_your_copies.mistake("pulled without removing first", advice="docker image rm")
def _(workspace):
    workspace.pull(_name(workspace))


@remove_your_copies.mistake("one name of two removed", advice="image rm {registry}/{image}")
def _(workspace):
    workspace.engine.remove_image(f"{workspace.image}:latest")


@remove_your_copies.mistake("a container still holds it", advice="docker rm -f user-{name}")
def _(workspace):
    workspace.create(workspace.sample, name=f"user-{workspace.name}")
    workspace.engine.remove_image(f"{workspace.image}:latest")


@lab.step
def pull_it_back(workspace):
    """Your engine has `{registry}/{image}` again, pulled from the registry."""
    expected = workspace.fill("`{registry}/{image}:latest` is on your engine, pulled from there.")
    manifest = workspace.api.manifest(workspace.image, "latest")
    names = [name for name in _names(workspace) if workspace.engine.image(name)]
    if not names:
        raise NotYet(
            expected=expected,
            found="Your engine has no image of that name.",
            next=workspace.fill(f"{PULL}."),
        )
    image = workspace.engine.image(names[0])
    if not manifest or image.id not in manifest.ids:
        raise NotYet(
            expected=expected,
            found=f"`{names[0]}` is another image than the registry's: {short(image.id)}.",
            next=workspace.fill(f"{PULL}. The name will move to the registry's image."),
        )
    if not _pulled(workspace, manifest):
        raise NotYet(
            expected=expected,
            found="The image is there, but the engine has not fetched it from the registry since "
            "the lab began: it never left.",
            next=workspace.fill(f"{REMOVE}, then {PULL}."),
        )
    return f"`{names[0]}` came from the registry, {short(manifest.digest)}."


@pull_it_back.solution
def _(workspace):
    workspace.pull(_name(workspace))


@pull_it_back.mistake("built again instead of pulled", advice="docker pull {registry}/{image}")
def _(workspace):
    again = workspace.build(lab.folder, workspace.image)
    workspace.tag(again, _name(workspace))


@lab.step
def run_it(workspace):
    """A container was started from `{registry}/{image}`."""
    engine = workspace.engine
    names = {each for name in _names(workspace) for each in (name, name.removesuffix(":latest"))}
    since, now = workspace.record.opened, engine.info().time
    started = [
        event.attributes.get("image", "")
        for event in engine.events(since, now, type="container", event="start")
    ]
    kept = [each for each in engine.containers() if each.image in names]
    if any(image in names for image in started) or any(each.state != "created" for each in kept):
        return workspace.fill("A container was started from `{registry}/{image}`.")
    expected = workspace.fill("A container was started from `{registry}/{image}`.")
    if kept:
        raise NotYet(
            expected=expected,
            found=f"The container `{kept[0].name}` was created from it, but never started.",
            next=f"`docker start -a {kept[0].name}`.",
        )
    bare = {workspace.image, f"{workspace.image}:latest"}
    found = "No container was started from it."
    if any(image in bare for image in started):
        found = f"A container was started from `{workspace.image}`, the name without the registry."
    raise NotYet(expected=expected, found=found, next=workspace.fill(f"{RUN_IT}."))


@run_it.solution
def _(workspace):
    workspace.run_to_end(_name(workspace))


@run_it.mistake("run by the short name", advice="docker run --rm {registry}/{image}")
def _(workspace):
    workspace.tag(_name(workspace), f"{workspace.image}:latest")
    workspace.run_to_end(f"{workspace.image}:latest")


@run_it.mistake("created, but not started", advice="docker start")
def _(workspace):
    workspace.create(_name(workspace))


def _name(workspace):
    return f"{workspace.registry}/{workspace.image}:latest"


def _names(workspace):
    """All spellings of the name: a registry on loopback has three hosts."""
    return [f"{host}:{workspace.port}/{workspace.image}:latest" for host in LOOPBACK]


def _known_as(image, unwanted):
    names = [tag for tag in image.tags if tag not in unwanted]
    return f", which your engine also knows as `{names[0]}`" if names else ""


def _which(workspace, ids):
    """What the engine calls one of these images, besides the name that is being looked at."""
    for image in workspace.engine.images():
        if image.id in ids:
            return _known_as(image, _names(workspace)).replace("also knows", "knows")
    return ""


def _elsewhere(workspace):
    """The repository and tag, other than the wanted, under which the registry has the image."""
    for repository in [workspace.image, *workspace.api.repositories()][:50]:
        for tag in workspace.api.tags(repository) or ():
            manifest = workspace.api.manifest(repository, tag)
            if manifest and workspace.sample in manifest.ids:
                return f"{repository}:{tag}"
    return None


def _push_as(workspace, image, name):
    workspace.tag(image, name)
    workspace.push(name)


def _pulled(workspace, manifest):
    """Whether the engine fetched the image after it had gone. Its events tell; after it has
    forgotten them (it keeps 256) the registry's log does, where a layer was read."""
    since, now = workspace.record.opened, workspace.engine.info().time
    events = workspace.engine.events(since, now)
    images = [event for event in events if event.kind == "image"]
    gone = [event.time for event in images if event.action == "delete" and event.id in manifest.ids]
    pulls = [event.time for event in images if event.action == "pull"]
    if gone and pulls and max(pulls) > min(gone):
        return True
    if len(events) > 200 and not workspace.registry_container():
        raise CannotCheck(
            "The engine has forgotten what happened since the lab began, and your registry's log "
            "is out of reach: no container serves it.",
            next=workspace.fill(f"Once more: {REMOVE}, then {PULL}."),
        )
    read = f"/blobs/{manifest.layers[-1].digest}"
    return any(each.method == "GET" and read in each.path for each in workspace.requests())
