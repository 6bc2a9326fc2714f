"""What to say where the instance's folder cannot be written."""

from __future__ import annotations

import errno

from .verdicts import CannotCheck

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def unwritable(error: BaseException) -> CannotCheck | None:
    """Why nothing can be written, as on a full disk; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in UNWRITABLE:
        return None
    where = f" to `{error.filename}`" if error.filename else ""
    return CannotCheck(
        f"Nothing can be written{where}: {error.strerror}.",
        next="Make room, or let this program write there. Then try again.",
    )
