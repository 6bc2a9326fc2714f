"""Take the names of images apart, and give one of your own the name that it needs."""

import random

from labrunner import LOOPBACK, Lab, NotYet, misnamed, parse, short

lab = Lab(title="Name that image", images=["busybox:stable"], sample=True)

CHANCE = random.SystemRandom()
OFFICIAL = ["nginx", "redis", "postgres", "python", "mariadb", "memcached", "golang", "ubuntu"]
OWNERS = ["birch", "cedar", "hazel", "maple", "rowan", "alder"]
TEAMS = ["web", "data", "backend", "tools"]
APPS = ["shop", "blog", "search", "mail", "billing", "forum"]

HUB = "docker.io/{owner}/{app}:{tag}"
GHCR = "ghcr.io/{owner}/{app}:{tag}"
GCR = "gcr.io/{owner}/{app}:{tag}"
ARTIFACT_REGISTRY = "europe-west3-docker.pkg.dev/{owner}/releases/{app}:{tag}"
ECR = "{number}.dkr.ecr.eu-central-1.amazonaws.com/{team}/{app}:{tag}"
ACR = "{owner}.azurecr.io/{team}/{app}:{tag}"
OWN = "localhost:5000/{team}/{app}:{tag}"

TAG = "`docker image tag {image} {registry}/team/{image}:1.0`"


@lab.value
def official(workspace):
    return CHANCE.choice(OFFICIAL)


@lab.value
def four_names(workspace):
    hub = ["{owner}/{app}.{team}:{tag}", "{owner}/{app}:5000", "{owner}/{team}.{app}"]
    hosts = ["localhost/{app}:{tag}", "{owner}:5000/{app}", "{owner}.{team}/{app}:{tag}"]
    names = [_invented(shape) for shape in (CHANCE.choice(hub), *hosts)]
    CHANCE.shuffle(names)
    return " ".join(names)


@lab.value
def hosted_name(workspace):
    return _invented(CHANCE.choice([GHCR, GCR, ARTIFACT_REGISTRY, ECR, ACR, OWN]))


@lab.value
def owned_name(workspace):
    return _invented(CHANCE.choice([HUB, GHCR, GCR, ARTIFACT_REGISTRY]))


@lab.value
def long_name(workspace):
    return _invented(CHANCE.choice([HUB, GHCR, GCR, ARTIFACT_REGISTRY, ECR, ACR, OWN]))


@lab.value
def tagged_name(workspace):
    return _invented(f"{workspace.registry}/{{team}}/{{app}}{CHANCE.choice([':{tag}', ''])}")


@lab.value
def pinned_name(workspace):
    return _invented(CHANCE.choice([GHCR, ECR, OWN])) + f"@sha256:{CHANCE.randbytes(32).hex()}"


@lab.step
def complete_a_short_name(workspace, answer):
    """You know what `{official}` means in full."""
    official = workspace["official"]
    said, right = _said(answer), parse(official).canonical
    if said.replace("index.docker.io/", "docker.io/", 1) == right:
        return f"`{official}` is `{right}`."
    raise NotYet(
        expected=f"The full form of `{official}`: registry, account, repository and tag.",
        found=_short_of(said, official),
        next="Put `docker.io/library/` in front of the short name, and `:latest` behind it.",
    )


@complete_a_short_name.solution
def _(workspace):
    return parse(workspace["official"]).canonical


@complete_a_short_name.near_miss("the name doubled", advice="docker.io/library/")
def _(workspace):
    return workspace.fill("docker.io/{official}/{official}:latest")


@complete_a_short_name.near_miss("left as short as it was", advice="docker.io/library/")
def _(workspace):
    return workspace["official"]


@complete_a_short_name.near_miss("a web address", advice="docker.io/library/")
def _(workspace):
    return workspace.fill("https://docker.io/library/{official}:latest")


@complete_a_short_name.near_miss("with a capital letter", advice="docker.io/library/")
def _(workspace):
    return f"docker.io/library/{workspace['official'].title()}:latest"


@lab.step
def find_the_one_on_docker_hub(workspace, answer):
    """You know which of the four names leads to Docker Hub."""
    said = _said(answer)
    names = workspace["four_names"].split()
    [right] = [name for name in names if parse(name).default_registry]
    reference = _parsed(said)
    if reference and reference.canonical == parse(right).canonical:
        return f"`{right}` is `{parse(right).canonical}`, on Docker Hub."
    first = said.partition("/")[0]
    found = f"`{said}` is none of the four names."
    if said in names and first == "localhost":
        found = f"`{said}` begins with `localhost`, which is always a registry."
    elif said in names:
        mark = "a colon" if ":" in first else "a dot"
        found = f"`{said}` has {mark} before its first slash, so `{first}` is a registry."
    raise NotYet(
        expected="The one name of the four that has no registry before its first slash.",
        found=found,
        next="Look only at what stands before the first slash of each: no dot, no colon, and not "
        "`localhost`.",
    )


@find_the_one_on_docker_hub.solution
def _(workspace):
    return next(name for name in workspace["four_names"].split() if parse(name).default_registry)


@find_the_one_on_docker_hub.near_miss("localhost taken for an account", advice="not `localhost`")
def _(workspace):
    return _of_four(workspace, "localhost/")


@find_the_one_on_docker_hub.near_miss("a host with a port", advice="before the first slash")
def _(workspace):
    return _of_four(workspace, ":5000/")


@lab.step
def find_the_registry(workspace, answer):
    """You know the registry in `{hosted_name}`."""
    name = workspace["hosted_name"]
    reference, said = parse(name), _said(answer).rstrip("/")
    if said.lower() == reference.registry:
        return f"`{said.lower()}` is the registry."
    host, _, port = reference.registry.partition(":")
    found = _slip(said, reference)
    if "://" in said:
        found = "An image's name holds no `https://`, so its registry has none either."
    elif "/" in said:
        found = f"`{said}` goes on behind the first slash."
    elif port and said == host:
        found = f"`{said}` lacks the port, which is part of the registry."
    elif said and reference.registry.endswith(f".{said}"):
        found = f"`{said}` is only the end of it. The registry is the whole host."
    raise NotYet(
        expected=f"The registry in `{name}`.",
        found=found,
        next=f"Take all that stands before the first slash: `echo {name} | cut -d / -f 1`.",
    )


@find_the_registry.solution
def _(workspace):
    return parse(workspace["hosted_name"]).registry


@find_the_registry.near_miss("the first part of the repository", advice="before the first slash")
def _(workspace):
    return parse(workspace["hosted_name"]).repository.split("/")[0]


@find_the_registry.near_miss("a web address", advice="before the first slash")
def _(workspace):
    return f"https://{parse(workspace['hosted_name']).registry}"


@find_the_registry.near_miss("more than the registry", advice="before the first slash")
def _(workspace):
    return workspace["hosted_name"].rpartition("/")[0]


@lab.step
def find_the_account(workspace, answer):
    """You know whose image `{owned_name}` is."""
    name = workspace["owned_name"]
    reference, said = parse(name), _said(answer).strip("/")
    account = reference.repository.split("/")[0]
    if said == account:
        return f"`{account}` is the account."
    found = _slip(said, reference)
    if said == "releases":
        found = (
            "`releases` is what Artifact Registry calls the repository. It lies in a project, and "
            "the project stands in front of it."
        )
    raise NotYet(
        expected=f"The account in `{name}`: a user, an organisation or a project.",
        found=found,
        next=f"Take what stands between the first two slashes: `echo {name} | cut -d / -f 2`.",
    )


@find_the_account.solution
def _(workspace):
    return parse(workspace["owned_name"]).repository.split("/")[0]


@find_the_account.near_miss("the registry", advice="between the first two slashes")
def _(workspace):
    return parse(workspace["owned_name"]).registry


@find_the_account.near_miss("the last part", advice="between the first two slashes")
def _(workspace):
    return parse(workspace["owned_name"]).repository.split("/")[-1]


@lab.step
def find_the_repository(workspace, answer):
    """You know the repository in `{long_name}`."""
    name = workspace["long_name"]
    reference, said = parse(name), _said(answer).strip("/")
    if said == reference.repository:
        return f"`{said}` is the repository."
    raise NotYet(
        expected=f"The repository in `{name}`.",
        found=_slip(said, reference),
        next="Take all from the first slash to the tag: "
        f"`echo {name} | cut -d / -f 2- | cut -d : -f 1`.",
    )


@find_the_repository.solution
def _(workspace):
    return parse(workspace["long_name"]).repository


@find_the_repository.near_miss("the last part only", advice="from the first slash to the tag")
def _(workspace):
    return parse(workspace["long_name"]).repository.rpartition("/")[2]


@find_the_repository.near_miss("the tag kept", advice="from the first slash to the tag")
def _(workspace):
    return workspace["long_name"].partition("/")[2]


@lab.step
def find_the_tag(workspace, answer):
    """You know which tag `{tagged_name}` means."""
    name = workspace["tagged_name"]
    reference, said = parse(name), _said(answer)
    right = reference.tag or "latest"
    if said.removeprefix(":") == right:
        written = "is written" if reference.tag else "is meant, since none is written"
        return f"The tag `{right}` {written}."
    found = _slip(said, reference)
    if said.partition("/")[0] == str(workspace.port):
        found = f"`{said}` stands behind a colon, but before a slash: `{workspace.port}` is a port."
    elif said == "latest":
        found = f"`latest` is meant only where no tag is written, and `{name}` has one."
    raise NotYet(
        expected=f"The tag that `{name}` means.",
        found=found,
        next=f"Look behind the last slash. Or let the engine tell you: `docker image tag "
        f"{workspace.image} {name}`, then `docker image ls --format '{{{{.Tag}}}}' {name}`.",
    )


@find_the_tag.solution
def _(workspace):
    return parse(workspace["tagged_name"]).tag or "latest"


@find_the_tag.near_miss("the port", advice="behind the last slash")
def _(workspace):
    return str(workspace.port)


@find_the_tag.near_miss("all behind the first colon", advice="behind the last slash")
def _(workspace):
    return workspace["tagged_name"].partition(":")[2]


@lab.step
def find_the_digest(workspace, answer):
    """You know which part of the pinned name decides what is pulled."""
    name = workspace["pinned_name"]
    reference, said = parse(name), _said(answer)
    digest = str(reference.digest)
    if said.removeprefix("@") == digest:
        return "The digest decides, whatever the tag says."
    found = _slip(said, reference)
    if said and said in digest:
        found = "That is a piece of the digest. The whole one begins with `sha256:`."
        if len(said) == 64:
            found = "The digest's kind is missing, `sha256:`. It is part of the digest."
    raise NotYet(
        expected="The digest, which names one content and no other.",
        found=found,
        next=f"Take all that stands behind the `@`: `echo {name} | cut -d @ -f 2`.",
    )


@find_the_digest.solution
def _(workspace):
    return parse(workspace["pinned_name"]).digest


@find_the_digest.near_miss("the tag", advice="behind the `@`")
def _(workspace):
    return parse(workspace["pinned_name"]).tag


@find_the_digest.near_miss("without its kind", advice="behind the `@`")
def _(workspace):
    return workspace["pinned_name"].partition("@sha256:")[2]


@lab.step(lasting=True)
def tag_your_image(workspace):
    """Your image has the name `{registry}/team/{image}:1.0` as well."""
    expected = workspace.fill("`{registry}/team/{image}:1.0` is a name of your image `{image}`.")
    again = workspace.fill(f"{TAG}.")
    for host in LOOPBACK:
        name = f"{host}:{workspace.port}/team/{workspace.image}:1.0"
        found = workspace.engine.image(name)
        if found and found.id == workspace.sample:
            return f"`{name}` is your image, {short(found.id)}."
        if found:
            raise NotYet(
                expected=expected,
                found=f"`{name}` is another image, {short(found.id)}.",
                next=f"{again} The name moves to your image.",
            )
    image = workspace.engine.image(workspace.sample)
    if not image:
        raise NotYet(
            expected=expected,
            found=workspace.fill("Your engine no longer has the image `{image}`."),
            next="Start the lab again: it builds the image again.",
        )
    known = {f"{workspace.image}:latest", parse(workspace["tagged_name"]).canonical}
    others = [name for name in image.tags if name not in known]
    raise NotYet(
        expected=expected,
        found=misnamed(workspace, others[0], f"team/{workspace.image}", "1.0")
        if others
        else workspace.fill("Your image does not have that name."),
        next=f"{again} The other name may stay." if others else again,
    )


@tag_your_image.solution
def _(workspace):
    workspace.tag(workspace.sample, workspace.fill("{registry}/team/{image}:1.0"))


@tag_your_image.mistake("the port written as a tag", advice="{registry}/team/{image}:1.0")
def _(workspace):
    workspace.tag(workspace.sample, workspace.fill("{image}:{port}"))


@tag_your_image.mistake("the team left out", advice="{registry}/team/{image}:1.0")
def _(workspace):
    workspace.tag(workspace.sample, workspace.fill("{registry}/{image}:1.0"))


@tag_your_image.mistake("the tag left out", advice="{registry}/team/{image}:1.0")
def _(workspace):
    workspace.tag(workspace.sample, workspace.fill("{registry}/team/{image}:latest"))


@tag_your_image.mistake("another image under the name", advice="{image} {registry}/team/{image}")
def _(workspace):
    workspace.tag("busybox:stable", workspace.fill("{registry}/team/{image}:1.0"))


def _invented(shape):
    """A name of that shape, whose parts nobody else has."""
    return shape.format(
        owner=f"{CHANCE.choice(OWNERS)}{CHANCE.randint(1000, 9999)}",
        number=CHANCE.randint(10**11, 10**12 - 1),
        team=CHANCE.choice(TEAMS),
        app=CHANCE.choice(APPS),
        tag=f"{CHANCE.randint(1, 9)}.{CHANCE.randint(0, 20)}",
    )


def _of_four(workspace, words):
    return next(name for name in workspace["four_names"].split() if words in name)


def _said(answer):
    """The answer without what was copied along with it."""
    return answer.splitlines()[-1].strip(" '\"`")[:200]


def _parsed(text):
    try:
        return parse(text)
    except ValueError:
        return None


def _slip(said, reference):
    """What a wrong answer is a part of."""
    parts = {
        "the whole name": reference.canonical,
        "the registry": reference.registry,
        "the repository": reference.repository,
        "the tag": reference.tag,
        "the digest": reference.digest,
    }
    for what, part in parts.items():
        if said == part:
            return f"`{said}` is {what}."
    if said in reference.repository.split("/"):
        return f"`{said}` is only one part of the repository, `{reference.repository}`."
    if said and said in reference.canonical:
        return f"`{said}` stands in the name, but it is more than one part, or less."
    return f"`{said}` does not stand in the name."


def _short_of(said, short):
    """Why it is not the full form of an official image's short name."""
    try:
        reference = parse(said)
    except ValueError as error:
        return str(error)
    if reference.repository == f"{short}/{short}":
        return (
            f"`{said}` is the repository `{short}` of an account `{short}`. Official images are "
            "kept under the account `library`."
        )
    if reference.canonical != parse(short).canonical:
        return f"`{said}` is another image: `{reference.canonical}`."
    lacks = [
        word
        for word, there in (
            ("the registry", said.startswith(("docker.io/", "index.docker.io/"))),
            ("the account", "library/" in said),
            ("the tag", reference.tag),
        )
        if not there
    ]
    return f"`{said}` means the same, but leaves out {' and '.join(lacks)}."
