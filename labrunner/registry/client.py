"""The registry's HTTP API, as the OCI distribution specification has it.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from labrunner.language import Sentence

from .errors import RegistryRefused
from .models import MANIFEST_TYPES, Descriptor, Manifest, Response
from .transport import Transport

LONGEST_LIST = 100_000  # names, of repositories or tags
MOST_LAYERS = 1000  # of a manifest; engines take 127
DEEPEST_INDEX = 4  # indexes, one in the other
ERROR_CODES = ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "UNAUTHORIZED", "DENIED")  # for a manifest
NEXT = re.compile(r'<(?P<url>[^>]+)>\s*;\s*rel="?next"?')  # in a Link header


class Registry(Transport):
    """The registry at `host:port`. How it is asked: see `Transport`."""

    def ping(self) -> Response:
        """Return the answer to `/v2/`: 200, or 401 with a challenge. Raises `NotARegistry`."""
        answer = self.request("GET", "")
        if answer.status in (200, 401) and self._is_registrys(answer):
            return answer
        what = Sentence("answers HTTP {status} for `/v2/`", status=answer.status)
        raise self._not_a_registry(what)

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
            why = "the indexes in `{repository}` contain each other without an end"
            raise self._given_up(Sentence(why, repository=repository))
        answer = self.raw_manifest(repository, reference)
        if not answer:
            return None
        body = answer.json
        try:
            rows = body.get("layers") or ()
            if len(rows) > MOST_LAYERS:
                why = "a manifest of `{repository}` has {count} layers"
                raise self._given_up(Sentence(why, repository=repository, count=f"{len(rows):,}"))
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
            raise self._not_a_registry(Sentence("sends a manifest that cannot be read")) from None

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
                raise self._not_a_registry(Sentence("sends `{key}` that are not names", key=key))
            found += names
            if len(found) > LONGEST_LIST:
                why = "its list of `{key}` has more than {count} names"
                raise self._given_up(Sentence(why, key=key, count=f"{LONGEST_LIST:,}"))
            following = NEXT.search(answer.headers.get("Link", ""))
            if not following or (most and len(found) >= most):
                return found
            parts = urlsplit(urljoin("/v2/", following["url"]))
            path = f"{parts.path}?{parts.query}"
        why = "its list of `{key}` leads back to an earlier page"
        raise self._given_up(Sentence(why, key=key))

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
            refuses = "`{registry}` refuses this user name and password."
            asks = "`{registry}` asks for a user name and a password."
            raise RegistryRefused(
                Sentence(refuses if self._headers else asks, registry=self.address),
                next="Give the registry this lab's user name and password."
                if self._headers
                else "Use a registry without authentication for this lab.",
                status=401,
            )
        if answer.status != 200:
            raise RegistryRefused(
                Sentence(
                    "`{registry}` answers with HTTP {status}.",
                    registry=self.address,
                    status=answer.status,
                ),
                next="Read `docker logs` of the registry's container.",
                status=answer.status,
            )
        if not isinstance(answer.json, dict):
            raise self._not_a_registry(Sentence("does not answer with JSON"))
        return answer.json


def _is_specified_error(answer: Response) -> bool:
    """Return whether an answer is an error in the specification's form, with a code of its own."""
    errors = answer.json.get("errors") if isinstance(answer.json, dict) else None
    rows = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return answer.status >= 400 and any(each.get("code") in ERROR_CODES for each in rows)
