"""The file that a kit is saved to and loaded from."""

import shutil
import tarfile

import pytest

from labrunner.kit.archive import read_archive
from labrunner.kit.errors import KitUsageError
from labrunner.kit.kit import Kit
from labrunner.kit.recipes import RECIPES
from tests.fixtures.kit import (
    BUSYBOX,
    MARKS,
    OUT_OF_REACH,
    RECIPES_HERE,
    flask_kit,
    forget,
    image_id,
    in_python,
)

pytestmark = MARKS


@pytest.fixture(scope="module")
def saved(engine, tmp_path_factory):
    """The file of a kit of that small image, which is not on the engine any more."""
    kit, file = Kit(engine, [BUSYBOX], RECIPES_HERE), tmp_path_factory.mktemp("saved") / "kit.tar"
    kit.build(BUSYBOX)
    kit.save(file)
    forget(engine, BUSYBOX)
    return file


def test_what_was_saved_can_be_loaded_and_loading_it_again_does_nothing(engine, busybox, tmp_path):
    busybox.build(BUSYBOX)
    before, file, bytes_done = image_id(engine, BUSYBOX), tmp_path / "kit.tar", []
    busybox.save(file)
    assert [path.name for path in tmp_path.iterdir()] == ["kit.tar"]
    assert busybox.load(file) == []
    engine.remove_image(before)
    assert busybox.load(file, lambda done, total: bytes_done.append((done, total))) == [BUSYBOX]
    assert image_id(engine, BUSYBOX) == before
    assert bytes_done[-1] == (file.stat().st_size,) * 2
    assert flask_kit(busybox, "load", str(file)).output == "All of its images are already here.\n"


def test_load_refuses_to_move_a_tag(engine, saved, busybox):
    busybox.build(BUSYBOX)
    before = image_id(engine, BUSYBOX)
    result = flask_kit(busybox, "load", str(saved))
    assert result.exit_code == 2 and f"`{BUSYBOX}` on this engine is another image" in result.stderr
    assert image_id(engine, BUSYBOX) == before


def test_load_refuses_images_that_are_not_part_of_the_kit(engine, saved):
    with pytest.raises(KitUsageError, match="not part of the kit"):
        Kit(engine, ["registry:2"]).load(saved)


def test_save_overwrites_nothing_and_wants_the_whole_kit(engine, busybox, tmp_path):
    file = tmp_path / "kit.tar"
    assert "Not on this engine" in flask_kit(busybox, "save", str(file)).stderr
    assert not file.exists()
    file.write_text("mine")
    assert flask_kit(busybox, "save", str(file)).exit_code == 2
    assert file.read_text() == "mine"
    assert "no folder" in flask_kit(busybox, "save", str(tmp_path / "no" / "kit.tar")).stderr


def test_save_leaves_out_what_has_to_be_compiled_and_is_not_here(engine, busybox, tmp_path):
    busybox.build(BUSYBOX)
    file, compiled = tmp_path / "kit.tar", {OUT_OF_REACH: RECIPES["registry:3"]}
    result = flask_kit(Kit(engine, [OUT_OF_REACH, BUSYBOX], compiled), "save", str(file))
    assert f"{OUT_OF_REACH} is not here, so it is not in the file." in result.output
    assert list(read_archive(file)) == [BUSYBOX]


def test_a_full_disk_leaves_no_file(engine, busybox, tmp_path):
    busybox.build(BUSYBOX)
    script = f"""
        import resource, signal, sys
        from pathlib import Path
        from labrunner.engine.engine import Engine
        from labrunner.kit.kit import Kit
        from labrunner.cli.kit import kit_commands
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        kit_commands(lambda: Kit(Engine(), [{BUSYBOX!r}]))(["save", "kit.tar"])
    """
    done = in_python(script, tmp_path).communicate(timeout=30)
    assert "`kit.tar` could not be written: File too large." in done[1]
    assert list(tmp_path.iterdir()) == []


def cut_off(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def with_another_layer(file):
    content = bytearray(file.read_bytes())
    with tarfile.open(file) as tar:
        layer = max(tar, key=lambda member: member.size)
    content[layer.offset_data + layer.size // 2] ^= 0xFF
    file.write_bytes(content)


def without_contents(file):
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "manifest.json")


@pytest.mark.parametrize(
    "spoil",
    [
        cut_off,
        with_another_layer,
        without_contents,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("not an archive"),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_spoilt_file_is_refused_in_a_sentence_and_nothing_is_loaded(
    engine, saved, busybox, tmp_path, spoil
):
    file = tmp_path / "kit.tar"
    shutil.copy(saved, file)
    spoil(file)
    result = flask_kit(busybox, "load", str(file))
    assert result.exit_code == 2, result.output
    assert str(file) in result.stderr and "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 2
    assert engine.image(BUSYBOX) is None
