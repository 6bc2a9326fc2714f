"""Pushes, pulls and other transfers: the requests in a registry's log that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qs, unquote
from zlib import crc32

from labrunner.registry.access_log import Request

MAX_PAUSE = 60  # seconds between two requests of one transfer
ENGINE = "docker/"  # how the user agent of an engine begins
BY_HAND = ("curl/", "Mozilla/", "Wget/", "Docker-Client/")  # the last is `docker manifest`
PATH = re.compile(
    r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<target>[^?]*)"
    r"(?:\?(?P<query>.*))?"
)
UPLOAD_STATE = re.compile(r"_state=[^&]*&?")  # the registry's own note in the address of an upload
LONG_ID = re.compile(r"(sha256(?::|%3A)[0-9a-f]{7}|[0-9a-f]{8}(?=-))[0-9a-f-]{20,}")

Kind = Literal["push", "pull", "deletion", "query"]


@dataclass(frozen=True)
class RegistryRequest:
    """A request with the parts of its path.

    position: its place in the log, from 0. kind: manifests, blobs, tags or referrers. target: what
    follows that in the path, such as a tag or a digest. All are empty for another path.
    """

    request: Request
    position: int
    repository: str = ""
    kind: str = ""
    target: str = ""
    query: str = ""

    @classmethod
    def from_log(cls, request: Request, position: int) -> RegistryRequest:
        """Return the request at a position of the log."""
        match = PATH.fullmatch(request.path)
        if not match:
            return cls(request, position)
        repository, query = unquote(match["repository"]), match["query"] or ""
        return cls(request, position, repository, match["kind"], match["target"], query)

    @property
    def client(self) -> tuple[str, str]:
        """The client's address and user agent."""
        return self.request.client, self.request.agent

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def status(self) -> int:
        return self.request.status

    @property
    def succeeded(self) -> bool:
        return self.status < 400

    @property
    def is_ping(self) -> bool:
        """Whether it only asks if a registry is here."""
        return self.request.path == "/v2/"

    @property
    def is_by_tag(self) -> bool:
        return self.kind == "manifests" and ":" not in self.target

    @property
    def is_write(self) -> bool:
        return self.method in ("POST", "PATCH", "PUT")

    @property
    def is_of_push(self) -> bool:
        """Whether only a push makes it: a pull never asks whether a blob exists."""
        return self.is_write or (self.method == "HEAD" and self.kind == "blobs")

    @property
    def ends_transfer(self) -> bool:
        """Whether nothing of the same push or deletion follows."""
        return (self.method == "PUT" and self.is_by_tag) or self.method == "DELETE"

    @property
    def short_path(self) -> str:
        """The path with short digests, and without what only the registry reads."""
        return LONG_ID.sub(r"\1…", UPLOAD_STATE.sub("", self.request.path)).rstrip("?&")

    def parameter(self, name: str) -> str:
        """Return a value in the query; empty where there is none."""
        return parse_qs(self.query).get(name, [""])[0]


@dataclass(frozen=True)
class Transfer:
    """The requests of one client about one repository that belong together, oldest first.

    local: whether the client is on this machine.
    """

    requests: Sequence[RegistryRequest]
    local: bool

    @property
    def id(self) -> str:
        """An id that stays the same when lines before these are gone from the log."""
        first = next((each for each in self.requests if not each.is_ping), self.requests[0])
        return f"{first.request.time:.0f}-{crc32(first.request.path.encode()):x}"

    @property
    def time(self) -> float:
        return self.requests[0].request.time

    @property
    def client(self) -> str:
        return self.requests[0].request.client

    @property
    def agent(self) -> str:
        return self.requests[0].request.agent

    @property
    def repository(self) -> str:
        return self.requests[-1].repository

    @cached_property
    def kind(self) -> Kind:
        if self.requests[-1].method == "DELETE":
            return "deletion"
        by_hand = self.agent.startswith(BY_HAND)
        if any(each.is_write for each in self.requests):
            return "push"
        manifests = any(each.kind == "manifests" for each in self.requests)
        if any(each.is_of_push for each in self.requests):  # a push of known blobs sends nothing
            return "push" if manifests and not by_hand else "query"
        blobs = any(each.kind == "blobs" for each in self.requests)
        return "pull" if (manifests or blobs) and not by_hand else "query"

    @property
    def reference(self) -> str:
        """The image that it was about, as far as the requests tell."""
        manifests = [each for each in self.requests if each.kind == "manifests"]
        named = [each for each in manifests if each.is_by_tag] or manifests
        if not named or self.kind == "query":
            return self.repository
        target = named[-1].target
        if ":" in target:
            return f"{self.repository}@{target[:14]}…"
        return f"{self.repository}:{target}"


class _Group:
    """Requests that belong together so far.

    is_push: only a push makes some of them. only_pings: all of them are pings. no_content: all of
    them are pings, or ask for a tag.
    """

    def __init__(self) -> None:
        self.requests: list[RegistryRequest] = []
        self.is_push = False
        self.only_pings = True
        self.no_content = True

    @property
    def last(self) -> RegistryRequest:
        return self.requests[-1]

    def add(self, *requests: RegistryRequest) -> None:
        self.requests.extend(requests)
        self.is_push |= any(each.is_of_push for each in requests)
        self.only_pings &= all(each.is_ping for each in requests)
        self.no_content &= all(each.is_ping or each.is_by_tag for each in requests)


def group_transfers(requests: Iterable[Request]) -> list[Transfer]:
    """Return the transfers in a log, in the order of their last requests.

    The course's own requests have no user agent. They belong to no transfer, but tell the address
    from which this machine comes.
    """
    requests = list(requests)
    local = {each.client for each in requests if not each.agent}
    groups: dict[int, _Group] = {}  # by the group's id
    current: dict[tuple[tuple[str, str], str], _Group] = {}  # by client and repository
    for position, logged in enumerate(requests):
        if not logged.agent:
            continue
        request = RegistryRequest.from_log(logged, position)
        pings: list[RegistryRequest] = []
        pinging = current.get((request.client, ""), _Group())
        group = current.get((request.client, request.repository), _Group())
        if (
            request.repository
            and _only_pinged(pinging, request)
            and _begins_anew(pinging.last, group, request)
        ):
            pings = [pinging.requests.pop()]  # those before it belong to something else, as a login
            if not pinging.requests:
                del groups[id(pinging)], current[request.client, ""]
        if not _continues(group, request, pinged=bool(pings)):
            group = _Group()
        groups.pop(id(group), None)
        group.add(*pings, request)
        groups[id(group)] = current[request.client, request.repository] = group
        if request.ends_transfer:
            del current[request.client, request.repository]
    return [
        Transfer(group.requests, group.requests[0].request.client in local)
        for group in groups.values()
    ]


def _near(earlier: RegistryRequest, later: RegistryRequest) -> bool:
    return later.request.time - earlier.request.time <= MAX_PAUSE


def _only_pinged(group: _Group, request: RegistryRequest) -> bool:
    """Return whether the client has just pinged the registry, and done nothing else since."""
    return bool(group.requests) and group.only_pings and _near(group.last, request)


def _begins_anew(ping: RegistryRequest, group: _Group, request: RegistryRequest) -> bool:
    """Return whether a transfer begins with this ping, and the one before it is over."""
    if group.is_push and _continues(group, request, pinged=False):
        return False
    return not group.requests or ping.position > group.last.position


def _continues(group: _Group, request: RegistryRequest, *, pinged: bool) -> bool:
    """Return whether a request belongs to a group of its client.

    A push goes on until its manifest is sent, however long an upload takes. A pull begins with a
    ping, or with the request for a tag.
    """
    if not group.requests:
        return False
    if group.is_push:
        return group.last.is_write or _near(group.last, request)
    by_tag_again = request.is_by_tag and not request.is_write and not group.no_content
    return _near(group.last, request) and not pinged and not by_tag_again
