"""A lesson as its author wrote it: front matter, Markdown, steps, and the commands on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .lab import Lab

FILE = re.compile(r"(?P<number>\d\d)-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)\.md")
VALUE = re.compile(r"\{\{\s*(?P<name>[a-z][a-z0-9_]*)\s*\}\}")  # Go templates begin with a dot
STEP = re.compile(r"##\s+(?P<title>.+?)\s*\{(?=[^}]*\.step\b)(?P<attributes>[^}]*)\}\s*")
FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<info>[^`]*)")
BASH = re.compile(r'bash|\{\s*\.bash(?:\s+fails="(?P<fails>[^"]+)")?\s*\}')


class Refused(Exception):
    """A file that cannot be served. line: counted from 1; 0 for the whole file."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


@dataclass(frozen=True)
class Block:
    """The commands of one `bash` block. fails: the words of the error that its command gives."""

    step: str
    line: int
    code: str
    fails: str | None = None


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    steps: the line of each step's heading. values: the names in the text, each with its line.
    lab: None until the course has loaded it, and for a lesson without one.
    """

    number: int
    slug: str
    path: Path
    title: str
    minutes: int
    lab_name: str | None
    text: str
    steps: dict[str, int]
    titles: dict[str, str]
    blocks: tuple[Block, ...]
    values: tuple[tuple[str, int], ...]
    lab: Lab | None = field(default=None, compare=False)

    def blocks_of(self, step: str) -> list[Block]:
        return [block for block in self.blocks if block.step == step]


def fill(text: str, values: dict[str, str]) -> str:
    """Replace `{{ name }}` in a text if the name is known; everything else stays as it is."""
    return VALUE.sub(lambda match: values.get(match["name"], match[0]), text)


def read_text(path: Path) -> str:
    """Return the text of an author's file. Raises `Refused` if it cannot be read."""
    if path.is_fifo():  # whoever opens it waits until something is written
        raise Refused(0, "This is a pipe. Put a file in its place.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refused(line, "This is not UTF-8. Save the file as UTF-8.") from None
    except OSError as error:
        raise Refused(0, f"The file cannot be read: {error.strerror}.") from None


def read_lesson(path: Path) -> Lesson:
    """Read one lesson. Raises `Refused` for the first thing that is wrong with it."""
    name = FILE.fullmatch(path.name)
    if not name:
        raise Refused(0, "Name it like `04-push-and-pull.md`: two digits, then lower-case words.")
    text = read_text(path)
    if not text.strip():
        raise Refused(0, "The file is empty. Begin with `---`, a `title:` line, and `---`.")
    matter, first = _front_matter(text)
    scan = _Scan(text, first)
    return Lesson(
        number=int(name["number"]),
        slug=name["slug"],
        path=path,
        title=matter["title"],
        minutes=int(matter.get("minutes", "0")),
        lab_name=matter.get("lab"),
        text="\n".join(text.splitlines()[first:]),
        steps=scan.steps,
        titles=scan.titles,
        blocks=tuple(scan.blocks),
        values=tuple(scan.values),
    )


def _front_matter(text: str) -> tuple[dict[str, str], int]:
    """Return the settings, and the number of lines that they take with their fences."""
    lines = text.splitlines()
    matter: dict[str, str] = {}
    if lines[0].strip() != "---":
        raise Refused(1, "Begin the file with `---`, a `title:` line, and `---`.")
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == "---":
            if not matter.get("title"):
                raise Refused(number, "Give the lesson a `title:`.")
            return matter, number
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon or key not in ("title", "lab", "minutes"):
            raise Refused(number, f"Write `title:`, `lab:` or `minutes:` here, not `{key}`.")
        if key == "minutes" and not re.fullmatch("[0-9]{1,3}", value):
            raise Refused(number, "Write `minutes:` as a whole number.")
        matter[key] = value
    raise Refused(1, "Close the settings at the top with a line `---`.")


class _Scan:
    """Reads the headings, code blocks and names of a lesson's text in one pass."""

    def __init__(self, text: str, first: int) -> None:
        self.steps: dict[str, int] = {}
        self.titles: dict[str, str] = {}
        self.blocks: list[Block] = []
        self.values: list[tuple[str, int]] = []
        self.step: str | None = None
        lines = iter(list(enumerate(text.splitlines(), 1))[first:])
        for number, line in lines:
            self.values += [(match["name"], number) for match in VALUE.finditer(line)]
            if fence := FENCE.fullmatch(line):
                self._block(fence, number, lines)
            elif line.startswith(("# ", "## ")):
                self._heading(line, number)

    def _heading(self, line: str, number: int) -> None:
        heading = STEP.fullmatch(line)
        self.step = None
        if not heading:
            return
        ids = re.findall(r"#([^\s}]+)", heading["attributes"])
        if len(ids) != 1:
            raise Refused(number, "Give the step one id: `## Title {#the-step .step}`.")
        if ids[0] in self.steps:
            raise Refused(
                number, f"The step `{ids[0]}` stands in line {self.steps[ids[0]]} already."
            )
        self.step = ids[0]
        self.steps[self.step] = number
        self.titles[self.step] = heading["title"]

    def _block(self, fence: re.Match[str], start: int, lines: Iterator[tuple[int, str]]) -> None:
        code = []
        for number, line in lines:
            if line.strip().startswith(fence["fence"]) and not line.strip(" `~"):
                break
            self.values += [(match["name"], number) for match in VALUE.finditer(line)]
            code.append(line)
        else:
            raise Refused(start, f"Close this code block with `{fence['fence']}`.")
        info = fence["info"].strip()
        bash = BASH.fullmatch(info)
        if not bash:
            if "bash" in info:
                raise Refused(start, 'Write ```bash, or ```{.bash fails="the error\'s words"}.')
            return
        if self.step is None or fence["indent"]:
            raise Refused(
                start,
                "A `bash` block is run by `flask run-lab --shell`, so it stands under a step and "
                "is not indented. Write `console` for one that only shows something.",
            )
        block = Block(self.step, start, "\n".join(code), bash["fails"])
        if block.fails and len(_commands(code)) != 1:
            raise Refused(start, "A block that must fail holds one command.")
        self.blocks.append(block)


def _commands(code: list[str]) -> list[str]:
    joined = "\n".join(code).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
