"""The commands, run as a person runs them: what they print, and their exit codes."""

import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from contextlib import suppress

import pytest
from click.testing import CliRunner

from labrunner.cli.kit import kit_commands
from labrunner.engine.engine import Engine
from labrunner.headless.junit import write_report
from labrunner.headless.results import LabResult, Run, StepResult
from labrunner.kit.builder import MADE_FROM
from labrunner.kit.kit import Kit
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import UNSUITABLE, VERSION, response, standing_in

NO_ENGINE = "unix:///nonexistent/docker.sock"


def test_a_lab_is_started_checked_watched_and_finished_in_a_terminal(commands):
    code, values = commands.json("start-lab", "run-a-registry")
    assert code == 0
    always = {"registry", "port", "name", "registry_image", "registry_config"}
    assert set(values) == {"workspace", "lab", "folder", "second"} | always
    assert values["registry"] == f"localhost:{values['port']}"
    assert commands.json("start-lab", "run-a-registry") == (0, values)  # again: the same one

    code, out, _ = commands("check-lab", "run-a-registry", "start-a-registry")
    assert code == 1
    assert f"docker run -d -p {values['port']}:5000 --name {values['name']} registry:2" in out

    watch = commands.start("check-lab", "run-a-registry", "start-a-registry", "--watch")
    assert watch.stdout.readline().startswith("  not there yet ")
    port = f"{values['port']}:5000"
    run = ["docker", "run", "-d", "-p", port, "--name", values["name"], "registry:2"]
    subprocess.run(run, check=True, capture_output=True)
    out, _ = watch.communicate(timeout=30)
    assert watch.returncode == 0
    assert "passed" in out

    step = ("check-lab", "run-a-registry", "ask-the-catalog")
    assert commands(*step, "--answer", "{}")[0] == 1
    code, lab = commands.json(*step, "--answer", '{"repositories": []}')
    assert (code, lab["lab"], lab["status"]) == (0, "run-a-registry", "passed")
    assert set(lab["steps"][0]) == {"step", "status", "seconds", "expected", "found", "next"}
    assert "2 of 5" in commands("labs")[1]

    code, out, err = commands("finish-lab", "run-a-registry")
    assert (code, "--yes" in err) == (2, True)
    assert f"container  `{values['name']}`" in out
    assert Engine().container(values["name"])
    assert commands("finish-lab", "run-a-registry", "--yes")[0] == 0
    assert Engine().container(values["name"]) is None
    code, _, err = commands("check-lab", "run-a-registry")
    assert (code, "script/lab start-lab run-a-registry" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run-lab", "push-and-pul"], "Did you mean `push-and-pull`?"),
        (["start-lab", "nonsense"], "There are `meet-your-engine`"),
        (["check-lab", "push-and-pull", "push-image"], "Did you mean `push-the-image`?"),
        (["check-lab", "push-and-pull", "--answer", "x"], "name that step"),
        (["run-lab", "--port", "70000"], "--port"),
        (["run-lab", "--timeout", "0"], "--timeout"),
        (["run-lab", "--junit", "/nonexistent/report.xml"], "no folder `/nonexistent`"),
        (["explain", "My-Image"], "my-image"),
        (["kit", "pull", "regstry:2"], "Did you mean `registry:2`?"),
        (["kit", "load", "/nonexistent.tar"], "/nonexistent.tar"),
    ],
)
def test_a_bad_call_exits_2_with_a_sentence_that_says_what_to_do(commands, words, says):
    code, out, err = commands(*words)
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *[
            ("LABRUNNER_PORT", port, "not a port. Give a number from 1 to 65535.")
            for port in ("x", "0", "70000", "-1", "8000 ")
        ],
        *[
            ("LABRUNNER_ORIGIN", origin, "not an origin. Give a scheme and a host, and the port if")
            for origin in (
                "class.example.org",
                "ftp://class.example.org",
                "https://class.example.org/user",
                "https://alice@class.example.org",
                "https://class.example.org:0",
                "https://class.example.org:70000",
                "*",
            )
        ],
        *[
            ("SCRIPT_NAME", path, "not a path. Give one that begins with a slash")
            for path in ("user", "//evil.example", "/user/<b>", "/a b", "/a?b", "/user/a%40b")
        ],
    ],
)
def test_an_address_in_the_environment_that_is_none_exits_2_with_one_sentence(
    commands, name, value, says
):
    code, out, err = commands("labs", **{name: value})
    assert (code, out) == (2, "")
    assert err.startswith(f'{name} is "{value}", which is {says}')
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["run-lab"],
        ["run-lab", "push-and-pull", "--json"],
        ["start-lab", "push-and-pull"],
        ["kit", "status"],
        ["kit", "get"],
    ],
)
def test_without_an_engine_a_command_exits_3_and_says_what_to_do(commands, words):
    code, out, err = commands(*words, DOCKER_HOST=NO_ENGINE)
    assert (code, out) == (3, "")
    assert NO_ENGINE in err
    assert "script/bootstrap" in err


@pytest.mark.parametrize(
    "words", [["run-lab"], ["start-lab", "push-and-pull"], ["kit", "status"], ["doctor"]]
)
def test_an_engine_that_answers_in_another_form_is_said_and_exits_3(commands, fake, words):
    for version in ({}, VERSION):
        with fake(response("null"), version):
            code, out, err = commands(*words)
        assert code == 3
        assert "but not like a Docker Engine" in out + err


@pytest.mark.parametrize("words", [["doctor"], ["start-lab", "run-a-registry"], ["run-lab"]])
@pytest.mark.parametrize(("answers", "why"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_an_engine_that_the_course_cannot_use_is_refused_by_all_with_the_same_sentence(
    commands, tmp_path, words, answers, why
):
    with standing_in(tmp_path / "engine.sock", answers) as address:
        code, out, err = commands(*words, DOCKER_HOST=address)
    assert code == 3
    assert (out + err).count(why) == 1


@pytest.mark.parametrize(
    "words", [["doctor"], ["kit", "status"], ["start-lab", "run-a-registry"], ["run-lab"]]
)
def test_a_docker_context_that_does_not_exist_is_said_by_all_with_the_same_sentence(
    commands, words
):
    code, out, err = commands(*words, DOCKER_HOST="", DOCKER_CONTEXT="gone")
    assert code == 3
    why = "The Docker context `gone`, which `DOCKER_CONTEXT` names, does not exist."
    assert (out + err).count(why) == 1


def test_doctor_names_what_is_wrong_and_exits_3(commands):
    code, out, _ = commands("doctor", DOCKER_HOST=NO_ENGINE)
    assert code == 3
    assert "problem" in out
    assert NO_ENGINE in out


def test_a_lab_whose_record_is_cut_short_is_named_and_all_that_it_made_can_be_removed(
    commands, engine, instance
):
    _, values = commands.json("start-lab", "push-and-pull")
    label = f"{WORKSPACE}={values['workspace']}"
    record = instance / "workspaces" / values["workspace"] / "record.json"
    record.write_bytes(record.read_bytes()[:100])
    assert f"`{record}` cannot be read" in commands("labs")[2]
    code, out, _ = commands("doctor")
    assert (code, f"`{record}` cannot be read" in out) == (3, True)
    removals = [
        each for each in re.findall("`([^`]+)`", out) if each.startswith(("docker ", "rm "))
    ]
    assert removals[-1] == f"rm -r {record.parent}" and len(removals) > 2
    for command in removals:
        subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert [*engine.containers(label=label), *engine.images(label=label)] == []
    assert commands("labs")[2] == "" and engine.container(values["name"]) is None


def test_doctor_is_content_and_says_what_holds_a_port(commands):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        code, out, _ = commands("doctor", LABRUNNER_PORT=str(holder.getsockname()[1]))
    assert code == 0
    assert "Docker Engine" in out and "`registry:2` is here, made from" in out
    assert "is taken by a program on this machine" in out
    assert "script/server --port N" in out


def test_an_image_cannot_control_the_terminal_by_its_label(engine, unique):
    name, label = f"{unique}:1", "\x1b[31mnowhere\u202e"
    for _ in engine.build({"Dockerfile": b"FROM busybox:stable\n"}, name, {}, {MADE_FROM: label}):
        pass
    kit = kit_commands(lambda: Kit(engine, [name]))
    try:
        shown = CliRunner().invoke(kit, ["status"]).output
        row = json.loads(CliRunner().invoke(kit, ["status", "--json"]).output)["images"][0]
    finally:
        engine.remove_image(name)
    assert shown.endswith("made from [31mnowhere\n")
    assert row["made_from"] == label


def test_a_report_is_plain_text_whatever_a_check_has_found(tmp_path):
    found = StepResult("a-step", "failed", found="\x1b[2J\0 Gone.\u202e\ud800", next="Do `x`.")
    write_report(Run([LabResult("a-lab", "failed", steps=[found])]), tmp_path / "report.xml")
    [failure] = ET.parse(tmp_path / "report.xml").iter("failure")  # noqa: S314 - our own file
    assert failure.get("message") == "[2J Gone."
    assert failure.text == "Found: [2J Gone.\nNext: Do `x`."


def test_explain_prints_the_parts_or_the_error_as_one_object(commands):
    assert commands.json("explain", "nginx") == (
        0,
        {
            "registry": "docker.io",
            "repository": "library/nginx",
            "tag": None,
            "digest": None,
            "canonical": "docker.io/library/nginx:latest",
            "familiar": "nginx",
        },
    )
    code, row = commands.json("explain", "a b")
    assert (code, list(row)) == (2, ["error"])
    code, out, _ = commands("explain", "my-image:5000")
    assert code == 0
    assert "is a tag, not a port" in out


@pytest.mark.parametrize("words", [["labs"], ["explain", "nginx"], ["decode", "manifest unknown"]])
def test_a_quick_command_imports_no_page_no_lab_and_no_library_that_it_does_not_use(
    commands, words
):
    with commands.start(*words, PYTHONPROFILEIMPORTTIME="1") as process:
        _, err = process.communicate(timeout=120)
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert "labrunner.cli.console" in imported
    slow = {"labrunner.web", "docker", "requests", "rich", "cryptography", "markdown", "pygments"}
    assert not imported & slow
    assert not [name for name in imported if name.startswith("labs.")]


def interrupt(process):
    """Press Ctrl-C, and once more where it came in the moment before the program began to wait:
    Python then sees it with the next one only. What it printed."""
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)
    process.kill()
    raise AssertionError("It does not end.")


@pytest.mark.long
def test_ctrl_c_at_a_question_and_between_two_checks_exits_130(broken, instance):
    workspace = broken.json("start-lab", "good")[1]["workspace"]
    (instance / "workspaces" / workspace / "work" / "notes.txt").touch()  # to be asked about
    ours, theirs = pty.openpty()
    for words in (("finish-lab", "good"), ("check-lab", "good", "--watch")):
        with broken.start(*words, stdin=theirs) as process:
            assert process.stdout.readline()
            if words[0] == "finish-lab":
                assert process.stdout.read(len("Remove these?")) == "Remove these?"
            _, err = interrupt(process)
        assert (process.returncode, err.strip()) == (130, "Interrupted.")
    os.close(ours)
    os.close(theirs)
    assert broken("finish-lab", "good", "--yes")[0] == 0


def test_a_registry_that_is_chosen_in_a_terminal_stays_chosen(broken):
    code, values = broken.json("start-lab", "good", "--registry", "3")
    assert (code, values["registry_image"]) == (0, "registry:3")
    assert broken.json("start-lab", "good") == (0, values)
    again = broken.json("start-lab", "good", "--registry", "2")[1]
    assert (again["registry_image"], again["workspace"]) == ("registry:2", values["workspace"])
    for command in ("start-lab", "run-lab"):
        code, _, err = broken(command, "good", "--registry", "4")
        assert (code, "'4' is not one of '2', '3'" in err) == (2, True)
    assert broken("run-lab", "good", "--registry", "3")[0] == 0
    assert broken.json("start-lab", "good") == (0, again)  # a headless run is no choice
