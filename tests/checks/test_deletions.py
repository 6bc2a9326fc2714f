"""Why a request did not delete a manifest, where a registry of one version only would answer so."""

import pytest

from labrunner.checks.deletions import explain_no_deletion
from labrunner.registry.access_log import Request
from labrunner.registry.models import Manifest

DIGEST, CONFIG, OTHER = (f"sha256:{64 * digit}" for digit in "123")
AGAIN = "You deleted it, and then it was pushed again."


@pytest.mark.parametrize(
    ("reference", "status", "reason", "why"),
    [
        ("1.0", 202, "pushed-again", AGAIN),  # registry 3 deletes a tag
        (DIGEST, 202, "pushed-again", AGAIN),
        (OTHER, 202, "another-digest", f"You deleted `{OTHER[:19]}…`."),
    ],
)
def test_a_deletion_that_succeeded_is_not_said_to_have_been_refused(reference, status, reason, why):
    request = Request(0, "127.0.0.1", "DELETE", f"/v2/box/manifests/{reference}", status, "curl/8")
    assert explain_no_deletion(request, Manifest(DIGEST, "", CONFIG, ())) == (reason, why)
