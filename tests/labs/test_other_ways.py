"""Only state counts: the labs' steps, done by other means than the page's and the solutions'.

Compose, Skopeo and Podman are packages of Debian and Ubuntu; drayage, a registry of another make,
is a package of PyPI. script/test installs them.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from labrunner.kit.kit import Kit
from labrunner.workspaces import resources
from tests.fixtures.engine import eventually, reopen

STORE = "/var/lib/registry"


@pytest.fixture(scope="module")
def opened(shared_workspaces, real_course, engine):
    """Opens a lab by name, with the images that it needs."""
    there = {}

    def start(name):
        lab = real_course.labs[name]
        if name in there:
            return reopen(there[name], *(["image"] if lab.sample else []))
        kit = Kit(engine, real_course.images)
        for image in lab.images:
            kit.get(image)
        return there.setdefault(name, shared_workspaces.open(lab, "headless"))

    return start


@pytest.fixture
def command(tmp_path, engine):
    """Runs a program in an empty folder, with logins of its own, and gives what it printed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "auth.json").write_text("{}")
    environment = {
        **os.environ,
        "DOCKER_HOST": engine.address,
        "DOCKER_CONFIG": str(folder),
        "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
    }

    def run(*words, fails=False):
        if not shutil.which(words[0]):
            pytest.skip(f"{words[0]} is not installed; script/test would do that.")
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return (done.stdout + done.stderr if fails else done.stdout).strip()

    run.folder = folder
    return run


@pytest.fixture
def compose(command, unique):
    """Compose, with this file, as a project of its own that is gone at the end."""

    def run(*words, file=None):
        if file:
            (command.folder / "docker-compose.yml").write_text(file)
        command("docker-compose", "--no-ansi", "-p", unique, *words)

    yield run
    if (command.folder / "docker-compose.yml").exists():
        run("down", "--volumes")


@pytest.fixture
def podman():
    """Podman, with a store of its own; it takes no long path for one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as store:
        yield "podman", "--storage-driver=vfs", f"--root={store}/root", f"--runroot={store}/run"


def judge(workspace, step, answer=""):
    return workspace.lab.find(step).judge(workspace, answer)


def passes(workspace, step, answer=""):
    verdict = judge(workspace, step, answer)
    assert verdict.passed, verdict
    return verdict


COMPOSE_FILE = """\
version: "3"
services:
  store:
    image: registry:2
    restart: unless-stopped
    ports: ["{port}:5000"]
    volumes: ["kept:/var/lib/registry"]
volumes:
  kept:
"""


# Another way to run it


def test_compose_runs_the_registry_and_what_it_made_is_offered(opened, compose, unique):
    workspace = opened("run-a-registry")
    compose("up", "-d", file=COMPOSE_FILE.format(port=workspace.port))
    assert eventually(lambda: judge(workspace, "start-a-registry").passed)
    passes(workspace, "set-a-restart-policy")
    offered = {(item.kind, item.name) for item in resources.find_resources(workspace)}
    assert {("network", f"{unique}_default"), ("volume", f"{unique}_kept")} <= offered
    assert ("container", f"{unique}_store_1") in offered


def test_compose_keeps_what_was_pushed(opened, compose, docker):
    workspace = opened("survive")
    compose("up", "-d", file=COMPOSE_FILE.format(port=workspace.port))
    workspace.wait_for_registry()
    passes(workspace, "name-a-volume")
    docker("tag", workspace.image, f"{workspace.registry}/{workspace.image}")
    docker("push", f"{workspace.registry}/{workspace.image}")
    assert judge(workspace, "replace-it-again").status == "failed"
    compose("down")
    compose("up", "-d")
    workspace.wait_for_registry()
    passes(workspace, "replace-it-again")


def test_an_anonymous_volume_that_is_handed_on_is_named(opened, docker, unique):
    workspace = opened("survive")
    serve = ("run", "-d", "-p", f"{workspace.port}:5000")
    docker(*serve, "--name", unique, "registry:2")
    workspace.wait_for_registry()
    docker("tag", workspace.image, f"{workspace.registry}/{workspace.image}")
    docker("push", f"{workspace.registry}/{workspace.image}")
    docker("stop", unique)
    docker(*serve, "--name", workspace.name, "--volumes-from", unique, "registry:2")
    workspace.wait_for_registry()
    docker("rm", unique)
    verdict = judge(workspace, "lose-the-image")
    assert "is new, but uses the old volume" in verdict.found
    passes(workspace, "get-it-back")
    assert judge(workspace, "name-a-volume").status == "failed"


def test_a_registry_of_another_make_is_a_registry(opened, docker, engine, tmp_path, unique):
    """drayage, written in Rust, answers by the same specification."""
    workspace = opened("run-a-registry")
    binary = Path(sys.executable).with_name("drayage")
    if not binary.exists():
        pytest.skip("drayage has no package for this machine.")
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    libraries = [word for word in linked.split() if word.startswith("/")]
    (tmp_path / "config.toml").write_text(
        'listen = "0.0.0.0:5000"\ncache_dir = "/tmp"\n'
        '[upstreams.docker_io]\nregistry = "http://localhost:1"\n'
    )
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for path in [binary, *map(Path, libraries)]:
            archive.add(path.resolve(), path if path != binary else "/drayage")
        archive.add(tmp_path / "config.toml", "/config.toml")
        folder = tarfile.TarInfo("/tmp")  # noqa: S108 - in the image
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    changes = ['ENTRYPOINT ["/drayage", "serve", "-c", "/config.toml"]']
    engine.import_image(tmp_path / "image.tar", f"{unique}:1", changes)
    try:
        docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", unique, f"{unique}:1")
        assert eventually(lambda: judge(workspace, "start-a-registry").passed)
        docker("update", "--restart", "always", unique)
        passes(workspace, "set-a-restart-policy")
    finally:
        engine.remove_container(unique)
        engine.remove_image(f"{unique}:1")


def test_a_name_a_host_and_a_folder_of_ones_own_keep_what_was_pushed(
    opened, docker, unique, tmp_path
):
    workspace = opened("survive")

    def serve(*options):
        words = ("run", "-d", "-p", f"127.0.0.1:{workspace.port}:5000", "--name", unique)
        docker(*words, *options, "registry:2")
        workspace.wait_for_registry()

    def push():
        docker("tag", workspace.image, f"127.0.0.1:{workspace.port}/{workspace.image}")
        docker("push", f"127.0.0.1:{workspace.port}/{workspace.image}")

    serve()
    push()
    volume = docker("inspect", "--format", "{{(index .Mounts 0).Name}}", unique)
    passes(workspace, "find-the-files", volume)
    resources.observe(workspace)  # as after each check
    docker("rm", "-f", unique)
    serve()
    passes(workspace, "lose-the-image")
    docker("rm", "-f", "-v", unique)
    serve("--mount", f"type=volume,source={volume},target={STORE}")
    passes(workspace, "get-it-back")
    docker("rm", "-f", "-v", unique)
    folder = ("-v", f"{tmp_path}:{STORE}")
    serve(*folder)
    passes(workspace, "name-a-volume")
    push()
    docker("rm", "-f", unique)
    serve(*folder)
    passes(workspace, "replace-it-again")
    docker("volume", "rm", volume)
    passes(workspace, "clear-up")
    docker("run", "--rm", "-v", f"{tmp_path}:/f", "busybox:stable", "rm", "-rf", "/f/docker")


# Another client


def test_skopeo_pushes_and_brings_back(opened, command, docker):
    workspace = opened("push-and-pull")
    name = f"{workspace.registry}/{workspace.image}:latest"
    here = f"docker-daemon:{workspace.image}:latest"
    address = workspace.engine.address  # skopeo does not heed DOCKER_HOST
    push = ("skopeo", "copy", "--src-daemon-host", address, "--dest-tls-verify=false")
    command(*push, here, f"docker://{name}")
    passes(workspace, "push-the-image")
    docker("rmi", workspace.image)
    passes(workspace, "remove-your-copies")
    assert judge(workspace, "pull-it-back").status == "failed"
    pull = ("skopeo", "copy", "--src-tls-verify=false", "--dest-daemon-host", address)
    command(*pull, f"docker://{name}", f"docker-daemon:{name}")
    passes(workspace, "pull-it-back")


def test_an_image_of_another_media_type_is_the_same_by_its_layers(opened, command, docker):
    """Its manifest and its configuration are others, so no digest of it is the image's id."""
    workspace = opened("push-and-pull")
    name = f"{workspace.registry}/{workspace.image}:latest"
    docker("save", "-o", str(command.folder / "image.tar"), workspace.image)
    copy = ("skopeo", "copy", "-f", "oci", "--dest-tls-verify=false", "docker-archive:image.tar")
    command(*copy, f"docker://{workspace.registry}/team/app:v1")
    assert "only as `team/app:v1`" in judge(workspace, "push-the-image").found
    command(*copy, f"docker://{name}")
    assert workspace.sample not in workspace.api.manifest(workspace.image, "latest").image_ids
    passes(workspace, "push-the-image")
    docker("rmi", workspace.image)
    passes(workspace, "remove-your-copies")
    docker("pull", name)
    passes(workspace, "pull-it-back")


def test_podman_pushes_what_came_in_an_archive_from_another_machine(
    opened, command, docker, podman
):
    workspace = opened("push-and-pull")
    archive = command.folder / "image.tar"
    docker("save", "-o", str(archive), workspace.image)
    command(*podman, "load", "-i", str(archive))
    docker("rmi", workspace.image)
    name = f"localhost/{workspace.image}:latest"
    there = f"{workspace.registry}/{workspace.image}:latest"
    command(*podman, "push", "--tls-verify=false", name, f"docker://{there}")
    passes(workspace, "push-the-image")
    passes(workspace, "remove-your-copies")
    docker("pull", there)
    passes(workspace, "pull-it-back")


def test_skopeo_pushes_an_archive_with_the_password(opened, command, docker, unique):
    """And the registry has its settings from a file, not from its environment."""
    workspace = opened("lock-the-door")
    htpasswd = ("--entrypoint", "htpasswd", "httpd:2", "-Bbn", "alice", workspace["password"])
    (command.folder / "users").write_text(docker("run", "--rm", *htpasswd) + "\n")
    (command.folder / "config.yml").write_text(
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\n"
        "http: {addr: ':5000'}\n"
        "auth: {htpasswd: {realm: mine, path: /own/users}}\n"
    )
    words = ("-p", f"{workspace.port}:5000", "--name", unique, "-v", f"{command.folder}:/own:ro")
    docker("run", "-d", *words, "registry:2", "/own/config.yml")
    assert eventually(lambda: judge(workspace, "ask-for-a-password").passed)
    docker("save", "-o", str(command.folder / "image.tar"), workspace.image)
    there = f"docker://{workspace.registry}/apps/internal-app:latest"
    copy = ("skopeo", "copy", "--dest-tls-verify=false", "docker-archive:image.tar", there)
    error = command(*copy, fails=True).splitlines()[-1]
    passes(workspace, "be-refused", error)
    command(*copy, "--dest-creds", f"alice:{workspace['password']}")
    passes(workspace, "log-in-and-push")


def test_skopeo_answers_what_the_api_is_asked_for(opened, command):
    workspace = opened("read-the-api")
    place = f"docker://{workspace.registry}/{workspace['repository']}"
    tags = command("skopeo", "list-tags", "--tls-verify=false", place)
    passes(workspace, "list-its-tags", json.dumps(json.loads(tags)["Tags"]))
    image = f"{place}:{workspace['small']}"
    inspect = ("skopeo", "inspect", "--tls-verify=false")
    passes(workspace, "take-a-digest", command(*inspect, "--format", "{{.Digest}}", image))


def test_skopeo_deletes_from_a_registry_that_keeps_its_images_in_a_folder(
    opened, command, docker, tmp_path
):
    workspace = opened("take-out-the-rubbish")
    images = tmp_path / "images"
    images.mkdir()
    deletion = ("-e", "REGISTRY_STORAGE_DELETE_ENABLED=true", "-v", f"{images}:{STORE}")
    docker("run", "-d", "-p", f"{workspace.port}:5000", *deletion, "registry:2")
    workspace.wait_for_registry()
    passes(workspace, "switch-deletion-on")
    for image, tag in ((workspace["old_image"], "1.0"), (workspace.image, "2.0")):
        name = f"127.0.0.1:{workspace.port}/{workspace.image}:{tag}"
        docker("tag", image, name)
        docker("push", name)
    passes(workspace, "push-two-images")
    old = f"docker://{workspace.registry}/{workspace.image}:1.0"
    command("skopeo", "delete", "--tls-verify=false", old)
    passes(workspace, "delete-by-digest")
    docker("run", "--rm", "-v", f"{images}:/f", "busybox:stable", "rm", "-rf", "/f/docker")


def test_curl_alone_pushes(opened, command, docker):
    workspace = opened("push-and-pull")
    _push_by_hand(workspace, command, docker)
    passes(workspace, "push-the-image")


def test_what_curl_pushed_outlives_the_container(opened, command, docker):
    workspace = opened("survive")
    keep = ("-v", f"{workspace['volume']}:{STORE}", "--name", workspace.name)
    serve = ("run", "-d", "-p", f"{workspace.port}:5000", *keep, "registry:2")
    docker(*serve)
    workspace.wait_for_registry()
    _push_by_hand(workspace, command, docker)
    assert "to this container" in judge(workspace, "replace-it-again").found
    docker("rm", "-f", workspace.name)
    docker(*serve)
    workspace.wait_for_registry()
    passes(workspace, "replace-it-again")


def test_an_image_that_was_not_built_has_what_a_build_was_to_give_it(opened, docker, unique):
    workspace = opened("meet-your-engine")
    docker("create", "--name", unique, "busybox:stable")
    label = ("--change", f"LABEL stamp={workspace['stamp']}")
    docker("commit", *label, "--change", 'CMD ["echo", "Hello."]', unique, workspace["image"])
    passes(workspace, "build-an-image")
    docker("run", "--rm", workspace["image"])
    passes(workspace, "run-it")


def _push_by_hand(workspace, command, docker):
    """Push the lab's image with curl: each blob, then the manifest."""
    base = f"http://{workspace.registry}/v2/{workspace.image}"
    archive = command.folder / "image.tar"
    docker("save", "-o", str(archive), workspace.image)
    kinds = "application/vnd.docker."

    def blob(media_type, data):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        (command.folder / "blob").write_bytes(data)
        headers = command("curl", "-sS", "-D", "-", "-X", "POST", f"{base}/blobs/uploads/")
        place = next(line[10:] for line in headers.splitlines() if line.startswith("Location: "))
        octets = ("-H", "Content-Type: application/octet-stream", "--data-binary", "@blob")
        command("curl", "-sS", "--fail", "-X", "PUT", *octets, f"{place}&digest={digest}")
        return {"mediaType": kinds + media_type, "size": len(data), "digest": digest}

    with tarfile.open(archive) as saved:
        read = lambda name: saved.extractfile(name).read()  # noqa: E731
        [image] = json.loads(read("manifest.json"))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kinds}distribution.manifest.v2+json",
            "config": blob("container.image.v1+json", read(image["Config"])),
            "layers": [
                blob("image.rootfs.diff.tar.gzip", gzip.compress(read(layer)))
                for layer in image["Layers"]
            ],
        }
    kind = ("-H", f"Content-Type: {manifest['mediaType']}")
    body = ("--data-binary", json.dumps(manifest))
    command("curl", "-sS", "--fail", "-X", "PUT", *kind, *body, f"{base}/manifests/latest")
