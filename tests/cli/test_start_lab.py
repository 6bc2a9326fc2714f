"""`start-lab`: what it tells of a lab, and what it keeps to itself."""

import json
import re
import subprocess

from tests.fixtures.commands import Commands


def test_what_the_lesson_names_is_told_and_no_answer_is_among_it(commands, workspaces):
    code, out, _ = commands("start-lab", "read-the-api")
    told = commands.json("start-lab", "read-the-api")[1]
    workspace = workspaces.find_open("read-the-api")
    assert (code, told["word"]) == (0, workspace["word"])
    assert re.findall(r"^  (\w+) +`(.*)`$", out, re.MULTILINE) == [
        ("registry", workspace.registry),
        ("word", workspace["word"]),
    ]
    for name in ("repository", "small", "large"):
        assert workspace[name] not in out + json.dumps(told)
    questions = [step for step in workspace.lab.steps if step.asks_question]
    assert questions[0].judge(workspace, workspace["repository"]).passed
    for step in questions:
        assert not [name for name in told if step.judge(workspace, str(told[name])).passed], step.id


def test_the_way_to_the_labs_folder_is_a_command_that_works(course, tmp_path):
    course()
    commands = Commands(tmp_path / "my instance", tmp_path / "course")
    out = commands("start-lab", "volumes")[1]
    try:
        told = commands.json("start-lab", "volumes")[1]
        assert out.startswith(f"  name `{told['name']}`\n")  # the lesson has no registry
        go = re.findall("`(cd .*)`", out)[0]
        words = ["sh", "-c", f"{go} && pwd"]
        there = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        assert there == f"{told['folder']}\n" and "my instance" in there
    finally:
        assert commands("finish-lab", "volumes", "--yes")[0] == 0
