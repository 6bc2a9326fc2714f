"""What a workspace remembers between requests and runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from labrunner.language import Sentence

Kind = Literal["learner", "headless"]
ADDED = {"layers", "facts"}  # fields that records of before do not have


@dataclass
class Record:
    """What a workspace remembers, as JSON on disk.

    opened: the engine's clock when it opened. before: what was on the engine then: full ids of
    containers and networks, names of volumes, and the tags of each image id. names: those that the
    learner gives to things of the lab, as the page has them. sample, layers: the id and the layers
    of the image that the lab built. owned: for each object that was created, kind, word and full id
    (None: not known to have been made).
    facts: what passed checks have found out, by name, for the checks of later steps.
    seen: full ids of the learner's containers, of their networks and of images with names of the
    lab, and names of their volumes.
    """

    id: str
    lab: str
    kind: Kind
    state: Literal["opening", "open", "kept"]
    opened: float
    before: dict[str, Any]
    values: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    note: str = ""
    sample: str = ""
    layers: list[str] = field(default_factory=list)
    owned: list[dict[str, str | None]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(
        default_factory=lambda: {"containers": [], "volumes": [], "networks": [], "images": []}
    )


def read_records(folder: Path, id: str = "*") -> Iterator[Record]:
    """Yield the records of the workspaces in a folder. An unreadable record is passed over, and so
    is one of another version."""
    for path in sorted(folder.glob(f"{id}/record.json")):
        if record := _read(path):
            yield record


def find_unreadable(folder: Path, known: Collection[str] = ()) -> list[Path]:
    """Return the records in a folder of workspaces that `read_records` passes over. known: the ids
    of those that it has just read."""
    paths = [each for each in sorted(folder.glob("*/record.json")) if each.parent.name not in known]
    return [path for path in paths if not _read(path) and path.exists()]


def describe_unreadable(folder: Path, known: Collection[str] = ()) -> list[Sentence]:
    """Return a sentence for each of them."""
    return [
        Sentence(
            "`{path}` cannot be read, so its lab cannot be continued. `script/lab doctor` says how "
            "to remove what the lab made.",
            path=path,
        )
        for path in find_unreadable(folder, known)
    ]


def _read(path: Path) -> Record | None:
    try:
        row = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    known = {each.name for each in fields(Record)}
    if isinstance(row, dict) and known - ADDED <= set(row) <= known:
        return Record(**{**row, "note": Sentence.load(row["note"])})
    return None


def find_open_labs(folder: Path) -> set[str]:
    """Return the names of the labs that the learner has started, given the folder of workspaces."""
    records = read_records(folder)
    return {each.lab for each in records if each.kind == "learner" and each.state == "open"}
