"""What is wrong with a certificate."""

import re
import subprocess
from datetime import datetime, timedelta

import pytest

from labrunner import (
    certificate_fault,
    days_left,
    files_fault,
    holds_other_certificate,
    issue_certificate,
)
from labrunner.checks import certificates
from labrunner.checks.certificates import folder_fault


@pytest.mark.parametrize("name", ["registry.lab", "Registry.LAB", "*.lab"])
def test_a_certificate_in_capitals_or_for_all_names_of_a_domain_is_good(tmp_path, name):
    issue_certificate(tmp_path, f"DNS:{name}", "IP:198.18.0.2")
    certificate = (tmp_path / "certs/registry.crt").read_text()
    assert certificate_fault(certificate, "registry.lab", "198.18.0.2") is None
    fault = certificate_fault(certificate, "a.registry.lab", "198.18.0.2")
    assert fault and fault[0] == "other-names"


@pytest.mark.parametrize(
    ("days", "reason", "words"),
    [(-1, "not-yet-valid", "It is not valid before "), (40, "expired", "It expired at ")],
)
def test_a_certificate_is_not_valid_before_its_time_nor_after_it(
    tmp_path, monkeypatch, days, reason, words
):
    issue_certificate(tmp_path, "DNS:registry.lab", "IP:198.18.0.2")
    certificate = (tmp_path / "certs/registry.crt").read_text()
    assert certificate_fault(certificate, "registry.lab", "198.18.0.2") is None

    class Elsewhen(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(certificates, "datetime", Elsewhen)
    fault = certificate_fault(certificate, "registry.lab", "198.18.0.2")
    assert fault and fault[0] == reason
    assert re.match(rf"{words}\d{{4}}-\d\d-\d\d \d\d:\d\d UTC", fault[1])


def test_files_that_belong_together_have_no_fault(tmp_path):
    assert fault(tmp_path)[0] == "no-file"
    issue_certificate(tmp_path, "DNS:registry.lab", "IP:198.18.0.2")
    assert fault(tmp_path) is None


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("certs/registry.crt", "no certificate", "no-certificate"),
        ("ca/ca.crt", "no certificate", "other-ca"),
        ("ca/ca.crt", None, "other-ca"),
        ("certs/registry.key", "no key", "no-key"),
        ("certs/registry.key", None, "other-key"),
    ],
)
def test_a_file_that_does_not_belong_to_the_others_is_named(tmp_path, path, text, reason):
    """text: what is in it; None for what belongs to another certificate."""
    issue_certificate(tmp_path, "DNS:registry.lab", "IP:198.18.0.2")
    issue_certificate(tmp_path / "other", "DNS:registry.lab", "IP:198.18.0.2")
    (tmp_path / path).write_text(text or (tmp_path / "other" / path).read_text())
    found = fault(tmp_path)
    assert found and found[0] == reason and f"`{path}`" in found[1]


def test_a_key_that_is_missing_is_told_from_one_that_cannot_be_read(tmp_path):
    issue_certificate(tmp_path, "DNS:registry.lab", "IP:198.18.0.2")
    (tmp_path / "certs/registry.key").unlink()
    assert fault(tmp_path) == ("no-key", "There is no key `certs/registry.key`.")


def test_a_clients_certificate_with_its_key_is_as_good_beside_a_ca():
    files = ["/d/a:1/ca.crt", "/d/a:1/client.cert", "/d/a:1/client.key", "/d/a:1/notes"]
    assert folder_fault(files, "/d/a:1", "host") is None


@pytest.mark.parametrize("path", ["/d", "/d/a:1"])
def test_a_file_in_place_of_a_folder_is_to_be_removed(path):
    found = f"`{path}` on `host` is a file, and must be a folder."
    assert folder_fault([path], "/d/a:1", "host") == ("other-folder", found, path)


def test_a_key_with_a_password_is_told_from_one_that_a_registry_can_read(tmp_path):
    issue_certificate(tmp_path, "DNS:registry.lab", "IP:198.18.0.2")
    key = tmp_path / "certs/registry.key"
    words = ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", key, "-out", key]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    assert fault(tmp_path)[0] == "no-key"


def fault(folder):
    return files_fault(folder, "registry.lab", "198.18.0.2")


def test_a_certificate_says_how_long_it_is_valid_and_whether_a_file_has_another(tmp_path):
    issue_certificate(tmp_path, "DNS:registry.lab", days=365)
    file = tmp_path / "certs/registry.crt"
    shown = file.read_text()
    assert days_left(shown) == 364
    assert not holds_other_certificate(file, shown)
    issue_certificate(tmp_path, "DNS:registry.lab")
    assert holds_other_certificate(file, shown)
    file.write_text("no certificate")
    assert not holds_other_certificate(file, shown)
    assert not holds_other_certificate(tmp_path / "none", shown)
