"""The files in a lab's folder that its commands mount."""

from __future__ import annotations

from collections.abc import Mapping
from os import W_OK, access
from pathlib import PurePosixPath

from labrunner.language import Sentence
from labrunner.text import in_order
from labrunner.workspaces.workspace import Workspace


def with_files(workspace: Workspace, run: str, files: Mapping[str, str]) -> Sentence:
    """Return a command that starts a container, after those that make the files that it mounts, and
    the lab's `network`, where they are missing. What Docker makes in their place, a folder that
    belongs to root, is removed first.

    files: how each file is made, by its path in the lab's folder. A command has the path, or the
    folder of it, in front of a colon.
    """
    network = workspace.record.values.get("network", "")
    todo = []
    if f"--network {network} " in workspace.fill(run) and network not in {
        each.name for each in workspace.engine.networks()
    }:
        todo.append(f"`docker network create {network}`")
    for path, make in files.items():
        file, folder = workspace.work / path, f"{PurePosixPath(path).parent}"
        if file.is_file() or not (f"/{path}:" in run or f"/{folder}:" in run):
            continue
        if file.is_dir():
            todo.append(f"`rmdir {path}`")
        if not access(file.parent, W_OK):
            if file.parent.is_dir():
                todo.append(f"`rmdir {folder}`")
            todo.append(f"`mkdir {folder}`")
        todo.append(make)
    return in_order(*todo, run, stop=False)
