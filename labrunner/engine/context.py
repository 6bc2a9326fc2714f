"""Which engine the `docker` command uses, by the command's own rules, and which logins it has.

`DOCKER_HOST` says where it is, else `DOCKER_CONTEXT` which context it has, else `currentContext` in
the client's `config.json`, else it is the default one. See `resolveContextName` and
`resolveDefaultDockerEndpoint` in https://github.com/docker/cli/blob/master/cli/command/cli.go.

docker-py finds no context without a `config.json`, and silently takes the default engine for a
context that does not exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.tls import TLSConfig

from labrunner.language import Sentence

DEFAULT = "default"
SOCKET = "unix:///var/run/docker.sock"
TLS_ADDRESS = "tcp://localhost:2376"
ANOTHER = "name one that `docker context ls` lists."


class NoEndpoint(Exception):
    """Why it is unknown which engine the `docker` command uses, and what to do, in sentences."""

    def __init__(self, found: str, *, next: str) -> None:
        super().__init__(found)
        self.found, self.next = found, next


@dataclass(frozen=True)
class Endpoint:
    """Where an engine is, and how it is reached.

    address: in the form of `DOCKER_HOST`. certificates: the folder with those for TLS, None without
    TLS. verified: the engine's own certificate must be valid.
    """

    address: str
    certificates: Path | None = None
    verified: bool = True

    @property
    def tls(self) -> TLSConfig | None:
        """The certificates that there are, for docker-py. Raises `DockerException`."""
        if self.certificates is None:
            return None
        ca, cert, key = (self.certificates / f"{each}.pem" for each in ("ca", "cert", "key"))
        return TLSConfig(
            client_cert=(str(cert), str(key)) if cert.is_file() and key.is_file() else None,
            ca_cert=str(ca) if ca.is_file() else None,
            verify=self.verified,
        )


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """Return where the `docker` command reaches its engine now. Raises `NoEndpoint`."""
    folder = _folder(environment)
    default = _default(environment, folder)
    if environment.get("DOCKER_HOST"):
        return default
    if name := environment.get("DOCKER_CONTEXT"):
        source = "`DOCKER_CONTEXT`"
        unset = Sentence("Unset `DOCKER_CONTEXT`, or {another}", another=Sentence.of(ANOTHER))
        next = Sentence.joined(unset, "Then start this again.")
    else:
        name = str(_read(folder / "config.json").get("currentContext") or DEFAULT)
        source = f"`{folder / 'config.json'}`"
        use = "Run `docker context use default`, or {another}"
        next = Sentence(use, another=Sentence.of(ANOTHER))
    if name == DEFAULT:
        return default
    if found := _of_context(folder, name):
        return found
    missing = "The Docker context `{name}`, which {source} names, does not exist."
    raise NoEndpoint(Sentence(missing, name=name, source=source), next=next)


def find_logins(environment: Mapping[str, str]) -> list[str]:
    """Return the registries that the `docker` command has a login for, as its configuration names
    them, wherever the passwords are stored; none where it cannot be read."""
    try:
        match _read(_folder(environment) / "config.json"):
            case {"auths": dict(logins)}:
                return [*logins]
    except NoEndpoint:
        pass
    return []


def _folder(environment: Mapping[str, str]) -> Path:
    """Return the folder with the configuration of the `docker` command."""
    return Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _default(environment: Mapping[str, str], folder: Path) -> Endpoint:
    """Return the endpoint of the context `default`, which is made from the environment."""
    host = environment.get("DOCKER_HOST", "").strip()
    if host and "://" not in host:
        host = f"tcp://{host}"
    verified = bool(environment.get("DOCKER_TLS_VERIFY"))
    if not verified and not environment.get("DOCKER_TLS"):
        return Endpoint(host or SOCKET)
    certificates = Path(environment.get("DOCKER_CERT_PATH") or folder)
    return Endpoint(host or TLS_ADDRESS, certificates, verified)


def _of_context(folder: Path, name: str) -> Endpoint | None:
    """Return the endpoint of another context, None where there is none."""
    id = hashlib.sha256(name.encode(errors="replace")).hexdigest()
    match _read(folder / "contexts" / "meta" / id / "meta.json"):
        case {"Endpoints": {"docker": dict(endpoint)}}:
            certificates = folder / "contexts" / "tls" / id / "docker"
            verified = not endpoint.get("SkipTLSVerify")
            tls = certificates if certificates.is_dir() or not verified else None
            return Endpoint(str(endpoint.get("Host") or SOCKET), tls, verified)
    return None


def _read(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one where the file does not exist or is empty."""
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(file, error.strerror) from error
    except ValueError as error:
        raise _unreadable(file, error) from error
    if not isinstance(found, dict):
        raise _unreadable(file, Sentence("it is not a JSON object"))
    return found


def _unreadable(file: Path, why: object) -> NoEndpoint:
    unknown = "It is unknown which engine `docker` uses: `{file}` cannot be read: {why}."
    return NoEndpoint(Sentence(unknown, file=file, why=why), next="Fix that file, or move it away.")
