"""Images: queries and actions. Long actions report their progress."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.auth import encode_header, get_config_header, resolve_repository_name
from docker.utils import parse_repository_tag

from . import connection
from .answers import text
from .connection import Connection, EngineRefused, translate_errors
from .models import Image
from .transfer_progress import ProgressLine
from .transport import within

ASKED = 5  # seconds in which a registry must answer the engine
FROM = re.compile(r"^\s*FROM\s.*$", re.IGNORECASE | re.MULTILINE)  # in a Dockerfile


class Images(Connection):
    @translate_errors
    def images(self, *, all: bool = False, **filters: Any) -> list[Image]:
        """Return the images that match the filters of `docker image ls --filter`. all: also
        those of the steps of builds."""
        found = self._list(self._client.images, all=all, filters=filters)
        return [Image.from_api(row) for row in found]

    @translate_errors
    def image(self, image: str) -> Image | None:
        """Return the image with this reference or full id, or None."""
        return self._find(Image, self._client.inspect_image, image)

    @translate_errors
    def remove_image(self, image: str) -> None:
        """Remove a reference from an image, and the image with its last one; or remove it by id."""
        self._remove(self._patient_client.remove_image, image)

    @translate_errors
    def tag(self, image: str, reference: str) -> None:
        repository, _, tag = reference.rpartition(":")
        self._patient_client.tag(image, repository, tag)

    @translate_errors
    def build(
        self,
        context: Mapping[str, bytes],
        reference: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Iterator[ProgressLine]:
        """Build the `Dockerfile` among these files, which are given by their paths, and yield the
        progress.

        The labels come first and not, as with the engine's own option, last: so what a build that
        stops half way leaves behind has them as well.
        """
        label = " ".join(f'"{name}"="{value}"' for name, value in labels.items())
        source = FROM.sub(rf"\g<0>\nLABEL {label}", context["Dockerfile"].decode())
        params = {
            "t": reference,
            "buildargs": json.dumps(dict(arguments)),
            "forcerm": True,
            "nocache": True,  # with such labels nothing is there; and another image may be going
        }
        body = _archive({**context, "Dockerfile": source.encode()})
        headers = {"Content-Type": "application/x-tar"}
        yield from self._post("/build", params, headers=headers, data=body)

    @translate_errors
    def push(self, reference: str, login: tuple[str, str] | None = None) -> Iterator[ProgressLine]:
        """Push an image, and yield the progress.

        login: user and password, by default those of the learner's own configuration.
        """
        how = {"auth_config": _auth(login)} if login else {}
        yield from self._progress(
            self._patient_client.push(reference, stream=True, decode=True, **how)
        )

    @translate_errors
    def pull(
        self, reference: str, login: tuple[str, str] | None = None, *, silence: float | None = None
    ) -> Iterator[ProgressLine]:
        """Pull exactly this reference, never all tags of a repository, and yield the progress.

        login: as for a push. silence: seconds without a byte after which the pull is given up,
        `ACTION_TIMEOUT` by default (docker-py has no limit).
        """
        repository, tag = parse_repository_tag(reference)
        registry, _ = resolve_repository_name(repository)
        known = get_config_header(self._patient_client, registry)
        header = encode_header(_auth(login)) if login else known
        yield from self._post(
            "/images/create",
            {"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": header} if header else {},
            timeout=silence or connection.ACTION_TIMEOUT,
        )

    @translate_errors
    def public_digest(self, reference: str) -> str:
        """Return the digest that a registry gives for a reference to anyone: the engine asks it
        without a login, and pulls nothing."""
        client = self._client
        with within(ASKED):
            response = client._get(client._url("/distribution/{0}/json", reference))
        client._raise_for_status(response)
        return text(response.json()["Descriptor"]["digest"])

    @translate_errors
    def import_image(self, archive: Path, reference: str, changes: Sequence[str]) -> None:
        """Create an image from a tar file of a root file system and Dockerfile instructions."""
        repository, _, tag = reference.rpartition(":")
        with archive.open("rb") as body:
            for _ in self._post(
                "/images/create",
                {"fromSrc": "-", "repo": repository, "tag": tag, "changes": list(changes)},
                headers={"Content-Type": "application/tar"},
                data=body,
            ):
                pass

    @translate_errors
    def save(self, references: Sequence[str]) -> Iterator[bytes]:
        """Yield the images, with their names, as one tar stream."""
        url = self._patient_client._url("/images/get")
        response = self._patient_client._get(url, params={"names": list(references)}, stream=True)
        self._patient_client._raise_for_status(response)
        yield from response.iter_content(1 << 20)

    @translate_errors
    def load(self, stream: Iterable[bytes]) -> Iterator[ProgressLine]:
        """Load images from a tar stream, and yield the progress."""
        yield from self._progress(self._patient_client.load_image(stream))

    def _post(self, path: str, params: Mapping[str, Any], **how: Any) -> Iterator[ProgressLine]:
        """Post a long action, and yield its progress.

        docker-py neither raises an error that comes in the stream, nor closes the connection when
        the caller stops reading. The engine stops the action once the connection is closed.
        """
        options = {"timeout": connection.ACTION_TIMEOUT, **how, "params": params, "stream": True}
        with self._patient_client._post(self._patient_client._url(path), **options) as response:
            self._patient_client._raise_for_status(response)
            yield from self._progress(self._patient_client._stream_helper(response, decode=True))

    def _progress(self, lines: Iterator[dict[str, Any]]) -> Iterator[ProgressLine]:
        """Yield what a stream reports, and raise an error that comes in it (docker-py does not)."""
        for line in lines:
            if error := line.get("errorDetail", {}).get("message") or line.get("error"):
                raise EngineRefused(str(error))
            yield ProgressLine.from_api(line)


def _archive(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive.getvalue()


def _auth(login: tuple[str, str]) -> dict[str, str]:
    return {"username": login[0], "password": login[1]}
