"""The last transfers to and from a registry in words, from its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.filesize import decimal as sized

from labrunner.language import Sentence
from labrunner.registry.access_log import Request

from . import transfers
from .contents import RegistryContents
from .transfers import ENGINE, Transfer

MAX_TRANSFERS = 5
LAYERS = (Sentence("one layer"), Sentence("{count} layers"))
BLOBS = (Sentence("one blob"), Sentence("{count} blobs"))
ALONE = (Sentence("one"), Sentence("{count}"))  # a number, after others of the same
FATES = {  # of one thing, and of several; then that of the config
    "there": (
        Sentence("{things} was there already and not sent"),
        Sentence("{things} were there already and not sent"),
        Sentence("the config was there already"),
    ),
    "mounted": (
        Sentence("{things} was mounted from {origin} and not sent"),
        Sentence("{things} were mounted from {origin} and not sent"),
        Sentence("the config was mounted"),
    ),
    "sent": (
        Sentence("{things} was sent{size}"),
        Sentence("{things} were sent{size}"),
        Sentence("the config was sent"),
    ),
}
QUERIED = {  # once, and several times
    "manifests": (Sentence("the manifest"), Sentence("a manifest {count} times")),
    "blobs": (Sentence("the blob"), Sentence("a blob {count} times")),
    "tags": (Sentence("the list of tags"), Sentence("a list of tags {count} times")),
    "referrers": (
        Sentence("the list of referrers"),
        Sentence("a list of referrers {count} times"),
    ),
}
SUBJECTS = {  # by the kind of a transfer: of your engine, and of another client
    "push": (
        Sentence("Your push{about} made {requests}"),
        Sentence("A push{about} by {client} made {requests}"),
    ),
    "pull": (
        Sentence("Your pull{about} made {requests}"),
        Sentence("A pull{about} by {client} made {requests}"),
    ),
    "deletion": (
        Sentence("Your deletion{about} made {requests}"),
        Sentence("A deletion{about} by {client} made {requests}"),
    ),
}


def narrate(
    requests: Iterable[Request], contents: RegistryContents
) -> list[tuple[Transfer, Sentence]]:
    """Return the last transfers with a sentence for each, newest first.

    requests: a registry's log, oldest first. contents: tell what a digest in the log stands for,
    and its size. A sentence about a digest that is not in them does without.
    """
    last = transfers.group_transfers(requests)[-MAX_TRANSFERS:]
    return [(transfer, _sentence(transfer, contents)) for transfer in reversed(last)]


def _sentence(transfer: Transfer, contents: RegistryContents) -> Sentence:
    requests, subject = transfer.requests, _subject(transfer)
    if requests[-1].status == 401:
        return Sentence(
            "{subject}, and was refused with 401: it came without a login, or with a wrong one.",
            subject=subject,
        )
    words = {"push": _push, "pull": _pull, "deletion": _deletion, "query": _query}[transfer.kind]
    said = Sentence("{subject}: {what}.", subject=subject, what=words(transfer, contents))
    if requests[0].status == 401:
        login = "The first request was answered with 401; then came the login."
        return Sentence.joined(said, login)
    return said


def _subject(transfer: Transfer) -> Sentence:
    number = Sentence.counted("one request", "{count} requests", len(transfer.requests))
    if transfer.kind == "query":
        if not transfer.repository:
            made = Sentence("{client} made {requests}")
            return made.fill({"client": _client(transfer, start=True), "requests": number})
        return Sentence(
            "{client} made {requests} about {repository}",
            client=_client(transfer, start=True),
            requests=number,
            repository=_code(transfer.repository),
        )
    own, others = SUBJECTS[transfer.kind]
    about = Sentence(" of {reference}", reference=_code(transfer.reference))
    said = own if transfer.agent.startswith(ENGINE) and transfer.local else others
    return said.fill(
        {
            "about": about if transfer.repository else "",
            "requests": number,
            "client": _client(transfer, start=False),
        }
    )


def _client(transfer: Transfer, *, start: bool) -> str:
    """Return who asked. start: of a sentence."""
    if not transfer.agent.startswith(ENGINE):
        return _code(transfer.agent.partition("/")[0])
    if transfer.local:
        return Sentence("Your engine")
    engine = "An engine at {address}" if start else "an engine at {address}"
    return Sentence(engine, address=_code(transfer.client))


def _push(transfer: Transfer, contents: RegistryContents) -> Sentence:
    """Return what became of each blob, once: a client asks for it, sends it, and may ask again."""
    fates: dict[str, str] = {}
    origin = ""
    for each in transfer.requests:
        if each.kind != "blobs" or not each.succeeded:
            continue
        if each.method == "HEAD":
            fates.setdefault(each.target, "there")
        elif each.status == 201 and each.parameter("mount"):
            fates[each.parameter("mount")], origin = "mounted", each.parameter("from")
        elif each.status == 201:
            fates[each.parameter("digest")] = "sent"
    parts = _fates(fates, origin, contents)
    manifests = [each for each in transfer.requests if each.kind == "manifests"]
    put = [each for each in manifests if each.is_write]
    several = len({each.target for each in put})
    if not put and manifests and manifests[-1].succeeded:
        parts.append(Sentence("the manifest was there already, and nothing was sent"))
    elif not put:
        parts.append(Sentence("the manifest did not follow, so there is no image yet"))
    elif not put[-1].succeeded:
        answered = "the registry did not accept the manifest, and answered {status}"
        parts.append(Sentence(answered, status=put[-1].status))
    elif "sent" in fates.values():
        parts.append(Sentence.counted("then the manifest", "then {count} manifests", several))
    else:
        parts.append(Sentence("only the manifest was sent"))
    return Sentence.joined(*parts, by=", ")


def _fates(fates: dict[str, str], origin: str, contents: RegistryContents) -> list[Sentence]:
    """Return how many layers existed, were mounted and sent; then the config, where it is known."""
    layers = _layers(fates, contents)
    parts: list[Sentence] = []
    for fate, (one, many, _) in FATES.items():
        if group := [each for each in layers if fates[each] == fate]:
            things = Sentence.counted(*(ALONE if parts else _noun(layers, contents)), len(group))
            size = _size(group, contents) if fate == "sent" else ""
            values = {"things": things, "origin": _code(origin), "size": size}
            parts.append((one if len(group) == 1 else many).fill(values))
    for config in fates.keys() - set(layers):
        then = fates[config] == "sent" and "sent" in map(fates.get, layers)
        parts.append(Sentence("then the config") if then else FATES[fates[config]][2])
    return parts


def _pull(transfer: Transfer, contents: RegistryContents) -> Sentence:
    read = [each for each in transfer.requests if each.kind == "manifests"]
    fetched = [each for each in transfer.requests if each.kind == "blobs" and each.succeeded]
    got = list(dict.fromkeys(each.target for each in fetched))
    if not got and not any(each.succeeded for each in read):
        if read and read[-1].status == 404:
            none = "the registry answered {status}: it has no such image"
            return Sentence(none, status=transfer.requests[-1].status)
        return Sentence("the registry answered {status}", status=transfer.requests[-1].status)
    if not got and all(each.method == "HEAD" for each in read):
        said = "it only asked for the digest. Nothing was missing, so nothing was sent"
        return Sentence(said)
    if not got:
        said = "it read the manifest and asked for no layer, because none was missing"
        return Sentence(said)
    layers = _layers(got, contents)
    parts = [Sentence("the manifest")] if read else []
    parts += [Sentence("the config")] if len(layers) < len(got) else []
    if layers:
        things = Sentence.counted(*_noun(layers, contents), len(layers))
        parts.append(Sentence("{things}{size}", things=things, size=_size(layers, contents)))
    said = Sentence("it fetched {things}", things=_listed(parts))
    if left := len(_named(transfer, contents) - set(got)):
        rest = Sentence.counted(
            "one layer was there already and not asked for",
            "{count} layers were there already and not asked for",
            left,
        )
        return Sentence.joined(said, rest, by="; ")
    return said


def _named(transfer: Transfer, contents: RegistryContents) -> set[str]:
    """Return the layers of the image that was pulled, if its digest is known."""
    for each in reversed(transfer.requests):
        entry = (
            contents.find(transfer.repository, each.target) if each.kind == "manifests" else None
        )
        if entry and entry.blobs and not each.is_by_tag:
            return {blob.digest for blob in entry.blobs if blob.kind == "layer"}
    return set()


def _deletion(transfer: Transfer, contents: RegistryContents) -> Sentence:
    last = transfer.requests[-1]
    manifest = Sentence(
        "the manifest is gone; its layers stay on the disk until garbage is collected"
    )
    blob = Sentence("it is gone from this repository")
    outcomes = {
        202: manifest if last.kind == "manifests" else blob,
        400: Sentence("the registry answered 400, because it deletes only by digest"),
        404: Sentence("the registry answered 404, because it does not have that"),
        405: Sentence("the registry answered 405, because deletion is not switched on"),
    }
    other = Sentence("the registry answered {status}", status=last.status)
    return outcomes.get(last.status, other)


def _query(transfer: Transfer, contents: RegistryContents) -> Sentence:
    parts: list[Sentence] = []
    for kind, (one, many) in QUERIED.items():
        if number := sum(each.kind == kind for each in transfer.requests):
            parts.append(Sentence.counted(one, many, number))
    if any("/_catalog" in each.request.path for each in transfer.requests):
        parts.append(Sentence("the list of repositories"))
    if not parts:
        return Sentence("it asked whether a registry is there")
    return Sentence("it asked for {things}", things=_listed(parts))


def _layers(digests: Iterable[str], contents: RegistryContents) -> list[str]:
    """Return the digests that are not known to be a config."""
    known = contents.blobs
    return [each for each in digests if each not in known or known[each].kind == "layer"]


def _noun(digests: Iterable[str], contents: RegistryContents) -> tuple[Sentence, Sentence]:
    return LAYERS if all(each in contents.blobs for each in digests) else BLOBS


def _size(digests: Sequence[str], contents: RegistryContents) -> str:
    """Return the size of all of them in brackets; empty where one is not known."""
    if any(each not in contents.blobs for each in digests):
        return ""
    return f" ({sized(sum(contents.blobs[each].size for each in digests))})"


def _listed(parts: Sequence[Sentence]) -> Sentence:
    if len(parts) == 1:
        return parts[0]
    some = Sentence.joined(*parts[:-1], by=", ")
    return Sentence("{some} and {other}", some=some, other=parts[-1])


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"
