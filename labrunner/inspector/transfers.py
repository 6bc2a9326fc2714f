"""Visits to a registry: the requests in its log that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qs, unquote
from zlib import crc32

from labrunner.registry.access_log import Request

APART = 60  # seconds between two requests that are not of one visit
ENGINE = "docker/"  # what an engine calls itself
BY_HAND = ("curl/", "Mozilla/", "Wget/", "Docker-Client/")  # the last is `docker manifest`
PATH = re.compile(
    r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>[^?]*)"
    r"(?:\?(?P<query>.*))?"
)
STATE = re.compile(r"_state=[^&]*&?")  # the registry's own note in the address of an upload
LONG = re.compile(r"(sha256(?::|%3A)[0-9a-f]{7}|[0-9a-f]{8}(?=-))[0-9a-f-]{20,}")

Kind = Literal["push", "pull", "deletion", "look"]


@dataclass(frozen=True)
class RegistryRequest:
    """A request, taken apart. place: its own in the log, from 0. rest: what follows `manifests/`
    and the like."""

    request: Request
    place: int
    repository: str = ""
    kind: str = ""
    rest: str = ""
    query: str = ""

    @classmethod
    def read(cls, request: Request, place: int) -> RegistryRequest:
        found = PATH.fullmatch(request.path)
        if not found:
            return cls(request, place)
        repository, query = unquote(found["repository"]), found["query"] or ""
        return cls(request, place, repository, found["kind"], found["rest"], query)

    @property
    def client(self) -> tuple[str, str]:
        return self.request.client, self.request.agent

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def status(self) -> int:
        return self.request.status

    @property
    def good(self) -> bool:
        return self.status < 400

    @property
    def ping(self) -> bool:
        return self.request.path == "/v2/"

    @property
    def by_tag(self) -> bool:
        return self.kind == "manifests" and ":" not in self.rest

    @property
    def writes(self) -> bool:
        return self.method in ("POST", "PATCH", "PUT")

    @property
    def pushes(self) -> bool:
        """Whether only a push asks so: a pull never asks whether a blob is there."""
        return self.writes or (self.method == "HEAD" and self.kind == "blobs")

    @property
    def ends(self) -> bool:
        """Whether nothing of the same push or deletion follows."""
        return (self.method == "PUT" and self.by_tag) or self.method == "DELETE"

    @property
    def short(self) -> str:
        """The path, without what only the registry reads."""
        return LONG.sub(r"\1…", STATE.sub("", self.request.path)).rstrip("?&")

    def told(self, name: str) -> str:
        """A value in the query; empty where there is none."""
        return parse_qs(self.query).get(name, [""])[0]


@dataclass(frozen=True)
class Transfer:
    """The requests of one client about one repository that belong together, oldest first.

    here: whether the client is on this machine.
    """

    asked: Sequence[RegistryRequest]
    here: bool

    @property
    def id(self) -> str:
        """The same whenever the log is read, also when lines before these are gone from it."""
        first = next((each for each in self.asked if not each.ping), self.asked[0])
        return f"{first.request.time:.0f}-{crc32(first.request.path.encode()):x}"

    @property
    def time(self) -> float:
        return self.asked[0].request.time

    @property
    def client(self) -> str:
        return self.asked[0].request.client

    @property
    def agent(self) -> str:
        return self.asked[0].request.agent

    @property
    def repository(self) -> str:
        return self.asked[-1].repository

    @cached_property
    def kind(self) -> Kind:
        if self.asked[-1].method == "DELETE":
            return "deletion"
        by_hand = self.agent.startswith(BY_HAND)
        if any(each.writes for each in self.asked):
            return "push"
        manifests = any(each.kind == "manifests" for each in self.asked)
        if any(each.pushes for each in self.asked):  # a push of what is all there sends nothing
            return "push" if manifests and not by_hand else "look"
        fetches = any(each.kind == "blobs" for each in self.asked)
        return "pull" if (manifests or fetches) and not by_hand else "look"

    @property
    def reference(self) -> str:
        """The name that it was about, as far as the requests tell."""
        named = [each for each in self.asked if each.kind == "manifests"]
        named = [each for each in named if each.by_tag] or named
        if not named or self.kind == "look":
            return self.repository
        rest = named[-1].rest
        return f"{self.repository}@{rest[:14]}…" if ":" in rest else f"{self.repository}:{rest}"


class _Group(list[RegistryRequest]):
    """Requests that belong together so far. pushes: some of them only a push makes. pings: all of
    them only look for a registry. names: all of them do that, or ask for a tag."""

    pushes = False
    pings = names = True

    def add(self, *asked: RegistryRequest) -> None:
        self.extend(asked)
        self.pushes |= any(each.pushes for each in asked)
        self.pings &= all(each.ping for each in asked)
        self.names &= all(each.ping or each.by_tag for each in asked)


def group_transfers(requests: Iterable[Request]) -> list[Transfer]:
    """The visits in a log, in the order of their last requests.

    The course's own requests, which name no agent, are none; but they tell by which address this
    machine comes.
    """
    requests = list(requests)
    here = {each.client for each in requests if not each.agent}
    visits: dict[int, _Group] = {}  # by the group's id
    going: dict[tuple[tuple[str, str], str], _Group] = {}  # by client and repository
    for asked in (RegistryRequest.read(each, at) for at, each in enumerate(requests) if each.agent):
        pings: list[RegistryRequest] = []
        before = going.get((asked.client, ""), _Group())
        group = going.get((asked.client, asked.repository), _Group())
        if asked.repository and _only_pings(before, asked) and _opens(before[-1], group, asked):
            pings = [before.pop()]  # those before it were another's, as of a login
            if not before:
                del visits[id(before)], going[asked.client, ""]
        if not _belongs(group, asked, pinged=bool(pings)):
            group = _Group()
        visits.pop(id(group), None)
        group.add(*pings, asked)
        visits[id(group)] = going[asked.client, asked.repository] = group
        if asked.ends:
            del going[asked.client, asked.repository]
    return [Transfer(group, group[0].request.client in here) for group in visits.values()]


def _near(earlier: RegistryRequest, later: RegistryRequest) -> bool:
    return later.request.time - earlier.request.time <= APART


def _only_pings(group: _Group, asked: RegistryRequest) -> bool:
    """Whether the client has just looked for a registry here, and nothing else since."""
    return bool(group) and group.pings and _near(group[-1], asked)


def _opens(ping: RegistryRequest, group: _Group, asked: RegistryRequest) -> bool:
    """Whether something new begins with this ping, and does not go on with what the group did."""
    if group.pushes and _belongs(group, asked, pinged=False):
        return False
    return not group or ping.place > group[-1].place


def _belongs(group: _Group, asked: RegistryRequest, *, pinged: bool) -> bool:
    """Whether a request goes on with what its client did. A push goes on until its manifest comes,
    and an upload takes as long as it takes. A pull begins with a ping, or by asking for a tag."""
    if not group:
        return False
    if group.pushes:
        return group[-1].writes or _near(group[-1], asked)
    again = asked.by_tag and not asked.writes and not group.names
    return _near(group[-1], asked) and not pinged and not again
