"""Pull an image from a registry and run it, ask your engine who it is and where it pulls from, then
build an image of your own, run it, and bring it up to date."""

import re
import secrets

from labrunner import (
    CannotCheck,
    Lab,
    NotYet,
    Sentence,
    describe_state,
    last_line_of,
    last_word,
    new_containers,
    pull,
    ran_and_was_removed,
    require_memory,
    require_own_command,
    run,
    runs_own_command,
    short,
    tag_as,
    untag,
)

HUB = "Docker Hub"
STAND_IN = "one that this lab has started in place of Docker Hub"

lab = Lab(
    title="Meet your engine",
    images=["registry:2", "busybox:stable", "nginx:latest"],
    values={
        "hub": lambda ws: _choose_hub(ws),
        "hub_name": lambda ws: ws.unused("docker-hub"),
        "hub_port": lambda ws: ws.unused_port(5001),
        "nginx": lambda ws: _name_nginx(ws),
        "short_name": lambda ws: ws.unused("nginx") if _is_headless(ws) else "nginx",
        "web": lambda ws: ws.unused("web"),
        "web_port": lambda ws: ws.unused_port(8080),
        "image": lambda ws: ws.unused("my-image"),
        "stamp": lambda ws: secrets.token_hex(3),
    },
    usual={
        "hub": HUB,
        "nginx": "nginx",
        "short_name": "nginx",
        "web": "web",
        "web_port": "8080",
        "image": "my-image",
    },
)

PULL = Sentence("`docker pull {nginx}`")
RUN_NGINX = Sentence("`docker run -d --name {web} -p {web_port}:80 {short_name}`")
RUN_ANEW = Sentence("`docker rm -f {web}`, if that is its name. Then {run}.", run=RUN_NGINX)
ONE_VERSION = "Submit only the `Version:` under `Server` and `Engine`. The hint has the command."
INDEX = "Look for the value of `docker info` with `Index` in its name. The hint has the command."
RUN = "`docker run {image}`, without `--rm`"
BUILD = Sentence("the three lines of the Dockerfile and `docker build -t {image} -`")

DOCKERFILE = """\
FROM busybox:stable
LABEL stamp={stamp}
CMD ["echo", "Hello from {image}, stamp {stamp}."]
"""
UPDATED = DOCKERFILE + "LABEL version=2\n"
UNLABELLED = "FROM busybox:stable\nCMD echo Hello\n"
VERSION = re.compile(r"(?<!\d)\d+(?:\.\d+)+[\w.+~-]*")

NOT_DEFAULT = {
    "hub.docker.com": Sentence("the website of Docker Hub, for people"),
    "registry-1.docker.io": Sentence("the server that the engine then pulls from"),
    "docker.com": Sentence("the company's website"),
}


@lab.setup
def give_short_name(workspace):
    """Give `nginx` another short name in a headless run: others run `nginx` at the same time."""
    if _is_headless(workspace):
        workspace.tag("nginx:latest", f"{workspace['short_name']}:latest")


@lab.setup
def play_docker_hub(workspace):
    """Start a registry that holds `nginx`, if the learner does not pull from Docker Hub."""
    if workspace["hub"] == HUB:
        return
    name, reference = workspace["hub_name"], f"{workspace['nginx']}:latest"
    if container := workspace.engine.container(name):
        workspace.engine.start(container.id)
    else:
        ports = {5000: int(workspace["hub_port"])}
        workspace.run(workspace.registry_image, name=name, ports=ports)
    workspace.wait_for_registry(f"localhost:{workspace['hub_port']}")
    try:
        workspace.engine.public_digest(reference)
    except CannotCheck:
        workspace.push_as("nginx:latest", reference)
        workspace.engine.remove_image(reference)


@lab.step(advice=PULL)
def pull_an_image(workspace):
    """Your engine has pulled `{nginx}`, and the registry gives that image to anyone."""
    name = f"{workspace['nginx']}:latest"
    image = workspace.engine.image(name)
    pulls = workspace.events(type="image", event="pull")
    if not any(event.id == name for event in pulls):
        require_memory(workspace, PULL)
        found = "Your engine has not pulled `{nginx}` since you started this lab{before}."
        before = Sentence(": it had the image before") if image else ""
        raise NotYet("not-pulled", found=found, next=f"{PULL}.", before=before)
    if not image:
        found = "Your engine has pulled `{nginx}`, but no longer has it."
        raise NotYet("removed", found=found, next=f"{PULL}.")
    given = workspace.engine.public_digest(name)
    if not any(each.endswith(given) for each in image.digests):
        raise NotYet(
            "another-image",
            found="On your engine, `{nginx}` is not the image that the registry has under this "
            "name, {digest}.",
            next="{pull}. The name moves to the registry's image.",
            digest=short(given),
            pull=PULL,
        )
    found = "You have pulled {digest}. Without a login, the registry gives the same image."
    return Sentence(found, digest=short(given))


pull_an_image.solution(pull("{nginx}:latest"))
pull_an_image.mistake("only named", reason="not-pulled")(tag_as("{nginx}:latest", "nginx:latest"))
pull_an_image.mistake("pulled and removed", reason="removed")(
    pull("{nginx}:latest"), untag("{nginx}:latest")
)
pull_an_image.mistake("another image under the name", reason="another-image")(
    pull("{nginx}:latest"), tag_as("{nginx}:latest", "busybox:stable")
)
pull_an_image.mistake("only run", reason="not-pulled")(lambda ws: ws.run(ws["short_name"]))


@lab.step(advice=RUN_NGINX)
def run_by_its_short_name(workspace):
    """A container was started from `{short_name}`, by this short name, and a port of this machine
    leads to its port 80."""
    made = [(each.image.removesuffix(":latest"), each) for each in new_containers(workspace)]
    named = [each for name, each in made if name == workspace["short_name"]]
    for container in named:
        inside = [port.container for port in container.ports or container.bindings]
        if container.started and (80 in inside or container.on_host_network):
            found = "`{container}` was started from `{short_name}`, and a port leads to its page."
            return Sentence(found, container=container.name)
    if named and named[0].started:
        found = (
            "`{container}` was started from `{short_name}`, but no port of this machine leads to "
            "its port 80, where nginx listens."
        )
        raise NotYet("no-page", found=found, next=RUN_ANEW, container=named[0].name)
    if named:
        state = describe_state(workspace.engine, named[0], RUN_NGINX)
        raise NotYet("not-started", found=state.found, next=state.next)
    for name in (workspace["nginx"], "library/nginx", "docker.io/library/nginx"):
        if name in dict(made):
            found = "A container was made from `{name}`, not from the short name."
            raise NotYet("full-name", found=found, next=RUN_ANEW, name=name)
    found = "There is no container from `{short_name}`."
    raise NotYet("not-run", found=found, next=f"{RUN_NGINX}.")


run_by_its_short_name.solution(lambda ws: _run_nginx(ws))
run_by_its_short_name.mistake("run by its full name", reason="full-name")(
    lambda ws: ws.run(ws["nginx"])
)
run_by_its_short_name.mistake(
    "created, but not started", advice="docker start", reason="not-started"
)(lambda ws: ws.create(ws["short_name"]))
run_by_its_short_name.mistake("another image run", reason="not-run")(run("busybox:stable"))
run_by_its_short_name.mistake("a port that leads nowhere", reason="no-page")(
    lambda ws: ws.run(ws["short_name"], ports={8080: None})
)


@lab.step(advice=INDEX)
def find_the_default_registry(workspace, answer):
    """You know the address of the registry that your engine asks when a name does not say."""
    host = re.sub(r"^([a-z]+://)?(www\.)?", "", last_word(answer).lower()).partition("/")[0]
    if host == "index.docker.io":
        return "`https://index.docker.io/v1/` is Docker Hub. In a name it is written `docker.io`."
    if host == "docker.io":
        return (
            "`docker.io` is Docker Hub in an image's name. The engine calls the same registry "
            "`https://index.docker.io/v1/`, its original address."
        )
    if "." not in host and ":" not in host:
        reason, found = "no-address", "Your answer is not an address."
    elif host in NOT_DEFAULT:
        reason, found = "part-of-hub", "`{host}` belongs to Docker Hub, but it is {what}."
        found = Sentence(found, what=NOT_DEFAULT[host])
    else:
        reason, found = "other", "`{host}` is not where a name without a registry leads."
    raise NotYet(reason, found=found, next=INDEX, host=host)


find_the_default_registry.solution("https://index.docker.io/v1/")
find_the_default_registry.near_miss("the website", reason="part-of-hub")("https://hub.docker.com/")
find_the_default_registry.near_miss("the server behind it", reason="part-of-hub")(
    "registry-1.docker.io"
)
find_the_default_registry.near_miss("a registry on this machine", reason="other")("{registry}")


@lab.step(advice=ONE_VERSION)
def ask_the_engine(workspace, answer):
    """You know the version of your engine, which is the server."""
    engine = workspace.engine.version()
    versions = [each.rstrip(".") for each in VERSION.findall(answer)]
    said = versions[0] if versions else ""
    if len(versions) > 1:
        reason, found = "several", "Your answer has more than one version number."
    elif not said:
        reason, found = "no-version", "Your answer has no version number, such as `29.1.0`."
    elif said in (engine.version, engine.version.partition("+")[0]):  # also without `+dfsg1`
        return Sentence("Your engine is version `{version}`.", version=engine.version)
    elif said == engine.api:
        reason = "api"
        found = "`{said}` is the version of the API, the language in which programs talk to it."
    elif engine.version.startswith(f"{said}."):
        reason, found = "part", "`{said}` is only the beginning of the version."
    else:
        reason = "other"
        found = "`{said}` is another version, such as that of your command line, under `Client`."
    raise NotYet(reason, found=found, next=ONE_VERSION, said=said)


ask_the_engine.solution(lambda ws: ws.engine.version().version)
ask_the_engine.near_miss("the version of the API", reason="api")(lambda ws: ws.engine.version().api)
ask_the_engine.near_miss("the version of the command line", reason="other")(
    "Docker version 17.03.1-ce, build c6d412e"
)
ask_the_engine.near_miss("no version at all", reason="no-version")("Docker Engine - Community")
ask_the_engine.near_miss("the whole output, with both versions", reason="several")(
    lambda ws: f"Client:\n Version: 17.03.1-ce\nServer:\n Version: {ws.engine.version().version}\n"
)


@lab.step(lasting=True, advice=BUILD)
def build_an_image(workspace):
    """Your engine has an image `{image}` with the label `stamp={stamp}`."""
    engine, name = workspace.engine, f"{workspace.image}:latest"
    found = engine.image(name)
    if found and found.labels.get("stamp") == workspace["stamp"]:
        return Sentence("`{name}` is your image, {id}.", name=name, id=short(found.id))
    if others := engine.images(label=f"stamp={workspace['stamp']}"):
        tags, id = others[0].tags, others[0].id
        named = "Your image is there, {id}, but under the name `{other}`."
        raise NotYet(
            "other-name",
            found=named if tags else "Your image is there, {id}, but without a name.",
            next="Name it: `docker image tag {other} {image}`.",
            id=short(id),
            other=tags[0] if tags else id[7:19],
        )
    if not found:
        raise NotYet(
            "no-image",
            found="Your engine has no image `{image}`, and none with that label.",
            next="Build it with {build}.",
            build=BUILD,
        )
    stamp = found.labels.get("stamp")
    other = "`{name}` is an image, {id}, but its label `stamp` is `{other}`."
    raise NotYet(
        "other-stamp" if stamp else "no-stamp",
        found=other if stamp else "`{name}` is an image, {id}, but it has no label `stamp`.",
        next="Build it again with {build}. The name moves to the new image.",
        name=name,
        id=short(found.id),
        other=stamp,
        build=BUILD,
    )


build_an_image.solution(lambda ws: _build(ws, DOCKERFILE))
build_an_image.mistake(
    "its name given to another image", advice="docker image tag", reason="other-name"
)(lambda ws: _build(ws, DOCKERFILE), tag_as("{image}:latest", "busybox:stable"))


@build_an_image.mistake(
    "under another tag", advice="docker image tag {image}:v1 {image}", reason="other-name"
)
def _(workspace):
    built = _build(workspace, DOCKERFILE)
    workspace.tag(built, f"{workspace.image}:v1")
    workspace.engine.remove_image(f"{workspace.image}:latest")


build_an_image.mistake("without the label", reason="no-stamp")(lambda ws: _build(ws, UNLABELLED))
build_an_image.mistake("busybox under the name", reason="no-stamp")(
    tag_as("{image}:latest", "busybox:stable")
)


@lab.step(advice="docker run {image}")
def run_it(workspace):
    """A container made from `{image}` has printed its line."""
    stamp = f"stamp={workspace['stamp']}"
    made = new_containers(workspace, label=stamp)
    for container in made:
        line = last_line_of(workspace, container)
        if container.exit_code == 0 and line and runs_own_command(workspace, container):
            printed = "The container `{container}` printed “{line}”"
            return Sentence(printed, container=container.name, line=line)
    if ran_and_was_removed(workspace, stamp):
        return "A container made from `{image}` ran to its end, and was removed."
    if not made:
        require_memory(workspace, RUN)
        found = "No container was made from your image."
        raise NotYet("no-container", found=found, next="`docker run {image}`.")
    last, name = made[0], made[0].name
    require_own_command(workspace, last)
    if last.state == "created" and not last.error:
        found = "The container `{container}` was created from it, but never started."
        todo = "`docker start -a {container}`."
        raise NotYet("created", found=found, next=todo, container=name)
    line = last_line_of(workspace, last)
    printed = "The container `{container}` printed “{line}”. {ended}."
    ended = Sentence("It ended with exit code {code}", code=last.exit_code)
    raise NotYet(
        "nothing-printed",
        found=printed if line else "The container `{container}` printed nothing. {ended}.",
        next="Build the image again with {build}, then `docker run {image}`.",
        container=name,
        line=line,
        ended=last.error.rstrip(".") or ended,
        build=BUILD,
    )


run_it.solution(lambda ws: ws.engine.wait(ws.run(f"{ws.image}:latest")))
run_it.mistake("created, but not started", advice="docker start -a", reason="created")(
    lambda ws: ws.create(f"{ws.image}:latest")
)
run_it.mistake("another command", advice="nothing after its name", reason="other-command")(
    lambda ws: ws.engine.wait(ws.run(f"{ws.image}:latest", command=["echo", "hello"]))
)
run_it.mistake("busybox run instead", reason="no-container")(
    lambda ws: ws.run_to_end("busybox:stable", ["echo", "Hello"])
)


@lab.step
def update_your_image(workspace):
    """`{image}` has the label `version=2` as well, and a container of this version has run to its
    end."""
    image = workspace.engine.image(f"{workspace.image}:latest")
    labels = image.labels if image else {}
    if labels.get("stamp") != workspace["stamp"]:
        found = "There is no image `{image}` with your label `stamp={stamp}`."
        todo = "Keep all lines of the Dockerfile, add one, and build it as `{image}`."
        raise NotYet("no-stamp", found=found, next=todo)
    if labels.get("version") != "2":
        found = "The image `{image}` does not have the label `version=2`."
        todo = "Add it to the Dockerfile, and build again under the same name."
        raise NotYet("no-version", found=found, next=todo)
    labels = [f"stamp={workspace['stamp']}", "version=2"]
    made = new_containers(workspace, label=labels)
    ended = [each for each in made if each.state == "exited" and each.exit_code == 0]
    own = any(runs_own_command(workspace, each) for each in ended)
    if not own and not ran_and_was_removed(workspace, *labels):
        for container in made:
            require_own_command(workspace, container)
        if not made:
            require_memory(workspace, RUN, since=image.created)
        found = "The image has its new label, but no container made from it has run to its end."
        todo = "Run the image. A container that you had before keeps the old version."
        raise NotYet("not-run", found=found, next=todo)
    found = "`{image}` is version 2, {id}, and a container of it has run."
    return Sentence(found, id=short(image.id))


update_your_image.solution(
    lambda ws: _build(ws, UPDATED), lambda ws: ws.engine.wait(ws.run(f"{ws.image}:latest"))
)
update_your_image.mistake("built, but not run", advice="Run the image", reason="not-run")(
    lambda ws: _build(ws, UPDATED)
)
update_your_image.mistake(
    "run with another command", advice="nothing after its name", reason="other-command"
)(
    lambda ws: _build(ws, UPDATED),
    lambda ws: ws.engine.wait(ws.run(f"{ws.image}:latest", command=["echo", "hello"])),
)
update_your_image.mistake(
    "the container of the first version started again", advice="the old version", reason="not-run"
)(lambda ws: _build(ws, UPDATED), lambda ws: _start_again(ws))
update_your_image.mistake(
    "a Dockerfile with the new label only", advice="Keep all lines", reason="no-stamp"
)(lambda ws: _build(ws, UNLABELLED + "LABEL version=2\n"))
update_your_image.mistake("another value", advice="Add it to the Dockerfile", reason="no-version")(
    lambda ws: _build(ws, DOCKERFILE + "LABEL version=1\n")
)


def _choose_hub(workspace):
    """Return what the learner pulls from: Docker Hub, if the engine can pull from there without
    moving the name `nginx` to another image. A headless run needs no network, and takes nothing
    off Docker Hub's limit."""
    if _is_headless(workspace):
        return STAND_IN
    try:
        given = workspace.engine.public_digest("nginx:latest")
    except CannotCheck:
        return f"{STAND_IN}, because your engine cannot pull from there now"
    image = workspace.engine.image("nginx:latest")
    if image and not any(each.endswith(given) for each in image.digests):
        return f"{STAND_IN}, because a pull from there would move the name nginx to another image"
    return HUB


def _is_headless(workspace):
    return workspace.record.kind == "headless"


def _name_nginx(workspace):
    if workspace["hub"] == HUB:
        return "nginx"
    return workspace.unused(f"localhost:{workspace['hub_port']}/library/nginx")


def _run_nginx(workspace):
    """Run it on the lab's port; where something else has that meanwhile, on any."""
    try:
        workspace.run(workspace["short_name"], ports={80: int(workspace["web_port"])})
    except CannotCheck:
        workspace.run(workspace["short_name"], ports={80: None})


def _build(workspace, dockerfile):
    folder = workspace.work / "build"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(workspace.fill(dockerfile))
    return workspace.build(folder, workspace.image)


def _start_again(workspace):
    for each in workspace.engine.containers(label=f"stamp={workspace['stamp']}"):
        workspace.engine.start(each.id)
        workspace.engine.wait(each.id)
