"""The parts of an image reference, as `names/_reference.html` draws them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labrunner.language import Sentence
from labrunner.registry import references
from labrunner.registry.references import Reference


@dataclass(frozen=True)
class Part:
    """A part of a reference, in the order of its full form.

    kind: registry, repository, tag or digest. filled, written: what Docker fills in, and what the
    name says, which follows it. mark: the character that separates the part from the one beside
    it, before it, or after it for a registry. account: the Docker Hub account of a repository.
    """

    kind: str
    written: str = ""
    filled: str = ""
    mark: str = ""
    account: str = ""


@dataclass(frozen=True)
class ReferenceDiagram:
    """A name with its parts and with what people may misread in it.

    reference, parts and notes are empty for a name that Docker refuses; error then says why.
    """

    name: str
    reference: Reference | None = None
    parts: list[Part] = field(default_factory=list)
    notes: list[Sentence] = field(default_factory=list)
    error: str = ""

    @property
    def summary(self) -> str:
        """Return the diagram as a sentence for a screen reader to announce."""
        reference = self.reference
        if not reference:
            return Sentence.joined("Docker does not accept this name.", self.error)
        digest = f"{reference.digest[:19]}…" if reference.digest else ""
        return Sentence(
            "Registry {registry}, repository {repository}, tag {tag}, digest {digest}.",
            registry=reference.registry or Sentence("none"),
            repository=reference.repository,
            tag=reference.tag or Sentence("none"),
            digest=digest or Sentence("none"),
        )


def draw(name: str) -> ReferenceDiagram:
    """Return the diagram of a name, also of one that Docker refuses."""
    try:
        reference = references.parse(name)
    except references.InvalidReference as error:
        return ReferenceDiagram(name, error=error.fault)
    return ReferenceDiagram(name, reference, list(_parts(name, reference)), references.notes(name))


def _parts(name: str, reference: Reference) -> Iterator[Part]:
    path = name
    for host in (reference.registry, "index.docker.io"):
        path = path.removeprefix(f"{host}/") if path == name else path
    if not reference.registry:
        yield Part("registry")
    elif path == name:
        yield Part("registry", filled=reference.registry, mark="/")
    else:
        yield Part("registry", reference.registry, mark="/")

    namespace, _, rest = reference.repository.partition("/")
    account = namespace if reference.default_registry else ""
    if namespace == "library" and not path.startswith("library/"):
        yield Part("repository", rest, filled="library/", account=account)
    else:
        yield Part("repository", reference.repository, account=account)

    if reference.tag:
        yield Part("tag", reference.tag, mark=":")
    elif not reference.digest:
        yield Part("tag", filled="latest", mark=":")
    if reference.digest:
        yield Part("digest", reference.digest, mark="@")
