"""Runs the programs that build the images of the kit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from labrunner.language import Sentence

from .errors import ImageUnavailable

FROM_A_COLLEAGUE = (
    "`script/lab kit load FILE` loads a file that a colleague wrote with `script/lab kit save`."
)
PROGRAM_TIMEOUT = 300  # seconds for one program, including apt-get on a slow line


def run(
    command: list[str | Path],
    folder: Path | None = None,
    environment: Mapping[str, str] = {},
    timeout: float = PROGRAM_TIMEOUT,
) -> str:
    """Run a program and return its output. Raises `ImageUnavailable` with its last words."""
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        late = "`{program}` was not done after {seconds} seconds."
        found = Sentence(late, program=Path(command[0]).name, seconds=f"{timeout:.0f}")
        raise ImageUnavailable(found, next=FROM_A_COLLEAGUE) from error
    if result.returncode:
        words: str = Sentence("exit code {code}", code=result.returncode)
        if lines := result.stderr.strip().splitlines():
            words = next((line for line in lines if line.startswith("E: ")), lines[-1])
            words = words.removeprefix("E: ")
        found = Sentence("`{program}` failed: {words}", program=Path(command[0]).name, words=words)
        raise ImageUnavailable(found, next=FROM_A_COLLEAGUE)
    return result.stdout
