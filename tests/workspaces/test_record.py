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


def test_facts_are_found_again_and_a_record_of_before_has_none(workspaces, workspace):
    workspace.remember({"first": "sha256:1"})
    [again] = workspaces.all()
    assert again.record.facts == {"first": "sha256:1"}
    path = workspace.folder / "record.json"
    row = json.loads(path.read_text())
    del row["facts"]
    path.write_text(json.dumps(row))
    [old] = workspaces.all()
    assert old.record.facts == {}
