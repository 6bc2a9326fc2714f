"""What went over the wire, in words: the last visits to a registry, from its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.filesize import decimal as sized

from labrunner.registry.access_log import Request

from . import transfers
from .contents import RegistryContents
from .transfers import ENGINE, Transfer

MOST = 5
FATES = {
    "there": "there already and not sent",
    "mounted": "mounted from {} and not sent",
    "sent": "sent",
}
LOOKED_AT = {
    "manifests": "manifest",
    "blobs": "blob",
    "tags": "list of tags",
    "referrers": "list of referrers",
}


def tell(requests: Iterable[Request], shelf: RegistryContents) -> list[tuple[Transfer, str]]:
    """The last visits with a sentence for each, newest first.

    requests: a registry's log, oldest first. shelf: for what a digest in the log stands for, and
    its size; where it does not know them, the words do without.
    """
    last = transfers.group_transfers(requests)[-MOST:]
    return [(visit, _sentence(visit, shelf)) for visit in reversed(last)]


def _sentence(visit: Transfer, shelf: RegistryContents) -> str:
    asked = visit.asked
    if asked[-1].status == 401:
        why = "it came without a login, or with a wrong one"
        return f"{_subject(visit)}, and was refused with 401: {why}."
    words = {"push": _push, "pull": _pull, "deletion": _deletion, "look": _look}[visit.kind]
    login = ""
    if asked[0].status == 401:
        login = " The first request was answered with 401; then came the login."
    return f"{_subject(visit)}: {words(visit, shelf)}.{login}"


def _subject(visit: Transfer) -> str:
    number = _count(len(visit.asked), "request")
    about = f" of {_code(visit.reference)}" if visit.repository else ""
    client = _code(visit.agent.partition("/")[0])
    if visit.agent.startswith(ENGINE):
        client = "Your engine" if visit.here else f"An engine at {_code(visit.client)}"
    if visit.kind == "look":
        return f"{client} made {number}" + (about and f" about {_code(visit.repository)}")
    if client == "Your engine":
        return f"Your {visit.kind}{about} made {number}"
    return f"A {visit.kind}{about} by {client.replace('An', 'an')} made {number}"


def _push(visit: Transfer, shelf: RegistryContents) -> str:
    """Each blob's fate counts once: a client asks for it, sends it, and may ask again."""
    fates: dict[str, str] = {}
    origin = ""
    for each in visit.asked:
        if each.kind != "blobs" or not each.good:
            continue
        if each.method == "HEAD":
            fates.setdefault(each.rest, "there")
        elif each.status == 201 and each.told("mount"):
            fates[each.told("mount")], origin = "mounted", each.told("from")
        elif each.status == 201:
            fates[each.told("digest")] = "sent"
    parts = _fates(fates, origin, shelf)
    manifests = [each for each in visit.asked if each.kind == "manifests"]
    put = [each for each in manifests if each.writes]
    several = len({each.rest for each in put})
    if not put and manifests and manifests[-1].good:
        parts.append("the manifest was there already, and nothing was sent")
    elif not put:
        parts.append("the manifest did not follow, so there is no image yet")
    elif not put[-1].good:
        parts.append(f"the registry did not take the manifest and answered {put[-1].status}")
    elif "sent" in fates.values():
        parts.append(f"then {several} manifests" if several > 1 else "then the manifest")
    else:
        parts.append("only the manifest was sent")
    return ", ".join(parts)


def _fates(fates: dict[str, str], origin: str, shelf: RegistryContents) -> list[str]:
    """How many layers were there, mounted and sent; then the config, where the shelf knows it."""
    layers = _layers(fates, shelf)
    parts: list[str] = []
    for fate, end in FATES.items():
        if group := [each for each in layers if fates[each] == fate]:
            was = "was" if len(group) == 1 else "were"
            number = _number(len(group)) if parts else _count(len(group), _noun(layers, shelf))
            size = _size(group, shelf) if fate == "sent" else ""
            parts.append(f"{number} {was} {end.format(_code(origin))}{size}")
    for config in fates.keys() - set(layers):
        was = {"sent": "sent", "there": "there already", "mounted": "mounted"}[fates[config]]
        then = was == "sent" and "sent" in map(fates.get, layers)
        parts.append("then the config" if then else f"the config was {was}")
    return parts


def _pull(visit: Transfer, shelf: RegistryContents) -> str:
    read = [each for each in visit.asked if each.kind == "manifests"]
    fetched = [each for each in visit.asked if each.kind == "blobs" and each.good]
    got = list(dict.fromkeys(each.rest for each in fetched))
    if not got and not any(each.good for each in read):
        none = ": it has no such image" if read and read[-1].status == 404 else ""
        return f"the registry answered {visit.asked[-1].status}{none}"
    if not got and all(each.method == "HEAD" for each in read):
        return "it asked for the digest only. Nothing was missing, nothing travelled"
    if not got:
        return "it read the manifest and asked for no layer, as none was missing"
    layers = _layers(got, shelf)
    parts = ["the manifest"] if read else []
    parts += ["the config"] if len(layers) < len(got) else []
    if layers:
        parts.append(_count(len(layers), _noun(layers, shelf)) + _size(layers, shelf))
    words = f"it fetched {_listed(parts)}"
    if left := len(_named(visit, shelf) - set(got)):
        was = "was" if left == 1 else "were"
        words += f"; {_count(left, 'layer')} {was} there already and not asked for"
    return words


def _named(visit: Transfer, shelf: RegistryContents) -> set[str]:
    """The layers of the image that was pulled, if the shelf knows the digest that was asked for."""
    for each in reversed(visit.asked):
        held = shelf.find(visit.repository, each.rest) if each.kind == "manifests" else None
        if held and held.blobs and not each.by_tag:
            return {blob.digest for blob in held.blobs if blob.kind == "layer"}
    return set()


def _deletion(visit: Transfer, shelf: RegistryContents) -> str:
    last = visit.asked[-1]
    manifest = "the manifest is gone; its layers lie there until garbage is collected"
    told = {
        202: manifest if last.kind == "manifests" else "it is gone from this repository",
        400: "the registry answered 400, as it deletes by digest only",
        404: "the registry answered 404, as it has no such thing",
        405: "the registry answered 405, as deletion is not switched on",
    }
    return told.get(last.status, f"the registry answered {last.status}")


def _look(visit: Transfer, shelf: RegistryContents) -> str:
    parts: list[str] = []
    for kind, noun in LOOKED_AT.items():
        if number := sum(each.kind == kind for each in visit.asked):
            parts.append(f"the {noun}" if number == 1 else f"a {noun} {number} times")
    if any("/_catalog" in each.request.path for each in visit.asked):
        parts.append("the list of repositories")
    return f"it asked for {_listed(parts)}" if parts else "it asked whether a registry is here"


def _layers(digests: Iterable[str], shelf: RegistryContents) -> list[str]:
    """Those that are not known to be a config."""
    known = shelf.blobs
    return [each for each in digests if each not in known or known[each].kind == "layer"]


def _noun(digests: Iterable[str], shelf: RegistryContents) -> str:
    return "layer" if all(each in shelf.blobs for each in digests) else "blob"


def _size(digests: Sequence[str], shelf: RegistryContents) -> str:
    """Of all of them together, in brackets; empty where one is not known."""
    if any(each not in shelf.blobs for each in digests):
        return ""
    return f" ({sized(sum(shelf.blobs[each].size for each in digests))})"


def _number(count: int) -> str:
    return "one" if count == 1 else str(count)


def _count(count: int, noun: str) -> str:
    return f"{_number(count)} {noun}{'s' if count != 1 else ''}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"
