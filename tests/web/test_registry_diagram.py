"""The picture of a registry, as far as it is a matter of where things stand."""

import re
from itertools import pairwise

import pytest

from labrunner.inspector.contents import (
    Descriptor,
    ManifestEntry,
    PlatformManifest,
    RegistryContents,
    Tag,
)
from labrunner.web.diagrams import labels, registry, table
from labrunner.web.diagrams.layout import LAYOUTS, NARROW, WIDE

EVIL = "<img src=x onerror=alert(1)>\u202eevil\n" + "w" * 300
BASE = Descriptor("sha256:aaaaaaaaaa", 1_000_000, "layer")


def image(repository, number, state="named", *more, previous_tags=()):
    own = (Descriptor(f"sha256:c{number}", 1000, "config"), BASE, *more)
    return ManifestEntry(
        repository, f"sha256:{number:064}", 500, own, state=state, previous_tags=previous_tags
    )


def contents_of(*images, **more):
    tags = [
        Tag(entry.repository, f"v{number}", entry.digest)
        for number, entry in enumerate(images)
        if entry.state == "named"
    ]
    names = tuple(dict.fromkeys(entry.repository for entry in images))
    return RegistryContents(names, tuple(tags), images, **more)


def boxes(drawn, kind):
    return [box for box in drawn.boxes if kind in box.kind.split()]


def test_a_layer_of_two_images_is_drawn_once_with_two_lines():
    drawn = registry.draw(contents_of(image("a", 1), image("b", 2)))
    [shared] = boxes(drawn, "shared")
    assert (shared.name, shared.note) == ("aaaaaaa", "1.0 MB")
    assert len([line for line in drawn.lines if "shared" in line.kind]) == 2
    assert len(boxes(drawn, "blob")) == 3
    assert len(boxes(drawn, "tag")) == len(boxes(drawn, "manifest")) == 2


def test_two_tags_of_one_image_lead_to_one_manifest():
    entry = image("a", 1)
    drawn = registry.draw(
        RegistryContents(
            ("a",), (Tag("a", "1", entry.digest), Tag("a", "2", entry.digest)), (entry,)
        )
    )
    assert len(boxes(drawn, "manifest")) == 1
    ends = {line.path.split()[-1] for line in drawn.lines if line.kind == "tag"}
    assert len(ends) == 1


def test_what_lost_its_tag_and_what_is_deleted_look_different_from_what_is_named():
    own = Descriptor("sha256:bbbbbbb", 5, "layer")
    drawn = registry.draw(
        contents_of(
            image("a", 1),
            image("a", 2, "untagged", previous_tags=("old",)),
            image("a", 3, "deleted", own, previous_tags=("older",)),
        )
    )
    assert [box.note for box in boxes(drawn, "manifest")] == ["", "untagged", "deleted"]
    assert [box.name for box in boxes(drawn, "gone") if "tag" in box.kind] == ["old", "older"]
    gone = [box.name for box in boxes(drawn, "blob") if "gone" in box.kind]
    assert gone == ["bbbbbbb", "config"]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_an_index_has_its_images_below_it(layout):
    one, two = image("a", 1), image("a", 2)
    children = (
        PlatformManifest(one.digest, "linux/amd64"),
        PlatformManifest(two.digest, "linux/arm64/v8"),
        PlatformManifest("sha256:unseen", "any"),
    )
    index = ManifestEntry("a", "sha256:1234567890", 900, children=children)
    drawn = registry.draw(
        RegistryContents(("a",), (Tag("a", "all", index.digest),), (index, one, two)), layout
    )
    words = [(box.name, box.note) for box in boxes(drawn, "manifest")]
    platforms = ["linux/amd64", "linux/arm64/v8"] if layout is WIDE else ["amd64", "arm64/v8"]
    assert words == [("1234567", "index"), *((name, "") for name in [*platforms, "any"])]
    tops = [box.y for box in boxes(drawn, "manifest")]
    assert tops == sorted(set(tops))
    assert len([line for line in drawn.lines if line.kind == "child"]) == 3


@pytest.mark.parametrize("what", ["name", "tag", "digest", "platform"])
def test_no_name_is_wider_than_its_place_or_has_what_is_not_seen(what):
    entry = ManifestEntry(
        EVIL if what == "name" else "a",
        EVIL if what == "digest" else "sha256:1",
        5,
        (Descriptor(EVIL if what == "digest" else "sha256:2", 10**18, "layer"),),
        (PlatformManifest("sha256:3", EVIL if what == "platform" else "linux"),),
    )
    tag = Tag(entry.repository, EVIL if what == "tag" else "1", entry.digest)
    contents = RegistryContents((entry.repository,), (tag,), (entry,))
    for layout in LAYOUTS:
        for box in registry.draw(contents, layout).boxes:
            assert box.x >= 0 and box.x + box.width <= layout.width
            beside = [box.name, "" if box.note_below else box.note]
            assert 2 * registry.PADDING + len("".join(beside)) * 7.3 <= box.width
            assert 2 * registry.PADDING + len(box.note) * 7.3 <= box.width
            assert box.name.isprintable() and box.note.isprintable() and len(box.key) < 500
    for row in table.rows(contents):
        texts = (row.repository, row.manifest, row.named_by, *row.parts)
        assert all(text.isprintable() and len(text) < 400 for text in texts)


def test_in_the_narrow_form_tags_stand_above_their_manifest_and_in_the_wide_one_beside_it():
    contents = contents_of(image("a", 1), image("a", 2, "deleted", previous_tags=("old", "older")))
    wide, narrow = (registry.draw(contents, layout) for layout in LAYOUTS)
    [tag, _, _], [manifest, _] = boxes(wide, "tag"), boxes(wide, "manifest")
    assert tag.y == manifest.y and tag.x + tag.width < manifest.x
    rows = [box for box in narrow.boxes if {"tag", "manifest"} & set(box.kind.split())]
    kinds = [box.kind.split()[0] for box in rows]
    assert kinds == ["tag", "manifest", "tag", "tag", "manifest"]
    assert all(one.y + one.height < next.y for one, next in pairwise(rows))
    [frame] = boxes(narrow, "repository")
    assert all(frame.y < box.y and box.y + box.height < frame.y + frame.height for box in rows)
    assert all(box.x + box.width < frame.x + frame.width for box in rows)
    assert all(box.x > frame.x + frame.width for box in boxes(narrow, "blob"))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("my-image", ["my-image"]),
        ("find-3f2a/9c8d7e6f", ["find-3f2a/", "9c8d7e6f"]),
        ("team/app", ["team/app"]),
        ("apps/internal-app/of-the-team", ["apps/", "internal-…"]),
    ],
)
def test_a_long_repository_takes_two_lines(name, lines):
    [frame, _] = registry.draw(RegistryContents((name,)), NARROW).boxes
    assert [frame.name, frame.note] == [*lines, ""][:2]


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1, "1 B"), (160, "160 B"), (2400, "2.4 kB"), (51_900, "52 kB"), (10**7, "10 MB")],
)
def test_a_size_is_short(size, words):
    assert labels.short_size(size) == words


def test_a_picture_has_an_end():
    layers = [Descriptor(f"sha256:{n:05}", n, "layer") for n in range(300)]
    images = [image("a", n, "named", *layers) for n in range(100)]
    drawn = registry.draw(contents_of(*images, unread_repositories=1, unread_tags=14))
    assert drawn.height <= registry.TOP + registry.ROW * (registry.MAX_ROWS + 2)
    assert len(drawn.lines) <= registry.MAX_LINES + 2 * registry.MAX_ROWS
    assert max(len(row.parts) for row in table.rows(contents_of(*images))) <= table.MAX_PARTS + 1
    assert drawn.omitted[:3] == ["1 more repository", "14 more tags", "40 more manifests"]
    assert re.fullmatch(r"\d+ more layers", drawn.omitted[3])


def test_an_index_of_many_images_has_an_end():
    children = tuple(PlatformManifest(f"sha256:c{n}", "any") for n in range(120))
    index = ManifestEntry("a", "sha256:1", 900, children=children)
    drawn = registry.draw(RegistryContents(("a",), (Tag("a", "all", index.digest),), (index,)))
    assert len(boxes(drawn, "manifest")) == 1 + registry.MAX_CHILDREN
    assert drawn.omitted == [f"{120 - registry.MAX_CHILDREN} more images of an index"]


def test_an_empty_repository_says_so():
    [head, none] = registry.draw(RegistryContents(("a",))).boxes
    assert (head.name, none.name) == ("a", "no tags")


def test_the_table_says_what_names_each_manifest_and_what_it_shares():
    one, two = image("a", 1), image("a", 2, "deleted", previous_tags=("old",))
    first, second = table.rows(contents_of(one, two))
    assert first.named_by == "v0"
    assert first.parts[1] == "layer aaaaaaa, 1.0 MB, also in 0000000"
    assert second.named_by == "nothing; it was old. It is deleted, and not collected yet"


def test_the_table_has_repositories_without_tags_and_tags_without_manifests_as_well():
    contents = RegistryContents(("a", "b"), (Tag("b", "1.0", ""),))
    rows = [(row.repository, row.manifest, row.named_by) for row in table.rows(contents)]
    assert rows == [
        ("a", "none", "It has no tags"),
        ("b", "missing or unreadable", "1.0"),
    ]
