"""The shell on its terminal: what it is given, and that nothing of it is left."""

import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from labrunner.terminal.pty import HISTORY, MOST_TYPED, Shell, TooMuchTyped
from labrunner.terminal.supervisor import members
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.terminal import STUBBORN, ended

pytestmark = pytest.mark.usefixtures("bash")


@pytest.fixture
def begin(tmp_path):
    """Begins shells, which are ended with the test."""
    begun = []

    def begin(folder=tmp_path, **values):
        begun.append(Shell(folder, values))
        return begun[-1]

    yield begin
    for shell in begun:
        shell.hang_up()
        shell.wait()


def printed(shell, word, seconds=60):
    """What the shell prints until there is this word."""
    output, end = b"", time.monotonic() + seconds
    while word.encode() not in output:
        assert time.monotonic() < end, output
        data = shell.read(0.1)
        assert data is not None, output
        output += data
    return output.decode()


def answer(shell, command):
    """What the command prints."""
    shell.type(f"echo fr''om; {command}; echo t''o\n".encode())
    return re.findall(r"from\s+(.*?)\s*to\s", printed(shell, "to\r\n"), re.S)[-1]


def session(shell):
    return int(answer(shell, "echo $$"))


# A Ctrl-C that comes while a shell starts a program can be lost: the program has started once it
# prints something.
@pytest.mark.parametrize("command", ["tail -f file", "true | tail -f file"])
def test_it_can_be_told_whether_a_command_runs(begin, command):
    shell = begin()
    assert answer(shell, "echo runs-$((40+2)) >file; echo 1") == "1"
    assert eventually(lambda: not shell.runs_command)
    shell.type(f"{command}\n".encode())
    printed(shell, "runs-42")
    assert shell.runs_command
    shell.type(b"\x03")
    assert eventually(lambda: not shell.runs_command)
    shell.hang_up()
    shell.wait()
    assert not shell.runs_command


def test_a_shell_has_the_values_of_the_lab_and_nothing_of_the_server(begin, tmp_path, monkeypatch):
    monkeypatch.setenv("LABRUNNER_TOKEN", "the-token")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    shell = begin(registry="localhost:5001", image="my-image", port="5001", old_image="it's; $x")
    assert answer(shell, "echo $REGISTRY $IMAGE $PORT") == "localhost:5001 my-image 5001"
    assert answer(shell, 'echo "$OLD_IMAGE"') == "it's; $x"
    assert answer(shell, "echo $BUILDX_NO_DEFAULT_ATTESTATIONS $TERM") == "1 xterm-256color"
    assert answer(shell, "env | grep -c 'LABRUNNER\\|the-token\\|COLORTERM\\|MALLOC'") == "0"
    assert answer(shell, "pwd") == str(tmp_path)


def test_no_value_of_a_lab_stands_for_what_the_system_names(begin, monkeypatch):
    monkeypatch.setenv("USER", "myself")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)  # the learner's own
    names = ("user", "host", "lang", "home", "path", "shell", "pwd", "term", "ifs", "docker_host")
    shell = begin(**dict.fromkeys(names, "alice"), word="word-1")
    assert answer(shell, 'echo "$USER $LANG-$HOST-$DOCKER_HOST-$WORD"') == "myself C.UTF-8---word-1"
    assert answer(shell, "env | grep -c alice") == "0"


def test_a_shell_has_the_engine_of_the_server_whatever_a_lab_calls_its_values(begin, monkeypatch):
    ends = ("HOST", "CONTEXT", "CONFIG", "TLS", "TLS_VERIFY", "CERT_PATH")
    names = [f"DOCKER_{end}" for end in ends]
    for name in names:
        monkeypatch.setenv(name, "the-servers")
    shell = begin(**{name.lower(): "a-labs" for name in names})
    assert answer(shell, "env | grep -c '^DOCKER_.*=the-servers$'") == str(len(names))


def test_a_shell_has_a_terminal_of_its_own_which_can_be_resized(begin):
    shell, other = begin(), begin()
    assert answer(shell, "tty").startswith("/dev/")
    assert answer(shell, "tty") != answer(other, "tty")
    shell.resize(33, 101)
    assert answer(shell, "stty size") == "33 101"
    shell.type(b"trap 'echo resized-$((40+2))' WINCH\n")
    assert answer(shell, "trap").endswith("SIGWINCH")
    shell.resize(34, 102)
    shell.type(b"\n")
    printed(shell, "resized-42")


def test_what_the_server_ignores_is_not_ignored_in_the_shell(begin):
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        shell = begin()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert answer(shell, "grep SigIgn /proc/self/status").split()[-1] == "0" * 16
    shell.type(b"echo runs-$((40+2)) >file; tail -f file\n")
    printed(shell, "runs-42")
    shell.type(b"\x03")
    assert answer(shell, "echo interrupted") == "interrupted"


def test_a_closed_shell_takes_its_whole_session_along(begin):
    shell = begin()
    number = session(shell)
    shell.type(STUBBORN.replace("\n", "\r").encode())
    printed(shell, "started-42")
    assert len(members(number)) >= 7
    shell.hang_up()
    shell.wait()
    assert members(number) == []
    assert shell.ended and eventually(lambda: shell.read(0.1) is None)


def test_a_shell_that_is_closed_before_it_has_a_session_is_ended_too():
    script = (
        "import sys, time; from labrunner.terminal import supervisor; become = supervisor._become\n"
        "supervisor._become = lambda *words: (time.sleep(0.5), become(*words))\n"
        "supervisor.main(int(sys.argv[1]), ['sleep', '1000'])"
    )
    ours, other_end = os.openpty()
    words = [sys.executable, "-c", script, str(other_end)]
    subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[other_end], timeout=60)
    os.close(other_end)
    assert select.select([ours], [], [], 5)[0], "Its terminal is still open."
    with pytest.raises(OSError, match="Input/output error"):
        os.read(ours, 1)
    os.close(ours)


def test_a_shell_that_ends_takes_its_jobs_along_and_has_its_exit_code(begin):
    shell = begin()
    number = session(shell)
    shell.type(b"sleep 1000 & nohup sleep 1000 & exit 7\n")
    assert shell.wait() == 7
    assert members(number) == []


def test_a_killed_server_leaves_no_shell(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from labrunner.terminal.pty import Shell\n"
        "shell = Shell(Path(sys.argv[1]), {}); shell.type(sys.stdin.buffer.read())\n"
        "while True: sys.stdout.buffer.write(shell.read(1)); sys.stdout.flush()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin and server.stdout
    server.stdin.write(b"echo number-$$-\n" + STUBBORN.encode())
    server.stdin.close()
    output = b""
    while b"started-42" not in output:
        output += os.read(server.stdout.fileno(), 4096)
    number = int(re.findall(rb"number-(\d+)-", output)[0])
    assert members(number)
    server.kill()
    server.wait()
    server.stdout.close()
    assert eventually(lambda: ended(number))


def test_a_shell_that_cannot_be_started_says_so(begin, monkeypatch):
    monkeypatch.setenv("SHELL", "/nonexistent/shell")
    shell = begin()
    printed(shell, "/nonexistent/shell cannot be started: No such file or directory.")
    assert shell.wait() == 127


def test_only_the_last_output_is_kept_from_the_beginning_of_a_line(begin):
    shell = begin()
    shell.type(b"seq -f line-%06.0f 20000; echo en''d\n")
    printed(shell, "end\r\n")
    assert HISTORY - 20 < len(shell.history) <= HISTORY
    assert shell.history.startswith(b"line-0")
    assert b"line-020000\r\nend" in shell.history


def test_what_a_shell_does_not_read_is_bounded(begin):
    shell = begin()
    number = session(shell)
    shell.type(b"sleep 1000\n")
    assert eventually(lambda: len(members(number)) == 2, 60)
    typed = 0
    with pytest.raises(TooMuchTyped):
        while typed < 10_000_000:
            shell.type(b"x" * 1023 + b"\n")
            typed += 1024
    assert MOST_TYPED <= typed < 4 * MOST_TYPED
