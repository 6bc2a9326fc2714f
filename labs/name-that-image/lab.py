"""Take the names of images apart, and give one of your own the name that it needs."""

import random
import re

from labrunner import (
    Lab,
    NotYet,
    Sentence,
    digests_in,
    last_line,
    listed,
    misnamed,
    missing_parts,
    nearest,
    parse,
    part_of,
    same_image,
    short,
    tag_as,
)

CHANCE = random.SystemRandom()
OFFICIAL = ["redis", "postgres", "python", "mariadb", "memcached", "golang", "ubuntu"]
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
HOSTED = [GHCR, GCR, ARTIFACT_REGISTRY, ECR, ACR, OWN]

CLOUDS = {  # by the end of the host: a word for it, and where its names show the owner
    "amazonaws.com": (
        "aws",
        "In a name of Amazon ECR, the account is the number at the front of the host. The whole "
        "path is the repository.",
    ),
    "pkg.dev": (
        "google",
        "In a name of Artifact Registry, the project is the first part of the path. What Google "
        "calls the repository follows it.",
    ),
    "azurecr.io": (
        "azure",
        "In a name of Azure Container Registry there is no account. The registry's own name is the "
        "front of the host, and the whole path is the repository.",
    ),
}

lab = Lab(
    title="Name that image",
    images=["busybox:stable"],
    sample=True,
    values={
        "official": lambda ws: CHANCE.choice(OFFICIAL),
        "hosted_name": lambda ws: _invented(*HOSTED),
        "owned_name": lambda ws: _invented(HUB, GHCR, GCR, ARTIFACT_REGISTRY),
        "long_name": lambda ws: _invented(HUB, *HOSTED),
        "tagged_name": lambda ws: _invented(
            f"{ws.registry}/{{team}}/{{app}}:{{tag}}", f"{ws.registry}/{{team}}/{{app}}"
        ),
        "account": lambda ws: _invented("{owner}"),
        "host": lambda ws: _invented("{team}-server"),
        "pinned_name": lambda ws: (
            f"{_invented(GHCR, ECR, OWN)}@sha256:{CHANCE.randbytes(32).hex()}"
        ),
    },
)

WRITE_OUT = "Write all four parts. The table of the parts says what Docker adds."
THREE_WORDS = "Submit three words: the number of the account, the project, the registry's own name."
LOOK_IN_FRONT = (
    "Look only at the part before the first slash of each name. In the one that you want, it has "
    "no dot and no colon, and is not `localhost`."
)
CUT_REGISTRY = "Take everything before the first slash of `{hosted_name}`."
CUT_ACCOUNT = "Take the part between the first two slashes of `{owned_name}`."
CUT_REPOSITORY = "Take everything between the first slash of `{long_name}` and its tag."
LOOK_BEHIND = (
    "Look after the last slash of `{tagged_name}`. If there is a colon, the tag follows it. If "
    "not, Docker adds a tag: see the third rule at the top."
)
CUT_DIGEST = "Take everything after the `@`."
TAG = "`docker image tag {image} {registry}/team/{image}:1.0`."
ON_HUB, ELSEWHERE = "{account}/{image}:2.0", "{host}:8443/tools/{image}:latest"


@lab.value
def cloud_names(workspace):
    names = [*map(_invented, (ECR, ARTIFACT_REGISTRY, ACR))]
    CHANCE.shuffle(names)
    return " ".join(names)


@lab.value
def four_names(workspace):
    hub = ["{owner}/{app}.{team}:{tag}", "{owner}/{app}:5000", "{owner}/{team}.{app}"]
    hosts = ["localhost/{app}:{tag}", "{owner}:5000/{app}", "{owner}.{team}/{app}:{tag}"]
    names = [_invented(*hub), *map(_invented, hosts)]
    CHANCE.shuffle(names)
    return " ".join(names)


@lab.step(advice=WRITE_OUT)
def complete_a_short_name(workspace, answer):
    """You know what `{official}` means in full: registry, account, repository and tag."""
    said, right = last_line(answer), parse(workspace["official"]).canonical
    if said.replace("index.docker.io/", "docker.io/", 1) == right:
        return Sentence("`{official}` is `{right}`.", right=right)
    reason, found = missing_parts(said, workspace["official"])
    raise NotYet(reason, found=found, next=WRITE_OUT, said=said)


complete_a_short_name.solution(lambda ws: parse(ws["official"]).canonical)
complete_a_short_name.near_miss("the name doubled", reason="account")(
    "docker.io/{official}/{official}:latest"
)
complete_a_short_name.near_miss("left as short as it was", reason="short")("{official}")
complete_a_short_name.near_miss("a web address", reason="invalid")(
    "https://docker.io/library/{official}:latest"
)
complete_a_short_name.near_miss("with a capital letter", reason="invalid")(
    lambda ws: f"docker.io/library/{ws['official'].title()}:latest"
)


@lab.step(advice=LOOK_IN_FRONT)
def find_the_one_on_docker_hub(workspace, answer):
    """You know which of the four names has no registry in front, and so leads to Docker Hub."""
    said, names = last_line(answer), workspace["four_names"].split()
    [right] = [name for name in names if parse(name).default_registry]
    if same_image(said, right):
        full = parse(right).canonical
        return Sentence("`{right}` is `{full}`, on Docker Hub.", right=right, full=full)
    first = said.partition("/")[0]
    if said not in names:
        reason, found = "none-of-them", "`{said}` is not one of the four names."
    elif first == "localhost":
        reason = "localhost"
        found = "`{said}` begins with `localhost`, which is always a registry."
    elif ":" in first:
        reason = "colon"
        found = "`{said}` has a colon before its first slash, so `{first}` is a registry."
    else:
        reason = "dot"
        found = "`{said}` has a dot before its first slash, so `{first}` is a registry."
    raise NotYet(reason, found=found, next=LOOK_IN_FRONT, said=said, first=first)


find_the_one_on_docker_hub.solution(
    lambda ws: next(name for name in ws["four_names"].split() if parse(name).default_registry)
)
find_the_one_on_docker_hub.near_miss("localhost taken for an account", reason="localhost")(
    lambda ws: _one_of_four(ws, "localhost/")
)
find_the_one_on_docker_hub.near_miss("a host with a port", reason="colon")(
    lambda ws: _one_of_four(ws, ":5000/")
)


@lab.step(advice=CUT_REGISTRY)
def find_the_registry(workspace, answer):
    """You know the registry in `{hosted_name}`."""
    reference, said = parse(workspace["hosted_name"]), last_line(answer).rstrip("/")
    if said.lower() == reference.registry:
        return Sentence("`{right}` is the registry.", right=reference.registry)
    host, _, port = reference.registry.partition(":")
    reason, found = part_of(said, reference)
    if "://" in said:
        reason = "web-address"
        found = "An image's name has no `https://` in it, and so its registry has none either."
    elif "/" in said:
        reason, found = "too-long", "`{said}` goes on after the first slash."
    elif port and said == host:
        reason, found = "no-port", "`{said}` lacks the port, which is part of the registry."
    elif said and reference.registry.endswith(f".{said}"):
        reason = "end-of-it"
        found = "`{said}` is only the end of the host. The registry is the whole host."
    raise NotYet(reason, found=found, next=CUT_REGISTRY, said=said)


find_the_registry.solution(lambda ws: parse(ws["hosted_name"]).registry)
find_the_registry.near_miss("the first part of the repository", reason="one-part")(
    lambda ws: parse(ws["hosted_name"]).repository.split("/")[0]
)
find_the_registry.near_miss("a web address", reason="web-address")(
    lambda ws: f"https://{parse(ws['hosted_name']).registry}"
)
find_the_registry.near_miss("more than the registry", reason="too-long")(
    lambda ws: ws["hosted_name"].rpartition("/")[0]
)


@lab.step(advice=CUT_ACCOUNT)
def find_the_account(workspace, answer):
    """You know the account in `{owned_name}`: a user, an organisation or a project."""
    reference, said = parse(workspace["owned_name"]), last_line(answer).strip("/")
    account = reference.repository.split("/")[0]
    if said == account:
        return Sentence("`{right}` is the account.", right=account)
    reason, found = part_of(said, reference)
    if said == "releases":
        reason = "releases"
        found = "Artifact Registry calls `releases` the repository. The project comes before it."
    raise NotYet(reason, found=found, next=CUT_ACCOUNT, said=said)


find_the_account.solution(lambda ws: parse(ws["owned_name"]).repository.split("/")[0])
find_the_account.near_miss("the registry", reason="registry")(
    lambda ws: parse(ws["owned_name"]).registry
)
find_the_account.near_miss("the last part", reason="one-part")(
    lambda ws: parse(ws["owned_name"]).repository.split("/")[-1]
)


@lab.step
def take_three_clouds_apart(workspace, answer):
    """You know the word that shows the owner in each name: a number, a project, a registry."""
    names = workspace["cloud_names"].split()
    said = re.findall(r"[^\s,;\"'`]{1,200}", answer)
    for name in names:
        if _owner(name) not in said:
            reason, where = _cloud(name)
            found, near = _near_owner(said, name)
            raise NotYet(reason, found=found, next=where, said=near)
    if len(said) > len(names):
        found = "Your answer has more than three words, and only three of them are right."
        raise NotYet("too-many", found=found, next=THREE_WORDS)
    owners = listed(map(_owner, names))
    return Sentence("{owners} show the owners of the three images.", owners=owners)


take_three_clouds_apart.solution(lambda ws: _owners(ws))
take_three_clouds_apart.near_miss(
    "AWS: the whole host", advice="the number at the front", reason="aws"
)(lambda ws: _owners(ws, "aws", lambda reference: reference.registry))
take_three_clouds_apart.near_miss(
    "AWS: an account in the path", advice="The whole path is the repository", reason="aws"
)(lambda ws: _owners(ws, "aws", lambda reference: reference.repository.split("/")[0]))
take_three_clouds_apart.near_miss(
    "Google: what it calls the repository", advice="the first part of the path", reason="google"
)(lambda ws: _owners(ws, "google", lambda reference: reference.repository.split("/")[1]))
take_three_clouds_apart.near_miss(
    "Azure: an account in the path", advice="there is no account", reason="azure"
)(lambda ws: _owners(ws, "azure", lambda reference: reference.repository.split("/")[0]))
take_three_clouds_apart.near_miss(
    "all that the names consist of", advice="Submit three words", reason="too-many"
)(lambda ws: re.sub("[/:.]", " ", ws["cloud_names"]))


@lab.step(advice=CUT_REPOSITORY)
def find_the_repository(workspace, answer):
    """You know the repository in `{long_name}`."""
    reference, said = parse(workspace["long_name"]), last_line(answer).strip("/")
    if said == reference.repository:
        return Sentence("`{right}` is the repository.", right=reference.repository)
    reason, found = part_of(said, reference)
    raise NotYet(reason, found=found, next=CUT_REPOSITORY, said=said)


find_the_repository.solution(lambda ws: parse(ws["long_name"]).repository)
find_the_repository.near_miss("the last part only", reason="one-part")(
    lambda ws: parse(ws["long_name"]).repository.rpartition("/")[2]
)
find_the_repository.near_miss("the tag kept", reason="more-than-one")(
    lambda ws: ws["long_name"].partition("/")[2]
)


@lab.step(advice=LOOK_BEHIND)
def find_the_tag(workspace, answer):
    """You know which tag `{tagged_name}` means."""
    reference, said = parse(workspace["tagged_name"]), last_line(answer)
    right = reference.tag or "latest"
    if said.removeprefix(":") == right:
        meant = "The tag `{right}` is meant, since none is written."
        return Sentence("The tag `{right}` is written." if reference.tag else meant, right=right)
    reason, found = part_of(said, reference)
    if said.partition("/")[0] == str(workspace.port):
        reason = "port"
        found = "`{said}` comes after a colon, but before a slash: `{port}` is a port."
    elif said == "latest":
        reason = "latest"
        found = "`latest` is meant only where no tag is written, and `{tagged_name}` has one."
    elif reason == "not-there" and not reference.tag and said.strip("`'\""):
        found = "No tag is written. The name means one all the same, but not `{said}`."
    raise NotYet(reason, found=found, next=LOOK_BEHIND, said=said)


find_the_tag.solution(lambda ws: parse(ws["tagged_name"]).tag or "latest")
find_the_tag.near_miss("the port", reason="port")("{port}")
find_the_tag.near_miss("no tag", reason="not-there")("none")
find_the_tag.near_miss("all behind the first colon", reason="port")(
    lambda ws: ws["tagged_name"].partition(":")[2]
)


@lab.step(advice=CUT_DIGEST)
def find_the_digest(workspace, answer):
    """You know which part of the pinned name decides what is pulled."""
    reference, said = parse(workspace["pinned_name"]), last_line(answer)
    if digests_in(answer) == {reference.digest} and said != reference.canonical:
        return "The digest decides, whatever the tag says."
    reason, found = part_of(said, reference)
    if said and said in str(reference.digest):
        reason = "piece"
        found = "That is only a piece of the digest. The whole digest begins with `sha256:`."
    raise NotYet(reason, found=found, next=CUT_DIGEST, said=said)


find_the_digest.solution(lambda ws: parse(ws["pinned_name"]).digest)
find_the_digest.near_miss("the tag", reason="tag")(lambda ws: parse(ws["pinned_name"]).tag)
find_the_digest.near_miss("the full name", reason="whole-name")("{pinned_name}")


@lab.step(lasting=True, advice=TAG)
def tag_your_image(workspace):
    """Your image has the name `{registry}/team/{image}:1.0` as well."""
    repository = f"team/{workspace.image}"
    for name in workspace.spellings(repository, "1.0"):
        found = workspace.engine.image(name)
        if found and found.id == workspace.sample:
            return Sentence("`{name}` is your image, {id}.", name=name, id=short(found.id))
        if found:
            raise NotYet(
                "another-image",
                found=Sentence("`{name}` is another image, {id}.", name=name, id=short(found.id)),
                next=Sentence.joined(TAG, "The name moves to your image."),
            )
    if not (others := _other_names(workspace)):
        raise NotYet("no-name", found="Your image does not have that name.", next=TAG)
    found = misnamed(workspace, others[0], repository, "1.0")
    raise NotYet("misnamed", found=found, next=Sentence.joined(TAG, "The other name may stay."))


tag_your_image.solution(tag_as("{registry}/team/{image}:1.0"))
tag_your_image.mistake("the port written as a tag", reason="misnamed")(tag_as("{image}:{port}"))
tag_your_image.mistake("the team left out", reason="misnamed")(tag_as("{registry}/{image}:1.0"))
tag_your_image.mistake("the tag left out", reason="misnamed")(
    tag_as("{registry}/team/{image}:latest")
)
tag_your_image.mistake("another image under the name", reason="another-image")(
    tag_as("{registry}/team/{image}:1.0", "busybox:stable")
)


@lab.step(advice="with its port")
def name_it_for_two_places(workspace):
    """Your image has two more names: one in the account `{account}` on Docker Hub, and one in the
    registry on port 8443 of `{host}`."""
    has = {parse(name).canonical: name for name in _other_names(workspace)}
    places = [parse(workspace.fill(name)) for name in (ON_HUB, ELSEWHERE)]
    full = [place.canonical for place in places]
    left = [place for place in places if place.canonical not in has]
    if not left:
        return Sentence("{names} are names of your image.", names=listed(full))
    meant = re.compile(f"{workspace['account']}|{workspace['host']}|:2.0$")
    wrong = [name for name in has if meant.search(name) and name not in full]
    reason, place = "missing", left[0]
    found: str = Sentence("Your image has {count} of the two names.", count=2 - len(left))
    if wrong:
        reason, name = "misnamed", wrong[-1]
        place, parts = nearest(name, left)
        wrongly = "In full, `{name}` is `{full}`. What differs from the task: {parts}."
        found = Sentence(wrongly, name=has[name], full=name, parts=parts)
    todo = "The registry comes first, with its port. After a slash comes the whole repository."
    if place.default_registry:
        todo = "A name on Docker Hub is the account, a slash, the repository, a colon and the tag."
    raise NotYet(reason, found=found, next=todo)


name_it_for_two_places.solution(tag_as(ON_HUB), tag_as(ELSEWHERE))
name_it_for_two_places.mistake("only the one on Docker Hub", reason="missing")(tag_as(ON_HUB))
name_it_for_two_places.mistake(
    "the account left out", advice="the account, a slash", reason="misnamed"
)(tag_as("{image}:2.0"))
name_it_for_two_places.mistake("the port left out", reason="misnamed")(
    tag_as(ON_HUB), tag_as("{host}/tools/{image}:latest")
)
name_it_for_two_places.mistake("the port written as a tag", reason="misnamed")(
    tag_as(ON_HUB), tag_as("{host}/{image}:8443")
)


def _other_names(workspace):
    """Return the names of the learner's image, but for those that the page has given it."""
    image = workspace.engine.image(workspace.sample)
    if not image:
        found = "Your engine no longer has the image `{image}`."
        todo = "Start the lab again: it builds the image again."
        raise NotYet("image-gone", found=found, next=todo)
    known = {f"{workspace.image}:latest", parse(workspace["tagged_name"]).canonical}
    known.update(workspace.spellings(f"team/{workspace.image}", "1.0"))
    return [name for name in image.tags if name not in known]


def _invented(*shapes):
    """Return a name of one of these shapes, whose parts nobody else has."""
    return CHANCE.choice(shapes).format(
        owner=f"{CHANCE.choice(OWNERS)}{CHANCE.randint(1000, 9999)}",
        number=CHANCE.randint(10**11, 10**12 - 1),
        team=CHANCE.choice(TEAMS),
        app=CHANCE.choice(APPS),
        tag=f"{CHANCE.randint(1, 9)}.{CHANCE.randint(0, 20)}",
    )


def _cloud(name):
    """Return the word for the cloud of a name, and where its names show the owner."""
    host = parse(name).registry
    return next(cloud for end, cloud in CLOUDS.items() if host.endswith(f".{end}"))


def _owner(name):
    """Return the part of a cloud's name that shows the owner."""
    reference = parse(name)
    if _cloud(name)[0] == "google":
        return reference.repository.split("/")[0]
    return reference.registry.split(".")[0]


def _owners(workspace, wrong="", mistake=None):
    """Return the answer, with a mistake in the name of one cloud."""
    return " ".join(
        mistake(parse(name)) if _cloud(name)[0] == wrong else _owner(name)
        for name in workspace["cloud_names"].split()
    )


def _near_owner(said, name):
    """Return what an answer without the owner of a name says instead, and the word for that."""
    found = Sentence("Your answer does not name the owner of `{name}`.", name=name)
    for word in said:
        kind, sentence = part_of(word, parse(name))
        if kind != "not-there":
            return Sentence.joined(found, sentence), word
    return found, ""


def _one_of_four(workspace, part):
    return next(name for name in workspace["four_names"].split() if part in name)
