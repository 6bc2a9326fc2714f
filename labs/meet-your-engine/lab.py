"""Ask your engine who it is and where it pulls from, then build an image on it and run it."""

import re
import secrets

from labrunner import CannotCheck, Lab, NotYet, short

lab = Lab(title="Meet your engine", images=["busybox:stable"])

ASK_ENGINE = "`docker version --format '{{.Server.Version}}'`"
ASK_REGISTRY = "`docker info --format '{{.IndexServerAddress}}'`"
BUILD = "the three lines of the Dockerfile and `docker build -t {image} -`"
RUN_IT = "`docker run {image}`"
REMEMBERED = 256  # events that an engine keeps

DOCKERFILE = """\
FROM busybox:stable
LABEL stamp={stamp}
CMD ["echo", "Hello from {image}, stamp {stamp}."]
"""

NOT_DEFAULT = {
    "hub.docker.com": "is the website of Docker Hub, for people to look at",
    "registry-1.docker.io": "is the server that the engine pulls from in the end",
    "docker.com": "is the company's website",
    "www.docker.com": "is the company's website",
}


@lab.value
def image(workspace):
    return workspace.unused("my-image")


@lab.value
def stamp(workspace):
    return secrets.token_hex(3)


@lab.step
def ask_the_engine(workspace, answer):
    """You know the version of your engine."""
    about = workspace.engine.info()
    said = re.findall(r"\d+(?:\.\d+)+[\w.+~-]*", answer.rpartition("Server")[2])
    if any(_same_version(each, about.version) for each in said):
        return f"Your engine is version `{about.version}`."
    if not said:
        found = "Your answer has no version in it, such as `29.1.0`."
    elif said[0] == about.api:
        found = f"`{said[0]}` is the version of the API, the language in which one talks to it."
    elif about.version.startswith(f"{said[0]}."):
        found = f"`{said[0]}` is only the beginning of it."
    else:
        found = (
            f"`{said[0]}` is the version of something else, such as your command line, which "
            "`docker version` lists first, as `Client`."
        )
    raise NotYet(
        expected="The version of the engine, which is the server.",
        found=found,
        next=f"Ask the engine for it: {ASK_ENGINE}.",
    )


@ask_the_engine.solution
def _(workspace):
    return workspace.engine.info().version


@ask_the_engine.near_miss("the version of the API", advice="docker version --format")
def _(workspace):
    return workspace.engine.info().api


@ask_the_engine.near_miss("the version of the command line", advice="docker version --format")
def _(workspace):
    return "Docker version 17.03.1-ce, build c6d412e"


@ask_the_engine.near_miss("no version at all", advice="docker version --format")
def _(workspace):
    return "Docker Engine - Community"


@lab.step
def find_the_default_registry(workspace, answer):
    """You know which registry your engine asks when a name does not say."""
    address = answer.split()[-1].strip("'\"`.,").lower()
    host = re.sub("^[a-z]+://", "", address).partition("/")[0]
    if host == "index.docker.io":
        return "`https://index.docker.io/v1/` is Docker Hub. In a name it is written `docker.io`."
    if host == "docker.io":
        return (
            "`docker.io` is Docker Hub's name in an image's name. The engine calls the same "
            "registry `https://index.docker.io/v1/`, its address from early days."
        )
    found = f"`{host}` is not where a name without a registry leads."
    if "." not in host and ":" not in host:
        found = "Your answer is not an address."
    elif host in NOT_DEFAULT:
        found = f"`{host}` belongs to it, but it {NOT_DEFAULT[host]}."
    raise NotYet(
        expected="The address of the default registry, as the engine gives it.",
        found=found,
        next=f"Ask the engine for it: {ASK_REGISTRY}.",
    )


@find_the_default_registry.solution
def _(workspace):
    return "https://index.docker.io/v1/"


@find_the_default_registry.near_miss("the website", advice="IndexServerAddress")
def _(workspace):
    return "https://hub.docker.com/"


@find_the_default_registry.near_miss("the server behind it", advice="IndexServerAddress")
def _(workspace):
    return "registry-1.docker.io"


@find_the_default_registry.near_miss("a registry on this machine", advice="IndexServerAddress")
def _(workspace):
    return workspace.registry


@lab.step(lasting=True)
def build_an_image(workspace):
    """Your engine has an image `{image}` with the label `stamp={stamp}`."""
    engine, name = workspace.engine, f"{workspace.image}:latest"
    expected = workspace.fill("An image `{image}` with the label `stamp={stamp}`.")
    found = engine.image(name)
    if found and found.labels.get("stamp") == workspace["stamp"]:
        return f"`{name}` is your image, {short(found.id)}."
    if others := engine.images(label=f"stamp={workspace['stamp']}"):
        names = others[0].tags
        known = f"under the name `{names[0]}`" if names else "without a name"
        raise NotYet(
            expected=expected,
            found=f"Your image is there, {short(others[0].id)}, but {known}.",
            next=f"Name it: `docker image tag {names[0] if names else others[0].id[7:19]} "
            f"{workspace.image}`.",
        )
    if not found:
        raise NotYet(
            expected=expected,
            found=workspace.fill("Your engine has no image `{image}`, and none with that label."),
            next=workspace.fill(f"Build it with {BUILD}."),
        )
    other = found.labels.get("stamp")
    is_other = f"its label `stamp` is `{other}`" if other else "it has no label `stamp`"
    raise NotYet(
        expected=expected,
        found=f"`{name}` is an image, {short(found.id)}, but {is_other}.",
        next=workspace.fill(f"Build it again with {BUILD}. The name moves to the new image."),
    )


@build_an_image.solution
def _(workspace):
    _build(workspace, DOCKERFILE)


@build_an_image.mistake("its name given to another image", advice="docker image tag")
def _(workspace):
    _build(workspace, DOCKERFILE)
    workspace.tag("busybox:stable", f"{workspace.image}:latest")


@build_an_image.mistake("under another tag", advice="docker image tag {image}:v1 {image}")
def _(workspace):
    built = _build(workspace, DOCKERFILE)
    workspace.tag(built, f"{workspace.image}:v1")
    workspace.engine.remove_image(f"{workspace.image}:latest")


@build_an_image.mistake("without the label", advice="docker build -t {image} -")
def _(workspace):
    _build(workspace, "FROM busybox:stable\nCMD echo Hello\n")


@build_an_image.mistake("with somebody else's stamp", advice="docker build -t {image} -")
def _(workspace):
    _build(workspace, DOCKERFILE.replace("stamp={stamp}", "stamp=000000"))


@build_an_image.mistake("busybox under the name", advice="docker build -t {image} -")
def _(workspace):
    workspace.tag("busybox:stable", f"{workspace.image}:latest")


@lab.step
def run_it(workspace):
    """A container made from `{image}` has printed its line."""
    engine = workspace.engine
    expected = workspace.fill("A container made from `{image}` that has printed its line.")
    made = [
        container
        for each in engine.containers(label=f"stamp={workspace['stamp']}")
        if (container := engine.container(each.id))
    ]
    for container in made:
        lines = engine.logs(container.id).splitlines()
        if container.exit_code == 0 and lines:
            return f"The container `{container.name}` printed “{lines[-1]}”"
    if not made and _ran_and_went(workspace):
        return workspace.fill("A container made from `{image}` ran to its end, and is removed.")
    if not made:
        raise NotYet(
            expected=expected,
            found="No container was made from your image.",
            next=workspace.fill(f"{RUN_IT}."),
        )
    last = made[0]
    if last.state == "created" and not last.error:
        raise NotYet(
            expected=expected,
            found=f"The container `{last.name}` was created from it, but never started.",
            next=f"`docker start -a {last.name}`.",
        )
    ended = last.error or f"It ended with exit code {last.exit_code}"
    lines = engine.logs(last.id).splitlines()
    printed = f"printed “{lines[-1]}”" if lines else "printed nothing"
    raise NotYet(
        expected=expected,
        found=f"The container `{last.name}` {printed}. {ended.rstrip('.')}.",
        next=workspace.fill(
            f"Run it with no command behind the name: {RUN_IT}. If it ends the same way, build it "
            f"again with {BUILD}."
        ),
    )


@run_it.solution
def _(workspace):
    workspace.engine.wait(workspace.run(f"{workspace.image}:latest"))


@run_it.mistake("created, but not started", advice="docker start -a")
def _(workspace):
    workspace.create(f"{workspace.image}:latest")


@run_it.mistake("another command in place of its own", advice="docker run {image}")
def _(workspace):
    workspace.engine.wait(workspace.run(f"{workspace.image}:latest", command=["true"]))


@run_it.mistake("busybox run instead", advice="docker run {image}")
def _(workspace):
    workspace.run_to_end("busybox:stable", ["echo", "Hello"])


def _build(workspace, dockerfile):
    folder = workspace.work / "build"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(workspace.fill(dockerfile))
    return workspace.build(folder, workspace.image)


def _same_version(said, version):
    """Distributions put something behind the number, such as `+dfsg1`."""
    return said.rstrip(".") in (version, version.partition("+")[0])


def _ran_and_went(workspace):
    """Whether the engine remembers a container of the image that ended well, as with `--rm`."""
    since, now = workspace.record.opened, workspace.engine.info().time
    stamp = f"stamp={workspace['stamp']}"
    ended = workspace.engine.events(since, now, type="container", event="die", label=stamp)
    if any(event.attributes.get("exitCode") == "0" for event in ended):
        return True
    if not ended and len(workspace.engine.events(since, now)) >= REMEMBERED:
        raise CannotCheck(
            "No container of your image is left, and the engine has forgotten what ran before.",
            next=workspace.fill(f"Run it again, and let the container stay: {RUN_IT}."),
        )
    return False
