"""The kit on a real engine. What the tests make has names of its own, and goes by id."""

import gc
import hashlib
import json
import os
import secrets
import shutil
import signal
import socketserver
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from labrunner.cli.kit import kit_commands
from labrunner.engine.engine import Engine
from labrunner.kit import builder
from labrunner.kit import kit as kit_module
from labrunner.kit.builder import MADE_FROM, Apt, build_root
from labrunner.kit.errors import ImageUnavailable, KitUsageError, SourceUnavailable
from labrunner.kit.kit import Kit
from labrunner.kit.recipes import RECIPES, Recipe
from labrunner.verdicts import CannotCheck
from tests.fixtures.engine import eventually

PREFIX = f"labtest-{secrets.token_hex(4)}"
REGISTRY, BUSYBOX, HTTPD, DIND = (
    f"{PREFIX}/{name}" for name in ("registry:2", "busybox:1", "httpd:2", "docker:dind")
)
OUT_OF_REACH = f"localhost:9/{PREFIX}/busybox:1"  # nothing listens on the discard port
RECIPES_HERE = {
    REGISTRY: RECIPES["registry:2"],
    BUSYBOX: replace(RECIPES["busybox:stable"], files={"/made-by": PREFIX}),  # a layer of its own
    HTTPD: RECIPES["httpd:2"],
    DIND: RECIPES["docker:dind"],
    OUT_OF_REACH: RECIPES["busybox:stable"],
}


pytestmark = [
    pytest.mark.engine,
    pytest.mark.network,  # Debian packages are downloaded
    # docker-py closes no socket of an engine that is not there.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def engine():
    yield Engine()
    gc.collect()


@pytest.fixture(scope="module", autouse=True)
def apt():
    """One for all kits, so that it reads its lists once."""
    shared = Apt()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit_module, "Apt", lambda: shared)
        yield shared


@pytest.fixture
def new_apt(monkeypatch):
    """One of its own for each kit, as everywhere but here."""
    monkeypatch.setattr(kit_module, "Apt", Apt)


@pytest.fixture
def busybox(engine):
    """A kit of one small image, not built yet."""
    kit = Kit(engine, [BUSYBOX], RECIPES_HERE)
    yield kit
    forget(engine, BUSYBOX)


@pytest.fixture(scope="module")
def saved(engine, tmp_path_factory):
    """The file of a kit of that small image, which is not on the engine any more."""
    kit, file = Kit(engine, [BUSYBOX], RECIPES_HERE), tmp_path_factory.mktemp("saved") / "kit.tar"
    kit.build(BUSYBOX)
    kit.save(file)
    forget(engine, BUSYBOX)
    return file


@pytest.fixture(scope="module")
def registry(engine, machine_network):
    """The id of the registry's image, built."""
    with machine_network():
        Kit(engine, [REGISTRY], RECIPES_HERE).build(REGISTRY)
    yield image_id(engine, REGISTRY)
    forget(engine, REGISTRY)


def image_id(engine, reference):
    image = engine.image(reference)
    return image and image.id


def forget(engine, reference):
    if found := image_id(engine, reference):
        engine.remove_image(found)


@contextmanager
def running(engine, image, command=None, **more):
    made = engine.create_container(image, command=command, **more)
    try:
        engine.start(made)
        yield made
    finally:
        engine.remove_container(made)


def output(engine, image, *command, **more):
    """Exit code and output of a command in a container."""
    with running(engine, image, command, **more) as container:
        return engine.wait(container), engine.logs(container)


def flask_kit(kit, *words):
    return CliRunner().invoke(kit_commands(lambda: kit), words)


# What a built image is


@pytest.mark.network(False)  # its port is on the engine's side
def test_a_built_registry_answers_within_3_seconds_and_refuses_to_delete(engine, registry):
    with running(engine, registry, publish_all_ports=True) as container:
        address = address_of(engine, container)
        assert (
            requests.delete(f"{address}/a/manifests/sha256:{64 * '0'}", timeout=5).status_code
            == 405
        )
        assert '"GET /v2/ HTTP/1.1" 200' in engine.logs(container)


@pytest.mark.network(False)
def test_a_built_registry_keeps_its_images_in_a_volume_and_collects_garbage(engine, registry):
    config = "/etc/docker/registry/config.yml"
    with running(engine, registry, publish_all_ports=True) as container:
        targets = [mount.target for mount in engine.container(container).mounts]
        assert targets == ["/var/lib/registry"]
        upload = requests.post(f"{address_of(engine, container)}/app/blobs/uploads/", timeout=5)
        digest = f"&digest=sha256:{hashlib.sha256(b'lost').hexdigest()}"
        put = requests.put(upload.headers["Location"] + digest, data=b"lost", timeout=5)
        assert put.status_code == 201
        code, words = output(engine, registry, "garbage-collect", config, volumes_from=[container])
        assert (code, "1 blobs" in words and "eligible for deletion" in words) == (0, True), words


def address_of(engine, container, seconds=3):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for port in engine.containers(id=container)[0].ports:
            with suppress(requests.ConnectionError):
                address = f"http://127.0.0.1:{port.host}/v2/"
                if requests.get(address, timeout=1).status_code == 200:
                    return address.rstrip("/")
        time.sleep(0.05)
    pytest.fail(f"no answer after {seconds} s: {engine.logs(container)}")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sh", "-c", "echo $((6*7))"], "42"),
        (["ls", "/etc/docker/registry"], "config.yml"),
        (["--version"], "2."),
        (["help"], "serve"),
        (["/no/such/config.yml"], "no such file"),
    ],
)
def test_the_registrys_entrypoint_tells_commands_from_configurations(
    engine, registry, command, said
):
    assert said in output(engine, registry, *command)[1]


def test_a_built_busybox_runs_its_applets(engine, busybox):
    assert busybox.build(BUSYBOX)
    assert output(engine, BUSYBOX, "tr", "a", "b")[0] == 0
    assert output(engine, BUSYBOX, "id", "-un") == (0, "root\n")


def test_a_built_httpd_makes_bcrypt_passwords(engine):
    try:
        Kit(engine, [HTTPD], RECIPES_HERE).build(HTTPD)
        code, words = output(engine, HTTPD, "htpasswd", "-Bbn", "ann", "secret")
        assert (code, words[:7]) == (0, "ann:$2y")
    finally:
        forget(engine, HTTPD)


def test_a_built_dind_is_an_engine_that_runs_containers_also_after_it_was_killed(engine, busybox):
    busybox.build(BUSYBOX)
    try:
        Kit(engine, [DIND], RECIPES_HERE).build(DIND)
        assert output(engine, DIND, "docker", "--version")[1].startswith("Docker version")
        with running(engine, DIND, **powers_of_an_engine(engine)) as host:
            assert list(engine.container(host).volumes)
            for _ in range(2):
                assert eventually(lambda: engine.execute(host, ["docker", "version"])[0] == 0, 20)
                code, words = engine.execute(host, ["sh", "-c", RUN_INSIDE])
                assert (code, words.splitlines()[-1]) == (0, "ran"), words
                engine.kill(host)
                engine.start(host)
    finally:
        forget(engine, DIND)


RUN_INSIDE = (
    "tar -C / -c bin/busybox | docker import - inside:1"
    " && docker run --rm -p 80:80 inside:1 /bin/busybox echo ran"
)


def powers_of_an_engine(engine):
    try:
        output(engine, BUSYBOX, "true", privileged=True)
        return {"privileged": True}
    except CannotCheck:  # where one capability is missing, all others do
        return {
            "cap_add": ["ALL"],
            "cap_drop": ["SYS_RESOURCE"],
            "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
            "volumes": {"/sys/fs/cgroup": "/sys/fs/cgroup"},
        }


def test_of_alternatives_the_package_is_taken_that_this_release_has(apt, tmp_path):
    packages, programs = ("no-such-package | busybox-static",), {"/box": "/usr/bin/busybox"}
    made = build_root(Recipe(packages=packages, programs=programs), tmp_path, apt)
    assert made.made_from.startswith("busybox-static ")
    with tarfile.open(made.archive) as tar:  # which is static, so that no libraries come along
        assert tar.getmember("./box").size > 1_000_000 and "./lib" not in tar.getnames()


def test_plugins_that_a_package_no_longer_has_are_named(apt, tmp_path):
    recipe = Recipe(packages=("busybox-static",), plugins=("usr/lib/none",))
    with pytest.raises(ImageUnavailable, match="no longer has `/usr/lib/none`"):
        build_root(recipe, tmp_path, apt)


def test_a_built_image_names_its_packages_and_status_shows_them(engine, registry):
    [image] = Kit(engine, [REGISTRY], RECIPES_HERE).status()
    assert image.present and image.id == registry and image.size > 10_000_000
    assert image.made_from == engine.image(REGISTRY).labels[MADE_FROM]
    assert image.made_from.startswith("docker-registry 2.") and "busybox-static" in image.made_from
    assert image.version.startswith("2.")


@pytest.mark.parametrize("bin", ["bin", "usr/bin"])
def test_a_program_is_found_where_this_release_has_it(apt, tmp_path, monkeypatch, bin):
    """Debian moved busybox from the one to the other; apt here has one release only."""
    unpack = builder._unpack

    def moved(names, folder, apt):
        unpacked = unpack(names, folder, apt)
        [program] = folder.rglob("bin/busybox")
        (folder / bin).mkdir(parents=True, exist_ok=True)
        program.rename(folder / bin / "busybox")
        return unpacked

    monkeypatch.setattr(builder, "_unpack", moved)
    with tarfile.open(build_root(RECIPES["busybox:stable"], tmp_path, apt).archive) as tar:
        assert tar.getmember("./bin/busybox").size > 1_000_000
        assert tar.getmember("./bin/sh").linkname == "busybox"


def test_the_same_packages_give_the_same_bytes(apt, tmp_path):
    made = []
    for name, umask in (("one", 0o022), ("two", 0o077)):
        (tmp_path / name).mkdir()
        before = os.umask(umask)
        try:
            root = build_root(RECIPES["registry:2"], tmp_path / name, apt)
            made.append(root.archive.read_bytes())
        finally:
            os.umask(before)
    assert made[0] == made[1]


# What is here is left alone


def test_an_image_that_is_here_is_left_alone(engine, busybox):
    assert busybox.get(BUSYBOX)
    before, said = image_id(engine, BUSYBOX), []
    assert not busybox.build(BUSYBOX, said.append)
    assert not busybox.get(BUSYBOX, said.append)
    assert not busybox.pull(BUSYBOX, said.append)
    assert (image_id(engine, BUSYBOX), said) == (before, [])
    assert "is here already" in flask_kit(busybox, "build").output


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


# Save and load


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
    assert flask_kit(busybox, "load", str(file)).output == "All of it is here already.\n"


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


# Faults


def test_get_says_why_it_builds(engine):
    kit, said = Kit(engine, [OUT_OF_REACH], RECIPES_HERE), []
    try:
        assert kit.get(OUT_OF_REACH, said.append)
        assert said[-2:] == [
            "localhost:9 cannot be reached.",
            f"Building `{OUT_OF_REACH}` from packages.",
        ]
    finally:
        forget(engine, OUT_OF_REACH)


def test_an_image_that_is_compiled_needs_go(engine, monkeypatch, tmp_path):
    for program in ("apt-get", "dpkg-deb"):
        (tmp_path / program).symlink_to(shutil.which(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageUnavailable, match="compiled with Go; this machine has no `go`"):
        Kit(engine, []).build("registry:3")


def test_an_image_without_a_recipe_and_a_network_exits_3_and_names_the_way_out(engine):
    reference = f"localhost:9/{PREFIX}/other:1"
    result = flask_kit(Kit(engine, [reference]), "get")
    assert result.exit_code == 3
    assert "localhost:9 cannot be reached" in result.stderr and "kit load" in result.stderr
    assert "no recipe" in flask_kit(Kit(engine, [reference]), "build").stderr


def test_one_image_that_cannot_be_had_does_not_keep_the_others_back(engine, busybox):
    kit = Kit(engine, [f"localhost:9/{PREFIX}/other:1", BUSYBOX], RECIPES_HERE)
    assert flask_kit(kit, "get").exit_code == 3
    assert engine.image(BUSYBOX)


def test_an_unknown_image_exits_2_and_the_nearest_is_named(engine):
    result = flask_kit(Kit(engine, ["registry:2", "busybox:stable"]), "get", "regsitry:2")
    assert (result.exit_code, "Did you mean `registry:2`?" in result.stderr) == (2, True)


def test_without_an_engine_every_command_exits_3_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    for command in (["status"], ["get"], ["pull"], ["build"], ["save", str(tmp_path / "kit.tar")]):
        result = flask_kit(Kit(Engine(), ["registry:2"]), *command)
        assert result.exit_code == 3 and "No engine answers" in result.stderr, command
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_apt_is_told_what_to_do(engine, busybox, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageUnavailable, match="Debian and Ubuntu only") as told:
        busybox.build(BUSYBOX)
    assert "kit load" in told.value.next


def test_without_lists_and_network_the_build_says_what_apt_said(
    engine, busybox, new_apt, monkeypatch, tmp_path
):
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir::State::Lists "{tmp_path}/none";\nAcquire::http::Proxy "http://127.0.0.1:9";\n'
        'Acquire::https::Proxy "http://127.0.0.1:9";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    result = flask_kit(busybox, "build")
    assert result.exit_code == 3 and "127.0.0.1:9" in result.stderr
    assert engine.image(BUSYBOX) is None


def test_apt_lists_that_are_missing_are_fetched_once_into_a_folder_of_ours(
    engine, busybox, new_apt, monkeypatch, tmp_path
):
    """Where apt is told to keep no cache either, as in container images."""
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::State::Lists "{tmp_path}/none";\nDir::Cache::pkgcache "";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run, commands = builder._run, []

    def note(command, *more, **options):
        commands.append(command)
        return run(command, *more, **options)

    monkeypatch.setattr(builder, "_run", note)
    for _ in range(2):
        assert busybox.build(BUSYBOX)
        forget(engine, BUSYBOX)
    assert sum("update" in command for command in commands) == 1
    [kept] = tmp_path.glob("*/pkgcache.bin")
    del busybox._apt
    assert not kept.parent.exists()
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []


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


def in_python(script, folder):
    """A Python of its own, in a folder that is also its folder for temporary files."""
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class StandIn(BaseHTTPRequestHandler):
    """An engine without images whose pulls go wrong: no real registry does this on demand."""

    def do_GET(self):
        self.server.asked[self.path.split("?")[0].split("/")[-1]] += 1
        if "/images/" in self.path:
            self.answer(404, {"message": "No such image"})
        elif self.path.endswith("/info"):
            self.answer(200, {"SystemTime": "2026-01-01T00:00:00Z"})
        else:
            self.answer(200, {"Version": "20.10.24", "ApiVersion": "1.41"})

    def do_POST(self):
        self.server.asked["pull"] += 1
        if self.server.refusal is None:
            self.server.over.wait(10)
        else:
            self.answer(500, {"message": self.server.refusal})

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Refuses pulls with the words in `refusal`; stays silent where that is None."""
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), StandIn) as server:
        server.daemon_threads = True
        server.asked, server.over, server.refusal = Counter(), threading.Event(), None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_a_rate_limit_is_asked_about_once(stand_in):
    stand_in.refusal = "toomanyrequests: You have reached your unauthenticated pull rate limit."
    kit = Kit(Engine(), ["a:1", "b:1", "c:1"], {})
    for reference in kit.references:
        with pytest.raises(SourceUnavailable, match="Docker Hub allows no more pulls") as told:
            kit.get(reference)
        assert "kit load" in told.value.next
    assert stand_in.asked["pull"] == 1


def test_a_pull_that_hangs_is_given_up(stand_in, monkeypatch):
    monkeypatch.setattr(kit_module, "PULL_TIMEOUT", 0.3)
    start = time.monotonic()
    with pytest.raises(SourceUnavailable, match="Docker Hub cannot be reached"):
        Kit(Engine(), ["a:1"], {}).pull("a:1")
    assert time.monotonic() - start < 20
    assert stand_in.asked["pull"] == 1


def test_a_pull_that_ends_without_an_image_is_no_success(stand_in, monkeypatch):
    monkeypatch.setattr(StandIn, "do_POST", lambda self: self.answer(200, {"status": "Pulling"}))
    with pytest.raises(ImageUnavailable, match="is not there"):
        Kit(Engine(), ["a:1"], {}).pull("a:1")
