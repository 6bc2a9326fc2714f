"""The key that cookies are signed with."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from labrunner.private_folder import make_private_folder

SIZE = 32  # bytes


def load_secret(folder: Path) -> bytes:
    """Return the key that is stored in a folder, so that an open page outlives the server.

    One that is missing or cut short is renewed. Raises `OSError`.
    """
    make_private_folder(folder)
    with suppress(FileNotFoundError):
        secret = (folder / "secret").read_bytes()
        if len(secret) >= SIZE:
            return secret
    return renew_secret(folder)


def renew_secret(folder: Path) -> bytes:
    """Store a new key in the folder, whole or not at all, and return it. Raises `OSError`."""
    secret = secrets.token_bytes(SIZE)
    descriptor, new = tempfile.mkstemp(dir=folder, prefix="secret-")  # only we may read it
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        os.replace(new, folder / "secret")
    except OSError:
        os.unlink(new)
        raise
    return secret
