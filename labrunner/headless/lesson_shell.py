"""Runs the commands of a lesson as they stand on the page, in one bash for a whole lab."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from labrunner.course.lesson import Block, fill
from labrunner.engine.engine import Engine

CREDENTIALS = ("auths", "credsStore", "credHelpers", "currentContext")

# Reads blocks, separated by NUL, from descriptor 9. Around each command of a block the DEBUG trap
# writes the exit code of the one before it and the command itself to descriptor 8.
DRIVER = r"""
set -o pipefail
while IFS= read -r -d '' block <&9; do
    eval "$block" >"$SHELL_OUT" 2>"$SHELL_ERR" </dev/null
    printf 'done\0\0' >&8
done
"""
AROUND = r"""trap 'printf "%s\0%s\0" "$?" "$BASH_COMMAND" >&8' DEBUG
{code}
trap - DEBUG
"""


@dataclass(frozen=True)
class Ran:
    """What a block printed (one that is meant to fail: its errors as well), and what was wrong with
    it: None, or a sentence with its next one."""

    output: str
    wrong: tuple[str, str] | None


class LessonShell:
    """One bash with its working folder, environment and client configuration, for one lab.

    values: replace the names in the blocks. seconds: what one block may take.
    """

    def __init__(
        self, folder: Path, engine: Engine, values: dict[str, str], seconds: float
    ) -> None:
        self.values = values
        self.seconds = seconds
        self.out, self.err = folder / ".stdout", folder / ".stderr"
        config = _client_config(folder.parent / "docker-config")
        environment = {
            **os.environ,
            "DOCKER_HOST": engine.address,
            "DOCKER_CONFIG": str(config),
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "no_proxy": "localhost,127.0.0.1,::1",
            "SHELL_OUT": str(self.out),
            "SHELL_ERR": str(self.err),
        }
        blocks, self._blocks = os.pipe()
        self._records, records = os.pipe()
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", f"exec 9<&{blocks} 8>&{records}\n{DRIVER}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(blocks, records),
            start_new_session=True,
        )
        os.close(blocks)
        os.close(records)

    def run(self, block: Block) -> Ran:
        """Run one block. Each command's exit code counts, also inside a pipeline."""
        code = fill(block.code, self.values)
        if unread := _unreadable(code):
            return Ran("", (f"In {_place(block)}, bash cannot read this: {unread}", "Fix it."))
        if self._bash.poll() is not None:  # what it started may hold its pipe a little longer
            return Ran("", ("The shell has ended.", f"Remove `exit` before line {block.line}."))
        os.write(self._blocks, AROUND.format(code=code).encode() + b"\0")
        commands = self._read_records()
        if commands is None:
            self._end()
        output, errors = _read(self.out), _read(self.err)
        printed = output + errors
        return Ran(printed if block.fails else output, self._judge(block, commands, printed))

    def close(self) -> None:
        """End the shell and all that it started."""
        os.close(self._blocks)
        os.close(self._records)
        self._end()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()

    def _judge(
        self, block: Block, commands: list[tuple[int, str]] | None, output: str
    ) -> tuple[str, str] | None:
        where = _place(block)
        if commands is None:
            return (
                f"In {where}, the commands took longer than {self.seconds:g} s, or ended bash.",
                "Use commands that end by themselves.",
            )
        failed = next(((code, command) for code, command in commands if code), None)
        said = output.strip().splitlines()[-1:] or ["nothing"]
        if block.fails is None and failed:
            return (
                f"In {where}, `{failed[1]}` ended with exit code {failed[0]} and said: {said[0]}",
                "Fix the command, or mark the block with `fails=` if it is meant to fail.",
            )
        if block.fails is not None and not failed:
            return f"In {where}, the command was meant to fail, but did not.", "Fix the block."
        if block.fails is not None and fill(block.fails, self.values) not in output:
            return (
                f"In {where}, the command failed as it should, but did not say "
                f"`{block.fails}`. It said: {said[0]}",
                "Write the engine's own words in `fails=`.",
            )
        return None

    def _read_records(self) -> list[tuple[int, str]] | None:
        """Each command with its exit code; None if the block did not come to its end in time."""
        end = time.monotonic() + self.seconds
        data = b""
        while not data.endswith(b"done\0\0"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._records], [], [], left)[0]:
                return None
            chunk = os.read(self._records, 1 << 16)
            if not chunk:
                return None
            data += chunk
        parts = data.decode(errors="replace").split("\0")
        codes, commands = parts[0:-3:2], parts[1:-3:2]
        return [
            (int(code), command) for code, command in zip(codes[1:], commands[:-1], strict=True)
        ]


def _client_config(folder: Path) -> Path:
    """A copy of the learner's client configuration without its credentials.

    An empty folder would lose the plugins, contexts and builders. What else programs keep beside
    them, such as sockets and models, is not the command line's.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if folder.exists():
        return folder
    folder.mkdir(mode=0o700)
    if (own / "cli-plugins").is_dir():
        (folder / "cli-plugins").symlink_to((own / "cli-plugins").resolve())
    for name in ("contexts", "buildx"):
        with contextlib.suppress(OSError):  # absent, or parts of it are another user's
            shutil.copytree(own / name, folder / name, symlinks=True)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # absent, or not an object
        settings = json.loads((own / "config.json").read_text()).items()
        kept = {key: value for key, value in settings if key not in CREDENTIALS}
        (folder / "config.json").write_text(json.dumps(kept))
    return folder


def _place(block: Block) -> str:
    return f"the block in line {block.line} of the lesson"


def _unreadable(code: str) -> str | None:
    """What is wrong with the grammar of the commands; bash would run those before it."""
    words = ["bash", "--norc", "-n", "-c", code]
    parsed = subprocess.run(words, capture_output=True, text=True, check=False)
    return parsed.stderr.strip().splitlines()[0] if parsed.returncode else None


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
