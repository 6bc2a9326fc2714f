"""Give an image a name in your registry, push it there, and pull it back."""

from labrunner import (
    Lab,
    NotYet,
    Passed,
    Sentence,
    find_misnamed,
    find_name,
    known_as,
    listed,
    pull,
    push_as,
    remove_sample,
    require_memory,
    require_no_refusal,
    require_pushed,
    run,
    short,
    tag_as,
    untag,
    was_started,
)

lab = Lab(
    title="Push and pull", images=["registry:2", "busybox:stable"], registry=True, sample=True
)

NAME = "{registry}/{image}:latest"
TAG = Sentence("`docker image tag {image} {registry}/{image}`")
PUSH = Sentence("`docker push {registry}/{image}`")
PULL = Sentence("`docker pull {registry}/{image}`")
REMOVE = Sentence("`docker image rm {image} {registry}/{image}`")
RUN = Sentence("`docker run --rm {registry}/{image}`")
REBUILD = "Start the lab again to rebuild the image."
TEAM, TEAM_NAME = "team/hello", "{registry}/team/hello:2.0"


@lab.step(advice=TAG)
def tag_the_image(workspace):
    """Your image also has the name `{registry}/{image}:latest`."""
    name = find_name(workspace)
    image = workspace.engine.image(name) if name else None
    if image and image.id == workspace.sample:
        return Sentence("`{name}` is your image, {id}.", name=name, id=short(image.id))
    if image:
        raise NotYet(
            "another-image",
            found="`{name}` is another image, {id}{known}.",
            next="{tag}. The name moves to your image.",
            name=name,
            id=short(image.id),
            known=known_as(workspace, workspace.ref(), image.id),
            tag=TAG,
        )
    if not workspace.engine.image(workspace.sample):
        found = "Your engine no longer has the image `{image}`."
        raise NotYet("no-image", found=found, next=REBUILD)
    if other := find_misnamed(workspace, workspace.image):
        raise NotYet("misnamed", found=other, next=f"{TAG}.")
    found = "The only name of your image is `{image}:latest`."
    raise NotYet("not-tagged", found=found, next=f"{TAG}.")


tag_the_image.solution(tag_as(NAME))
tag_the_image.mistake("the port written as a tag", reason="misnamed")(tag_as("{image}:{port}"))
tag_the_image.mistake("a slip in the path", reason="misnamed")(tag_as("{registry}/{image}x:latest"))
tag_the_image.mistake("another tag", reason="misnamed")(tag_as("{registry}/{image}:v1"))
tag_the_image.mistake("another image under the name", reason="another-image")(
    tag_as(NAME, "busybox:stable")
)


@lab.step(lasting=True, advice=TAG)
def push_the_image(workspace):
    """`{registry}` holds your image as `{image}:latest`."""
    manifest = require_pushed(workspace)
    name, id = workspace.ref(), short(manifest.digest)
    return Sentence("`{name}` is your image, {id}.", name=name, id=id)


push_the_image.solution(push_as(NAME))
push_the_image.mistake(
    "tagged, but not pushed", advice="docker push {registry}", reason="not-pushed"
)(tag_as(NAME))
push_the_image.mistake("pushed under another tag", reason="elsewhere")(
    push_as("{registry}/{image}:v1")
)
push_the_image.mistake("pushed under another name", reason="elsewhere")(
    push_as("{registry}/team/app:latest")
)
push_the_image.mistake(
    "another image under the right name", advice="The tag will move", reason="another-image"
)(push_as(NAME, "busybox:stable"))


@lab.step
def remove_your_copies(workspace):
    """Your engine no longer has the image `{image}`; the registry still has it."""
    image = workspace.engine.image(workspace.sample)
    manifest = workspace.api.manifest(workspace.image, "latest")
    if not manifest or not workspace.is_sample(manifest):
        found = "`{registry}` does not hold your image as `{image}:latest`."
        rebuild = Sentence.joined(REBUILD, "Then tag it, and push it.")
        todo = "Push it first: {push}." if image else rebuild
        raise NotYet("not-pushed", found=found, next=todo, push=PUSH)
    if not image:
        found = "Your engine no longer has {id}; `{registry}` does."
        return Sentence(found, id=short(workspace.sample))
    names = image.tags or (image.id[7:19],)
    found = Sentence("Your engine still has it as {names}.", names=listed(names))
    remove = f"`docker image rm {' '.join(names)}`"
    if users := [each.name for each in workspace.engine.containers(ancestor=image.id)]:
        used = Sentence("Containers made from it still use it: {users}.", users=listed(users))
        raise NotYet(
            "in-use",
            found=Sentence.joined(found, used),
            next="`docker rm -f {users}`, then {remove}.",
            users=" ".join(users),
            remove=remove,
        )
    if any(event.id in workspace.spellings() for event in workspace.events(event=["pull"])):
        found = Sentence.joined(found, "So a pull fetches nothing.")
    raise NotYet("still-there", found=found, next=f"{remove}.")


@remove_your_copies.solution
def _(workspace):
    for container in workspace.engine.containers(ancestor=workspace.sample):
        workspace.engine.remove_container(container.id)
    remove_sample(workspace)


remove_your_copies.mistake(
    "pulled without removing it first", advice="docker image rm", reason="still-there"
)(pull(NAME))
remove_your_copies.mistake(
    "only one of its names removed", advice="rm {registry}/{image}", reason="still-there"
)(untag("{image}:latest"))
remove_your_copies.mistake(
    "a container still uses it", advice="docker rm -f user-{name}", reason="in-use"
)(lambda ws: ws.create(ws.sample, name=f"user-{ws.name}"), untag("{image}:latest"))


@lab.step
def pull_it_back(workspace):
    """Your engine has `{registry}/{image}` again, pulled from the registry."""
    manifest = workspace.api.manifest(workspace.image, "latest")
    name = find_name(workspace)
    image = workspace.engine.image(name) if name else None
    if not image:
        require_no_refusal(workspace, workspace.image, again=PULL)
        raise NotYet("no-image", found="Your engine has no image with that name.", next=f"{PULL}.")
    if not manifest or image.id not in manifest.image_ids:
        raise NotYet(
            "another-image",
            found="`{name}` on your engine is not the registry's image, but {id}.",
            next="{pull}. The name will move to the registry's image.",
            name=name,
            id=short(image.id),
            pull=PULL,
        )
    if not _was_pulled(workspace, manifest):
        raise NotYet(
            "never-left",
            found="The image is there, but it never left: your engine has not pulled it from the "
            "registry since you started this lab.",
            next="{remove}, then {pull}.",
            remove=REMOVE,
            pull=PULL,
        )
    digest = short(manifest.digest)
    found = Sentence("`{name}` came from the registry, {digest}.", name=name, digest=digest)
    return Passed(found, (remove_your_copies.id,))


pull_it_back.solution(pull(NAME))


@pull_it_back.mistake("built again instead of pulled", advice=PULL, reason="another-image")
def _(workspace):
    again = workspace.build(lab.folder, workspace.image)
    workspace.tag(again, workspace.ref())


@lab.step
def run_it(workspace):
    """A container was started from `{registry}/{image}`."""
    if was_started(workspace, workspace.spellings()):
        return "A container was started from `{registry}/{image}`."
    if was_started(workspace, [f"{workspace.image}:latest"]):
        found = "A container was started from `{image}`, the name without the registry."
        raise NotYet("short-name", found=found, next=f"{RUN}.")
    images = {name.removesuffix(":latest") for name in workspace.spellings()}
    for each in workspace.engine.containers():
        if each.image.removesuffix(":latest") in images:
            container = workspace.engine.container(each.id)
            if container and container.error:
                found = "The container `{container}` could not be started: {error}."
                found = Sentence(found, container=each.name, error=container.error)
                raise NotYet("not-started", found=found, next="Fix that, then {run}.", run=RUN)
            found = "The container `{container}` was created from it, but never started."
            todo = "`docker start -a {container}`."
            raise NotYet("not-started", found=found, next=todo, container=each.name)
    require_memory(workspace, RUN)
    raise NotYet("not-run", found="No container was started from it.", next=f"{RUN}.")


run_it.solution(run(NAME))
run_it.mistake("run by the short name", advice=RUN, reason="short-name")(
    tag_as("{image}:latest", NAME), run("{image}:latest")
)
run_it.mistake("created, but not started", advice="docker start", reason="not-started")(
    lambda ws: ws.create(ws.ref())
)


@lab.step
def offer_a_second_name(workspace):
    """`{registry}` also has your image as `team/hello:2.0`. Your engine does not have that name."""
    manifest = workspace.api.manifest(TEAM, "2.0")
    name = find_name(workspace, TEAM, "2.0")
    if manifest and not workspace.is_sample(manifest, TEAM):
        found = "In the registry, `team/hello:2.0` is another image, {digest}."
        todo = "Give the name to your own image, and push it again. The tag will move."
        raise NotYet("another-image", found=found, next=todo, digest=short(manifest.digest))
    if manifest and name:
        found = "The registry has it, but your engine still has the name `{name}`."
        todo = "`docker image rm` removes that name; the image keeps its other names."
        raise NotYet("still-there", found=found, next=todo, name=name)
    if manifest:
        return "`{registry}/team/hello:2.0` is your image, and only the registry has this name."
    if name:
        require_no_refusal(workspace, TEAM, again=Sentence("push `{name}`", name=name))
        found = "Your engine has `{name}`, but the registry does not."
        todo = "Push the name before you remove it."
        raise NotYet("not-pushed", found=found, next=todo, name=name)
    tags = workspace.api.tags(TEAM) or ()
    found = "The repository `team/hello` in the registry has {tags}, but no tag `2.0`."
    raise NotYet(
        "another-tag" if tags else "not-tagged",
        found=found if tags else "The repository `team/hello` in the registry does not exist.",
        next="Push uses the name as you write it: the registry, the repository and the tag. "
        "Without a tag, that is `latest`.",
        tags=listed(tags),
    )


offer_a_second_name.solution(push_as(TEAM_NAME, NAME), untag(TEAM_NAME))
offer_a_second_name.mistake("named, but not pushed", advice="Push the name", reason="not-pushed")(
    tag_as(TEAM_NAME, NAME)
)
offer_a_second_name.mistake(
    "pushed without the tag", advice="Without a tag, that is `latest`", reason="another-tag"
)(push_as("{registry}/team/hello:latest", NAME))
offer_a_second_name.mistake(
    "the name is still on the engine", advice="docker image rm", reason="still-there"
)(push_as(TEAM_NAME, NAME))


def _was_pulled(workspace, manifest):
    """Return whether the engine pulled the image after it had gone. Its events tell; after it has
    forgotten them (it keeps 256) the registry's log does, where a layer was read."""
    events = workspace.events()
    images = [event for event in events if event.kind == "image"]
    gone = [
        event.time
        for event in images
        if event.action == "delete" and event.id in {workspace.sample, *manifest.image_ids}
    ]
    pulls = [event.time for event in images if event.action == "pull"]
    if gone and pulls and max(pulls) > min(gone):
        return True
    requests = workspace.requests()
    if not requests:
        again = Sentence("{remove}, then {pull}", remove=REMOVE, pull=PULL)
        require_memory(workspace, again)
    read = f"/blobs/{manifest.layers[-1].digest}"
    return any(each.method == "GET" and each.succeeded and read in each.path for each in requests)
