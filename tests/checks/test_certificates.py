"""What is wrong with a certificate."""

import re
from datetime import datetime, timedelta

import pytest

from labrunner import certificate_fault, issue_certificate
from labrunner.checks import certificates


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
