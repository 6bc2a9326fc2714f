"""The last transfers to and from a registry in words, from its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.filesize import decimal as sized

from labrunner.registry.access_log import Request

from . import transfers
from .contents import RegistryContents
from .transfers import ENGINE, Transfer

MAX_TRANSFERS = 5
FATES = {
    "there": "there already and not sent",
    "mounted": "mounted from {} and not sent",
    "sent": "sent",
}
QUERIED = {
    "manifests": "manifest",
    "blobs": "blob",
    "tags": "list of tags",
    "referrers": "list of referrers",
}


def narrate(requests: Iterable[Request], contents: RegistryContents) -> list[tuple[Transfer, str]]:
    """Return the last transfers with a sentence for each, newest first.

    requests: a registry's log, oldest first. contents: tell what a digest in the log stands for,
    and its size. A sentence about a digest that is not in them does without.
    """
    last = transfers.group_transfers(requests)[-MAX_TRANSFERS:]
    return [(transfer, _sentence(transfer, contents)) for transfer in reversed(last)]


def _sentence(transfer: Transfer, contents: RegistryContents) -> str:
    requests = transfer.requests
    if requests[-1].status == 401:
        why = "it came without a login, or with a wrong one"
        return f"{_subject(transfer)}, and was refused with 401: {why}."
    words = {"push": _push, "pull": _pull, "deletion": _deletion, "query": _query}[transfer.kind]
    login = ""
    if requests[0].status == 401:
        login = " The first request was answered with 401; then came the login."
    return f"{_subject(transfer)}: {words(transfer, contents)}.{login}"


def _subject(transfer: Transfer) -> str:
    number = _count(len(transfer.requests), "request")
    about = f" of {_code(transfer.reference)}" if transfer.repository else ""
    client = _code(transfer.agent.partition("/")[0])
    if transfer.agent.startswith(ENGINE):
        client = "Your engine" if transfer.local else f"An engine at {_code(transfer.client)}"
    if transfer.kind == "query":
        return f"{client} made {number}" + (about and f" about {_code(transfer.repository)}")
    if client == "Your engine":
        return f"Your {transfer.kind}{about} made {number}"
    return f"A {transfer.kind}{about} by {client.replace('An', 'an')} made {number}"


def _push(transfer: Transfer, contents: RegistryContents) -> str:
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
        parts.append("the manifest was there already, and nothing was sent")
    elif not put:
        parts.append("the manifest did not follow, so there is no image yet")
    elif not put[-1].succeeded:
        parts.append(f"the registry did not accept the manifest, and answered {put[-1].status}")
    elif "sent" in fates.values():
        parts.append(f"then {several} manifests" if several > 1 else "then the manifest")
    else:
        parts.append("only the manifest was sent")
    return ", ".join(parts)


def _fates(fates: dict[str, str], origin: str, contents: RegistryContents) -> list[str]:
    """Return how many layers existed, were mounted and sent; then the config, where it is known."""
    layers = _layers(fates, contents)
    parts: list[str] = []
    for fate, end in FATES.items():
        if group := [each for each in layers if fates[each] == fate]:
            was = "was" if len(group) == 1 else "were"
            number = _number(len(group)) if parts else _count(len(group), _noun(layers, contents))
            size = _size(group, contents) if fate == "sent" else ""
            parts.append(f"{number} {was} {end.format(_code(origin))}{size}")
    for config in fates.keys() - set(layers):
        was = {"sent": "sent", "there": "there already", "mounted": "mounted"}[fates[config]]
        then = was == "sent" and "sent" in map(fates.get, layers)
        parts.append("then the config" if then else f"the config was {was}")
    return parts


def _pull(transfer: Transfer, contents: RegistryContents) -> str:
    read = [each for each in transfer.requests if each.kind == "manifests"]
    fetched = [each for each in transfer.requests if each.kind == "blobs" and each.succeeded]
    got = list(dict.fromkeys(each.target for each in fetched))
    if not got and not any(each.succeeded for each in read):
        none = ": it has no such image" if read and read[-1].status == 404 else ""
        return f"the registry answered {transfer.requests[-1].status}{none}"
    if not got and all(each.method == "HEAD" for each in read):
        return "it only asked for the digest. Nothing was missing, so nothing was sent"
    if not got:
        return "it read the manifest and asked for no layer, because none was missing"
    layers = _layers(got, contents)
    parts = ["the manifest"] if read else []
    parts += ["the config"] if len(layers) < len(got) else []
    if layers:
        parts.append(_count(len(layers), _noun(layers, contents)) + _size(layers, contents))
    words = f"it fetched {_listed(parts)}"
    if left := len(_named(transfer, contents) - set(got)):
        was = "was" if left == 1 else "were"
        words += f"; {_count(left, 'layer')} {was} there already and not asked for"
    return words


def _named(transfer: Transfer, contents: RegistryContents) -> set[str]:
    """Return the layers of the image that was pulled, if its digest is known."""
    for each in reversed(transfer.requests):
        entry = (
            contents.find(transfer.repository, each.target) if each.kind == "manifests" else None
        )
        if entry and entry.blobs and not each.is_by_tag:
            return {blob.digest for blob in entry.blobs if blob.kind == "layer"}
    return set()


def _deletion(transfer: Transfer, contents: RegistryContents) -> str:
    last = transfer.requests[-1]
    manifest = "the manifest is gone; its layers stay on the disk until garbage is collected"
    outcomes = {
        202: manifest if last.kind == "manifests" else "it is gone from this repository",
        400: "the registry answered 400, because it deletes only by digest",
        404: "the registry answered 404, because it does not have that",
        405: "the registry answered 405, because deletion is not switched on",
    }
    return outcomes.get(last.status, f"the registry answered {last.status}")


def _query(transfer: Transfer, contents: RegistryContents) -> str:
    parts: list[str] = []
    for kind, noun in QUERIED.items():
        if number := sum(each.kind == kind for each in transfer.requests):
            parts.append(f"the {noun}" if number == 1 else f"a {noun} {number} times")
    if any("/_catalog" in each.request.path for each in transfer.requests):
        parts.append("the list of repositories")
    return f"it asked for {_listed(parts)}" if parts else "it asked whether a registry is there"


def _layers(digests: Iterable[str], contents: RegistryContents) -> list[str]:
    """Return the digests that are not known to be a config."""
    known = contents.blobs
    return [each for each in digests if each not in known or known[each].kind == "layer"]


def _noun(digests: Iterable[str], contents: RegistryContents) -> str:
    return "layer" if all(each in contents.blobs for each in digests) else "blob"


def _size(digests: Sequence[str], contents: RegistryContents) -> str:
    """Return the size of all of them in brackets; empty where one is not known."""
    if any(each not in contents.blobs for each in digests):
        return ""
    return f" ({sized(sum(contents.blobs[each].size for each in digests))})"


def _number(count: int) -> str:
    return "one" if count == 1 else str(count)


def _count(count: int, noun: str) -> str:
    return f"{_number(count)} {noun}{'s' if count != 1 else ''}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"
