"""The registry's HTTP API, as the OCI distribution specification has it. The only HTTP client.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

Every request has a deadline and a size limit, goes to the registry itself (never through a proxy)
and follows no redirect; all requests of a client share a `Budget`. What keeps an answer from being
read is raised as `CannotCheck`.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from labrunner.json_size import memory_of
from labrunner.verdicts import CannotCheck

from .budget import Budget
from .connection import deadline, name_fault, unverified_tls, verifying_tls
from .errors import (
    BudgetSpent,
    NotARegistry,
    OtherScheme,
    RegistryDown,
    RegistryRefused,
    RegistrySlow,
    Untrusted,
)
from .models import MANIFEST_TYPES, Descriptor, Manifest, Response

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")  # names of this machine, so of one registry
LARGEST = 4 << 20  # bytes; the limit that the specification suggests for a manifest
MOST_MEMORY = 32_000_000  # bytes that an answer takes once it is read
LONGEST_LIST = 100_000  # names, of repositories or tags
MOST_LAYERS = 1000  # of a manifest; engines take 127
DEEPEST_INDEX = 4  # indexes, one in the other
HTTPS_ONLY = (  # what servers that speak TLS say in plain HTTP: Go's, and nginx
    b"HTTP request to an HTTPS server",
    b"HTTP request was sent to HTTPS port",
)
START = "Start your registry, or look at `docker ps -a` for why it is not running."
AGAIN = "Check again. If it stays so, restart your registry."
ERROR_CODES = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNAUTHORIZED", "DENIED")  # for a manifest
NEXT = re.compile(r'<(?P<url>[^>]+)>\s*;\s*rel="?next"?')  # in a Link header


class Registry:
    """The registry at `host:port`, over plain HTTP, or over TLS where `name` is given.

    budget:  of all requests; a request beyond it raises `BudgetSpent`. A new one unless given.
    timeout: seconds for the whole of one request.
    explain: takes a `RegistryDown` or `NotARegistry` before it is raised, and returns the error to
             raise, which may say more precisely what was found and what to do.
    login:   user and password, sent with each request.
    name:    the host name or IP address that the registry's certificate must be for.
    ca:      the authority that must have signed the certificate, as PEM text.
    any_tls: accept any certificate if the registry speaks only TLS. Use it to look into a registry
             of this machine, never to judge one.
    """

    def __init__(
        self,
        address: str,
        *,
        budget: Budget | None = None,
        timeout: float = 5,
        explain: Callable[[CannotCheck], CannotCheck] | None = None,
        login: tuple[str, str] | None = None,
        name: str | None = None,
        ca: str | None = None,
        any_tls: bool = False,
    ) -> None:
        self.address = address
        self.budget = budget or Budget()
        self.timeout = timeout
        self.explain = explain or (lambda error: error)
        host, _, port = address.rpartition(":")
        loopback = host in LOOPBACK
        self._host, self._port = "127.0.0.1" if loopback else host, int(port)
        self._headers = {"Authorization": _basic(*login)} if login else {}
        self._name = name
        self._any_tls = any_tls
        self._tls = verifying_tls(ca) if name else None

    def ping(self) -> Response:
        """Return the answer to `/v2/`: 200, or 401 with a challenge. Raises `NotARegistry`."""
        answer = self.request("GET", "")
        if answer.status in (200, 401) and self._is_registrys(answer):
            return answer
        raise self._not_a_registry(f"gives HTTP {answer.status} for `/v2/`")

    def repositories(self, most: int | None = None) -> list[str]:
        """Return the names in the catalog, or the first page with as many as `most`. Registry 2
        also lists repositories without any tag."""
        return self._pages(f"_catalog?n={most or 1000}", "repositories", most) or []

    def tags(self, repository: str) -> list[str] | None:
        """Return the tags of a repository, or None if there is no such repository."""
        return self._pages(f"{quote(repository)}/tags/list", "tags")

    def raw_manifest(self, repository: str, reference: str) -> Response | None:
        """Return the manifest or index of a tag or digest as it was sent, or None if there is
        none. Its body is a JSON object."""
        path = f"{quote(repository)}/manifests/{quote(reference, safe=':')}"
        answer = self.request("GET", path, accept=", ".join(MANIFEST_TYPES))
        if answer.status == 404:
            return None
        self._expect(answer)
        return answer

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest or index of a tag or digest, or None if there is none. An index
        comes with its manifests."""
        return self._manifest(repository, reference, 0)

    def _manifest(self, repository: str, reference: str, depth: int) -> Manifest | None:
        """Return a manifest. depth: the number of indexes that it is in."""
        if depth > DEEPEST_INDEX:
            raise self._given_up(f"`{repository}` has an index in an index, without an end")
        answer = self.raw_manifest(repository, reference)
        if not answer:
            return None
        body = answer.json
        try:
            rows = body.get("layers") or ()
            if len(rows) > MOST_LAYERS:
                raise self._given_up(f"a manifest of `{repository}` has {len(rows):,} layers")
            return Manifest(
                digest=answer.digest,
                media_type=body.get("mediaType") or answer.headers.get("Content-Type", ""),
                config_digest=(body.get("config") or {}).get("digest"),
                layers=tuple(Descriptor(row["digest"], row["size"]) for row in rows),
                manifests=tuple(
                    child
                    for row in body.get("manifests") or ()
                    if (child := self._manifest(repository, row["digest"], depth + 1))
                ),
            )
        except (KeyError, TypeError, AttributeError):
            raise self._not_a_registry("sends a manifest that cannot be read") from None

    def diff_ids(self, repository: str, manifest: Manifest) -> set[tuple[str, ...]]:
        """Return the digests of an image's layers as they are unpacked, from the lowest on: those
        of each image where it is an index. Its configuration has them."""
        found = set().union(*(self.diff_ids(repository, each) for each in manifest.manifests))
        if manifest.config_digest:
            blob = quote(f"{repository}/blobs/{manifest.config_digest}", safe="/:")
            with suppress(KeyError, TypeError):  # it may be the configuration of something else
                found.add(tuple(map(str, self.request("GET", blob).json["rootfs"]["diff_ids"])))
        return found

    def delete(self, repository: str, digest: str) -> Response:
        """Delete a manifest: 202, or 405 if the registry does not allow it."""
        return self.request("DELETE", f"{quote(repository)}/manifests/{quote(digest, safe=':')}")

    def certificate(self) -> str | None:
        """Return the certificate that the port shows, valid or not, as PEM text, or None if it
        does not speak TLS."""
        timeout = self._take_request()
        end = time.monotonic() + timeout
        try:
            with (
                socket.create_connection((self._host, self._port), timeout) as plain,
                deadline(plain, end - time.monotonic()),
                unverified_tls().wrap_socket(plain, server_hostname=self._name) as secure,
            ):
                shown = secure.getpeercert(binary_form=True)
        except OSError:
            return None
        return ssl.DER_cert_to_PEM_cert(shown) if shown else None

    def request(self, method: str, path: str, *, accept: str = "application/json") -> Response:
        """Send one request below `/v2/`, and return the answer, whatever its status.

        Raises `RegistryDown`, `NotARegistry`, `OtherScheme`, `Untrusted` or `BudgetSpent`.
        """
        timeout = self._take_request()
        end = time.monotonic() + timeout
        connection = HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            connection.connect()
            with deadline(connection.sock, end - time.monotonic()):
                if self._tls:
                    connection.sock = self._tls.wrap_socket(
                        connection.sock, server_hostname=self._name
                    )
                    if self._name and (fault := name_fault(connection.sock, self._name)):
                        raise self._untrusted(fault)
                headers = {"Accept": accept, **self._headers}
                connection.request(method, urljoin("/v2/", path), headers=headers)
                with connection.getresponse() as response:
                    body = response.read(LARGEST + 1)
                    self.budget.count_answer(len(body))
                    if len(body) <= LARGEST and response.length:
                        raise IncompleteRead(body, response.length)
        except TimeoutError:
            if limit := self.budget.reached:
                raise self._given_up(f"it takes more than {limit}") from None
            found = f"`{self.address}` takes more than {self.timeout:g} seconds to answer."
            raise self.explain(RegistrySlow(found, next=AGAIN)) from None
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error.verify_message) from None
        except ssl.SSLError:
            raise OtherScheme(
                f"`{self.address}` answers over plain HTTP, without TLS.",
                next="Start the registry with its certificate and key.",
            ) from None
        except (ConnectionResetError, BrokenPipeError, IncompleteRead):
            raise self._down("hangs up without a whole answer") from None
        except OSError:
            raise self._down("does not answer") from None
        except (HTTPException, UnicodeError):
            raise self._not_a_registry("does not speak HTTP") from None
        finally:
            connection.close()
        if len(body) > LARGEST:
            raise self._not_a_registry(f"sends more than {LARGEST >> 20} MiB")
        if body[:1] in (b"{", b"[") and memory_of(body) > MOST_MEMORY:
            raise self._given_up(f"an answer takes more than {MOST_MEMORY / 1e6:g} MB of memory")
        if response.status == 400 and any(words in body for words in HTTPS_ONLY):
            if self._any_tls and not self._tls:
                self._tls = unverified_tls()
                return self.request(method, path, accept=accept)
            raise OtherScheme(
                f"`{self.address}` answers over TLS only.",
                next="Use a registry without TLS here.",
            )
        return Response(response.status, response.headers, body)

    def _take_request(self) -> float:
        """Take a request from the budget, and return the seconds that it may last."""
        if limit := self.budget.reached:
            raise self._given_up(f"it takes more than {limit}")
        self.budget.count_request()
        return max(0.01, min(self.timeout, self.budget.seconds_left))

    def _pages(self, path: str, key: str, most: int | None = None) -> list[str] | None:
        """Return a list that may come in pages, each naming the next one in its Link header. most:
        names after which no further page is read."""
        found: list[str] = []
        read: set[str] = set()
        while path not in read:
            read.add(path)
            answer = self.request("GET", path)
            if answer.status == 404:
                return None
            names = self._expect(answer).get(key) or []  # null for a repository without tags
            if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
                raise self._not_a_registry(f"sends `{key}` that are no names")
            found += names
            if len(found) > LONGEST_LIST:
                raise self._given_up(f"its list of `{key}` has more than {LONGEST_LIST:,} names")
            following = NEXT.search(answer.headers.get("Link", ""))
            if not following or (most and len(found) >= most):
                return found
            parts = urlsplit(urljoin("/v2/", following["url"]))
            path = f"{parts.path}?{parts.query}"
        raise self._given_up(f"its list of `{key}` leads back to a page before")

    def _is_registrys(self, answer: Response) -> bool:
        """Return whether only a registry answers `/v2/` so. Its header is optional, and a proxy may
        drop it; an error of the specification, as for an unknown manifest, is not."""
        named = answer.headers.get("Docker-Distribution-Api-Version", "")
        if "registry/2.0" in named or _is_specified_error(answer):
            return True
        return _is_specified_error(self.request("GET", "no-such/manifests/none"))

    def _expect(self, answer: Response) -> dict[str, Any]:
        """Return the JSON object of an answer with status 200. Raises what else it is."""
        if answer.status == 401:
            raise RegistryRefused(
                f"`{self.address}` refuses this user name and password."
                if self._headers
                else f"`{self.address}` asks for a user name and a password.",
                next="Give the registry this lab's user name and password."
                if self._headers
                else "Use a registry without authentication for this lab.",
                status=401,
            )
        if answer.status != 200:
            raise RegistryRefused(
                f"`{self.address}` answers with HTTP {answer.status}.",
                next="Look at `docker logs` of the registry's container.",
                status=answer.status,
            )
        if not isinstance(answer.json, dict):
            raise self._not_a_registry("does not answer with JSON")
        return answer.json

    def _untrusted(self, why: str) -> Untrusted:
        return Untrusted(
            f"The certificate of `{self.address}` is not valid for `{self._name}`: {why}.",
            next="Give the registry a certificate that is, and start it again.",
            reason=why,
        )

    def _given_up(self, why: str) -> BudgetSpent:
        return BudgetSpent(
            f"Looking into `{self.address}` was given up: {why}.",
            next="Check again. If it stays so, use a registry for this lab alone: it holds less.",
            reason="given-up",
        )

    def _not_a_registry(self, what: str) -> CannotCheck:
        return self.explain(
            NotARegistry(
                f"Something answers on `{self.address}`, but it is not a registry: it {what}.",
                next="Stop that program, or give the registry another port.",
            )
        )

    def _down(self, what: str) -> CannotCheck:
        return self.explain(RegistryDown(f"`{self.address}` {what}.", next=START))


def _is_specified_error(answer: Response) -> bool:
    """Return whether an answer is an error in the specification's form, with a code of its own."""
    errors = answer.json.get("errors") if isinstance(answer.json, dict) else None
    rows = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return answer.status >= 400 and any(each.get("code") in ERROR_CODES for each in rows)


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
