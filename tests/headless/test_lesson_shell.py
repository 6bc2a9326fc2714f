"""A lesson's commands, run as they stand, each exit code counted, also in place of solutions."""

import json
import time

import pytest

from labrunner.course.lesson import Block
from labrunner.headless.lesson_shell import LessonShell
from labrunner.headless.track import Settings, Track
from tests.fixtures.engine import LESSON
from tests.fixtures.headless import only


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


def test_a_run_with_another_registry_runs_what_the_page_has_for_that_one(headless):
    two = '=== "registry 2"\n    ```bash\n    false\n    ```\n'
    asked = "test {{ registry_image }} = registry:3"
    three = two.replace("registry 2", "registry 3").replace("false", asked)
    page = f"{LESSON}\n{two}{three}"
    assert headless(lesson=page, shell=True, registry="registry:3").status == "passed"
    assert "`false` ended with exit code 1" in only(headless(lesson=page, shell=True)).found


def test_the_lessons_commands_take_the_place_of_the_solution(headless, engine):
    run = headless(("    workspace.create_volume(workspace.name)\n", "    1 / 0\n"), shell=True)
    assert run.status == "passed", run.as_dict()
    assert run.leftovers == []


def test_commands_that_do_not_do_the_step_fail_with_the_checks_words(headless):
    lesson = LESSON.replace("docker volume create {{ name }}\n", "true\n").replace(
        "-v {{ name }}:/v ", ""
    )
    step = only(headless(lesson=lesson, shell=True))
    assert (step.status, step.found) == ("failed", "There is none.")


def test_commands_that_fail_fail_the_step_and_name_the_line(headless):
    lesson = LESSON.replace("docker volume create", "docker volume creat")
    step = only(headless(lesson=lesson, shell=True))
    assert step.status == "failed" and step.expected == "The lesson's commands do the step."
    assert "In the block in line 9 of the lesson, `docker volume creat " in step.found


def test_commands_that_never_end_are_given_up(headless):
    lesson = LESSON.replace("docker volume create {{ name }}", "sleep 60")
    began = time.monotonic()
    step = only(headless(lesson=lesson, shell=True, seconds=1))
    assert time.monotonic() - began < 30
    assert step.status in ("failed", "unknown") and "took longer than 1 seconds" in step.found


ASKS = (
    ("def make_a_volume(workspace):", "def make_a_volume(workspace, answer):"),
    ("if workspace.engine.volume(workspace.name):", "if answer.strip() == 'yes':"),
)
YES, NO = (f"```bash\necho {said}\n```\n" for said in ("yes", "no"))
HINT = "??? hint\n    ```bash\n    echo yes\n    ```\n"
GIVEN_AWAY = "The block in line {} of `01-volumes.md` prints the answer."


def page_of(*blocks):
    return LESSON.partition("```")[0] + "".join(blocks)


@pytest.mark.parametrize(
    ("blocks", "line"),
    [
        pytest.param([YES, NO, HINT], 9, id="above the hint"),
        pytest.param([NO, HINT, YES], 16, id="below the hint"),
        pytest.param([NO, YES], 12, id="without a hint"),
    ],
)
def test_a_page_whose_visible_commands_answer_its_question_is_refused(headless, blocks, line):
    step = only(headless(*ASKS, lesson=page_of(*blocks), shell=True))
    assert (step.status, step.found) == ("failed", GIVEN_AWAY.format(line))
    assert "`??? hint`" in step.next and "`@lab.step(evidence=True)`" in step.next


def test_the_answer_to_a_question_comes_from_the_hint(headless):
    assert headless(*ASKS, lesson=page_of(NO, HINT), shell=True).status == "passed"


def test_an_answer_that_is_only_what_the_step_prints_needs_no_hint(headless):
    evidence = ("@lab.step(lasting=True)", "@lab.step(lasting=True, evidence=True)")
    run = headless(*ASKS, evidence, lesson=page_of(NO, YES), shell=True)
    assert run.status == "passed", run.as_dict()


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("Say `yes` or `no`.", True),
        ("??? hint\n    Say `yes`.", False),
        ("Say yes or `no`.", False),
    ],
)
def test_a_page_whose_text_answers_its_question_is_refused(headless, text, given):
    page = page_of(NO, HINT).replace("```bash\necho no", f"{text}\n\n```bash\necho no")
    step = only(headless(*ASKS, lesson=page, shell=True))
    if given:
        assert step.found == "In line 9 of `01-volumes.md`, `yes` is the answer."
    assert (step.status == "failed") == given


def test_a_block_that_is_run_by_itself_must_not_answer_its_question_either(headless):
    headless(*ASKS, lesson=page_of(NO, HINT, YES))
    [lesson] = headless.lessons
    with Track(headless.workspaces, lesson, lesson.lab, Settings(shell=True)) as track:
        first, second, third = (track.run_block(block) for block in lesson.blocks)
    assert first is second is None and third.found == GIVEN_AWAY.format(16)
