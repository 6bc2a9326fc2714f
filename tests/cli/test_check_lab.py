"""`check-lab`: the words in which it tells a learner how their steps stand."""

import time
from types import SimpleNamespace

import pytest

from labrunner.progress.store import Progress
from tests.fixtures.commands import Commands

LAB = """
from labrunner import Lab, NotYet

lab = Lab(title="Volumes", images=["busybox:stable"])


@lab.step(lasting=True)
def make_a_volume(workspace):
    '''There is a volume, and
    it is `{name}`.'''
    if workspace.engine.volume(workspace.name):
        return "It is there."
    raise NotYet(found="There is none.", next="Make one.")


make_a_volume.solution(lambda ws: ws.create_volume(ws.name))


@lab.step
def say_it(workspace, answer):
    '''You know the word.'''
    if answer == "right":
        return "That is the word."
    raise NotYet(found="`{said}` is another word.", next="Think.", said=answer)


say_it.without_answer(make_a_volume.require)
say_it.solution("right")
"""
LESSON = """---
title: Volumes
lab: volumes
---
## Make a volume {#make-a-volume .step}

## Say it {#say-it .step}
"""
SAY = "script/lab check-lab volumes say-it --answer TEXT"


@pytest.fixture
def commands(course, instance, tmp_path):
    """Those of a course with one small lab, which is started."""
    course({"labs/volumes/lab.py": LAB, "lessons/01-volumes.md": LESSON})
    commands = Commands(instance, tmp_path / "course")
    yield commands
    commands("finish-lab", "volumes", "--yes")


@pytest.fixture
def volume(commands, docker):
    """The name of the volume that the lab asks for."""
    return commands.json("start-lab", "volumes")[1]["name"]


def test_without_an_answer_it_says_what_else_is_ready_and_how_to_give_one(commands, volume, docker):
    for words in (["check-lab", "volumes"], ["check-lab", "volumes", "say-it"]):
        code, out, _ = commands(*words)
        assert code == 1 and "There is no answer yet. There is none." in out
        assert f"Submit your answer with this step. The command is `{SAY}`." in out
    assert "--answer" not in str(commands.json("check-lab", "volumes"))
    docker("volume", "create", volume)
    for words in (["check-lab", "volumes"], ["check-lab", "volumes", "say-it"]):
        code, out, _ = commands(*words)
        assert code == 1 and "There is no answer yet. Everything else is ready." in out


def test_it_has_the_words_of_the_pages_and_json_keeps_its_own(commands, volume, docker):
    def line():
        return commands("check-lab", "volumes", "make-a-volume")[1].partition("\n")[0]

    assert line() == f"  {'not there yet':<22}make-a-volume"
    docker("volume", "create", volume)
    assert line() == f"  {'passed':<22}make-a-volume"
    docker("volume", "rm", volume)
    assert line() == f"  {'no longer passes':<22}make-a-volume"
    steps = commands.json("check-lab", "volumes")[1]["steps"]
    assert [step["status"] for step in steps] == ["failed", "failed"]


def test_the_other_lines_of_a_sentence_begin_below_its_first(commands, volume):
    out = commands("check-lab", "volumes", "make-a-volume")[1]
    first, second = out.splitlines()[1:3]
    assert first == "              Expected  There is a volume, and"
    assert second == f"{' ' * first.index('There')}it is `{volume}`."


def test_a_wrong_answer_after_the_step_has_passed_is_said_to_be_wrong(commands, volume):
    say = ("check-lab", "volumes", "say-it", "--answer")
    passed = f"  {'passed':<22}say-it\n              Found     "
    assert commands(*say, "right")[:2] == (0, f"{passed}That is the word.\n")
    stays = "The step stays as it is, but this answer would not pass now: `left` is another word."
    assert commands(*say, "left")[:2] == (0, f"{passed}{stays}\n")
    [row] = commands.json(*say, "left")[1]["steps"]
    assert (row["status"], row["found"]) == ("passed", stays)
    assert commands(*say, "right")[:2] == (0, f"{passed}That is the word.\n")


@pytest.mark.parametrize(("answer", "verdicts"), [((), 2), (("--answer", "left"), 1)])
def test_watching_a_step_with_an_answer_is_one_attempt(
    commands, volume, docker, instance, monkeypatch, answer, verdicts
):
    def happen():
        yield  # one more look, which finds nothing new
        docker("volume", "create", volume)
        yield
        raise KeyboardInterrupt

    happens = happen()
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: next(happens))
    monkeypatch.setattr("labrunner.cli.check_lab.time", clock)
    code, out, _ = commands("check-lab", "volumes", "say-it", "--watch", *answer)
    assert (code, out.count("Expected")) == (130, verdicts)
    assert Progress(instance / "progress.db").load_lab("volumes").steps["say-it"].attempts == 1
