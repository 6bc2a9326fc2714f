"""`finish-lab`: what it asks, what it leaves, and what it says of the learner's logins."""

import json
import os
import pty

from labrunner.course.loader import load_course
from labrunner.engine.engine import Engine
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.commands import Commands
from tests.fixtures.engine import LAB, LESSON


def test_a_login_to_the_labs_registry_stays_and_is_told_with_its_command(
    course, instance, tmp_path
):
    lab = f'{LAB}\n\nlab.values["password"] = lambda workspace: "secret"\n'
    course({"labs/volumes/lab.py": lab, "lessons/01-volumes.md": LESSON})
    commands, config = Commands(instance, tmp_path / "course"), tmp_path / "config.json"
    for mine in (True, False):
        registry = commands.json("start-lab", "volumes")[1]["registry"]
        logins = {"registry.example": {}, **({registry: {}} if mine else {})}
        config.write_text(json.dumps({"auths": logins}))
        code, out, _ = commands("finish-lab", "volumes", "--yes", DOCKER_CONFIG=str(tmp_path))
        said = f"Your `docker` login for `{registry}` stays; `docker logout {registry}` removes it."
        assert (code, out.splitlines()[1:]) == (0, [said] if mine else [])
        assert json.loads(config.read_text()) == {"auths": logins}


def test_finishing_exits_1_while_something_cannot_be_removed_and_then_0(
    broken, docker, engine, instance, tmp_path
):
    name = broken.json("start-lab", "good")[1]["name"]
    labs = load_course(tmp_path / "course").labs
    Workspaces(instance / "workspaces", engine, labs).find_open("good").create_volume(name)
    user = docker("create", "-v", f"{name}:/x", "busybox:stable")
    code, _, err = broken("finish-lab", "good", "--yes")
    assert (code, f"Not removed: volume {name}" in err) == (1, True)
    assert "The lab stays open." in err
    docker("rm", user)
    assert broken("finish-lab", "good", "--yes")[0] == 0
    assert engine.volume(name) is None


def test_finish_lab_asks_on_a_terminal_and_no_means_no(commands, docker, unique):
    values = commands.json("start-lab", "push-and-pull")[1]
    name, port = values["name"], f"{values['port']}:80"
    docker("create", "-p", port, "--name", unique, "busybox:stable")
    ours, theirs = pty.openpty()
    process = commands.start("finish-lab", "push-and-pull", stdin=theirs)
    os.write(ours, b"n\n")
    out, _ = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "Nothing was removed, and the lab stays open." in out
    assert f"Stays, because it may not be the lab's: container `{unique}`: it asks for" in out
    assert Engine().container(name).running
    assert commands("finish-lab", "push-and-pull", "--yes")[0] == 0
    assert Engine().container(unique)
