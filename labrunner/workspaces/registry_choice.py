"""The registry that the learner has chosen for the course, whichever labs are open."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from labrunner.registry.versions import CONFIG_FILES, FIRST


class RegistryChoice:
    """What is chosen now. folder: that of the workspaces."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "registry-image"

    @property
    def image(self) -> str:
        """The image of the chosen one. Without a choice, and where it cannot be read, it is the
        first."""
        with suppress(OSError, ValueError):
            kept = self._file.read_text()
            if kept in CONFIG_FILES:
                return kept
        return FIRST

    def keep(self, image: str) -> None:
        """Keep the learner's choice, whole or not at all."""
        draft = self._file.with_suffix(f".{secrets.token_hex(4)}")
        try:
            draft.write_text(image)
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)
