"""Short labels for what a registry contains."""

from __future__ import annotations

from rich.filesize import decimal


def printable(name: str, limit: int = 100) -> str:
    """Return a name with no invisible character in it, cut to so many characters."""
    if not name.isprintable():
        name = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def short_digest(digest: str) -> str:
    """Return the first characters of a digest, by which people tell it from others."""
    return printable(digest.partition(":")[2][:7] or digest, 7)


def short_size(size: int) -> str:
    """Return a size in bytes in few characters, such as `3.2 MB` or `312 kB`."""
    number, _, unit = decimal(size).partition(" ")
    if len(number) > 3:
        number = decimal(size, precision=0).partition(" ")[0]
    return printable(f"{number} {'B' if unit.startswith('byte') else unit}", 6)
