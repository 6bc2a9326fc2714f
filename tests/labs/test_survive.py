"""The lab "Keep what you push", done with the command line in right, wrong and other ways."""

import json
import re

import pytest
import requests

from labrunner.engine.engine import Engine
from labrunner.workspaces import resources
from tests.fixtures.engine import eventually, proxying, reopen

STORE = "/var/lib/registry"


@pytest.fixture(scope="module")
def shared(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["survive"], "headless")


@pytest.fixture
def opened(shared):
    """A workspace that has just been opened."""
    return reopen(shared, "image")


@pytest.fixture
def serve(opened, docker):
    """Starts a registry on the lab's port with these options, waits for it, and gives its id."""

    def start(*options, name=opened.name):
        words = ("run", "-d", "-p", f"{opened.port}:5000", "--name", name, *options)
        container = docker(*words, "registry:2")
        opened.wait_for_registry()
        return container

    return start


@pytest.fixture
def push(opened, docker):
    def send():
        docker("tag", opened.image, f"{opened.registry}/{opened.image}")
        docker("push", f"{opened.registry}/{opened.image}")

    return send


@pytest.fixture
def lost(opened, serve, push, docker):
    """The name of the volume that a registry with an image in it has left behind."""
    volume = volume_of(docker, serve())
    push()
    docker("rm", "-f", opened.name)
    return volume


def volume_of(docker, container):
    return docker("inspect", "--format", "{{(index .Mounts 0).Name}}", container)


def judge(workspace, step, answer=""):
    return workspace.lab.find(step).judge(workspace, answer)


def of_kind(workspace, kind):
    return {item.id for item in resources.find_resources(workspace) if item.kind == kind}


# Find the files, and lose them


def test_the_answer_is_found_in_what_was_pasted(opened, serve, push, docker):
    container = serve()
    assert judge(opened, "find-the-files").reason == "not-pushed"
    push()
    volume = volume_of(docker, container)
    for right in (volume, f'"{volume}"', f"/var/lib/docker/volumes/{volume}/_data"):
        assert judge(opened, "find-the-files", right).passed
    wrong = {
        container: "That is the id of the container.",
        volume[:12]: "Your answer does not have a volume's name",
        opened.name: "Your answer does not have a volume's name",
        "0" * 64: f"`{opened.name}` does not keep its files in `000000000000…`.",
        "": "There is no answer yet. Everything else is ready.",
    }
    for answer, words in wrong.items():
        verdict = judge(opened, "find-the-files", answer)
        assert verdict.status == "failed" and verdict.found.startswith(words)


def test_the_right_answer_is_where_a_verdict_says_to_look(opened, serve, push, docker):
    serve()
    push()
    name, command, place = re.findall("`(.*?)`", judge(opened, "find-the-files", "?").next)
    assert command == f"docker inspect {opened.name}"
    [container] = json.loads(docker(*command.split()[1:]))
    assert judge(opened, "find-the-files", container[place][0][name]).passed


def test_the_volume_of_a_removed_registry_is_seen_and_offered_at_finish(opened, lost, serve):
    serve()
    verdict = judge(opened, "lose-the-image")
    assert verdict.passed and f"Left over: `{lost[:12]}…`" in verdict.found
    assert lost in of_kind(opened, "volume")


def test_whether_there_was_a_registry_before_a_restart_of_the_engine_could_not_be_checked(
    workspaces,
):
    """A lab that was opened before the engine was started."""
    opened = workspaces.open(workspaces.labs["survive"], "headless")
    opened.run_registry()
    opened.record.opened = 0
    verdict = judge(opened, "lose-the-image")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert "Then replace the container, without `-v`" in verdict.next


def test_it_is_known_after_the_engine_has_forgotten_its_events(opened, serve, push, docker, engine):
    volume = volume_of(docker, serve())
    push()
    resources.observe(opened)  # as after each check
    docker("rm", "-f", opened.name)
    for _ in range(130):
        engine.tag(opened.sample, f"{opened.image}:x")
        engine.remove_image(f"{opened.image}:x")
    serve()
    assert judge(opened, "lose-the-image").passed
    assert volume in of_kind(opened, "volume")
    docker("volume", "rm", volume)
    assert judge(opened, "clear-up").found.startswith("There is nothing to clear up yet")


def test_a_volume_of_something_else_is_neither_taken_for_the_registrys_nor_offered(
    opened, serve, docker, unique
):
    docker("run", "-d", "--name", unique, "-v", "/data", "busybox:stable", "sleep", "60")
    other = volume_of(docker, unique)
    docker("rm", "-f", unique)
    serve()
    try:
        assert judge(opened, "lose-the-image").status == "failed"
        assert other not in of_kind(opened, "volume")
    finally:
        docker("volume", "rm", other)


def test_a_registry_that_was_restarted_in_any_way_is_not_replaced(opened, serve, push, docker):
    serve()
    push()
    for commands in (["restart"], ["stop", "start"], ["kill", "start"]):
        for word in commands:
            docker(word, opened.name)
        opened.wait_for_registry()
        verdict = judge(opened, "lose-the-image")
        assert verdict.found == (
            f"`{opened.name}` still has it: it is the container that you pushed to."
        )
        assert f"`docker rm -f {opened.name}`, then `docker run" in verdict.next


# Get it back


def test_a_copy_of_the_old_volume_is_as_good(opened, lost, serve, docker, unique):
    docker("volume", "create", unique)
    volumes = ("-v", f"{lost}:/from:ro", "-v", f"{unique}:/to")
    docker("run", "--rm", *volumes, "busybox:stable", "cp", "-a", "/from/.", "/to/")
    serve("--mount", f"source={unique},target={STORE}")
    for step in ("get-it-back", "name-a-volume", "replace-it-again"):
        assert judge(opened, step).passed, step


def test_the_command_that_brings_it_back_works_as_it_stands(opened, lost, serve, docker):
    serve()
    advice = judge(opened, "get-it-back").next
    assert f"-v {lost}:{STORE}" in advice
    follow(docker, opened, advice)
    assert judge(opened, "get-it-back").passed


def test_a_volume_that_was_made_anew_by_its_old_name_is_not_advised(
    opened, lost, serve, push, docker
):
    """As where `volume.txt` still has the name of a volume that `docker rm -v` removed."""
    docker("volume", "rm", lost)
    full = volume_of(docker, serve())
    push()
    docker("rm", "-f", opened.name)
    serve("-v", f"{lost}:{STORE}")
    verdict = judge(opened, "get-it-back")
    assert verdict.reason == "no-image" and lost not in verdict.next
    assert f"-v {full}:{STORE}" in verdict.next
    follow(docker, opened, verdict.next)
    assert judge(opened, "get-it-back").passed


def test_an_image_that_no_volume_has_is_pushed_lost_and_brought_back(opened, lost, serve, docker):
    docker("volume", "rm", lost)
    serve()
    for reason in ("lost", "no-image"):
        verdict = judge(opened, "get-it-back")
        assert verdict.reason == reason
        follow(docker, opened, verdict.next)
    assert judge(opened, "get-it-back").passed


def test_a_volume_that_another_container_still_uses_is_neither_left_over_nor_cleared_up(
    opened, serve, push, docker, unique
):
    serve()
    push()
    docker("rename", opened.name, unique)
    docker("stop", unique)
    serve("-v", f"{opened['volume']}:{STORE}")
    for step in ("lose-the-image", "clear-up"):
        verdict = judge(opened, step)
        assert (verdict.reason, verdict.next) == ("in-use", f"`docker rm -f {unique}`.")
    docker("rm", "-f", unique)
    assert judge(opened, "lose-the-image").passed
    assert judge(opened, "clear-up").reason == "left-over"


def follow(docker, workspace, advice):
    """Do what a verdict says."""
    for command in re.findall("`docker (.*?)`", advice):
        docker(*command.split())
        if command.startswith("run "):
            workspace.wait_for_registry()


# Keep it


CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: /data/images}}
http: {addr: ":5000"}
"""


@pytest.mark.parametrize(
    "options",
    [
        ("-v", "{volume}:/var/lib/registry"),
        ("-v", "{volume}:/var/lib/registry/"),
        ("--mount", "type=volume,source={volume},target=/var/lib/registry"),
        ("-v", "{folder}:/var/lib/registry"),
        ("-v", "{folder}:/var/lib/registry/docker"),
        ("-v", "{volume}:/data", "-e", "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/data/images"),
        ("-v", "{volume}:/data", "-v", "{config}:/etc/docker/registry/config.yml:ro"),
    ],
)
def test_any_place_that_outlives_the_container_is_right(
    opened, serve, push, docker, unique, tmp_path, options
):
    folder = tmp_path / "images"
    folder.mkdir()
    config = tmp_path / "config.yml"
    config.write_text(CONFIG)
    docker("volume", "create", unique)
    options = [word.format(volume=unique, folder=folder, config=config) for word in options]
    serve(*options)
    assert judge(opened, "name-a-volume").passed
    push()
    assert judge(opened, "replace-it-again").status == "failed"
    docker("rm", "-f", "-v", opened.name)
    serve(*options)
    assert judge(opened, "replace-it-again").passed
    if any(folder.iterdir()):
        docker("run", "--rm", "-v", f"{folder}:/f", "busybox:stable", "rm", "-rf", "/f/docker")


def test_the_file_that_a_registry_is_told_to_read_says_where_it_keeps_its_files(
    opened, docker, unique, tmp_path
):
    (tmp_path / "mine.yml").write_text(CONFIG)
    docker("volume", "create", unique)
    publish = ("-p", f"{opened.port}:5000", "--name", opened.name)
    mounts = ("-v", f"{unique}:/data", "-v", f"{tmp_path}:/mine:ro")
    docker("run", "-d", *publish, *mounts, "registry:2", "/mine/mine.yml")
    opened.wait_for_registry()
    verdict = judge(opened, "name-a-volume")
    assert verdict.passed and f"`{unique}`" in verdict.found, verdict


def test_a_place_that_goes_with_the_container_is_named(opened, serve, docker, unique):
    docker("volume", "create", unique)
    for options, where in (
        ((), "the anonymous volume `{name:.12}…`"),
        (("-v", STORE), "the anonymous volume `{name:.12}…`"),
        (("-v", "{unique}:/registry"), "; the volume `{unique}` is mounted at `/registry`, where"),
        (("-v", "{unique}:/var/lib"), "; the volume `{unique}` is mounted at `/var/lib`, where"),
        (("--tmpfs", STORE), "the container itself or in memory"),
    ):
        container = serve(*[word.format(unique=unique) for word in options])
        listed = "{{range .Mounts}}{{.Name}} {{end}}"
        mounts = docker("inspect", "--format", listed, container).split()
        verdict = judge(opened, "name-a-volume")
        docker("rm", "-f", "-v", container)
        assert verdict.status == "failed"
        name = next((each for each in mounts if len(each) == 64), "")
        assert where.format(name=name, unique=unique) in verdict.found
        assert f"-v {opened['volume']}:{STORE} --name {opened.name} registry:2`" in verdict.next


def test_the_same_container_is_named_after_each_kind_of_restart(opened, serve, push, docker):
    serve("-v", f"{opened['volume']}:{STORE}")
    push()
    for word in ("restart", "stop", "start"):
        docker(word, opened.name)
        if word == "stop":
            verdict = judge(opened, "replace-it-again")
            assert verdict.next.startswith(f"`docker rm {opened.name}`, then `docker run -d")
            continue
        opened.wait_for_registry()
        verdict = judge(opened, "replace-it-again")
        assert "pushed it to this container" in verdict.found
    assert f"-v {opened['volume']}:{STORE}" in verdict.next


def test_the_volume_with_the_image_is_named_when_another_one_is_mounted(
    opened, serve, push, docker
):
    serve("-v", f"{opened['volume']}:{STORE}")
    push()
    resources.observe(opened)
    docker("rm", "-f", opened.name)
    other = f"{opened['volume']}-2"
    serve("-v", f"{other}:{STORE}")
    verdict = judge(opened, "replace-it-again")
    assert verdict.found == (
        f"`{opened.name}` keeps its files in the volume `{other}`. What you pushed before is "
        f"in the volume `{opened['volume']}`."
    )
    follow(docker, opened, verdict.next)
    assert judge(opened, "replace-it-again").passed
    assert {other, opened["volume"]} <= of_kind(opened, "volume")


def test_an_image_in_an_anonymous_volume_is_pushed_to_the_named_one(opened, serve, push, docker):
    serve()
    push()
    for reason in ("not-pushed", "same-container"):
        verdict = judge(opened, "replace-it-again")
        assert verdict.reason == reason
        follow(docker, opened, verdict.next)
    assert judge(opened, "replace-it-again").passed


def test_a_registry_without_an_access_log_is_judged_by_the_engines_events(
    opened, serve, push, docker
):
    options = ("-e", "REGISTRY_LOG_ACCESSLOG_DISABLED=true", "-v", f"{opened['volume']}:{STORE}")
    serve(*options)
    push()
    assert "to this container" in judge(opened, "replace-it-again").found
    docker("rm", "-f", opened.name)
    serve(*options)
    assert judge(opened, "replace-it-again").passed


def test_what_can_be_told_by_neither_is_unknown(opened, serve, push, docker, engine):
    options = ("-e", "REGISTRY_LOG_ACCESSLOG_DISABLED=true", "-v", f"{opened['volume']}:{STORE}")
    serve(*options)
    push()
    for _ in range(130):
        engine.tag(opened.sample, f"{opened.image}:x")
        engine.remove_image(f"{opened.image}:x")
    verdict = judge(opened, "replace-it-again")
    assert verdict.status == "unknown" and "remembers no push" in verdict.found


# Refused


def push_by_hand(workspace):
    """Push the image's manifest alone, as an engine does; the status. An engine tries again for a
    minute where a registry's disk fails."""
    address = f"http://{workspace.registry}/v2/{workspace.image}"
    agent = {"User-Agent": "docker/20.10.24"}
    manifest = workspace.api.raw_manifest(workspace.image, "latest")
    if not manifest:
        return requests.post(f"{address}/blobs/uploads/", headers=agent, timeout=5).status_code
    kind = {"Content-Type": manifest.headers["Content-Type"]}
    put = f"{address}/manifests/latest"
    return requests.put(put, manifest.body, headers={**agent, **kind}, timeout=5).status_code


def verdict_that(workspace, reason):
    """The verdict for this reason, once the log has what was refused."""
    assert eventually(lambda: judge(workspace, "replace-it-again").reason == reason)
    return judge(workspace, "replace-it-again")


def test_a_push_that_failed_is_none(opened, serve, push, docker):
    keep = f"{opened['volume']}:{STORE}"
    serve("-v", keep)
    push()
    docker("rm", "-f", opened.name)
    serve("-v", f"{keep}:ro")
    assert push_by_hand(opened) == 500
    verdict = judge(opened, "replace-it-again")
    assert verdict.passed, verdict


def test_a_push_to_a_volume_that_cannot_be_written_is_explained(opened, serve):
    serve("-v", f"{opened['volume']}:{STORE}:ro")
    assert push_by_hand(opened) == 500
    verdict = verdict_that(opened, "read-only-mount")
    assert f"with HTTP 500: `{STORE}` is mounted read-only, for example by `:ro`." in verdict.found
    start = f"`docker run -d -p {opened.port}:5000 -v {opened['volume']}:{STORE} --name"
    assert f"`docker rm -f {opened.name}`, then {start}" in verdict.next
    assert verdict.next.endswith(f"`docker push {opened.registry}/{opened.image}`.")


def test_a_push_to_a_full_disk_is_explained(opened, serve, docker, unique):
    small = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=nr_inodes=1")
    docker("volume", "create", *small, unique)
    serve("-v", f"{unique}:{STORE}")
    assert push_by_hand(opened) == 500
    verdict = verdict_that(opened, "disk-full")
    assert "the disk that it keeps its files on is full." in verdict.found
    assert "`docker system df`" in verdict.next


def test_another_image_under_the_name_is_named(opened, serve, docker):
    serve("-v", f"{opened['volume']}:{STORE}")
    name = f"{opened.registry}/{opened.image}"
    docker("tag", "busybox:stable", name)
    docker("push", name)
    for step in ("lose-the-image", "get-it-back", "replace-it-again"):
        found = f"`{name}:latest` is another image"
        assert judge(opened, step).found == f"{found}: it has 1 of your image's 2 layers."


def test_a_container_that_could_not_have_the_port_keeps_nothing(opened, docker, foreign_registry):
    """Though another registry answers on it, and has the image."""
    options = ("-v", f"{opened['volume']}:{STORE}", "--name", opened.name)
    with proxying(foreign_registry, opened.port):
        push_to(docker, foreign_registry, opened.image)
        docker("run", "-d", "-p", f"{opened.port}:5000", *options, "registry:2", fails=True)
        for step in ("name-a-volume", "replace-it-again"):
            verdict = judge(opened, step)
            assert verdict.status == "failed" and "address already in use" in verdict.found
            assert f"`docker start {opened.name}`" in verdict.next


def push_to(docker, registry, image):
    docker("tag", image, f"{registry}/{image}")
    docker("push", f"{registry}/{image}")
    docker("rmi", f"{registry}/{image}")


# Clear up


def test_all_that_is_left_over_is_named_and_the_advice_removes_it(
    opened, lost, serve, push, docker
):
    second = volume_of(docker, serve())
    resources.observe(opened)
    docker("rm", "-f", opened.name)
    serve("-v", f"{opened['volume']}:{STORE}")
    push()
    verdict = judge(opened, "clear-up")
    assert {lost, second} <= set(verdict.next.strip("`.").split())
    docker(*verdict.next.strip("`.").split()[1:])
    assert judge(opened, "clear-up").passed


# No registry, no engine


def test_without_a_registry_each_step_says_how_to_start_the_one_it_wants(opened):
    wanted = {
        "find-the-files": f"-p {opened.port}:5000 --name",
        "lose-the-image": f"-p {opened.port}:5000 --name",
        "name-a-volume": f"-v {opened['volume']}:{STORE} --name",
        "replace-it-again": f"-v {opened['volume']}:{STORE} --name",
    }
    for step, words in wanted.items():
        verdict = judge(opened, step, "0" * 64)
        assert verdict.status == "failed" and words in verdict.next, step
    assert all(not judge(opened, step.id, "0" * 64).passed for step in opened.lab.steps)


def test_without_an_engine_no_step_is_failed(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with monkeypatch.context() as patch:
        patch.setattr(opened, "engine", Engine(timeout=1))
        statuses = {step.judge(opened, "0" * 64).status for step in opened.lab.steps}
    monkeypatch.undo()
    assert statuses == {"unknown"}
