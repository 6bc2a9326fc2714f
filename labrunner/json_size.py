"""How much memory JSON takes once it is read, which can be fifty times its bytes."""

from __future__ import annotations

PARTS = ((b",", 80), (b":", 120), (b"{", 250), (b"[", 100))  # bytes that each adds at most


def memory_of(text: bytes) -> int:
    """Return the bytes of memory that JSON takes at most while it is read, with its text. Marks
    inside of strings count as well, so that it may be far less."""
    wide = b"\xf0" in text or b"\\ud" in text.lower()  # characters that make all take four bytes
    return (9 if wide else 5) * len(text) + sum(size * text.count(mark) for mark, size in PARTS)
