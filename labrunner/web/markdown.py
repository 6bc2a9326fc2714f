"""Render a lesson's Markdown as HTML: its steps, and the text between them, in their order.

A lesson is rendered once. The values of the workspace are filled in afterwards, escaped, so that
none of them is ever read as Markdown or HTML.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

from flask import get_template_attribute
from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import BashLexer

from labrunner.course.lesson import VALUE, Lesson
from labrunner.language import current, gettext
from labrunner.web.diagrams import reference

CUT = f"cut-{secrets.token_hex(16)}"  # in a comment that no author can have written
VALUE_TOKEN = f"held{secrets.token_hex(16)}n"  # stands for a value in Markdown's input and output
VALUE_PLACE = re.compile(rf"{VALUE_TOKEN}(\d+)e")
REFERENCE_TOKEN = f"drawn{secrets.token_hex(16)}n"  # stands for the diagram of a reference
REFERENCE_PLACE = re.compile(rf"<div>{REFERENCE_TOKEN}(\d+)e</div>")
ROOT = Path(__file__).resolve().parents[2]  # the folder that has `static`
CODE = re.compile("<code>.*?</code>", re.DOTALL)
# A short word with a hyphen, between blanks or tags, and in none
HYPHENATED = re.compile(r"(?<![^\s>])(?=[\w-]{2,24}[\s<])[\w-]*-\w[\w-]*(?![^<]*>)")
SIZE = re.compile(r'<svg[^>]* width="(\d+)" height="(\d+)"')


@dataclass(frozen=True)
class Part:
    """A section of a lesson. A step has its id, its heading and the HTML below it; folded: what is
    folded at its end, such as its hints."""

    html: Markup
    step: str | None = None
    title: Markup = field(default_factory=Markup)
    folded: Markup = field(default_factory=Markup)


@dataclass(frozen=True)
class _Draft:
    """A rendered lesson with placeholders. `names` are those of the values, by number; `references`
    are the texts of the blocks that are drawn once the values are known."""

    parts: tuple[Part, ...]
    names: tuple[str, ...]
    references: tuple[str, ...]


def render(lesson: Lesson, values: Mapping[str, str], prefix: str = "") -> list[Part]:
    """Return the lesson's parts with the values filled in. prefix: of the addresses of pictures.

    Each step of the lesson is in exactly one part, whatever its Markdown looks like. A value that
    is not known yet is shown as `<its name>`.
    """
    draft = _draft(lesson.text, tuple(lesson.titles.items()), current(), prefix)
    plain = [values.get(name, f"<{name.replace('_', ' ')}>") for name in draft.names]
    shown = [escape(value) for value in plain]

    def draw(match: re.Match[str]) -> str:
        number = int(match[1])
        name = VALUE_PLACE.sub(lambda place: plain[int(place[1])], draft.references[number])
        explorer = get_template_attribute("names/_reference.html", "explorer")
        return str(explorer(reference.draw(name), f"reference-{number + 1}"))

    def fill(html: Markup) -> Markup:
        filled = VALUE_PLACE.sub(lambda place: shown[int(place[1])], html)
        return Markup(REFERENCE_PLACE.sub(draw, filled))  # noqa: S704

    return [
        Part(fill(part.html), part.step, fill(part.title), fill(part.folded))
        for part in draft.parts
    ]


@lru_cache(maxsize=256)
def _draft(text: str, titles: tuple[tuple[str, str], ...], language: str, prefix: str) -> _Draft:
    """language: of the words around the author's own, which is the reader's. prefix: as for
    `render`."""
    names: list[str] = []
    references: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        names.append(match["name"])
        return f"{VALUE_TOKEN}{len(names) - 1}e"

    cutter = _Cutter([step for step, _ in titles], prefix)
    markdown = Markdown(
        extensions=[
            "attr_list",
            "tables",
            "admonition",
            "pymdownx.details",
            "pymdownx.highlight",
            "pymdownx.superfences",
            cutter,
        ],
        extension_configs={
            "pymdownx.superfences": {
                "custom_fences": [
                    {"name": "bash", "class": "", "validator": _options, "format": _commands},
                    {"name": "reference", "class": "", "format": partial(_reference, references)},
                ]
            }
        },
    )
    html = CODE.sub(_keep_words_whole, markdown.convert(VALUE.sub(set_aside, text)))
    pieces = [Markup(piece.strip()) for piece in html.split(f"<!--{CUT}-->")]  # noqa: S704
    parts = [Part(pieces[0])]
    for at, step in enumerate(cutter.found):
        title, body, folded, after = pieces[4 * at + 1 : 4 * at + 5]
        parts += [Part(body, step, title, folded), Part(after)]
    missing = [(step, title) for step, title in titles if step not in cutter.found]
    parts += [Part(Markup(), step, escape(title)) for step, title in missing]
    kept = tuple(part for part in parts if part.html or part.step)
    return _Draft(kept, tuple(names), tuple(references))


def _keep_words_whole(code: re.Match[str]) -> str:
    """Mark the words that a line must not break at a hyphen: `kill -` is not `kill -QUIT`."""
    return HYPHENATED.sub(r'<span class="whole">\g<0></span>', code[0])


class _Cutter(Extension):
    """Mark where the document is cut: before and after a step's heading, and before and after what
    is folded at its end."""

    def __init__(self, steps: list[str], prefix: str) -> None:
        super().__init__()
        self.steps = steps
        self.prefix = prefix
        self.found: list[str] = []

    def extendMarkdown(self, md: Markdown) -> None:
        md.treeprocessors.register(_Cut(md, self), "cut", -1)  # the last one
        md.treeprocessors.register(_Tables(md), "tables", -2)
        md.treeprocessors.register(_Pictures(md, self.prefix), "pictures", -3)


class _Cut(Treeprocessor):
    def __init__(self, md: Markdown, cutter: _Cutter) -> None:
        super().__init__(md)
        self.cutter = cutter

    def run(self, root: ElementTree.Element) -> None:
        children, inside = list(root), False
        root[:] = []
        for child in children:
            if inside and child.tag in ("h1", "h2"):
                self._end_step(root)
                inside = False
            if child.tag == "h2" and child.get("id") in self.cutter.steps:
                self.cutter.found.append(str(child.attrib.pop("id")))
                child.tag, inside = "span", True
                child.attrib.clear()
                root.extend([ElementTree.Comment(CUT), child, ElementTree.Comment(CUT)])
            else:
                root.append(child)
        if inside:
            self._end_step(root)
        for element in root.iter():  # in a quotation, say: the id belongs to the real heading
            if element.get("id") in self.cutter.steps:
                del element.attrib["id"]

    def _end_step(self, root: ElementTree.Element) -> None:
        end = len(root)
        while root[end - 1].tag == "details":
            end -= 1
        root.insert(end, ElementTree.Comment(CUT))
        root.append(ElementTree.Comment(CUT))


class _Tables(Treeprocessor):
    """Let a table that is too wide scroll on its own, also by keyboard. A narrow screen shows it as
    a list: it keeps its roles, and each cell has the head of its column."""

    ROLES: ClassVar = {
        "table": "table",
        "thead": "rowgroup",
        "tbody": "rowgroup",
        "tr": "row",
        "th": "columnheader",
        "td": "cell",
    }

    def run(self, root: ElementTree.Element) -> None:
        for parent in list(root.iter()):
            for at, child in enumerate(list(parent)):
                if child.tag == "table":
                    self._describe(child)
                    wrapper = ElementTree.Element("div", {"class": "scroll", "tabindex": "0"})
                    wrapper.append(child)
                    wrapper.tail, child.tail = child.tail, None
                    parent[at] = wrapper

    def _describe(self, table: ElementTree.Element) -> None:
        heads = ["".join(head.itertext()) for head in table.iter("th")]
        for part in table.iter():
            if role := self.ROLES.get(part.tag):
                part.set("role", role)
        for row in table.iter("tr"):
            for head, cell in zip(heads, row.findall("td"), strict=False):
                cell.set("data-head", head)


class _Pictures(Treeprocessor):
    """Give each picture its size, so that the text below it stays where it is when it comes. A
    numbered list whose items begin with a picture is stepped through: each is a frame, and the text
    behind it is its caption. Without JavaScript and on paper, all frames are shown in order."""

    def __init__(self, md: Markdown, prefix: str) -> None:
        super().__init__(md)
        self.prefix = prefix

    def run(self, root: ElementTree.Element) -> None:
        for picture in root.iter("img"):
            address = picture.get("src", "")
            picture.attrib.update(_size(address))
            if address.startswith("/"):
                picture.set("src", self.prefix + address)
        for parent in list(root.iter()):
            for at, child in enumerate(list(parent)):
                if child.tag == "ol" and all(map(_begins_with_picture, child)):
                    parent[at] = self._step_through(child)

    def _step_through(self, frames: ElementTree.Element) -> ElementTree.Element:
        for item in frames:
            item[:], item.text = [_figure(item)], None
        frames[0].set("class", "shown")
        name = gettext("{count} pictures in order").replace("{count}", str(len(frames)))
        group = ElementTree.Element("div", {"class": "frames", "role": "group", "aria-label": name})
        group.append(frames)
        buttons = ElementTree.SubElement(group, "p", {"class": "scripted"})
        _add_button(buttons, gettext("Previous")).set("aria-disabled", "true")
        ElementTree.SubElement(buttons, "span").text = (
            gettext("{at} of {all}").replace("{at}", "1").replace("{all}", str(len(frames)))
        )
        _add_button(buttons, gettext("Next"))
        return group


@lru_cache
def _size(address: str) -> dict[str, str]:
    """Return the width and height of a picture of the course in pixels, if it says them."""
    path = ROOT / address.partition("#")[0].lstrip("/")
    found = SIZE.search(path.read_text()) if path.suffix == ".svg" and path.is_file() else None
    return {"width": found[1], "height": found[2]} if found else {}


def _begins_with_picture(item: ElementTree.Element) -> bool:
    first = next(iter(item), None)
    if first is None or (item.text or "").strip():
        return False
    return first.tag == "img" or (first.tag == "p" and _begins_with_picture(first))


def _figure(item: ElementTree.Element) -> ElementTree.Element:
    """Return an item of a list as a figure: its picture, and the rest of it as the caption."""
    line = item if item[0].tag == "img" else item[0]  # the items of a loose list hold paragraphs
    figure = ElementTree.Element("figure")
    figure.append(line[0])
    caption = ElementTree.SubElement(figure, "figcaption")
    caption.text, line[0].tail = (line[0].tail or "").lstrip(), None
    caption.extend([*line[1:], *(item[1:] if line is not item else [])])
    return figure


def _add_button(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    button = ElementTree.SubElement(parent, "button", {"class": "quiet", "type": "button"})
    button.text = name
    return button


def _options(
    language: str, inputs: dict[str, str], options: dict[str, Any], attrs: dict[str, Any], md: Any
) -> bool:
    options["fails"] = inputs.get("fails")
    return True


def _commands(
    source: str, language: str, css_class: str, options: dict[str, Any], md: Any, **_: Any
) -> str:
    """Return a block of commands, with the expected error of one that is meant to fail."""
    code = highlight(source, BashLexer(), HtmlFormatter(nowrap=True)).rstrip("\n")
    note = ""
    if fails := options["fails"]:
        said = gettext("This one is meant to fail, with:")
        note = f'<p class="fails">{escape(said)} <code>{escape(fails)}</code></p>'
    block = f'<pre tabindex="0"><code>{code}</code></pre>'
    return f'<div class="highlight commands">{note}{block}</div>'


def _reference(found: list[str], source: str, *_: Any, **__: Any) -> str:
    """Return the place of a diagram. The name may have values in it, so it is drawn with them."""
    found.append(source.strip())
    return f"<div>{REFERENCE_TOKEN}{len(found) - 1}e</div>"
