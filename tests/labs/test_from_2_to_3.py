"""The lab "From registry 2 to 3", done in other ways than the solution's; and what its lesson says
of schema 1."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest
import requests

from labrunner.course import loader
from labrunner.course.lesson import fill
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.registry.models import MANIFEST_TYPES
from labrunner.workspaces.actions import get_images
from tests.fixtures.engine import ROOT, eventually, reopen

COURSE = loader.load_course(ROOT)
LESSON = COURSE.lesson_of("from-2-to-3")
LAB = COURSE.labs["from-2-to-3"]
STEPS = {step.id: step for step in LAB.steps}
OLD, NEW = "/etc/docker/registry/config.yml", "/etc/distribution/config.yml"


@pytest.fixture(scope="module")
def shared(shared_workspaces, engine):
    try:
        get_images(LAB, Kit(engine, COURSE.images))
    except ImageUnavailable as error:
        pytest.skip(error.found)  # as where Go is missing
    return shared_workspaces.open(LAB, "headless")


@pytest.fixture
def until(shared):
    """Does the steps up to this one, and returns the workspace."""

    def do(last):
        workspace = reopen(shared, "image")
        for step in LAB.steps:
            assert step.solve
            step.solve(workspace)
            if step.id == last:
                return workspace

    return do


@pytest.fixture
def serve(docker):
    """Runs registry 3 with both files of the solution and these options, the volume's first."""

    def start(workspace, volume, *options, path=NEW, command=()):
        files = {"config.yml": path, "htpasswd": "/auth/htpasswd"}
        mounts = [("-v", f"{workspace.work / name}:{at}:ro") for name, at in files.items()]
        words = [word for mount in mounts for word in mount]
        docker("rm", "-f", workspace.name)
        docker(
            *("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name),
            *("-v", f"{volume}:/var/lib/registry", *words, *options, "registry:3", *command),
        )
        workspace.wait_for_registry()

    return start


def judge(workspace, step):
    return STEPS[step].judge(workspace)


def test_the_door_is_shut_by_the_files_path_in_the_command_and_by_variables(until, serve):
    workspace, step = until("push-to-it"), "mount-it-at-the-new-path"
    serve(workspace, workspace["volume"], path=OLD)
    verdict = judge(workspace, step)
    assert verdict.reason == "open"
    assert f"It reads `{NEW}`. Your file is at `{OLD}`, where it does not look." in verdict.found
    serve(workspace, workspace["volume"], path=OLD, command=[OLD])
    assert judge(workspace, step).passed
    settings = ("", "=htpasswd"), ("_HTPASSWD_REALM", "=r"), ("_HTPASSWD_PATH", "=/auth/htpasswd")
    variables = [word for name, value in settings for word in ("-e", f"REGISTRY_AUTH{name}{value}")]
    serve(workspace, workspace["volume"], *variables, path=OLD)
    assert judge(workspace, step).passed


def test_a_password_file_that_is_wrong_or_a_folder_is_made_again(until, docker):
    """Else the advice would start the same registry with the same file for ever."""
    workspace, step = until("lock-registry-2"), "lock-registry-2"
    file, make = (
        workspace.work / "htpasswd",
        f"{workspace['password']} > htpasswd`, then `docker rm",
    )
    file.write_text(file.read_text().replace("alice", "bob"))
    verdict = judge(workspace, step)
    assert verdict.reason == "no-user" and make in verdict.next
    docker("rm", "-f", workspace.name)
    for name in ("htpasswd", "config.yml"):
        (workspace.work / name).unlink()
        (workspace.work / name).mkdir()
    ends = [f"> htpasswd`, then `docker run -d -p {workspace.port}:5000 --name {workspace.name} -v"]
    verdict = judge(workspace, step)
    assert verdict.reason == "no-container" and ends[0] in verdict.next
    assert "`rmdir config.yml`, then write `config.yml`" in verdict.next
    mount = f"{workspace.work / 'config.yml'}:{OLD}:ro"
    publish = ("-p", f"{workspace.port}:5000", "--name", workspace.name)
    docker("run", "-d", *publish, "-v", mount, "registry:2", fails=True)
    verdict = judge(workspace, step)
    assert verdict.reason == "start-failed" and ends[0] in verdict.next
    assert f"`docker rm -f {workspace.name}`, then `rmdir config.yml`" in verdict.next


def test_a_push_that_was_refused_is_told_though_another_image_has_the_name(until, docker):
    workspace = until("lock-registry-2")
    name = workspace.ref()
    workspace.push_as("busybox:stable", name, workspace.login)
    assert judge(workspace, "push-to-it").reason == "another-image"
    docker("image", "tag", workspace.image, name)
    docker("push", name, fails=True)
    verdict = judge(workspace, "push-to-it")
    assert verdict.reason == "no-login" and "docker login" in verdict.next
    docker("image", "tag", "busybox:stable", name)  # to push that again would not help
    assert judge(workspace, "push-to-it").reason == "another-image"


def test_an_image_that_a_stranger_replaced_comes_back_from_registry_2(until, docker):
    workspace, step = until("keep-the-old-path"), "push-as-a-stranger"
    docker("image", "rm", "-f", f"{workspace.image}:latest")
    workspace.push_as("busybox:stable", workspace.ref())
    verdict = judge(workspace, step)
    again = "registry:2`, then `echo "
    assert verdict.reason == "no-image" and again in verdict.next
    assert f"`docker push {workspace.registry}/{workspace.image}`, then `docker rm" in verdict.next
    assert f"tag {workspace.image} " not in verdict.next  # a name that the engine no longer has


def test_what_was_deleted_through_the_open_door_is_gone_and_leaves_a_trace(until, serve):
    workspace, step = until("push-to-it"), "delete-what-the-stranger-left"
    serve(workspace, workspace["volume"])
    assert judge(workspace, step).reason == "no-stranger"
    serve(workspace, workspace["volume"], path=OLD)
    workspace.push_as("busybox:stable", workspace.ref(tag="stranger"))
    stranger = workspace.api.manifest(workspace.image, "stranger").digest
    assert workspace.api.delete(workspace.image, stranger).status == 202
    serve(workspace, workspace["volume"])
    assert judge(workspace, step).passed


def test_the_strangers_image_is_not_gone_while_another_tag_has_it(until):
    workspace, step = until("allow-deletion"), "delete-what-the-stranger-left"
    workspace.push_as("busybox:stable", workspace.ref(tag="guest"), workspace.login)
    registry = workspace.client(login=workspace.login)
    assert registry.delete(workspace.image, "stranger").status == 202
    verdict = judge(workspace, step)
    assert verdict.reason == "not-deleted" and "`guest` is still there" in verdict.found


def test_a_registry_2_with_its_settings_in_variables_is_locked_as_well(until, docker):
    workspace = until("lock-registry-2")
    settings = ("", "=htpasswd"), ("_HTPASSWD_REALM", "=r"), ("_HTPASSWD_PATH", "=/auth/htpasswd")
    variables = [word for name, value in settings for word in ("-e", f"REGISTRY_AUTH{name}{value}")]
    docker("rm", "-f", workspace.name)
    docker(
        *("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name, *variables),
        *("-v", f"{workspace['volume']}:/var/lib/registry"),
        *("-v", f"{workspace.work / 'htpasswd'}:/auth/htpasswd:ro", "registry:2"),
    )
    workspace.wait_for_registry()
    assert judge(workspace, "lock-registry-2").passed


def test_a_folder_that_hides_the_images_own_file_is_a_file_of_the_learners(until, docker):
    workspace, step = until("push-to-it"), "do-without-a-file"
    (workspace.work / "etc").mkdir()
    (workspace.work / "config.yml").replace(workspace.work / "etc/config.yml")
    docker("rm", "-f", workspace.name)
    docker(
        *("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name),
        *("-v", f"{workspace.work / 'etc'}:/etc/distribution:ro", "registry:3"),
    )
    assert eventually(lambda: judge(workspace, step).reason == "own-file")


def test_schema_1_is_found_by_the_command_on_the_page_and_stops_registry_3(shared, docker):
    """Skopeo pushes it, in place of an engine of before 2016. Its manifest has no spaces; one that
    Docker wrote has some."""
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed; script/test would do that.")
    workspace = reopen(shared, "image")
    image, old = workspace.image, workspace.ref(tag="old")

    def serve(registry, **settings):
        volumes = {"/var/lib/registry": workspace["volume"]}
        workspace.run_registry(registry, environment=settings, volumes=volumes)

    serve("registry:2", REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED="true")
    workspace.push_as(image, workspace.ref())
    copy = ["skopeo", "copy", "-f", "v2s1", "--src-tls-verify=false", "--dest-tls-verify=false"]
    names = [f"docker://{workspace.ref()}", f"docker://{old}"]
    subprocess.run([*copy, *names], check=True, capture_output=True, timeout=60)

    serve("registry:2")  # by default it takes no more of them, but serves those that it has
    accept = ", ".join(MANIFEST_TYPES)
    served = workspace.api.request("GET", f"{image}/manifests/old", accept=accept)
    assert (served.status, served.json["schemaVersion"]) == (200, 1)
    spaced = json.dumps({"schemaVersion": 1, "name": image}, indent=3).encode()
    digest = f"sha256:{hashlib.sha256(spaced).hexdigest()}"
    uploads = f"http://{workspace.registry}/v2/{image}/blobs/uploads/"
    place = requests.post(uploads, timeout=10).headers["Location"]
    assert requests.put(f"{place}&digest={digest}", data=spaced, timeout=10).status_code == 201
    [command] = re.findall("^ *(docker run .* grep .*)$", LESSON.text, re.MULTILINE)
    words = ["bash", "-c", fill(command, workspace.record.values)]
    found = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    assert {f"sha256:{path.split('/')[-2]}" for path in found.split()} == {served.digest, digest}

    serve("registry:3")
    assert sorted(workspace.api.tags(image) or ()) == ["latest", "old"]
    docker("pull", workspace.ref())
    assert "500 Internal Server Error" in docker("pull", old, fails=True)
    collect = ("--volumes-from", workspace.name, "registry:3", "garbage-collect", NEW)
    said = docker("run", "--rm", *collect, fails=True)
    assert "unrecognized manifest schema version 1" in said


def test_one_image_under_both_tags_keeps_the_lab_from_running(engine, monkeypatch):
    assert LAB.reasons_not_to_run(engine) == []
    found = engine.image("registry:2")
    monkeypatch.setattr(type(engine), "image", lambda engine, name: found)
    assert "are the same image" in LAB.reasons_not_to_run(engine)[0]
