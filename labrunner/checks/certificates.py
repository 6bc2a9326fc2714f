"""Certificates of a registry: issue them as a learner does with openssl, and say what is wrong."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path


def issue_certificate(folder: Path, *names: str) -> None:
    """Make a CA as `ca/ca.crt` in the folder, and a certificate that it signed with its key as
    `certs/registry.crt` and `certs/registry.key`.

    names: the subject alternative names, such as `DNS:registry.lab` or `IP:198.18.0.2`.
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
        builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=30))
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
    files = {
        "ca/ca.crt": sign(issuer, ca_key.public_key(), x509.BasicConstraints(True, None)),
        "certs/registry.crt": sign(subject, key.public_key(), *extensions),
        "certs/registry.key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
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


def certificate_fault(certificate: str, domain: str, address: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why a certificate, as PEM text, is not good for both the
    name and the address; None where it is."""
    from cryptography import x509

    shown = x509.load_pem_x509_certificate(certificate.encode())
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        subject = shown.subject.rfc4514_string()
        return "no-names", f"It has only the subject `{subject}`, which Docker does not look at."
    domains = names.get_values_for_type(x509.DNSName)
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    if address in domains and address not in addresses:
        return "address-as-name", f"It has `{address}` as `DNS:`. An address needs `IP:`."
    parent = domain.lower().partition(".")[2]
    named = {domain.lower(), f"*.{parent}"} & set(map(str.lower, domains))
    if not named or address not in addresses:
        held = ", ".join(f"`{each}`" for each in [*domains, *addresses]) or "nothing"
        missing = address if named else domain
        return "other-names", f"It is for {held}, but not for `{missing}`."
    return validity_fault(certificate)


def validity_fault(certificate: str) -> tuple[str, str] | None:
    """Return a reason and a sentence: why a certificate, as PEM text, is not valid now; None where
    it is."""
    from cryptography import x509

    shown, now = x509.load_pem_x509_certificate(certificate.encode()), datetime.now(timezone.utc)
    if now < shown.not_valid_before_utc:
        return "not-yet-valid", f"It is not valid before {_minute(shown.not_valid_before_utc)}."
    if now > shown.not_valid_after_utc:
        return "expired", f"It expired at {_minute(shown.not_valid_after_utc)}."
    return None


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
