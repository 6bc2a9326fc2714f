"""The style sheets: one served sheet, whose layers alone decide which rule prevails."""

import re
from hashlib import sha256

from labrunner.web.assets import style_sheets
from tests.fixtures.engine import ROOT


def test_each_style_sheet_is_a_layer_of_its_name_in_the_declared_order():
    first, *others = style_sheets(ROOT / "static/css")
    comment = re.compile(r"/\*.*?\*/", re.DOTALL)
    declared = re.fullmatch(r"@layer ([a-z, \n]+);", comment.sub("", first.read_text()).strip())
    assert declared
    assert sorted(re.split(r",\s+", declared[1])) == [path.stem for path in others]
    for path in others:
        layer = re.fullmatch(
            r"@layer ([a-z]+) \{\n.*\n\}", comment.sub("", path.read_text()).strip(), re.DOTALL
        )
        assert layer and layer[1] == path.stem
        assert not re.search(r"^\S", path.read_text().split("{", 1)[1].rstrip()[:-1], re.MULTILINE)


def test_each_picture_of_a_lesson_is_there_with_the_view_that_it_names(real_course):
    addresses = [
        address
        for lesson in real_course.outline
        for address in re.findall(r"!\[[^]]+\]\(([^)]+)\)", lesson.text)
    ]
    assert len(addresses) > 20
    for address in addresses:
        name, _, view = address.partition("#")
        picture = (ROOT / name.lstrip("/")).read_text()
        size = re.match(r'<svg[^>]* width="(\d+)" height="(\d+)" viewBox="0 0 \1 \2"', picture)
        assert size, address
        shown = rf'<view id="{view}" viewBox="0 \d+ {size[1]} {size[2]}"/>'
        assert not view or re.search(shown, picture), address


def test_each_vendored_file_is_unchanged():
    """The sums are those of the files in htmx.org, @xterm/xterm and @xterm/addon-fit on npm."""
    folder = ROOT / "static/vendor"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del found["SHA256SUMS"]
    assert found == sums
