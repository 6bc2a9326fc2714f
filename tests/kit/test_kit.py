"""The kit as a whole: it makes an image once, and each of its commands ends well."""

import signal
import threading

from labrunner.engine.engine import Engine
from labrunner.kit.kit import Kit
from tests.fixtures.kit import BUSYBOX, MARKS, RECIPES_HERE, flask_kit, image_id, in_python

pytestmark = MARKS


def test_an_image_that_is_here_is_left_alone(engine, busybox):
    assert busybox.get(BUSYBOX)
    before, said = image_id(engine, BUSYBOX), []
    assert not busybox.build(BUSYBOX, said.append)
    assert not busybox.get(BUSYBOX, said.append)
    assert not busybox.pull(BUSYBOX, said.append)
    assert (image_id(engine, BUSYBOX), said) == (before, [])
    assert "is already here" in flask_kit(busybox, "build").output


def test_two_builds_at_once_make_one_image(engine, busybox):
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(Kit(Engine(), [BUSYBOX], RECIPES_HERE).build(BUSYBOX))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]


def test_an_unknown_image_exits_2_and_the_nearest_is_named(engine):
    result = flask_kit(Kit(engine, ["registry:2", "busybox:stable"]), "get", "regsitry:2")
    assert (result.exit_code, "Did you mean `registry:2`?" in result.stderr) == (2, True)


def test_without_an_engine_every_command_exits_3_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    for command in (["status"], ["get"], ["pull"], ["build"], ["save", str(tmp_path / "kit.tar")]):
        result = flask_kit(Kit(Engine(), ["registry:2"]), *command)
        assert result.exit_code == 3 and "No engine answers" in result.stderr, command
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_exits_130_and_leaves_nothing_half_done(engine, busybox, tmp_path):
    script = f"""
        from labrunner.cli.kit import kit_commands
        from labrunner.engine.engine import Engine
        from labrunner.kit.kit import Kit
        from labrunner.kit.recipes import RECIPES
        recipes = {{{BUSYBOX!r}: RECIPES["busybox:stable"]}}
        kit_commands(lambda: Kit(Engine(), recipes, recipes))(["build"])
    """
    process = in_python(script, tmp_path)
    assert "Building" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=10)
    assert (process.returncode, words) == (130, "Interrupted.\n")
    assert list(tmp_path.iterdir()) == []
    assert engine.image(BUSYBOX) is None
