"""The key that cookies are signed with."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

SIZE = 32  # bytes


def load_secret(folder: Path) -> bytes:
    """Return the key that is stored in a folder, so that an open page outlives the server.

    A key that is missing or cut short is replaced by a new one, which is stored whole or not at
    all. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "secret"
    with suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) >= SIZE:
            return secret
    descriptor, new = tempfile.mkstemp(dir=folder, prefix="secret-")  # only we may read it
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
        os.replace(new, path)
    except OSError:
        os.unlink(new)
        raise
    return path.read_bytes()
