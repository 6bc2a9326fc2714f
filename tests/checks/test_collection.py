"""Whether garbage is collected: what a registry has that it cannot send."""

from types import SimpleNamespace

import pytest

from labrunner.checks import collection
from labrunner.registry.errors import RegistryDown, RegistrySlow
from labrunner.registry.models import Response

DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def workspace(monkeypatch):
    """One whose registry was asked for a blob that it has, and does not send it whole."""
    monkeypatch.setattr(collection, "tagged_blob_sizes", lambda *words: {})

    def make(error):
        def request(method, path):
            if method == "GET":
                raise error("The registry.", next="Check again.")
            return Response(200, {"Content-Length": "1"}, b"")

        asked = [SimpleNamespace(path=f"/v2/box/blobs/{DIGEST}")]
        return SimpleNamespace(requests=lambda: asked, api=SimpleNamespace(request=request))

    return make


def test_a_blob_is_a_phantom_where_the_registry_hangs_up_and_not_where_it_is_slow(workspace):
    assert collection.find_phantom_blob(workspace(RegistryDown), "box") == DIGEST
    with pytest.raises(RegistrySlow):
        collection.find_phantom_blob(workspace(RegistrySlow), "box")
