"""A lesson's commands, run as they stand, each exit code counted."""

import json
import time

import pytest

from labrunner.course.lesson import Block
from labrunner.headless.lesson_shell import LessonShell


@pytest.fixture
def shell(tmp_path, engine, monkeypatch):
    """A shell with a learner's configuration of this test's own."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "learner"))
    (tmp_path / "learner").mkdir(exist_ok=True)
    (tmp_path / "workspace" / "work").mkdir(parents=True)
    made = LessonShell(
        tmp_path / "workspace" / "work", engine, {"name": "registry-7", "port": "5107"}, seconds=3
    )
    yield made
    made.close()


def block(code, fails=None):
    return Block("a-step", 12, code, fails)


def test_a_block_prints_with_its_names_filled_in(shell):
    ran = shell.run(block("echo {{ name }} {{port}} '{{.Id}}' {{ other }}"))
    assert ran.output == "registry-7 5107 {{.Id}} {{ other }}\n" and ran.wrong is None


def test_variables_functions_and_the_folder_carry_over(shell):
    assert (
        shell.run(block("A='x y'\nexport B=z\nf() { echo \"f:$1\"; }\nmkdir d && cd d")).wrong
        is None
    )
    ran = shell.run(block('echo "$A"\nsh -c \'echo $B\'\nf 1\nbasename "$PWD"'))
    assert ran.wrong is None and ran.output == "x y\nz\nf:1\nd\n"


@pytest.mark.parametrize(
    ("code", "command", "number"),
    [
        ("false", "false", 1),
        ("true\nsh -c 'exit 7'\ntrue", "sh -c 'exit 7'", 7),
        ("false | true", "true", 1),
        ("echo hello | grep nothing | cat", "cat", 1),
        ("no-such-command", "no-such-command", 127),
        ("X=$(false)", "X=$(false)", 1),
        ("ls \\\n  /nowhere", "ls /nowhere", 2),
        ("false; true", "false", 1),
    ],
)
def test_a_command_that_fails_counts_also_in_a_pipeline(shell, code, command, number):
    found, todo = shell.run(block(code)).wrong
    assert f"In the block in line 12 of the lesson, `{command}` ended with" in found
    assert f"exit code {number} and said: " in found
    assert "`fails=`" in todo


def test_what_a_failing_command_said_is_told(shell):
    assert "said: ls: cannot access '/nowhere'" in shell.run(block("ls /nowhere")).wrong[0]
    assert shell.run(block("false")).wrong[0].endswith("and said: nothing")


def test_after_a_failure_the_shell_goes_on(shell):
    assert shell.run(block("false")).wrong
    assert shell.run(block("echo on")).wrong is None


def test_a_block_that_must_fail_fails_with_its_words(shell):
    assert shell.run(block("ls /{{ name }}", "cannot access '/{{ name }}'")).wrong is None
    assert shell.run(block("ls /nowhere | cat", "cannot access")).wrong is None


def test_a_block_that_must_fail_and_does_not_is_wrong(shell):
    found, _ = shell.run(block("echo cannot access", "cannot access")).wrong
    assert found.endswith("line 12 of the lesson, the command was meant to fail, but did not.")


def test_a_block_that_fails_with_other_words_is_wrong(shell):
    found, todo = shell.run(block("ls /nowhere", "no basic auth")).wrong
    assert "did not say `no basic auth`. It said: ls: cannot access" in found
    assert "own words in `fails=`" in todo


def test_a_block_that_ends_bash_is_wrong_and_so_are_those_after_it(shell):
    assert "or ended bash" in shell.run(block("exit 0")).wrong[0]
    assert shell.run(block("echo on")).wrong == (
        "The shell has ended.",
        "Remove `exit` before line 12.",
    )


@pytest.mark.parametrize("code", ["if true", "echo 'open", "echo )", "fi"])
def test_a_syntax_error_is_wrong(shell, code):
    found, _ = shell.run(block(f"touch made\n{code}")).wrong
    assert "line 12 of the lesson, bash cannot read this: bash: -c: line" in found
    assert shell.run(block("test ! -e made")).wrong is None


@pytest.mark.parametrize("code", ["sleep 60", "while true; do :; done", "tail -f /dev/null"])
def test_a_block_that_never_ends_is_given_up_and_killed(shell, code):
    shell.seconds = 0.3
    began = time.monotonic()
    assert "took longer than 0.3 s" in shell.run(block(code)).wrong[0]
    assert time.monotonic() - began < 20
    assert shell.run(block("echo on")).wrong[0] == "The shell has ended."


def test_a_command_that_reads_the_terminal_gets_nothing_and_does_not_wait(shell):
    assert shell.run(block("cat")).wrong is None
    assert shell.run(block("read X")).wrong


def test_much_output_and_what_stays_in_the_background_do_not_block(shell):
    ran = shell.run(block("seq 200000\nsleep 60 &\necho {{ name }} >&2"))
    assert ran.wrong is None and ran.output.splitlines()[-1] == "200000"


def test_words_like_those_of_the_protocol_do_no_harm(shell):
    ran = shell.run(block("echo done\nprintf 'done\\0\\0'\nfor x in a; do echo $x; done"))
    assert ran.wrong is None and "done\n" in ran.output


def test_comments_and_empty_lines_are_no_commands(shell):
    assert shell.run(block("# nothing\n\n")).wrong is None


def test_the_command_line_speaks_to_the_engine_in_use(shell, engine):
    ran = shell.run(block("docker version --format '{{.Server.Version}}'"))
    assert ran.wrong is None and ran.output.strip() == engine.version().version


CONFIG = {
    "auths": {"localhost:5001": {"auth": "c2VjcmV0OnBhc3M="}},
    "credsStore": "desktop",
    "credHelpers": {"gcr.io": "gcloud"},
    "currentContext": "desktop-linux",
    "detachKeys": "ctrl-e",
}


@pytest.fixture
def own(tmp_path):
    """A learner's configuration, with what Docker Desktop and others keep beside it."""
    import socket

    folder = tmp_path / "learner"
    (folder / "cli-plugins").mkdir(parents=True)
    (folder / "cli-plugins" / "docker-buildx").write_text("#!/bin/sh\n")
    (folder / "contexts" / "meta").mkdir(parents=True)
    (folder / "contexts" / "meta" / "meta.json").write_text("{}")
    (folder / "trust").mkdir()
    (folder / "trust" / "key").write_text("secret")
    (folder / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "run" / "docker.sock"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def state(folder):
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def test_the_learners_configuration_stays_as_it_is_and_credentials_are_not_copied(
    own, shell, tmp_path
):
    before = state(own)
    copy = tmp_path / "workspace" / "docker-config"

    login = 'docker logout localhost:5999\ndocker context ls -q\nprintf x > "$DOCKER_CONFIG/new"'
    assert shell.run(block(login)).wrong is None

    assert state(own) == before
    kept = json.loads((copy / "config.json").read_text())
    assert kept.pop("auths", {}) == {}  # an older client writes an empty one at a logout
    assert kept == {"detachKeys": "ctrl-e"}
    assert "c2VjcmV0OnBhc3M=" not in "".join(map(str, state(copy).values()))
    assert not (copy / "trust").exists() and not (copy / "run").exists()
    assert (copy / "contexts" / "meta" / "meta.json").is_file()
    assert (copy / "cli-plugins" / "docker-buildx").is_file()
    assert copy.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("config", ["", "{bad", "[]", "\xff"])
def test_a_configuration_that_cannot_be_read_is_left_out(tmp_path, config, request):
    (tmp_path / "learner").mkdir()
    (tmp_path / "learner" / "config.json").write_text(config, encoding="latin-1")
    shell = request.getfixturevalue("shell")
    assert shell.run(block("docker version")).wrong is None
    assert not (tmp_path / "workspace" / "docker-config" / "config.json").exists()
