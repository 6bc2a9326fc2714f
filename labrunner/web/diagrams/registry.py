"""Where each thing stands in the diagram of a registry: tags, manifests, blobs, and lines.

Lengths are in the diagram's own units, which are pixels where it is as wide as its layout says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap

from labrunner.inspector.contents import ManifestEntry, RegistryContents
from labrunner.language import Sentence, gettext, translated

from .labels import printable, short_digest, short_size
from .layout import WIDE, Column, Layout

ROW, HEIGHT, DOUBLE_HEIGHT = 32, 26, 42  # from row to row, a box, and a box with two lines
GAP = ROW - HEIGHT
INDENT = 10  # of an index's images
PADDING = 7  # from an edge to what is inside
CHARACTER = 7.4  # the width of a character
TOP = 24  # of the names of the columns
HEADING, SECOND_LINE = 26, 15  # of a repository's name, and of the second line of the name
MAX_ROWS = 60  # of manifests, and of blobs
MAX_LINES = 500
MAX_CHILDREN = 16  # of an index
NOTES = {"untagged": Sentence("untagged"), "deleted": Sentence("deleted")}  # by a manifest's state
INDEX = Sentence("index")


@dataclass(frozen=True)
class Box:
    """A thing with its name, and a note at its right or, in a box of double height, below.

    kind: its classes in the style sheet. key: identifies it among two diagrams.
    """

    kind: str
    key: str
    x: float
    y: float
    width: float
    name: str
    note: str = ""
    height: float = HEIGHT

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def note_below(self) -> bool:
        return self.height > HEIGHT

    @property
    def next_y(self) -> float:
        """Where a box below it begins."""
        return self.y + self.height + GAP


@dataclass(frozen=True)
class Line:
    kind: str
    path: str


@dataclass
class Diagram:
    """The boxes and lines of a registry.

    omitted: what is not drawn, because there is no room or because it was not read.
    """

    layout: Layout
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    height: float = TOP
    omitted: list[Sentence] = field(default_factory=list)


def draw(contents: RegistryContents, layout: Layout = WIDE) -> Diagram:
    """Return the diagram of a registry."""
    return _Artist(contents, layout).draw()


class _Artist:
    """Draws one diagram from top to bottom. Methods that take a `y` draw from there, and return
    where the next thing may begin."""

    def __init__(self, contents: RegistryContents, layout: Layout) -> None:
        self.contents = contents
        self.layout = layout
        self.diagram = Diagram(layout)
        self.drawn: dict[tuple[str, str], Box] = {}  # manifests, by repository and digest
        self.omitted_blobs = 0

    def draw(self) -> Diagram:
        y = float(TOP)
        for repository in self.contents.repositories:
            y = self._repository(repository, y)
        self.diagram.height = max(y, self._blobs())
        self.diagram.omitted = self._omitted()
        return self.diagram

    def _repository(self, repository: str, y: float) -> float:
        """Draw the frame of a repository with its tags and manifests in it."""
        position = len(self.diagram.boxes)  # of the frame, which is behind them
        name, *rest = _two_lines(repository, self.layout.frame_width)
        top, start = y, y + HEADING + (SECOND_LINE if rest else 0)
        y = start
        entries = [each for each in self.contents.manifests if each.repository == repository]
        children = {child.digest for entry in entries for child in entry.children}
        for entry in entries:
            below_index = entry.digest in children and not self.contents.tags_of(entry)
            if entry.key in self.drawn or below_index:
                continue
            if len(self.drawn) >= MAX_ROWS:
                break
            y = self._manifest(entry, y)
        for tag in self.contents.tags:
            if tag.repository == repository and not tag.digest:
                self._add_tag("tag lost", _key("tag", repository, tag.name), tag.name, y)
                y += ROW
        if y == start:
            self._add_tag("none", _key("none", repository), gettext("no tags"), y)
            y += ROW
        frame = Box(
            "repository",
            _key("repository", repository),
            x=0.0,
            y=top,
            width=self.layout.frame_width,
            name=name,
            note="".join(rest),
            height=y - top,
        )
        self.diagram.boxes.insert(position, frame)
        return y + GAP

    def _manifest(self, entry: ManifestEntry, y: float) -> float:
        """Draw a manifest with its tags, or the tags that it had, and the images of an index."""
        tags = self.contents.tags_of(entry)
        kind = "tag" if tags else "tag gone"
        tag_boxes = [
            self._add_tag(kind, _key(kind, *entry.key, tag), tag, y + row * ROW)
            for row, tag in enumerate(tags or entry.previous_tags)
        ]
        end = max((tag.next_y for tag in tag_boxes), default=y)
        note = NOTES.get(entry.state, INDEX if entry.children else "")
        box = Box(
            f"manifest {entry.state}",
            _key("manifest", *entry.key, entry.state),
            x=self.layout.manifests.x,
            y=end if self.layout.stacked else y,
            width=self.layout.manifests.width,
            name=short_digest(entry.digest),
            note=note,
            height=DOUBLE_HEIGHT if note and self.layout.stacked else HEIGHT,
        )
        self.drawn[entry.key] = box
        self.diagram.boxes.append(box)
        for tag_box in tag_boxes:
            path = _hook(tag_box, box) if self.layout.stacked else _curve(tag_box, box)
            self.diagram.lines.append(Line(kind, path))
        return max(end, self._children(entry, box))

    def _children(self, index: ManifestEntry, index_box: Box) -> float:
        """Draw the images of an index below it, also those that were not read."""
        y = index_box.next_y
        column = Column(int(index_box.x) + INDENT, int(index_box.width) - INDENT)
        for child in index.children[:MAX_CHILDREN]:
            if len(self.drawn) >= MAX_ROWS:
                break
            key = (index.repository, child.digest)
            entry = self.contents.find(*key)
            if key in self.drawn or (entry and self.contents.tags_of(entry)):
                continue
            platform = translated(child.platform)
            if self.layout.stacked:
                platform = platform.removeprefix("linux/")
            box = _box(f"manifest {index.state}", _key("child", *key), column, y, platform)
            if entry:
                self.drawn[key] = box
            self.diagram.boxes.append(box)
            self.diagram.lines.append(Line("child", _hook(index_box, box)))
            y += ROW
        return y

    def _blobs(self) -> float:
        """Draw each blob once, configurations last, with a line from each manifest it is in."""
        y = float(TOP)
        blobs = self.contents.blobs.values()
        for blob in sorted(blobs, key=lambda blob: blob.kind == "config"):
            entries = self.contents.manifests_with(blob.digest)
            entries = [entry for entry in entries if entry.key in self.drawn]
            if not entries:
                continue
            if y >= TOP + MAX_ROWS * ROW or len(self.diagram.lines) > MAX_LINES:
                self.omitted_blobs += 1
                continue
            users = sum(entry.available for entry in entries)
            kind = "shared" if users > 1 else "own" if users else "gone"
            key = _key("blob", blob.digest, "there" if users else "gone")
            name = "config" if blob.kind == "config" else short_digest(blob.digest)
            size = short_size(blob.size)
            box = _box(f"blob {blob.kind} {kind}", key, self.layout.blobs, y, name, size)
            self.diagram.boxes.append(box)
            for entry in entries:
                path = _curve(self.drawn[entry.key], box)
                self.diagram.lines.append(Line(f"{kind} {entry.state}", path))
            y += ROW
        return y

    def _omitted(self) -> list[Sentence]:
        manifests, images, layers = 0, 0, self.omitted_blobs
        entries = self.contents.manifests
        children = {(each.repository, child.digest) for each in entries for child in each.children}
        for entry in entries:
            if entry.key not in self.drawn and entry.key not in children:
                manifests += 1
            if entry.children:
                images += max(0, len(entry.children) - MAX_CHILDREN) + entry.unread
            else:
                layers += entry.unread
        counts = (
            Sentence.counted(
                "{count} more repository",
                "{count} more repositories",
                self.contents.unread_repositories,
            ),
            Sentence.counted("{count} more tag", "{count} more tags", self.contents.unread_tags),
            Sentence.counted("{count} more manifest", "{count} more manifests", manifests),
            Sentence.counted("{count} more layer", "{count} more layers", layers),
            Sentence.counted(
                "{count} more image of an index", "{count} more images of an index", images
            ),
        )
        return [each for each in counts if each.values["count"] != "0"]

    def _add_tag(self, kind: str, key: str, name: str, y: float) -> Box:
        box = _box(kind, key, self.layout.tags, y, name)
        self.diagram.boxes.append(box)
        return box


def _key(*words: str) -> str:
    return " ".join(map(printable, words))


def _box(kind: str, key: str, column: Column, y: float, name: str, note: str = "") -> Box:
    """Return a box of a column, with its name cut to the width of the column."""
    name = printable(name, int((column.width - 2 * PADDING) / CHARACTER))
    return Box(kind, key, column.x, y, column.width, name, note)


def _curve(start: Box, end: Box) -> str:
    """Return the path from the right edge of a box to the left edge of another."""
    bend = (start.right + end.x) / 2
    return (
        f"M{start.right} {start.middle}"
        f"C{bend} {start.middle} {bend} {end.middle} {end.x} {end.middle}"
    )


def _hook(start: Box, end: Box) -> str:
    """Return the path down from a box and to the left edge of another below it."""
    return f"M{start.x + 5} {start.y + start.height}V{end.middle}H{end.x}"


def _two_lines(name: str, width: int) -> list[str]:
    """Return a name in one or two lines of this width, split after a slash if possible."""
    limit = int((width - 2 * PADDING) / CHARACTER)
    parts = wrap(printable(name).replace("/", "/ "), limit, max_lines=2, placeholder="…")
    return [part.replace("/ ", "/") for part in parts] or [""]
