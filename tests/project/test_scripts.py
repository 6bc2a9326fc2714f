"""The scripts that bring, serve and test the course. A bare machine cannot be had here, so what
they do there is shown part by part: with a PATH, an address or a pid file such as it would have."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
import requests
from babel.messages.pofile import read_po

from tests.fixtures.web import address_of

ROOT = Path(__file__).resolve().parents[2]
ABSENT = "unix:///nonexistent/docker.sock"


def run(
    script: str, *arguments: str, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One of the scripts with these arguments, and these variables beside the usual ones."""
    return subprocess.run(
        [str(root / "script" / script), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_catalog_keeps_its_translations_gets_new_sentences_and_is_compiled(tmp_path):
    for name in ("script", "pyproject.toml", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("labrunner", "labs", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name)
    folder = tmp_path / "labrunner/locale/de/LC_MESSAGES"
    folder.mkdir(parents=True)
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (folder / "labrunner.po").write_text(head + 'msgid "Found"\nmsgstr "Gefunden"\n')
    done = run("translations", root=tmp_path)
    assert done.returncode == 0, done.stderr
    with (folder / "labrunner.mo").open("rb") as file:
        assert GNUTranslations(file).gettext("Found") == "Gefunden"
    with (folder / "labrunner.po").open("rb") as file:
        catalog = read_po(file)
    texts = {each.id if isinstance(each.id, str) else each.id[0] for each in catalog}
    assert {
        "Not there yet.",
        "You know the registry in `{hosted_name}`.",
        "%(count)s step",
    } <= texts


def shell(line: str) -> int:
    """The exit code of a line in which the scripts' own functions can be used."""
    sources = ". script/lib.sh; . script/python.sh; . script/engine.sh; "
    return subprocess.run(["sh", "-c", sources + line], cwd=ROOT, timeout=30).returncode


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """Another program's server, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The scripts in a folder without an environment, in which nothing needs to be installed."""
    shutil.copytree(ROOT / "script", tmp_path / "script")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return tmp_path


def test_a_second_bootstrap_is_quick_and_changes_nothing() -> None:
    site = next(ROOT.glob(".venv/lib/python*/site-packages"))
    watched = [site, ROOT / ".venv", ROOT / ".venv/requirements.txt"]
    run("bootstrap")
    before = [path.stat().st_mtime_ns for path in watched]
    started = time.monotonic()
    second = run("bootstrap")
    assert time.monotonic() - started < 30
    assert second.returncode == 0, second.stderr
    assert "Installing" not in second.stdout
    assert "Docker Engine" in second.stdout
    assert [path.stat().st_mtime_ns for path in watched] == before


@pytest.fixture
def imageless(bare: Path) -> Path:
    """A course whose kit cannot be had, in this course's environment."""
    shutil.copy(ROOT / "requirements.txt", bare)
    (bare / ".venv").symlink_to(ROOT / ".venv")
    (bare / "app.py").write_text(
        "import sys\n"
        "import click\n"
        "from flask import Flask\n"
        "def create_app():\n"
        "    app = Flask('imageless')\n"
        "    words = click.argument('words', nargs=-1, type=click.UNPROCESSED)\n"
        "    unread = {'ignore_unknown_options': True}\n"
        "    app.cli.command('kit', context_settings=unread)(words(lambda words: sys.exit(3)))\n"
        "    app.get('/')(lambda: 'served')\n"
        "    return app\n"
    )
    (bare / ".flaskenv").write_text("FLASK_APP=app\n")
    (bare / "kit").mkdir()
    (bare / "kit/images.tar").touch()
    return bare


def test_without_an_image_the_course_is_served_all_the_same(
    imageless: Path, free_port: int
) -> None:
    """That is exit code 4 of `bootstrap`, and the only one after which `server` goes on. Nor does a
    file of images that cannot be loaded end it."""
    words = [str(imageless / "script/server"), "--port", str(free_port)]
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                page = requests.get(f"http://127.0.0.1:{free_port}/", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert page.text == "served"
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=60)
    assert "The labs that need this image cannot be started yet. The others can." in said
    assert "The course goes on without kit/images.tar, with the images that the engine has." in said


def test_without_an_engine_it_says_what_to_do_and_exits_3() -> None:
    result = run("bootstrap", "--no-install", DOCKER_HOST=ABSENT)
    assert result.returncode == 3
    assert f"No Docker Engine answers at {ABSENT}" in result.stderr
    assert "Start that engine, or choose another one" in result.stderr


def test_an_engine_chosen_elsewhere_is_never_replaced_by_one_of_this_machine() -> None:
    result = run("bootstrap", DOCKER_HOST=ABSENT)
    assert result.returncode == 3
    assert "Installing" not in result.stdout
    assert "Starting" not in result.stdout


def test_a_docker_context_that_does_not_exist_is_never_replaced_by_an_engine_of_this_machine() -> (
    None
):
    alone = "unset DOCKER_HOST; export DOCKER_CONTEXT=gone"
    assert shell(f"start_engine() {{ exit 9; }}; {alone}; need_engine") == 3


def test_an_environment_cut_short_is_made_anew(bare: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare / ".venv"], check=True)
    (bare / "requirements.txt").write_text("")  # installing them would take longest
    result = run("bootstrap", "--no-install", root=bare, DOCKER_HOST=ABSENT)
    assert re.search(r"Making \.venv with Python 3\.1[0-9]", result.stdout), result.stderr
    made = bare / ".venv/bin/python"
    subprocess.run([made, "-c", "import sys, pip; assert sys.version_info >= (3, 10)"], check=True)


def test_an_old_python_in_front_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # as when it is asked for 3.10
    old.chmod(0o755)
    elsewhere = f"uname() {{ echo Darwin; }}; PATH={tmp_path}:$PATH"  # where it would be the first
    assert shell(f'{elsewhere}; find_python; [ -n "$python" ] && [ "$python" != python3 ]') == 0


def test_packages_that_cannot_be_had_end_with_the_log(bare: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare / ".venv"], check=True)
    own, ours = (next(root.glob(".venv/lib/python*/site-packages")) for root in (bare, ROOT))
    (own / "pip").symlink_to(ours / "pip")  # installing it would take longest
    (bare / "requirements.txt").write_text(f"docker==0.0.0.dev0 --hash=sha256:{'0' * 64}\n")
    result = run("bootstrap", "--no-install", root=bare, PIP_NO_INDEX="1", PIP_RETRIES="0")
    assert result.returncode == 3
    assert "No matching distribution found for docker==0.0.0.dev0" in result.stderr
    assert f"The whole log is in {bare}/instance/bootstrap.log." in result.stderr
    assert "The Python packages could not be installed." in result.stderr
    assert not (bare / ".venv/requirements.txt").exists()


def test_a_pid_file_of_another_program_is_stale(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    file.write_text(str(os.getpid()))
    assert shell(f"drop_stale {file} dockerd") == 0
    assert not file.exists()


def test_a_pid_file_of_a_dead_process_is_stale(tmp_path: Path) -> None:
    engine, file = _process_called("dockerd", tmp_path)
    engine.kill()
    os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOWAIT)  # dead, but not collected
    assert shell(f"drop_stale {file} dockerd") == 0
    engine.wait()
    assert not file.exists()


def test_the_pid_file_of_a_running_engine_stays(tmp_path: Path) -> None:
    engine, file = _process_called("dockerd", tmp_path)
    try:
        assert shell(f"drop_stale {file} dockerd") == 0
        assert file.read_text() == str(engine.pid)
    finally:
        engine.kill()
        engine.wait()


def _process_called(name: str, folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    program = folder / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    file = folder / f"{name}.pid"
    file.write_text(str(process.pid))
    return process, file


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The course in another folder, with this one's environment and an instance of its own."""
    others = shutil.ignore_patterns(".*", "__pycache__", "bench", "docs", "instance", "tests")
    course = shutil.copytree(ROOT, tmp_path / "course", ignore=others)
    for name in (".venv", ".flaskenv"):
        (course / name).symlink_to(ROOT / name)
    return course


@pytest.mark.long
def test_the_server_prints_an_address_that_lets_you_in_and_ends_quickly(
    copied: Path, free_port: int
) -> None:
    """And its option switches the terminal in the page off."""
    server = subprocess.Popen(
        [copied / "script/server", "--no-terminal", "--port", str(free_port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address = address_of(server)
        assert address.startswith(f"http://127.0.0.1:{free_port}/?token=")
        assert requests.get(f"http://127.0.0.1:{free_port}/health", timeout=10).status_code == 200
        assert requests.get(f"http://127.0.0.1:{free_port}/", timeout=10).status_code == 401
        assert requests.get(address, timeout=10).status_code == 200
        with pytest.raises(ConnectionRefusedError):  # another address, though of this machine too
            socket.create_connection(("127.0.0.2", free_port), timeout=10)
        lesson = address.replace("/?", "/lessons/push-and-pull?")
        said = requests.get(lesson, timeout=60).text
        assert "The terminal in the page is switched off." in said
        assert (copied / "instance/workspaces").is_dir()
    finally:
        started = time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert time.monotonic() - started < 15  # gunicorn by itself would wait 30


def test_a_taken_port_is_named_and_its_server_left_alone(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    result = run("server", "--port", str(port))
    assert result.returncode == 3
    assert f"Port {port} is taken by another program. Choose another one" in result.stderr
    assert "--port" in result.stderr
    with socket.create_connection(taken.getsockname(), timeout=5):
        pass


@pytest.mark.parametrize("port", ["", "0", "-1", "080", "80a", "65536", "99999999999999999999"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    result = run("server", "--port", port)
    assert result.returncode == 2
    assert f'"{port}" is not a port. Give a number from 1 to 65535' in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("server", ["--port"], '"" is not a port.'),
        ("server", ["--host", "0.0.0.0"], "There is no --host"),  # noqa: S104 (it is refused)
        ("server", ["--debug"], "script/server does not know --debug."),
        ("bootstrap", ["--force"], "script/bootstrap does not know --force."),
    ],
)
def test_a_bad_call_exits_2_with_a_sentence(
    script: str, arguments: list[str], sentence: str
) -> None:
    result = run(script, *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("folder", "engine", "code", "sentence"),
    [
        ("/Users/alice/course", "Ubuntu 24.04", 3, "on a Mac it is in a virtual machine"),
        ("", "Docker Desktop [name=seccomp]", 3, "Docker Desktop has it in a virtual machine"),
        ("", "Debian [name=seccomp name=rootless]", 3, "this one is rootless and has a network"),
        ("", "", 3, "none answers at /var/run/docker.sock, where a rootless one has none"),
        ("/nonexistent", "Debian [name=seccomp]", 2, "finds no compose.yaml in /nonexistent"),
        ("/unknown", "Debian [name=seccomp]", 2, "PWD does not say which folder this is"),
    ],
)
def test_the_service_host_ends_with_one_sentence_where_it_cannot_serve(
    tmp_path: Path, folder: str, engine: str, code: int, sentence: str
) -> None:
    (tmp_path / "compose.yaml").touch()
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '{engine}'\n" if engine else "#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = run("host", PATH=path, COURSE_FOLDER=folder or str(tmp_path))
    assert (result.returncode, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert code == 2 or result.stderr.endswith(
        ": run script/server or docker compose up instead.\n"
    )


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs git in a repository of its own; what it prints."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def call(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    call("init", "-q")
    return call


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_a_release_is_a_version_in_the_changelog_a_commit_a_tag_and_an_image(
    tmp_path: Path, git: Callable[..., str]
) -> None:
    (tmp_path / "script").mkdir()
    for name in ("lib.sh", "release"):
        shutil.copy(ROOT / "script" / name, tmp_path / "script")
    image, changelog = tmp_path / "script/image", tmp_path / "CHANGELOG.md"
    image.write_text('#!/bin/sh\necho "built from $(git describe --dirty)"\n')
    image.chmod(0o755)
    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A lesson.\n")

    def refuse(version: str, code: int, sentence: str) -> None:
        refused = run("release", version, root=tmp_path)
        assert (refused.returncode, refused.stdout) == (code, "")
        assert sentence in refused.stderr

    refuse("1.2.0", 3, "?? CHANGELOG.md")
    git("add", ".")
    git("commit", "-qm", "All")
    refuse("v1.2.0", 2, "Say which version, as in: script/release 1.0.0")
    released = run("release", "1.2.0", root=tmp_path)
    assert released.returncode == 0, released.stderr
    assert "built from v1.2.0\n" in released.stdout
    kept, _, new = changelog.read_text().partition("\n\n## [1.2.0] - ")
    assert kept == "# Changelog\n\n## [Unreleased]"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\n\n### Added\n\n- A lesson\.\n", new)
    assert git("log", "-1", "--format=%s %D").startswith("Release 1.2.0 ")
    refuse("1.2.0", 2, "There is a version 1.2.0 already.")
    refuse("1.3.0", 3, "CHANGELOG.md has nothing under Unreleased.")


def test_lab_prints_nothing_of_its_own_and_passes_the_exit_code_through() -> None:
    valid = run("lab", "explain", "localhost:5000/my-image:1.0", "--json")
    assert valid.returncode == 0
    assert valid.stdout.startswith("{")
    assert valid.stdout.rstrip().endswith("}")
    assert run("lab", "explain", "My Image").returncode == 2


def test_every_requirement_is_pinned_with_its_hashes() -> None:
    for name in ["requirements", "requirements-dev"]:
        text = (ROOT / f"{name}.txt").read_text().replace("\\\n", "")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        for line in lines:
            assert re.match(r"[\w.-]+==[\w.]+( ; [^;]+?)?( +--hash=sha256:[0-9a-f]{64})+$", line), (
                line
            )
        pinned = {line.partition("==")[0] for line in lines}
        asked = re.findall(r"^\w[\w-]*", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
        assert asked and {each.lower() for each in asked} <= pinned


@pytest.mark.parametrize(
    ("hashes", "says"),
    [
        (f" --hash=sha256:{'0' * 64}", "THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("", "Hashes are required"),
    ],
    ids=["altered", "without a hash"],
)
def test_a_package_that_its_hash_does_not_vouch_for_is_not_installed(
    bare: Path, tmp_path: Path, hashes: str, says: str
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare / ".venv"], check=True)
    own, ours = (next(root.glob(".venv/lib/python*/site-packages")) for root in (bare, ROOT))
    (own / "pip").symlink_to(ours / "pip")
    (tmp_path / "idna-9.9-py3-none-any.whl").write_bytes(b"altered")
    (bare / "requirements.txt").write_text(f"idna==9.9{hashes}\n")
    result = run(
        "bootstrap", "--no-install", root=bare, PIP_NO_INDEX="1", PIP_FIND_LINKS=f"{tmp_path}"
    )
    assert result.returncode == 3
    assert says in result.stderr
