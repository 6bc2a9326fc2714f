"""Image references: parse a name, complete it, and explain what is wrong with it.

The rules come from the distribution project (github.com/distribution/reference, after v0.6.0):
`regexp.go` has the grammar, `normalize.go` the short names of Docker Hub. Two of them are
surprising:

- The limit of 255 characters applies to the repository, including `library/`, not to the host.
  Engine 20.10 counts the host too. It accepts neither IPv6 hosts nor hosts that only a capital
  letter marks as such.
- In `private_registry.io/app`, the dot rules out Docker Hub, and the underscore rules out a host.
  The reference is valid, its registry is empty, and the engine cannot pull it ("no Host in request
  URL").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from labrunner.language import Sentence

DOCKER_HUB = "docker.io"
LONGEST_REPOSITORY = 255
DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}  # hexadecimal digits

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
_DIGEST = "|".join(f"{name}:[0-9a-f]{{{length}}}" for name, length in DIGEST_LENGTHS.items())
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{_HOST})/)?(?P<repository>{_PART}(?:/{_PART})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_IMAGE_ID = re.compile("[0-9a-f]{64}")


class InvalidReference(ValueError):
    """A name that is not an image reference. Its message says what is wrong and what to do."""

    @property
    def fault(self) -> str:
        """Its message, as a sentence that can be translated."""
        fault: str = self.args[0]
        return fault


@dataclass(frozen=True)
class Reference:
    """The parts of an image reference, as returned by `parse`.

    registry: the host, with its port if it has one ("localhost:5000"); that of Docker Hub if the
    name has none; empty only for the names that the module's docstring describes. repository: the
    whole path ("library/nginx"). tag, digest ("sha256:…"): None if the name has none.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def default_registry(self) -> bool:
        """Return whether the image is on Docker Hub."""
        return self.registry == DOCKER_HUB

    @property
    def canonical(self) -> str:
        """Return the full form, with `:latest` if the name has neither a tag nor a digest.

        A tag and a digest are both kept; the digest decides which image is meant.
        """
        return self._name + (self._suffix or ":latest")

    @property
    def familiar(self) -> str:
        """Return the short form that Docker shows, without `docker.io/` and `library/`."""
        if not self.default_registry:
            return self._name + self._suffix
        official = self.repository.removeprefix("library/")
        return (self.repository if "/" in official else official) + self._suffix

    @property
    def _name(self) -> str:
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def as_dict(self) -> dict[str, str | None]:
        """Return the four parts and the two forms, by name.

        `tag` is None if the name has none, even where `canonical` ends in `:latest`.
        """
        keys = ("registry", "repository", "tag", "digest", "canonical", "familiar")
        return {key: getattr(self, key) for key in keys}


def parse(text: str) -> Reference:
    """Parse a name as the `docker` command does.

    Raises `InvalidReference`, also for an image id (64 hexadecimal digits).
    """
    match = None if _IMAGE_ID.fullmatch(text) else _REFERENCE.fullmatch(_with_registry(text))
    if match is None:
        raise InvalidReference(_first_fault(text))
    if (length := len(match["repository"])) > LONGEST_REPOSITORY:
        raise InvalidReference(
            Sentence(
                "The repository {repository} has {length} characters, and may have {most} (not "
                "counting the registry's host): shorten it.",
                repository=_quote(match["repository"]),
                length=length,
                most=LONGEST_REPOSITORY,
            )
        )
    return Reference(match["registry"] or "", match["repository"], match["tag"], match["digest"])


def notes(text: str) -> list[Sentence]:
    """Return what a learner may misread in a valid reference, one sentence each.

    Raises `InvalidReference`, as `parse` does.
    """
    reference = parse(text)
    found = list(_sentences(_NOTES, text, text))
    try:
        read_again = parse(reference.familiar)
    except InvalidReference:
        read_again = None
    if read_again != reference:
        found.append(
            Sentence(
                "Docker shows this name as {short}, which means something else when you type it: "
                "keep writing {full}.",
                short=_quote(reference.familiar),
                full=_quote(reference.canonical),
            )
        )
    return found


def _with_registry(text: str) -> str:
    """Return the name with the host of Docker Hub and `library/` where it leaves them out."""
    first, slash, rest = text.partition("/")
    if not slash:
        return f"{DOCKER_HUB}/library/{text}"
    if not _stands_for_host(first):
        return f"{DOCKER_HUB}/{text}"
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{first}/{rest}"


def _stands_for_host(first: str) -> bool:
    """Return whether Docker reads the part before the first slash as a registry's host."""
    return first == "localhost" or "." in first or ":" in first or first != first.lower()


def _quote(text: str) -> str:
    """Return the text in backticks, shortened, with invisible characters escaped."""
    shown = text if len(text) <= 60 else f"{text[:40]}…{text[-12:]}"
    return "`" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + "`"


def _first_fault(text: str) -> Sentence:
    """Return the sentence about the leftmost fault of a name that is not a reference."""
    first, slash, rest = text.partition("/")
    hosted = slash and _stands_for_host(first) and re.fullmatch(_HOST, first)
    return next(
        chain(
            _sentences(_FAULTS_UP_TO_HOST, text, text),
            _sentences(_FAULTS_AFTER_HOST, rest if hosted else text, text),
        ),
        Sentence(
            "{text} is not an image reference: write `host:port/repository:tag`.",
            text=_quote(text),
        ),
    )


def _sentences(rows: tuple[tuple[str, str], ...], part: str, text: str) -> Iterator[Sentence]:
    """Yield the sentences of the rows whose pattern is found in `part` of `text`."""
    for pattern, sentence in rows:
        if match := re.search(pattern, part):
            groups = match.groups("")
            last = groups[-1] if groups else ""
            yield Sentence(
                sentence,
                **{str(number): _quote(group) for number, group in enumerate(groups)},
                text=_quote(text),
                lower=_quote(last.lower()),
                length=len(last),
            )


# In the sentences, {0} and {1} are the pattern's groups, {text} is the whole name, and {lower} and
# {length} describe the last group. The row of a fault relies on the rows before it. Names can have
# any length, so matching must take linear time.
_FAULTS_UP_TO_HOST = (
    (r"^\s*$", "The name is empty: write one, such as `nginx` or `localhost:5000/my-image`."),
    (r"\s", "There is a blank or a line break in {text}: remove it."),
    ("([^!-~])", "The character {0} in {text} is not allowed: type the name without it."),
    ("^([a-zA-Z]+://)(.+)", "{0} belongs to web addresses, not to an image's name: write {1}."),
    (
        "^[0-9a-f]{64}$",
        "{text} is 64 hexadecimal digits, an image id to Docker and never a name: choose another.",
    ),
    (r"^\[[^/]*$", "{text} names no repository: add a slash and a repository after the host."),
    (
        rf"^(?!{_HOST}/)(\[[^/]*|[^/@:]*:[^/@:]*:[^/@]*)/",
        "The registry {0} is not a host: write IPv6 in brackets, without a zone: `[::1]:5000`.",
    ),
    ("^([^/:@]*:)/", "The registry {0} has no port after the colon: add it, or remove the colon."),
    (
        "^([^/:@]*:((?![0-9]+/)[^/:@]+))/",
        "The registry {0} has the port {1}, which is not a number: write the port in digits.",
    ),
    (
        rf"^(?!{_HOST}/|{_PART}/)(?=[^/@.:]*[.:])([^/@_]*_[^/@]*)/",
        "The registry {0} has an underscore, which a host cannot have: use the host's real name.",
    ),
    (
        rf"^(?!{_HOST}/|{_PART}/)(?=[^/@.:]*[.:])([^/@]*)/",
        "The registry {0} is not a host: use letters, digits, and `-` and single dots in between.",
    ),
)
_FAULTS_AFTER_HOST = (
    ("^(?:[:@]|$)", "{text} names no repository: add one, as in `localhost:5000/my-image`."),
    (
        "^(?:/|[^:@]*/(?:[/:@]|$))",
        "A slash in {text} has nothing before or after it: remove it, or add what is missing.",
    ),
    ("^([^:@]*[A-Z][^:@]*)", "{0} has capital letters; repositories are lower case: {lower}."),
    (
        "^[^:@]*?([^a-z0-9._/:@-])",
        "The repository in {text} has the character {0}: use a to z, digits, `.`, `_` and `-`.",
    ),
    (
        "^(?:[^:@]*/)?([._-][^/:@]*|[^/:@]*[._-])(?:[/:@]|$)",
        "{0} in {text} begins or ends with `.`, `_` or `-`: put these between letters or digits.",
    ),
    (
        "^[^:@]*?(?<![._-])(?!(?:[._]|__|-+)[a-z0-9])([._-]+)",
        "{0} in {text} is not allowed: separate words with one `.`, one or two `_`, or hyphens.",
    ),
    ("^[^:@]*:(?:@|$)", "The tag in {text} is empty: write one after the colon, as in `:latest`."),
    (
        "^([^:@]*):(sha[0-9]+:[^@]*)",
        "{1} is a digest, and a digest comes after `@`: write `@` instead of the colon after {0}.",
    ),
    ("^[^:@]*:([^@]*/[^@]*)", "A slash follows a colon in {0}: put the tag at the very end."),
    ("^[^:@]*:([^@]*:[^@]*)", "There are several tags in {text}: keep one of {0}."),
    ("^[^:@]*:([^@]{129,})", "The tag {0} has {length} characters: shorten it to 128 or fewer."),
    ("^[^:@]*:([.-][^@]*)", "The tag {0} begins with `.` or `-`: begin with a letter or a digit."),
    (
        "^[^:@]*:([^@]*?([^a-zA-Z0-9_.@-])[^@]*)",
        "The tag {0} has the character {1}: use letters, digits, `.`, `_` and `-`.",
    ),
    ("@$", "There is nothing after the `@` in {text}: add the digest, or remove the `@`."),
    (
        "^[^@]*@([^:]*)$",
        "{0} is not a digest, which must follow `@`: write `sha256:…`, or a tag after a colon.",
    ),
    (
        f"^[^@]*@(?!(?:{'|'.join(DIGEST_LENGTHS)}):)([^:]*):",
        "{0} is not a kind of digest that Docker knows: write `sha256`, in lower case.",
    ),
    ("^[^@]*@[^:]*:[^:@]*(:.*)", "{0} follows the digest in {text}: write the tag before the `@`."),
    (
        "^[^@]*@[^:]*:([0-9a-fA-F]*[A-F][0-9a-fA-F]*)$",
        "The digest {0} has capital letters: write it in lower case.",
    ),
    (
        "^[^@]*@[^:]*:[0-9a-f]*([^0-9a-f])",
        "The digest in {text} has the character {0}: use only 0 to 9 and a to f.",
    ),
    (
        "^[^@]*@[^:]*:([0-9a-f]*)$",
        "The digest in {text} has {length} digits: copy all of it (sha256 has 64, sha512 128).",
    ),
)
_NOTES = (
    ("^[^/]*$", "No registry is named, so this is on Docker Hub, in its folder `library/`."),
    (
        "^(?!localhost/)([a-z0-9_-]+)/",
        "No registry is named, so this is on Docker Hub: {0} is not a host, without a `.` or `:`.",
    ),
    (
        r"^(?=[^/.]*\.)([^/_]*_[^/]*)/",
        "{0} has a `_`, so it is not a host: the name has no registry to pull from or push to.",
    ),
    ("^(index[.]docker[.]io)/", "{0} is an old name of Docker Hub, which is `docker.io` today."),
    (
        "^(?=[^/A-Z]*[A-Z])([a-zA-Z0-9-]+)/",
        "{0} has capital letters, so it is a host: an account on Docker Hub would be {lower}.",
    ),
    ("^[^/]*:([0-9]{6,})/", "Docker accepts the port {0}, but no port is higher than 65535."),
    (
        r"^(localhost|[^/:@]*\.[^/:@]*)(?:[:@][^/]*)?$",
        "{0} is a repository here: a registry's host is followed by a slash and a repository.",
    ),
    (
        "^[^/:@]*:([0-9]{4,5})(?:@|$)",
        "{0} in {text} is a tag, not a port: a port is followed by a slash and a repository.",
    ),
    (
        "^(sha256|sha384|sha512):[^/]*$",
        "{text} is read as a tag of a repository named {0}: a digest comes after `name@`.",
    ),
    (
        "^(?:[^/]*/)?[^:@]*$",
        "There is no tag, so it means `latest`: a tag like any other, not the newest image.",
    ),
    (":([a-zA-Z0-9_.-]+)@", "The digest decides which image is meant; the tag {0} is ignored."),
)
