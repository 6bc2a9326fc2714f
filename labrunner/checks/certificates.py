"""Certificates of a registry: issue them as a learner does with openssl, and say what is wrong."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

from labrunner.language import Sentence
from labrunner.registry.errors import OtherScheme, Untrusted
from labrunner.workspaces.workspace import Workspace

PAIRS = {".cert": ".key", ".key": ".cert"}  # the endings of a client's certificate and its key

TLS_SETTINGS = {  # of a registry that has the folder `certs` as `/certs`
    "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/registry.crt",
    "REGISTRY_HTTP_TLS_KEY": "/certs/registry.key",
}


def issue_certificate(folder: Path, *names: str, days: int = 30) -> None:
    """Make a CA in the folder, as `ca/ca.crt` with the key `ca/ca.key`, and a certificate that it
    signed, as `certs/registry.crt` with the key `certs/registry.key` and the request
    `registry.csr`.

    names: the subject alternative names, such as `DNS:registry.lab` or `IP:198.18.0.2`. days: how
    long both are valid.
    """
    from cryptography import x509  # slow to import, and few commands need it
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        for text in ("Lab CA", "registry.lab")
    )
    now = datetime.now(timezone.utc)

    def sign(
        name: x509.Name, public: ec.EllipticCurvePublicKey, *parts: x509.ExtensionType
    ) -> bytes:
        builder = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=days))
        for part in parts:
            builder = builder.add_extension(part, critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    alternatives: list[x509.GeneralName] = []
    for each in names:
        kind, _, text = each.partition(":")
        address = kind == "IP"
        alternatives.append(
            x509.IPAddress(ipaddress.ip_address(text)) if address else x509.DNSName(text)
        )
    extensions = [x509.SubjectAlternativeName(alternatives)] if names else []
    request = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    pem, open_key = serialization.Encoding.PEM, serialization.NoEncryption()
    files = {
        "ca/ca.crt": sign(issuer, ca_key.public_key(), x509.BasicConstraints(True, None)),
        "ca/ca.key": ca_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, open_key),
        "certs/registry.crt": sign(subject, key.public_key(), *extensions),
        "certs/registry.key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, open_key),
        "registry.csr": request.public_bytes(pem),
    }
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def is_certificate(data: bytes) -> bool:
    """Return whether a file holds a certificate as PEM text."""
    from cryptography import x509

    try:
        return bool(x509.load_pem_x509_certificates(data))
    except ValueError:
        return False


def holds_other_certificate(path: Path, shown: str) -> bool:
    """Return whether a file has a certificate that is not the one shown, both as PEM text."""
    from cryptography import x509

    try:
        [first, *_] = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):  # it was made elsewhere, or is none
        return False
    return first != x509.load_pem_x509_certificate(shown.encode())


def days_left(certificate: str) -> int:
    """Return for how many more days a certificate, as PEM text, is valid."""
    from cryptography import x509

    shown = x509.load_pem_x509_certificate(certificate.encode())
    return (shown.not_valid_after_utc - datetime.now(timezone.utc)).days


def certificate_fault(certificate: str, domain: str, address: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why a certificate, as PEM text, is not good for both the
    name and the address; None where it is."""
    from cryptography import x509

    shown = x509.load_pem_x509_certificate(certificate.encode())
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        subject = shown.subject.rfc4514_string()
        found = "It has only the subject `{subject}`, which Docker does not look at."
        return "no-names", Sentence(found, subject=subject)
    domains = names.get_values_for_type(x509.DNSName)
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    if address in domains and address not in addresses:
        found = "It has `{address}` as `DNS:`. An address needs `IP:`."
        return "address-as-name", Sentence(found, address=address)
    parent = domain.lower().partition(".")[2]
    named = {domain.lower(), f"*.{parent}"} & set(map(str.lower, domains))
    if not named or address not in addresses:
        held = ", ".join(f"`{each}`" for each in [*domains, *addresses]) or Sentence("nothing")
        missing = address if named else domain
        found = "It is for {held}, but not for `{missing}`."
        return "other-names", Sentence(found, held=held, missing=missing)
    return validity_fault(certificate)


def files_fault(folder: Path, domain: str, address: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why the certificate in the folder, where `issue_certificate`
    puts it, is not good for both the name and the address, or does not belong to the key and the CA
    beside it; None where all is well."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    if fault := pair_fault(folder, "certs/registry"):
        return fault
    data = _read(folder / "certs/registry.crt")
    if fault := certificate_fault(data.decode(errors="replace"), domain, address):
        return fault
    try:
        ca = x509.load_pem_x509_certificate(_read(folder / "ca/ca.crt"))
        x509.load_pem_x509_certificate(data).verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return "other-ca", "`certs/registry.crt` is not signed by the CA in `ca/ca.crt`."
    return None


def pair_fault(folder: Path, name: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why the files of this name in the folder, which end in `.crt`
    and `.key`, are not a certificate and its key; None where they are."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(folder / f"{name}.crt")
    if not data:
        found = "There is no certificate `{file}` in `{folder}`."
        return "no-file", Sentence(found, file=f"{name}.crt", folder=folder)
    if not is_certificate(data):
        return "no-certificate", Sentence("`{file}` is not a certificate.", file=f"{name}.crt")
    if not (private := _read(folder / f"{name}.key")):
        return "no-key", Sentence("There is no key `{file}`.", file=f"{name}.key")
    try:
        key = load_pem_private_key(private, None)
    except (ValueError, TypeError):
        found = "`{file}` is not a key that can be read without a password."
        return "no-key", Sentence(found, file=f"{name}.key")
    if key.public_key() != x509.load_pem_x509_certificate(data).public_key():
        found = "`{key}` does not belong to `{file}`."
        return "other-key", Sentence(found, key=f"{name}.key", file=f"{name}.crt")
    return None


def ca_fault(workspace: Workspace, name: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why the CA in the workspace's folder does not verify the
    registry by this name; None where it does, or there is none."""
    try:
        ca = (workspace.work / "ca/ca.crt").read_text()
        client = workspace.client(name=name, ca=ca)
    except (OSError, ValueError):  # made elsewhere, or no certificate
        return None
    with suppress(OtherScheme):  # what is behind a proxy says this; the proxy has spoken TLS
        try:
            client.request("GET", "")
        except Untrusted as error:
            found = "`ca/ca.crt` does not verify the certificate: {reason}."
            return "other-ca", Sentence(found, reason=error.reason)
    return None


def cas_in(files: Collection[str], folder: str) -> list[str]:
    """Return those of these files in which an engine looks for a registry's CA, by its folder."""
    return [path for path in files if _parent(path) == folder and path.endswith(".crt")]


def folder_fault(
    files: Collection[str], folder: str, host: str
) -> tuple[str, Sentence, str] | None:
    """Return a reason, a sentence, and a file to remove, empty where there is none: why an engine
    finds no CA in its folder for a registry, or cannot use the folder; None where it does.

    files: those below its folder for all registries. host: the name of its host.
    """
    values = {"host": host, "folder": folder}
    if above := [path for path in files if f"{folder}/".startswith(f"{path}/")]:
        found = "`{file}` on `{host}` is a file, and must be a folder."
        return "other-folder", Sentence(found, file=above[0], **values), above[0]
    here = [path for path in files if _parent(path) == folder]
    if lone := [path for path in here if _partner(path) not in here]:
        found = (
            "`{file}` on `{host}` has the ending of a client's certificate or key, and an engine "
            "needs both of these or none."
        )
        return "client-file", Sentence(found, file=lone[0], **values), lone[0]
    if cas_in(files, folder):
        return None
    found = Sentence("`{host}` has no CA in `{folder}/`.", **values)
    if not files:
        return "no-ca", found, ""
    other = Sentence("It has `{file}`, where Docker does not look.", file=min(files))
    return "other-folder", Sentence.joined(found, other), ""


def validity_fault(certificate: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why a certificate, as PEM text, is not valid now; None where
    it is."""
    from cryptography import x509

    shown, now = x509.load_pem_x509_certificate(certificate.encode()), datetime.now(timezone.utc)
    if now < shown.not_valid_before_utc:
        begins = _minute(shown.not_valid_before_utc)
        return "not-yet-valid", Sentence("It is not valid before {time}.", time=begins)
    if now > shown.not_valid_after_utc:
        ends = _minute(shown.not_valid_after_utc)
        return "expired", Sentence("It expired at {time}.", time=ends)
    return None


def _read(path: Path) -> bytes:
    """Return what is in a file; nothing where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _partner(path: str) -> str:
    """Return the file that an engine needs beside a client's certificate or key; any other path as
    it is."""
    suffix = PurePosixPath(path).suffix
    return str(PurePosixPath(path).with_suffix(PAIRS.get(suffix, suffix)))


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
