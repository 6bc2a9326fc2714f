"""The two layouts of a registry's diagram: the page shows the one that it has room for."""

from __future__ import annotations

from dataclasses import dataclass

from labrunner.language import Sentence


@dataclass(frozen=True)
class Column:
    """A column of boxes. x: its left edge."""

    x: int
    width: int


@dataclass(frozen=True)
class Layout:
    """Where the columns are. A repository is a frame around its tags and manifests. The blobs are
    outside, because all repositories share them.

    stacked: tags stand above their manifest, which is narrow, and not beside it. headings: of the
    columns, by their left edges.
    """

    name: str
    width: int
    frame_width: int
    tags: Column
    manifests: Column
    blobs: Column
    headings: tuple[tuple[int, str], ...]
    stacked: bool = False


WIDE = Layout(
    name="wide",
    width=404,
    frame_width=264,
    tags=Column(7, 96),
    manifests=Column(124, 133),
    blobs=Column(288, 115),
    headings=(
        (7, Sentence("Tags")),
        (124, Sentence("Manifests")),
        (288, Sentence("Layers, config")),
    ),
)
NARROW = Layout(
    name="narrow",
    width=232,
    frame_width=110,
    tags=Column(6, 98),
    manifests=Column(16, 88),
    blobs=Column(120, 111),
    headings=((6, Sentence("Tags, manifests")), (120, Sentence("Layers, config"))),
    stacked=True,
)
LAYOUTS = (WIDE, NARROW)
