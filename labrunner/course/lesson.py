"""A lesson as its author wrote it: front matter, Markdown, steps, and the commands on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from labrunner.language import PLACEHOLDER
from labrunner.registry.versions import FIRST, NUMBERS, version_values
from labrunner.text import fold, plain

from .lab import Lab
from .source_file import Refused, quote, read_text

FILE = re.compile(r"(?P<number>[0-9]{2})-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)\.md")
LAB_NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")  # the name of its folder
VALUE = re.compile(r"\{\{\s*(?P<name>[a-z][a-z0-9_]*)\s*\}\}")  # Go templates begin with a dot
ATTRIBUTES = re.compile(r"\{([^{}]*)\}")
INLINE_CODE = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
BASH = re.compile(r'bash|\{\s*\.bash(?:\s+fails="(?P<fails>[^"]+)")?\s*\}')
HINT, INDENT = "??? hint", "    "
VERSION = re.compile(r'(?P<indent> *)=== "registry (?P<number>[0-9]+)"\s*')
GOAL = re.compile(r"\s*After this lesson you ((?:(?!\n\n)[^{}])+?\.)(?!\S)")
PICTURE = re.compile(r"!\[[^\]]*\]\((/static/[^)\s]+)\)")
LANGUAGE = re.compile(r"\{?\s*\.?(?P<name>[^\s{}]*)")
OWN_LANGUAGES = ("", "text", "console", "json", "yaml", "reference")  # others are looked up


@dataclass(frozen=True)
class Block:
    """The commands of one `bash` block. fails: the words of the error that its command gives. hint:
    whether it is folded in the step's hint. registry: the image of the only registry that it is
    for, if it is not for all."""

    step: str
    line: int
    code: str
    fails: str | None = None
    hint: bool = False
    registry: str = ""


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    lab_line: where the lab is named. steps: the line of each step's heading. codes: what
    stands between backticks in a step's text, outside of its hints: the step, the line, and that.
    values: the names in the text, each with its line. depends_on_registry: it reads differently
    with another version of the registry. lab: None until the course has loaded it, and for a lesson
    without one.
    """

    number: int
    slug: str
    path: Path
    title: str
    minutes: int
    lab_name: str | None
    lab_line: int
    text: str
    steps: dict[str, int]
    titles: dict[str, str]
    blocks: tuple[Block, ...]
    codes: tuple[tuple[str, int, str], ...]
    values: tuple[tuple[str, int], ...]
    depends_on_registry: bool = False
    lab: Lab | None = field(default=None, compare=False)

    @property
    def goal(self) -> str:
        """What the reader can do afterwards, if the text begins with `After this lesson you`: its
        first sentence, from `You` on."""
        found = GOAL.match(self.text)
        return f"You {' '.join(found[1].split())}" if found else ""

    @property
    def picture(self) -> str:
        """The address of the first picture in the text, if there is one."""
        found = PICTURE.search(self.text)
        return found[1] if found else ""

    @property
    def names(self) -> set[str]:
        """The values that its reader meets: in the text, or in the goal of a step."""
        goals = [step.goal for step in self.lab.steps] if self.lab else []
        return {name for name, _ in self.values}.union(*map(PLACEHOLDER.findall, goals))

    @property
    def names_registry(self) -> bool:
        """Whether it speaks of the lab's registry."""
        return not self.names.isdisjoint({"registry", "port"})

    def known_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a workspace without those that its lab has made for itself, such as
        an answer: the reader meets them nowhere."""
        secret = self.lab.values.keys() - self.names if self.lab else set[str]()
        return {name: value for name, value in values.items() if name not in secret}

    def with_registry(self, image: str) -> Lesson:
        """Return the lesson as it is with the registry of this image: without what is for another
        one only."""
        lines = _split_versions(enumerate(self.text.split("\n"), 1))
        text = "\n".join(line for _, line, only in lines if only in ("", image))
        blocks = tuple(each for each in self.blocks if each.registry in ("", image))
        return replace(self, text=text, blocks=blocks)

    def blocks_of(self, step: str) -> list[Block]:
        return [block for block in self.blocks if block.step == step]


def fill(text: str, values: dict[str, str]) -> str:
    """Replace `{{ name }}` in a text if the name is known; everything else stays as it is."""
    return VALUE.sub(lambda match: values.get(match["name"], match[0]), text)


def read_lesson(path: Path) -> Lesson:
    """Read one lesson. Raises `Refused` for the first thing that is wrong with it."""
    name = FILE.fullmatch(path.name)
    if not name:
        raise Refused(0, "Name it like `04-push-and-pull.md`: two digits, then lower-case words.")
    text = read_text(path)
    if not text.strip():
        raise Refused(0, "The file is empty. Begin with `---`, a `title:` line, and `---`.")
    lines = text.removesuffix("\n").split("\n")  # splitlines() knows more ends than an editor does
    matter, places, first = _front_matter(lines)
    scan = _Scan(lines, first)
    return Lesson(
        number=int(name["number"]),
        slug=name["slug"],
        path=path,
        title=matter["title"],
        minutes=int(matter.get("minutes", "0")),
        lab_name=matter.get("lab"),
        lab_line=places.get("lab", 0),
        text="\n".join(lines[first:]),
        steps=scan.steps,
        titles=scan.titles,
        blocks=tuple(scan.blocks),
        codes=tuple(scan.codes),
        values=tuple(scan.values),
        depends_on_registry=scan.by_registry,
    )


def _front_matter(lines: list[str]) -> tuple[dict[str, str], dict[str, int], int]:
    """Return the settings, the line of each, and the number of lines that they take with their
    fences."""
    matter: dict[str, str] = {}
    places: dict[str, int] = {}
    if lines[0].strip() != "---":
        raise Refused(1, "Begin the file with `---`, a `title:` line, and `---`.")
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == "---":
            if not matter.get("title"):
                raise Refused(number, "Give the lesson a `title:`.")
            return matter, places, number
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        key, value = key.strip(), plain(value).strip()
        if not colon or key not in ("title", "lab", "minutes"):
            what = "Write `title:`, `lab:` or `minutes:` here, not {key}."
            raise Refused(number, what, key=quote(key))
        if key in places:
            raise Refused(number, "`{key}:` is already in line {line}.", key=key, line=places[key])
        if key == "lab" and not LAB_NAME.fullmatch(value):
            what = "Write `lab:` as a folder's name: lower-case letters, digits and `-`."
            raise Refused(number, what)
        if key == "minutes" and not re.fullmatch("[0-9]{1,3}", value):
            raise Refused(number, "Write `minutes:` as a whole number of at most three digits.")
        matter[key], places[key] = value, number
    raise Refused(1, "Close the settings at the top with a line `---`.")


def _split_versions(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield each line with its number, and with the image of the only registry that it is for: what
    is indented below `=== "registry 3"` is for `registry:3`, and loses four blanks.

    Raises `Refused` for such a heading that names no registry, or has nothing below it.
    """
    image, inner, empty = "", "", 0
    for number, line in lines:
        written = line.strip()
        if written and image and line.startswith(inner):
            empty = 0
        elif written and empty:
            break
        elif written:
            image = ""
        if written.startswith("=== "):
            heading = VERSION.fullmatch(line)
            if image or not heading or heading["number"] not in NUMBERS:
                known = fold((f'`=== "registry {each}"`' for each in NUMBERS), "{some} or {other}")
                raise Refused(number, "Write {known}, and not one inside the other.", known=known)
            image, inner = NUMBERS[heading["number"]], heading["indent"] + INDENT
            empty = number
        else:
            yield number, line[len(INDENT) :] if image else line, image
    if empty:
        raise Refused(empty, "Write what is for this registry below, indented by four blanks.")


class _Scan:
    """Reads the headings, code blocks and names of a lesson's text in one pass.

    registry: the image of the only registry that the line at hand is for. by_registry: some line is
    for one only, or has a value that depends on it.
    """

    def __init__(self, written: list[str], first: int) -> None:
        self.steps: dict[str, int] = {}
        self.titles: dict[str, str] = {}
        self.blocks: list[Block] = []
        self.codes: list[tuple[str, int, str]] = []
        self.values: list[tuple[str, int]] = []
        self.step: str | None = None
        self.in_hint = False
        self.by_registry = False
        lines = _split_versions(list(enumerate(written, 1))[first:])
        for number, line, self.registry in lines:
            self._note_values(number, line)
            if line.strip() and not line[0].isspace():
                self.in_hint = line.startswith(HINT)
            if fence := FENCE.fullmatch(line):
                self._block(fence, number, lines)
            elif line.startswith("#"):
                self._heading(line, number)
            else:
                self._note_codes(number, line)

    def _note_values(self, number: int, line: str) -> None:
        names = [match["name"] for match in VALUE.finditer(line)]
        self.values += [(name, number) for name in names]
        self.by_registry |= bool(self.registry or version_values(FIRST).keys() & names)

    def _note_codes(self, number: int, line: str) -> None:
        if self.step and not self.in_hint:
            self.codes += [(self.step, number, text) for text in INLINE_CODE.findall(line)]

    def _heading(self, line: str, number: int) -> None:
        if line.startswith(("# ", "## ")):
            self.step = None
        groups = ATTRIBUTES.finditer(line)
        found = next((each for each in groups if ".step" in each[1].split()), None)
        if not found:
            return
        title = line[2 : found.start()].strip()
        if self.registry:
            raise Refused(number, "A step is for all registries: put its heading above `=== …`.")
        if not line.startswith("## ") or not title or line[found.end() :].strip():
            raise Refused(number, "Write a step's heading as `## Title {#the-step .step}`.")
        ids = re.findall(r"#(\S+)", found[1])
        if len(ids) != 1:
            raise Refused(number, "Give the step one id: `## Title {#the-step .step}`.")
        if ids[0] in self.steps:
            what = "The step `{id}` is already in line {line}."
            raise Refused(number, what, id=ids[0], line=self.steps[ids[0]])
        self.step = ids[0]
        self.steps[self.step] = number
        self.titles[self.step] = plain(title)

    def _block(
        self, fence: re.Match[str], start: int, lines: Iterator[tuple[int, str, str]]
    ) -> None:
        code = []
        for number, line, only in lines:
            if only != self.registry:
                raise Refused(number, "Indent all lines of this code block as its first one.")
            if line.strip().startswith(fence["fence"]) and not line.strip(" `~"):
                break
            self._note_values(number, line)
            code.append(line)
        else:
            raise Refused(
                start, "End this code block with a line of the same characters that it begins with."
            )
        info = fence["info"].strip()
        bash = BASH.fullmatch(info)
        if not bash:
            if "bash" in info.lower():
                what = 'Begin the block with `bash`, or with `{.bash fails="the error\'s words"}`.'
                raise Refused(start, what)
            _validate_language(info, start)
            return
        hint = self.in_hint and fence["indent"] == INDENT
        if self.step is None or (fence["indent"] and not hint):
            raise Refused(
                start,
                "`flask run-lab --shell` runs `bash` blocks, so each must be under a step, and may "
                "be indented only in a hint. Write `console` for one that only shows something.",
            )
        if hint:
            code = [line.removeprefix(INDENT) for line in code]
        block = Block(self.step, start, "\n".join(code), bash["fails"], hint, self.registry)
        if block.fails and len(_commands(code)) != 1:
            raise Refused(start, "A block that must fail must hold one command only.")
        self.blocks.append(block)


def _validate_language(info: str, line: int) -> None:
    """Refuse a slip in a language: a block of commands would be shown, and never run."""
    language = LANGUAGE.match(info)
    name = language["name"] if language else ""
    if name in OWN_LANGUAGES:
        return
    from pygments.lexers import find_lexer_class_by_name  # takes long, and is hardly ever needed
    from pygments.util import ClassNotFound

    try:
        find_lexer_class_by_name(name)
    except ClassNotFound:
        what = (
            "There is no language {name}. Write `bash` for commands, and `text` for anything else."
        )
        raise Refused(line, what, name=quote(name)) from None


def _commands(code: list[str]) -> list[str]:
    joined = "\n".join(code).replace("\\\n", " ")
    return [line for line in joined.split("\n") if line.strip() and not line.startswith("#")]
