"""Where each thing stands in the picture of a registry: tags, manifests, blobs, and lines.

There are two forms of it, of which the page shows the one that there is room for. Lengths are in
the picture's own units, which are pixels where it is as wide as its form says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap

from rich.filesize import decimal as sized

from labrunner.inspector.contents import ManifestEntry, RegistryContents

Column = tuple[int, int]  # its left edge and its width

ROW, HIGH, TWICE = 32, 26, 42  # from one row to the next, a box, and a box with two lines
INDENT = 10  # of an index's images
PAD = 7  # from an edge to what is inside
DIGIT = 7.4  # the width of a character
TOP = 24  # of the columns' names
HEAD, SECOND = 26, 15  # of a repository's name, and of its second line
MOST_ROWS = 60  # of manifests, and of blobs
MOST_LINES = 500
MOST_CHILDREN = 16  # of one index
NOUNS = (
    ("repository", "repositories"),
    ("tag", "tags"),
    ("manifest", "manifests"),
    ("layer", "layers"),
    ("image of an index", "images of an index"),
)


@dataclass(frozen=True)
class Form:
    """Where the columns are. A repository is a frame around its tags and manifests; the blobs are
    outside, as all repositories share them. stacked: the tags stand above their manifest, which
    is narrow, and not beside it."""

    name: str
    width: int
    frame: int
    tag: Column
    manifest: Column
    blob: Column
    columns: tuple[tuple[int, str], ...]
    stacked: bool = False


WIDE = Form(
    *("wide", 404, 264, (7, 96), (124, 133), (288, 115)),
    ((7, "Tags"), (124, "Manifests"), (288, "Layers, config")),
)
NARROW = Form(
    *("narrow", 232, 110, (6, 98), (16, 88), (120, 111)),
    ((6, "Tags, manifests"), (120, "Layers, config")),
    stacked=True,
)
FORMS = (WIDE, NARROW)


@dataclass(frozen=True)
class Box:
    """A thing with its words: `name`, and `note` at its right or, where the box is high, below.
    key: what it is, to tell whether it was there in another picture."""

    kind: str
    key: str
    x: float
    y: float
    width: float
    name: str
    note: str = ""
    height: float = HIGH

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def high(self) -> bool:
        return self.height > HIGH

    @property
    def bottom(self) -> float:
        """Where the next one may begin."""
        return self.y + self.height + ROW - HIGH


@dataclass(frozen=True)
class Line:
    kind: str
    path: str


@dataclass
class Diagram:
    """What is drawn. left: what is not, for want of room or because it was not looked at."""

    form: Form
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    height: float = TOP
    left: list[str] = field(default_factory=list)


def of(shelf: RegistryContents, form: Form = WIDE) -> Diagram:
    """The picture of a shelf."""
    plan = Diagram(form)
    drawn: dict[tuple[str, str], Box] = {}
    inside = {(held.repository, each.digest) for held in shelf.manifests for each in held.children}
    y = float(TOP)
    for repository in shelf.repositories:
        y = _repository(plan, shelf, repository, y, drawn)
    bottom, layers = _blobs(plan, shelf, drawn)
    plan.height = max(y, bottom)
    images = sum(max(0, len(held.children) - MOST_CHILDREN) for held in shelf.manifests)
    images += sum(held.more for held in shelf.manifests if held.children)
    layers += sum(held.more for held in shelf.manifests if not held.children)
    manifests = sum(held.key not in drawn for held in shelf.manifests if held.key not in inside)
    more = (shelf.more_repositories, shelf.more_tags, manifests, layers, images)
    plan.left = [
        f"{count} more {noun if count == 1 else nouns}"
        for count, (noun, nouns) in zip(more, NOUNS, strict=True)
        if count
    ]
    return plan


def _repository(
    plan: Diagram,
    shelf: RegistryContents,
    repository: str,
    y: float,
    drawn: dict[tuple[str, str], Box],
) -> float:
    """A repository's frame, with its tags and manifests, each index with its images below; where
    the next one may begin."""
    form, place = plan.form, len(plan.boxes)
    name, *rest = _wrapped(repository, int((form.frame - 2 * PAD) / DIGIT))
    top, start = y, y + HEAD + (SECOND if rest else 0)
    y = start
    held = [each for each in shelf.manifests if each.repository == repository]
    children = {child.digest for each in held for child in each.children}
    for each in held:
        if each.key in drawn or (each.digest in children and not shelf.names(each)):
            continue
        if len(drawn) >= MOST_ROWS:
            break
        y = _manifest(plan, shelf, each, y, drawn)
    for tag in shelf.tags:
        if tag.repository == repository and not tag.digest:
            key = _key("tag", repository, tag.name)
            plan.boxes.append(_box("tag lost", key, form.tag, y, tag.name))
            y += ROW
    if y == start:
        plan.boxes.append(_box("none", _key("none", repository), form.tag, y, "no tags"))
        y += ROW
    size = (0.0, top, form.frame)
    key = _key("repository", repository)
    frame = Box("repository", key, *size, name, "".join(rest), height=y - top)
    plan.boxes.insert(place, frame)
    return y + ROW - HIGH


def _manifest(
    plan: Diagram,
    shelf: RegistryContents,
    held: ManifestEntry,
    y: float,
    drawn: dict[tuple[str, str], Box],
) -> float:
    """A manifest with its tags, or those that it had, and an index with its images; where they
    end."""
    names = shelf.names(held)
    kind = "tag" if names else "tag gone"
    tags = [
        _box(kind, _key(kind, *held.key, name), plan.form.tag, y + row * ROW, name)
        for row, name in enumerate(names or held.was)
    ]
    end = max((tag.bottom for tag in tags), default=y)
    note = held.state if held.state != "named" else "index" if held.children else ""
    box = drawn[held.key] = Box(
        f"manifest {held.state}",
        _key("manifest", *held.key, held.state),
        plan.form.manifest[0],
        end if plan.form.stacked else y,
        plan.form.manifest[1],
        short(held.digest),
        note,
        TWICE if note and plan.form.stacked else HIGH,
    )
    plan.boxes += [*tags, box]
    plan.lines += [
        Line(kind, _hook(tag, box)) if plan.form.stacked else _line(tag, box, kind) for tag in tags
    ]
    return max(end, _children(plan, shelf, held, box, drawn))


def _children(
    plan: Diagram,
    shelf: RegistryContents,
    index: ManifestEntry,
    box: Box,
    drawn: dict[tuple[str, str], Box],
) -> float:
    """The images of an index below it, also those that were not looked into; where they end."""
    y = box.bottom
    for child in index.children[:MOST_CHILDREN]:
        if len(drawn) >= MOST_ROWS:
            break
        key = (index.repository, child.digest)
        column = (int(box.x) + INDENT, int(box.width) - INDENT)
        name = child.platform
        if plan.form.stacked:
            name = name.removeprefix("linux/")
        place = _box(f"manifest {index.state}", _key("child", *key), column, y, name)
        held = shelf.find(*key)
        if key not in drawn and not (held and shelf.names(held)):
            if held:
                drawn[key] = place
            plan.boxes.append(place)
            plan.lines.append(Line("child", _hook(box, place)))
            y += ROW
    return y


def _blobs(
    plan: Diagram, shelf: RegistryContents, drawn: dict[tuple[str, str], Box]
) -> tuple[float, int]:
    """Each blob once, configurations last, with a line from every manifest that names it; where
    they end, and for how many there was no room."""
    y, more = float(TOP), 0
    for digest, blob in sorted(shelf.blobs.items(), key=lambda each: each[1].kind == "config"):
        users = [held for held in shelf.users(digest) if held.key in drawn]
        if not users:
            continue
        if y >= TOP + MOST_ROWS * ROW or len(plan.lines) > MOST_LINES:
            more += 1
            continue
        there = any(held.there for held in users)
        kind = "shared" if sum(held.there for held in users) > 1 else "own" if there else "gone"
        name = "config" if blob.kind == "config" else short(digest)
        key = _key("blob", digest, "there" if there else "gone")
        box = _box(f"blob {blob.kind} {kind}", key, plan.form.blob, y, name, weight(blob.size))
        plan.boxes.append(box)
        plan.lines += [_line(drawn[held.key], box, f"{kind} {held.state}") for held in users]
        y += ROW
    return y, more


def _key(*words: str) -> str:
    return " ".join(map(shown, words))


def _box(kind: str, key: str, column: Column, y: float, name: str, note: str = "") -> Box:
    """One row of a column, with the name cut to its width."""
    longest = int((column[1] - 2 * PAD) / DIGIT)
    return Box(kind, key, column[0], y, column[1], shown(name, longest), note)


def _line(start: Box, end: Box, kind: str) -> Line:
    x1, x2 = start.x + start.width, end.x
    bend = (x1 + x2) / 2
    path = f"M{x1} {start.middle}C{bend} {start.middle} {bend} {end.middle} {x2} {end.middle}"
    return Line(kind, path)


def _hook(start: Box, end: Box) -> str:
    """Down from one box, and to the left edge of another below it."""
    return f"M{start.x + 5} {start.y + start.height}V{end.middle}H{end.x}"


def _wrapped(name: str, longest: int) -> list[str]:
    """A name in one line or two, parted at a slash where that is possible."""
    parts = wrap(shown(name).replace("/", "/ "), longest, max_lines=2, placeholder="…")
    return [part.replace("/ ", "/") for part in parts] or [""]


def short(digest: str) -> str:
    """The first digits of a digest, by which people tell it from others."""
    return shown(digest.partition(":")[2][:7] or digest, 7)


def weight(size: int) -> str:
    """A size in bytes in few characters, as `3.2 MB` or `312 kB`."""
    number, _, unit = sized(size).partition(" ")
    if len(number) > 3:
        number = sized(size, precision=0).partition(" ")[0]
    return shown(f"{number} {'B' if unit.startswith('byte') else unit}", 6)


def shown(name: str, longest: int = 100) -> str:
    """A name as it can be drawn: no character that is not seen, and cut where it is too long."""
    seen = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"
