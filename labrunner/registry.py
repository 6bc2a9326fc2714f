"""The registry's HTTP API, as the OCI distribution specification has it. The only HTTP client.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

Every request has a deadline and a size limit, goes to the registry itself (never through a proxy)
and follows no redirect. What keeps an answer from being read is raised as `CannotCheck`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from .verdict import CannotCheck

MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
LARGEST = 4 << 20  # bytes; the limit that the specification suggests for a manifest
MOST_PAGES = 50


class RegistryDown(CannotCheck):
    """Nothing answers at the registry's address."""


class NotARegistry(CannotCheck):
    """Something answers, and not as a registry does."""


class RegistryRefused(CannotCheck):
    """The registry answered with an error; `status` is HTTP's."""

    def __init__(self, found: str, *, next: str, status: int) -> None:
        super().__init__(found, next=next)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers (case-insensitive) and the body in bytes."""

    status: int
    headers: Any
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON, or None where it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Layer:
    digest: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """A manifest, or an index with its `children`. `layers` have compressed sizes, in bytes."""

    digest: str
    media_type: str
    config: str | None
    layers: tuple[Layer, ...]
    children: tuple[Manifest, ...] = ()

    @property
    def ids(self) -> set[str]:
        """All that an engine may call this image: the classic store names the configuration, the
        containerd store the manifest or index."""
        own = {self.digest, self.config} if self.config else {self.digest}
        return own.union(*(child.ids for child in self.children))


class Registry:
    """The registry at `host:port`, over plain HTTP.

    timeout: seconds for one request in all. explain: is given a `RegistryDown` or `NotARegistry`
    before it is raised, and may say more precisely what was found and what to do.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 5,
        explain: Callable[[CannotCheck], CannotCheck] = lambda error: error,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.explain = explain
        host, _, port = address.rpartition(":")
        loopback = host in ("localhost", "127.0.0.1", "[::1]")
        self._base = f"http://{'127.0.0.1' if loopback else host}:{port}/v2/"
        self._session = requests.Session()
        self._session.trust_env = False

    def ping(self) -> Answer:
        """What `/v2/` answers: 200, or 401 with a challenge. Raises `NotARegistry`."""
        answer = self.ask("GET", "")
        told = "Docker-Distribution-Api-Version" in answer.headers
        if answer.status in (200, 401) and (told or self._acts_as_registry()):
            return answer
        raise self._odd(f"gives HTTP {answer.status} for `/v2/`")

    def repositories(self) -> list[str]:
        """The names in the catalog. Registry 2 also lists repositories whose tags are all gone."""
        return self._pages("_catalog?n=1000", "repositories") or []

    def tags(self, repository: str) -> list[str] | None:
        """The tags of a repository, or None where there is no such repository."""
        return self._pages(f"{quote(repository)}/tags/list", "tags")

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest or index behind a tag or digest, or None where there is none."""
        path = f"{quote(repository)}/manifests/{quote(reference, safe=':')}"
        answer = self.ask("GET", path, accept=", ".join(MANIFEST_TYPES))
        if answer.status == 404:
            return None
        body = self._expect(answer)
        try:
            return Manifest(
                digest=answer.headers.get("Docker-Content-Digest") or _digest(answer.body),
                media_type=body.get("mediaType") or answer.headers.get("Content-Type", ""),
                config=(body.get("config") or {}).get("digest"),
                layers=tuple(Layer(row["digest"], row["size"]) for row in body.get("layers") or ()),
                children=tuple(
                    child
                    for row in body.get("manifests") or ()
                    if (child := self.manifest(repository, row["digest"]))
                ),
            )
        except (KeyError, TypeError, AttributeError):
            raise self._odd("sends a manifest that cannot be read") from None

    def ask(self, method: str, path: str, *, accept: str = "application/json") -> Answer:
        """One request below `/v2/`. Raises `RegistryDown` or `NotARegistry`."""
        end = time.monotonic() + self.timeout
        try:
            with self._session.request(
                method,
                urljoin(self._base, path),
                headers={"Accept": accept},
                timeout=self.timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = b""
                for chunk in response.iter_content(1 << 16):
                    body += chunk
                    if len(body) > LARGEST:
                        raise self._odd(f"sends more than {LARGEST >> 20} MiB")
                    if time.monotonic() > end:
                        raise requests.Timeout
        except requests.Timeout:
            raise RegistryDown(
                f"`{self.address}` takes more than {self.timeout:g} seconds to answer.",
                next="Try again; `docker logs` of the registry's container may say why.",
            ) from None
        except requests.ConnectionError as error:
            raise self._down(error) from None
        except requests.RequestException:
            raise self._odd("does not speak HTTP") from None
        return Answer(response.status_code, response.headers, body)

    def _pages(self, path: str, key: str) -> list[str] | None:
        """A list that may come in pages, each naming the next in its Link header."""
        found: list[str] = []
        for _ in range(MOST_PAGES):
            answer = self.ask("GET", path)
            if answer.status == 404:
                return None
            found += self._expect(answer).get(key) or []
            following = requests.utils.parse_header_links(answer.headers.get("Link", ""))
            if not following:
                return found
            parts = urlsplit(urljoin(self._base, following[0]["url"]))
            path = f"{parts.path}?{parts.query}"
        return found

    def _acts_as_registry(self) -> bool:
        """The header is optional; the catalog or the specification's error body tells as well."""
        for path, key in (("_catalog", "repositories"), ("no-such/manifests/none", "errors")):
            body = self.ask("GET", path).json
            if isinstance(body, dict) and isinstance(body.get(key), list):
                return True
        return False

    def _expect(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 401:
            raise RegistryRefused(
                f"`{self.address}` asks for a user name and a password.",
                next="Use a registry without authentication for this lab.",
                status=401,
            )
        if answer.status != 200:
            raise RegistryRefused(
                f"`{self.address}` answers with HTTP {answer.status}.",
                next="Look at `docker logs` of the registry's container.",
                status=answer.status,
            )
        if not isinstance(answer.json, dict):
            raise self._odd("does not answer with JSON")
        return answer.json

    def _odd(self, what: str) -> CannotCheck:
        return self.explain(
            NotARegistry(
                f"Something answers on `{self.address}`, but it is not a registry: it {what}.",
                next="Stop that program, or give the registry another port.",
            )
        )

    def _down(self, error: Exception) -> CannotCheck:
        """`ConnectionError` also covers a server that hangs up, which is another thing to mend."""
        if "refused" in str(error).lower():
            found = f"Nothing answers on `{self.address}`."
        else:
            found = f"Whatever listens on `{self.address}` hangs up without an answer."
        todo = "Start your registry, or look at `docker ps -a` for why it is not running."
        return self.explain(RegistryDown(found, next=todo))


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()
