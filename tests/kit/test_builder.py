"""Images that are built from packages: what they can do, and what a build says that fails."""

import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from contextlib import contextmanager, suppress

import pytest
import requests

from labrunner.kit import builder
from labrunner.kit import kit as kit_module
from labrunner.kit.builder import MADE_FROM, Apt, build_root
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.kit.recipes import RECIPES, Recipe
from labrunner.verdicts import CannotCheck
from tests.fixtures.engine import eventually
from tests.fixtures.kit import (
    BUSYBOX,
    DIND,
    HTTPD,
    MARKS,
    OUT_OF_REACH,
    RECIPES_HERE,
    REGISTRY,
    flask_kit,
    forget,
    image_id,
)

pytestmark = MARKS


@pytest.fixture
def new_apt(monkeypatch):
    """One of its own for each kit, as everywhere but here."""
    monkeypatch.setattr(kit_module, "Apt", Apt)


@pytest.fixture(scope="module")
def registry(engine, machine_network):
    """The id of the registry's image, built."""
    with machine_network():
        Kit(engine, [REGISTRY], RECIPES_HERE).build(REGISTRY)
    yield image_id(engine, REGISTRY)
    forget(engine, REGISTRY)


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


@pytest.mark.network(False)  # its port is on the engine's side
def test_a_built_registry_answers_within_3_seconds_and_refuses_to_delete(engine, registry):
    with running(engine, registry, publish_all_ports=True) as container:
        address = address_of(engine, container)
        assert (
            requests.delete(f"{address}/a/manifests/sha256:{64 * '0'}", timeout=5).status_code
            == 405
        )
        known = '"GET /v2/ HTTP/1.1" 200'  # which is in the log a moment after the answer
        assert eventually(lambda: known in engine.logs(container)), engine.logs(container)


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


@pytest.fixture
def dind(engine):
    """The kit's image, if it was built on this machine, or one that is built now."""
    image = engine.image("docker:dind")
    if image and MADE_FROM in image.labels:
        yield "docker:dind"
        return
    try:
        Kit(engine, [DIND], RECIPES_HERE).build(DIND)
        yield DIND
    finally:
        forget(engine, DIND)


@pytest.mark.long
def test_a_built_dind_is_an_engine_that_runs_containers_also_after_it_was_killed(
    engine, busybox, dind
):
    busybox.build(BUSYBOX)
    assert output(engine, dind, "docker", "--version")[1].startswith("Docker version")
    with running(engine, dind, **powers_of_an_engine(engine)) as host:
        assert list(engine.container(host).volumes)
        for _ in range(2):
            assert eventually(lambda: engine.execute(host, ["docker", "version"])[0] == 0, 20)
            code, words = engine.execute(host, ["sh", "-c", RUN_INSIDE])
            assert (code, words.splitlines()[-1]) == (0, "ran"), words
            engine.kill(host)
            engine.start(host)


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


def test_trees_that_a_package_no_longer_has_are_named(apt, tmp_path):
    recipe = Recipe(packages=("busybox-static",), trees=("usr/lib/none",))
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


def test_an_image_that_is_compiled_needs_go(engine, monkeypatch, tmp_path):
    for program in ("apt-get", "dpkg-deb"):
        (tmp_path / program).symlink_to(shutil.which(program))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageUnavailable, match="compiled with Go, but this machine has no `go`"):
        Kit(engine, [], {OUT_OF_REACH: RECIPES["registry:3"]}).build(OUT_OF_REACH)


def test_a_system_without_apt_is_told_what_to_do(engine, busybox, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageUnavailable, match="only on Debian and Ubuntu") as told:
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
    run, commands = builder.run, []

    def note(command, *more, **options):
        commands.append(command)
        return run(command, *more, **options)

    monkeypatch.setattr(builder, "run", note)
    for _ in range(2):
        assert busybox.build(BUSYBOX)
        forget(engine, BUSYBOX)
    assert sum("update" in command for command in commands) == 1
    [kept] = tmp_path.glob("*/pkgcache.bin")
    del busybox._apt
    assert not kept.parent.exists()
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []
