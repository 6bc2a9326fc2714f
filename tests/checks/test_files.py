"""The files that a command mounts, in advice."""

from types import SimpleNamespace

import pytest

from labrunner import with_files


@pytest.fixture
def workspace(tmp_path):
    return SimpleNamespace(work=tmp_path, record=SimpleNamespace(values={}), fill=str)


def test_a_folder_that_docker_has_made_for_root_is_made_again(workspace, monkeypatch):
    """Else nothing could be written there."""
    (workspace.work / "certs").mkdir()
    monkeypatch.setattr("labrunner.checks.files.access", lambda path, mode: False)
    run = '`docker run -v "$PWD/certs:/certs:ro" registry:3`'
    said = with_files(workspace, run, {"certs/a.crt": "`make it`"})
    assert said == f"`rmdir certs`, then `mkdir certs`, then `make it`, then {run}"
