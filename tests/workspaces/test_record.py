"""The record of a workspace on disk."""

import json
import os

import pytest


@pytest.mark.parametrize("record", ["", "{}", "[]", "rubbish", '{"lab": "x"}', "null"])
def test_a_record_that_cannot_be_read_is_passed_over(workspaces, record):
    folder = workspaces.folder / "00000000"
    folder.mkdir()
    (folder / "record.json").write_text(record)
    assert workspaces.all() == [] and workspaces.sweep() == []


def test_a_record_is_found_again_as_it_was(workspaces, workspace):
    workspace.create_volume(f"volume-{workspace.id}")
    [again] = workspaces.all()
    assert again.record == workspace.record and again.id == workspace.id
    assert json.loads((workspace.folder / "record.json").read_text())["id"] == workspace.id
    assert os.stat(workspace.work).st_mode & 0o077 == 0
