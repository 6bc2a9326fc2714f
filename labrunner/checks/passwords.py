"""What is wrong with the password file of a registry."""

from __future__ import annotations

import re

BCRYPT = re.compile(r"\$2[aby]\$")


def password_file_fault(data: bytes | None, user: str) -> tuple[str, str]:
    """Return a reason and a sentence: why a registry with this password file does not open to a
    user with `{password}`. data: None where there is no file that can be read."""
    if data is None:
        found = f"It does not open to `{user}`, and has no password file that can be read."
        return "no-file", found
    if b"\0" in data or data.startswith(b"\xef\xbb\xbf"):  # both by Windows PowerShell
        encoding = "UTF-16" if b"\0" in data else "UTF-8 with a byte order mark"
        return "encoding", f"The password file is in {encoding}. The registry needs plain ASCII."
    lines = [line for line in data.decode(errors="replace").splitlines() if ":" in line]
    hashes = dict(line.strip().partition(":")[::2] for line in lines)
    if user not in hashes:
        others = ", ".join(f"`{each}`" for each in hashes) or "nobody"
        found = f"The password file has no user `{user}`, but {others}."
        if "docker" in hashes:
            found += " The registry makes up `docker` where the file is missing."
        return "no-user", found
    if BCRYPT.match(hashes[user]):
        found = "The hash in the password file is of another password than `{password}`."
        return "other-password", found
    found = f"The hash in the password file begins `{hashes[user][:6]}`. The registry takes "
    return "hash", found + "bcrypt only; `htpasswd` makes it with `-B`, and it begins `$2y$`."
