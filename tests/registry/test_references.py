"""References: the grammar, the normal forms, the sentences, and the engine as a second opinion."""

import contextlib
import io
import json
import tarfile
import time
import uuid
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labrunner.registry.references import InvalidReference, Reference, notes, parse

# However busy the machine is: an example may take long, and so may making it.
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA384 = f"sha384:{HEX}{HEX[:32]}"
SHA512 = f"sha512:{HEX}{HEX}"

# written: registry, repository, tag, digest, canonical, familiar
VALID: dict[str, tuple[str, str, str | None, str | None, str, str]] = {}


def valid(
    written: str,
    registry: str,
    repository: str,
    *,
    tag: str | None = None,
    digest: str | None = None,
    canonical: str | None = None,
    familiar: str | None = None,
) -> None:
    """Note a row; the two forms default to the written name, the canonical one with `:latest`."""
    latest = "" if tag or digest else ":latest"
    VALID[written] = (
        registry,
        repository,
        tag,
        digest,
        canonical or written + latest,
        familiar or written,
    )


def on_hub(written: str, repository: str, familiar: str | None = None, **parts: str) -> None:
    """Note a row that belongs to Docker Hub."""
    suffix = f":{parts['tag']}" if "tag" in parts else ""
    suffix += f"@{parts['digest']}" if "digest" in parts else ""
    canonical = f"docker.io/{repository}{suffix or ':latest'}"
    valid(written, "docker.io", repository, canonical=canonical, familiar=familiar, **parts)


# Docker Hub, spelled in every way
on_hub("alpine", "library/alpine")
on_hub("alpine:3.20", "library/alpine", tag="3.20")
on_hub("alpine:V3", "library/alpine", tag="V3")
on_hub("library/alpine", "library/alpine", "alpine")
on_hub("docker.io/alpine", "library/alpine", "alpine")
on_hub("docker.io/alpine:edge", "library/alpine", "alpine:edge", tag="edge")
on_hub("docker.io/library/alpine", "library/alpine", "alpine")
on_hub("index.docker.io/alpine", "library/alpine", "alpine")
on_hub("index.docker.io/library/alpine:3", "library/alpine", "alpine:3", tag="3")
on_hub("index.docker.io/team/app", "team/app", "team/app")
on_hub("docker.io/team/app", "team/app", "team/app")
on_hub("team/app", "team/app")
on_hub("team/library", "team/library")
on_hub("library/alpine/slim", "library/alpine/slim")
on_hub("docker.io/library/alpine/slim", "library/alpine/slim", "library/alpine/slim")
on_hub("a/b/c/d/e", "a/b/c/d/e")
on_hub("a", "library/a")
on_hub("0", "library/0")
on_hub("x/y", "x/y")
on_hub("under_score/app", "under_score/app")
on_hub("two__under/app", "two__under/app")
on_hub("many----dashes/app", "many----dashes/app")
on_hub("a.b_c__d---e", "library/a.b_c__d---e")
on_hub("n0t-hexadecimal" + "z" * 49, "library/n0t-hexadecimal" + "z" * 49)
on_hub(HEX[:63], f"library/{HEX[:63]}")
on_hub(f"{HEX}:1", f"library/{HEX}", tag="1")
on_hub(f"{HEX}/app", f"{HEX}/app")
on_hub(f"docker.io/{HEX}", f"library/{HEX}", HEX)
on_hub(f"alpine@{SHA256}", "library/alpine", digest=SHA256)
on_hub(f"alpine@{SHA384}", "library/alpine", digest=SHA384)
on_hub(f"alpine@{SHA512}", "library/alpine", digest=SHA512)
on_hub(f"alpine:3@{SHA256}", "library/alpine", tag="3", digest=SHA256)
on_hub(f"sha256:{HEX}", "library/sha256", tag=HEX)
# a host without a path is a repository, and its port a tag
on_hub("localhost", "library/localhost")
on_hub("localhost:5000", "library/localhost", tag="5000")
on_hub("example.com", "library/example.com")
on_hub("example.com:8080", "library/example.com", tag="8080")
on_hub("under_score.com:8080", "library/under_score.com", tag="8080")
on_hub("10.0.0.1", "library/10.0.0.1")
on_hub("10.0.0.1:5000", "library/10.0.0.1", tag="5000")
on_hub("index.docker.io", "library/index.docker.io")
on_hub(f"localhost:5000@{SHA256}", "library/localhost", tag="5000", digest=SHA256)
# a host behind Docker Hub's is a part of the repository
on_hub("docker.io/example.com/app", "example.com/app", "example.com/app")
on_hub("docker.io/docker.io/app", "docker.io/app", "docker.io/app")
on_hub("docker.io/localhost/app", "localhost/app", "localhost/app")
# other registries
valid("localhost/app", "localhost", "app")
valid("localhost/team/app", "localhost", "team/app")
valid("localhost/library/app", "localhost", "library/app")
valid("localhost:5000/my-image", "localhost:5000", "my-image")
valid("localhost:5000/my-image:5000", "localhost:5000", "my-image", tag="5000")
valid("registry:5000/app", "registry:5000", "app")
valid("regi-stry:5000/app", "regi-stry:5000", "app")
valid("docker.io:443/app", "docker.io:443", "app")
valid("ghcr.io/team/app:1.0", "ghcr.io", "team/app", tag="1.0")
valid("sub-1.example.com/a/b/c:tag", "sub-1.example.com", "a/b/c", tag="tag")
valid("example.com/under_score/a__b", "example.com", "under_score/a__b")
valid("example.com/test.example.org/app", "example.com", "test.example.org/app")
valid("xn--bcher-kva.example/app:xn--x", "xn--bcher-kva.example", "app", tag="xn--x")
valid("10.0.0.1/app", "10.0.0.1", "app")
valid("10.0.0.1:5000/app", "10.0.0.1:5000", "app")
valid("10.0.0.1:5000/app:5001", "10.0.0.1:5000", "app", tag="5001")
valid("0101.com:750050/app", "0101.com:750050", "app")
valid(f"registry:5000/app@{SHA256}", "registry:5000", "app", digest=SHA256)
valid(f"registry:5000/app:v1@{SHA256}", "registry:5000", "app", tag="v1", digest=SHA256)
valid(f"example.com/{HEX}", "example.com", HEX)
valid("private_registry.io/app", "", "private_registry.io/app")
valid("private_registry.io/app:1", "", "private_registry.io/app", tag="1")
# lengths
on_hub("a" * 247, "library/" + "a" * 247)
valid("example.com/" + "b" * 255, "example.com", "b" * 255)
valid("c" * 60 + ".io/" + "b/" * 127 + "b", "c" * 60 + ".io", "b/" * 127 + "b")
on_hub("alpine:" + "t" * 128, "library/alpine", tag="t" * 128)
on_hub("alpine:_", "library/alpine", tag="_")
on_hub("alpine:0.-_", "library/alpine", tag="0.-_")
# capitals in the host
valid("Docker/app", "Docker", "app")
valid("TEAM/library/app:1", "TEAM", "library/app", tag="1")
valid("Example.COM:5000/app", "Example.COM:5000", "app")
valid("Docker.io/app", "Docker.io", "app")
# IPv6
valid("[::1]/app", "[::1]", "app")
valid("[::1]:5000/app", "[::1]:5000", "app")
valid("[::1]:5000/team/app:1", "[::1]:5000", "team/app", tag="1")
valid("[2001:db8::]/app", "[2001:db8::]", "app")
valid("[2001:DB8:1:2:3:4:5:6]:5000/app", "[2001:DB8:1:2:3:4:5:6]:5000", "app")
valid("[fd00123]:5000/app", "[fd00123]:5000", "app")
valid(f"[::1]:5000/app:1@{SHA256}", "[::1]:5000", "app", tag="1", digest=SHA256)

# written: words that the sentence must have
INVALID = {
    # nothing, and what is no character of a name
    "": "is empty",
    " \t": "is empty",
    " alpine": "blank",
    "my image": "blank",
    "alpine\n": "line break",
    "alp\x00ine": r"`\u0000`",
    "alp\u200fine": r"`\u200f`",
    "älpine": "`ä`",
    "аlpine": "`а`",  # noqa: RUF001 - a Cyrillic letter
    "a/b$c": "`$`",
    "a+b": "`+`",
    "https://localhost:5000/app": "write `localhost:5000/app`",
    "docker://alpine": "write `alpine`",
    HEX: "64 hexadecimal digits",
    # no repository
    ":tag": "no repository",
    f"@{SHA256}": "no repository",
    "localhost:5000/": "no repository",
    "localhost:5000/:v1": "no repository",
    "[::1]": "no repository",
    "[::1]:5000": "no repository",
    "[::1]:tag": "no repository",
    # hosts
    "[fe80::1%eth0]:5000/app": "without a zone",
    "[fe80::1%@zone]:5000/app": "without a zone",
    "[::ffff:192.0.2.1]:5000/app": "IPv6",
    "[::1]5000/app": "IPv6",
    "[::1]::5000/app": "IPv6",
    "fd00::1:5000/app": "brackets",
    "example.com:http/app": "`http`, which is not a number",
    "localhost:/app": "no port after the colon",
    "under_score.com:8080/app": "underscore",
    "two__under:5000/app": "underscore",
    "-example.com/app": "`-example.com` is not a host",
    "example-.com/app": "`example-.com` is not a host",
    "example./app": "`example.` is not a host",
    ".example/app": "`.example` is not a host",
    "exam..ple/app": "`exam..ple` is not a host",
    ":5000/app": "`:5000` is not a host",
    # capitals
    "My-Image": "`My-Image` has capital letters; repositories are lower case: `my-image`.",
    "My-Image:v1": "lower case: `my-image`",
    "team/App": "lower case: `team/app`",
    "My_Team/app": "lower case: `my_team/app`",
    "localhost:5000/My-Image": "lower case: `my-image`",
    "docker.io/team/App": "lower case: `team/app`",
    "Team/App": "lower case: `app`",
    "private_registry.io/App": "lower case: `private_registry.io/app`",
    # slashes and separators
    "/alpine": "slash",
    "alpine/": "slash",
    "team//app": "slash",
    "team///app": "slash",
    "team/:v1": "slash",
    "docker.io/team//app": "slash",
    "-alpine": "`-alpine` in `-alpine` begins or ends",
    "alpine-": "begins or ends",
    "_team/app": "`_team`",
    "team-/app": "`team-`",
    "team/-app": "`-app`",
    "____/____": "`____`",
    "example.com/.app": "`.app`",
    "example.com/app_:1": "`app_`",
    "al..pine": "`..`",
    "al_.pine": "`_.`",
    "al-.pine": "`-.`",
    "al___pine": "`___`",
    "example.com/a..b/c": "`..`",
    # tags
    "alpine:": "tag in `alpine:` is empty",
    f"alpine:@{SHA256}": "empty",
    "alpine:-1": "`-1` begins with",
    "alpine:.1": "`.1` begins with",
    "alpine:1~2": "`~`",
    "alpine:1+2": "`+`",
    "alpine:1:2": "several tags",
    "team/app:1/more": "very end",
    "alpine:" + "t" * 129: "129 characters",
    f"alpine:{SHA256}": "after `@`",
    # digests
    "alpine@": "There is nothing after",
    "alpine@latest": "`latest` is not a digest",
    "alpine@2": "`2` is not a digest",
    "alpine@sha256:": "0 digits",
    f"alpine@sha256:{HEX[:34]}": "34 digits",
    f"alpine@sha256:{HEX}0": "65 digits",
    f"alpine@sha512:{HEX}": "64 digits",
    f"alpine@sha256:{HEX.upper()}": "capital letters",
    f"alpine@sha256:{HEX[1:]}g": "`g`",
    f"alpine@SHA256:{HEX}": "`SHA256` is not a kind of digest",
    f"alpine@md5:{HEX[:32]}": "`md5` is not a kind of digest",
    f"alpine@sha256+b64:{HEX}": "`sha256+b64` is not a kind of digest",
    f"alpine@{SHA256}:tag": "tag before the `@`",
    f"alpine@{SHA256}@{SHA256}": "The digest in",
    # lengths
    "a" * 248: "256 characters",
    "team/" + "a" * 251: "256 characters",
    "example.com/" + "a" * 256: "256 characters",
}

NOTED = {
    "alpine": ["No registry is named", "`latest`"],
    "team/app:1": ["`team` is not a host, without a `.` or `:`"],
    "my-image:5000": ["No registry", "`5000` in `my-image:5000` is a tag, not a port"],
    "localhost:5000": ["No registry", "`localhost` is a repository here", "a tag, not a port"],
    "private_registry.io/app:1": ["`private_registry.io` has a `_`, so it is not a host"],
    "index.docker.io/team/app:1": ["`index.docker.io` is an old name"],
    "Team/app:1": ["`Team` has capital letters, so it is a host"],
    "localhost:500000/app:1": ["no port is higher than 65535"],
    "localhost:5000/app": ["`latest`"],
    f"localhost:5000/app:1@{SHA256}": ["the tag `1` is ignored"],
    f"{SHA256}": ["No registry", "a digest comes after"],
    "docker.io/example.com/app:1": ["shows this name as `example.com/app:1`"],
    f"docker.io/{HEX}:1@{SHA256}": ["the tag `1` is ignored"],
    f"docker.io/library/{HEX}": ["`latest`", "which means something else"],
    "localhost:5000/app:1": [],
    "Example.com/app:1": [],
    "[::1]:5000/app:1": [],
}


@pytest.mark.parametrize("written", VALID)
def test_a_valid_name_is_taken_apart_and_completed(written: str) -> None:
    keys = ("registry", "repository", "tag", "digest", "canonical", "familiar")
    assert parse(written).as_dict() == dict(zip(keys, VALID[written], strict=True))


@pytest.mark.parametrize("written", INVALID)
def test_an_invalid_name_is_refused_with_a_sentence_about_its_fault(written: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        parse(written)
    assert INVALID[written] in str(refusal.value)


@pytest.mark.parametrize("written", NOTED)
def test_notes_say_what_may_be_misread_and_nothing_more(written: str) -> None:
    said = notes(written)
    assert len(said) == len(NOTED[written]), said
    for words, sentence in zip(NOTED[written], said, strict=True):
        assert words in sentence


def test_only_docker_hub_is_the_default_registry() -> None:
    assert parse("alpine").default_registry
    assert not parse("localhost:5000/alpine").default_registry
    assert not parse("private_registry.io/alpine").default_registry


def test_notes_refuse_what_parse_refuses() -> None:
    with pytest.raises(InvalidReference, match="capital letters"):
        notes("My-Image")


LOOKS_LIKE_A_NAME = st.text(alphabet="aZ0._-:/@[]%$ é\x00\u200f", max_size=40) | st.lists(
    st.sampled_from(
        "a app Foo 0 . _ __ - / // : :5000 @ [::1] localhost docker.io index.docker.io library "
        f"sha256 é {HEX} {SHA256}".split(" ")
    ),
    max_size=9,
).map("".join)


@settings(max_examples=300)
@given(LOOKS_LIKE_A_NAME | st.text())
def test_any_text_gives_a_reference_or_one_sentence(text: str) -> None:
    try:
        assert isinstance(parse(text), Reference)
        assert all(note.endswith(".") for note in notes(text))
    except InvalidReference as refusal:
        sentence = str(refusal)
        assert sentence.endswith(".")
        assert sentence.isprintable()
        assert len(sentence) < 400
        assert "is not an image reference" not in sentence, "a fault without its own sentence"


@pytest.mark.parametrize(
    "unit",
    [*"aA0-_.:/@[$\x00\u202e", "a/", "a.", "a_", "a-", "a:", "a@", "a.b_", "A/", "a--", "a_b:1/"],
)
@pytest.mark.parametrize("before", ["", "a:", "a@", "a.b/"])
@pytest.mark.parametrize("after", ["", "$", "_/x"])
def test_64_kib_of_anything_are_refused_before_long(unit: str, before: str, after: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidReference) as refusal:
        parse(before + (unit * 65536)[:65536] + after)
    assert time.perf_counter() - started < 10
    assert len(str(refusal.value)) < 400


@st.composite
def references(draw: st.DrawFn) -> str:
    """Valid names of all kinds."""
    label = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
    part = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
    host = st.lists(label, min_size=2, max_size=3).map(".".join)
    host |= st.sampled_from(["localhost", "docker.io", "index.docker.io", "[::1]", "Caps"])
    registry = draw(st.just("") | host.map("{}/".format) | host.map("{}:5000/".format))
    path = "/".join(draw(st.lists(part, min_size=1, max_size=3)))
    tag = draw(st.just("") | st.from_regex(r":[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,9}", fullmatch=True))
    digest = draw(st.sampled_from(["", f"@{SHA256}", f"@{SHA512}"]))
    return registry + path + tag + digest


@settings(max_examples=100)
@given(references())
@example("private_registry.io/app")
@example("docker.io/docker.io/app")
def test_the_canonical_form_is_a_fixed_point(written: str) -> None:
    canonical = parse(written).canonical
    assert parse(canonical).canonical == canonical


@settings(max_examples=100)
@given(references())
def test_the_familiar_form_means_the_same_image_or_a_note_warns(written: str) -> None:
    reference = parse(written)
    warned = any("means something else" in note for note in notes(written))
    if warned:
        assert reference.default_registry
    else:
        assert parse(reference.familiar) == reference


# The engine as a second opinion. Engine 20.10 has the grammar of Distribution 2.8, in which IPv6
# hosts and hosts known only by a capital are refused and the host counts for the length limit.
def _is_newer_than_engine_20_10(written: str) -> bool:
    registry, repository, *_ = VALID[written]
    only_a_capital = registry != registry.lower() and "." not in registry and ":" not in registry
    return registry.startswith("[") or only_a_capital or len(f"{registry}/{repository}") > 255


ASKED = [written for written in VALID if not _is_newer_than_engine_20_10(written)]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> Iterator[Image]:
    """An image of our own with one empty file of a random name, gone with its tags afterwards."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(uuid.uuid4().hex))
    answer = engine.api.import_image_from_data(content.getvalue())
    image_id = json.loads(answer.splitlines()[-1])["status"]
    yield engine.images.get(image_id)
    engine.api.remove_image(image_id, force=True)
    assert image_id not in engine.api.images(quiet=True, all=True)


@pytest.mark.parametrize("written", ASKED)
def test_the_engine_reads_what_is_valid_here(engine: docker.DockerClient, written: str) -> None:
    with contextlib.suppress(ImageNotFound):
        engine.images.get(written)


@pytest.mark.parametrize("written", INVALID)
def test_the_engine_refuses_what_is_invalid_here(image: Image, written: str) -> None:
    reasons = "invalid reference format|invalid repository name|name must|digest algorithm|checksum"
    with pytest.raises(APIError, match=reasons):
        image.tag(written)


@pytest.mark.parametrize(
    "pattern",
    [
        "{}",
        "{}:1",
        "library/{}",
        "docker.io/{}",
        "index.docker.io/{}:1",
        "team/{}",
        "library/{}/slim",
        "localhost/{}",
        "localhost:5000/{}",
        "Example.com/library/{}",
        "docker.io/example.com/{}",
        "docker.io/docker.io/{}",
        "private_registry.io/{}",
        "{}.com:5000",
    ],
)
def test_the_engine_shows_the_familiar_form(image: Image, pattern: str) -> None:
    written = pattern.format(uuid.uuid4().hex)
    image.tag(written)
    image.reload()
    reference = parse(written)
    assert (reference.familiar if reference.tag else f"{reference.familiar}:latest") in image.tags
