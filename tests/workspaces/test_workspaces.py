"""Workspaces: what they take, what they own, and what they leave alone, on the real engine."""

import errno
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.verdicts import CannotCheck
from labrunner.workspaces import builds, ports, resources
from labrunner.workspaces import manager as module
from labrunner.workspaces.labels import OBJECT, WORKSPACE
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import ROOT, eventually, nothing, traces


@pytest.fixture
def lab(real_course):
    return real_course.labs["run-a-registry"]


@pytest.fixture
def push_and_pull(real_course):
    return real_course.labs["push-and-pull"]


@pytest.fixture
def registry_lab(push_and_pull):
    """A lab that is given a registry and nothing else."""
    return replace(push_and_pull, sample=False)


@pytest.fixture
def sample_lab(push_and_pull):
    """A lab that is given an image and nothing else."""
    return replace(push_and_pull, registry=False)


@pytest.fixture
def workspace(workspaces, lab):
    return workspaces.open(lab, "headless")


def close(workspaces, workspace):
    return workspaces.close(workspace, resources.find_certain(workspace))


def listed(workspace):
    """What belongs to the workspace, by kind and name, with the reason."""
    return {(item.kind, item.name): item.why for item in resources.find_resources(workspace)}


def images(docker):
    return set(docker("image", "ls", "-aq", "--no-trunc").split())


def built(docker, before, ids):
    """The new images, those between two steps as well, with a trace of these workspaces in their
    history: the build's argument, or a label."""
    return [image for image in images(docker) - before if any(id in history(image) for id in ids)]


def history(image):
    """Empty where another run has removed the image meanwhile."""
    words = ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image]
    return subprocess.run(words, capture_output=True, text=True).stdout


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def preferred(monkeypatch):
    """Another usual port, so that whatever has 5000 on this machine does not matter. It and the
    next one are free, and none that a system hands out by itself."""
    choices = random.sample(range(20_000, 32_000), 100)
    port = next(each for each in choices if not any(map(ports.is_in_use, (each, each + 1))))
    monkeypatch.setattr(module, "PREFERRED_PORT", port)
    return port


# Opening


def test_the_usual_port_is_the_registrys():
    assert module.PREFERRED_PORT == 5000


def test_a_learner_gets_the_usual_port_where_it_is_free_and_no_note(workspaces, lab, preferred):
    workspace = workspaces.open(lab, "learner")
    assert workspace.port == preferred and workspace.registry == f"localhost:{preferred}"
    assert workspace.record.note == ""
    assert workspaces.find_open(lab.name).id == workspace.id
    assert resources.find_resources(workspace) == []


def test_opening_leaves_no_trace_of_its_search_for_a_port(workspaces, workspace, engine):
    assert traces(engine, {workspace.id}) == nothing()
    assert close(workspaces, workspace) == []
    assert list(workspaces.folder.glob("*/")) == []


def test_a_foreign_container_on_the_port_is_left_alone(
    workspaces, lab, preferred, docker, engine, unique
):
    foreign = docker("run", "-d", "-p", f"{preferred}:5000", "--name", unique, "registry:2")
    before = engine.container(foreign)

    workspace = workspaces.open(lab, "learner")

    assert workspace.port > preferred
    assert workspace.record.note == f"{preferred} is taken by the container `{unique}`."
    workspace.run_registry()
    assert close(workspaces, workspace) == []
    assert engine.container(foreign) == before


def test_a_program_on_the_port_is_left_alone(workspaces, lab, preferred):
    with closing(socket.create_server(("", preferred))) as program:
        workspace = workspaces.open(lab, "learner")
        assert workspace.port > preferred
        assert f"{preferred} is taken by another program" in workspace.record.note
        assert traces(workspace.engine, {workspace.id}) == nothing()
        assert program.getsockname()[1] == preferred


def test_the_name_of_an_image_a_volume_or_a_network_does_not_keep_the_registry_from_its_own(
    workspaces, lab, preferred, engine, docker
):
    """The image `registry` is on every engine of the course."""
    assert any(tag.startswith("registry:") for image in engine.images() for tag in image.tags)
    if not engine.volume("registry"):
        docker("volume", "create", "registry")
    workspace = workspaces.open(lab, "learner")
    free = engine.container("registry") is None
    assert (workspace.name == "registry") == free
    assert workspaces.preview(replace(lab, name="other"))["name"] != workspace.name


def test_a_port_that_the_engine_refuses_is_passed_over(
    workspaces, push_and_pull, preferred, monkeypatch, engine
):
    """As when another program takes it between the choice and the start."""
    monkeypatch.setattr(ports, "is_in_use", lambda port: False)
    with closing(socket.create_server(("", preferred))):
        workspace = workspaces.open(push_and_pull, "learner")
        assert workspace.port == preferred + 1
        assert workspace.name in ("registry", "registry-2")
        assert engine.container(workspace.name).running
        built = engine.images(label=f"{WORKSPACE}={workspace.id}")
        assert [each.tags for each in built] == [(f"{workspace.image}:latest",)]
        with pytest.raises(EngineRefused, match="address already in use") as caught:
            workspaces.open(push_and_pull, "headless", port=preferred)
        assert caught.value.next == "Free that port, or give another."


def test_what_the_product_starts_is_published_on_this_machine_only(workspace, engine):
    container = engine.container(workspace.run_registry())
    assert [port.address for port in container.ports] == ["127.0.0.1"]


def test_a_container_with_the_name_is_left_alone_running_or_not(
    workspaces, lab, preferred, docker, engine
):
    taken = engine.container("registry")
    foreign = taken.id if taken else docker("create", "--name", "registry", "busybox:stable")

    workspace = workspaces.open(lab, "learner")

    assert workspace.name.startswith("registry-")
    workspace.run_registry()
    assert close(workspaces, workspace) == []
    assert engine.container("registry").id == foreign


def test_the_learners_image_of_the_samples_name_keeps_its_tag(
    workspaces, sample_lab, preferred, engine
):
    there = engine.image("my-image:latest")
    if not there:
        engine.tag("busybox:stable", "my-image:latest")
    before = engine.image("my-image:latest")
    try:
        workspace = workspaces.open(sample_lab, "learner")
        assert workspace.image.startswith("my-image-") and workspace.sample != before.id
        workspace.tag(workspace.sample, f"{workspace.registry}/{workspace.image}:latest")
        assert close(workspaces, workspace) == []
        assert engine.image("my-image:latest") == before
    finally:
        if not there:
            engine.remove_image("my-image:latest")


def test_a_chosen_port_is_taken_or_refused_and_no_other_is_tried(workspaces, lab, engine):
    port = free_port()
    first = workspaces.open(lab, "headless", port=port)
    first.run_registry()
    assert first.port == port

    with pytest.raises(CannotCheck) as caught:
        workspaces.open(lab, "headless", port=port)

    assert caught.value.found == f"{port} is taken by the container `{first.name}`."
    assert caught.value.next == "Free that port, or give another."
    assert [each.id for each in workspaces.all()] == [first.id]


def test_workspaces_opened_at_once_share_nothing(instance, engine, real_course, lab, preferred):
    def one(kind):
        own = Workspaces(instance / "workspaces", engine, real_course.labs)
        return own, own.open(replace(lab, name=f"lab-{random.random()}"), kind)  # noqa: S311

    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(one, ["headless", "learner", "headless", "learner"]))

    for value in ("port", "name", "registry"):
        assert len({workspace[value] for _, workspace in opened}) == 4
    for own, workspace in opened:
        assert close(own, workspace) == []


def test_a_lab_whose_setup_fails_does_not_open_and_leaves_nothing(workspaces, unique):
    lab = Lab("x", setups=[lambda workspace: workspace.run(f"{unique}:latest")], name=unique)
    with pytest.raises(EngineRefused, match="No such image"):
        workspaces.open(lab, "headless")
    assert workspaces.all() == [] and list(workspaces.folder.glob("*/")) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_stops_the_opening_leaves_nothing(workspaces, lab, engine, stop):
    ids = set()

    def halt(workspace):
        ids.add(workspace.id)
        workspace.run("busybox:stable")
        workspace.create_volume(f"volume-{workspace.id}")
        assert traces(engine, ids) != nothing()
        raise stop

    lab = replace(lab, values={"x": halt})
    with pytest.raises(stop):
        workspaces.open(lab, "headless")
    assert ids and traces(engine, ids) == nothing()
    assert workspaces.all() == []


# Owning


def down(workspace):
    raise EngineDown("No engine answers.", next="Start it.")


def test_an_opening_that_fails_while_the_engine_goes_says_why_and_is_swept(
    workspaces, lab, monkeypatch
):
    def fail(workspace):
        monkeypatch.setattr(resources, "find_certain", down)
        raise CannotCheck("No room.", next="Make some.")

    for kind in ("headless", "learner"):
        with pytest.raises(CannotCheck, match="No room"):
            workspaces.open(replace(lab, values={"word": fail}), kind)
        monkeypatch.undo()
        [left] = workspaces.all()
        assert workspaces.sweep() == [] and not left.folder.exists()


def test_what_was_never_written_down_goes_with_the_next_sweep(workspaces, lab, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Workspace, "save", full)
    monkeypatch.setattr(resources, "find_certain", down)
    with pytest.raises(OSError, match="No space"):
        workspaces.open(lab, "headless")
    monkeypatch.undo()
    kept = workspaces.folder / "0a1b2c3d/work/notes.txt"  # somebody's, whatever has become of it
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert len(folders(workspaces)) == 2
    assert workspaces.sweep() == []
    assert folders(workspaces) == [kept.parents[1]]


def folders(workspaces):
    return [each for each in workspaces.folder.iterdir() if each.is_dir()]


def test_a_start_that_fails_leaves_no_container(workspace, engine, unique):
    with closing(socket.create_server(("", 0))) as program:
        port = program.getsockname()[1]
        with pytest.raises(EngineRefused, match="address already in use"):
            workspace.run("registry:2", name=unique, ports={5000: port})
    assert engine.container(unique) is None
    with pytest.raises(EngineRefused, match="No such image"):
        workspace.run(f"{unique}:latest", name=unique)
    assert engine.containers(label=f"{WORKSPACE}={workspace.id}") == []


def test_decoys_survive_and_only_ours_goes(workspaces, workspace, engine, docker, unique):
    ours = {WORKSPACE: workspace.id}
    name = f"{workspace.name}-{unique}"
    docker("volume", "create", f"{name}-theirs")
    words = ("create", "--label", f"{WORKSPACE}={workspace.id}", "--label")
    decoys = {
        docker("create", "--name", f"{workspace.name}x", "busybox:stable"),
        docker("create", "--label", f"{WORKSPACE}={workspace.id}", "busybox:stable"),
        docker(*words, f"{OBJECT}=another", "busybox:stable"),
        docker("create", "--label", f"{WORKSPACE}=00000000", "busybox:stable"),
    }
    for number, labels in enumerate(({}, ours, {**ours, OBJECT: "x"}, {WORKSPACE: "00000000"})):
        engine.create_volume(f"{name}-{number}", labels)
    networks = {engine.create_network(name, labels) for labels in ({}, {**ours, OBJECT: "x"})}
    engine.tag("busybox:stable", f"{name}:latest")
    try:
        container = workspace.run("busybox:stable", command=["sleep", "60"])
        volume, network = f"{name}-own", workspace.create_network(name)
        workspace.create_volume(volume)
        word = workspace.record.owned[-1]["word"]
        twin = docker(*words, f"{OBJECT}={word}", "busybox:stable")  # the volume's own word
        made = {row["id"]: row["word"] for row in workspace.record.owned}
        double = docker(*words, f"{OBJECT}={made[container]}", "busybox:stable")

        assert close(workspaces, workspace) == []

        gone = (engine.containers(id=container), engine.volume(volume), network)
        assert gone[:2] == ([], None)
        left = {each.id for each in engine.networks(name=name)}
        assert left == networks
        assert all(engine.container(decoy) for decoy in {*decoys, twin, double})
        assert all(engine.volume(f"{name}-{number}") for number in range(4))
        assert engine.volume(f"{name}-theirs") and engine.image(f"{name}:latest")
    finally:
        engine.remove_image(f"{name}:latest")
        for number in range(4):
            engine.remove_volume(f"{name}-{number}")
        for each in networks:
            engine.remove_network(each)


def test_a_volume_that_exists_is_refused_and_not_taken_for_ours(
    workspaces, workspace, docker, unique, engine
):
    docker("volume", "create", unique)
    with pytest.raises(EngineRefused):
        workspace.create_volume(unique)
    assert close(workspaces, workspace) == []
    assert engine.volume(unique)


def test_an_object_made_but_not_written_down_is_found_by_its_word(workspaces, workspace, engine):
    container = workspace.create("busybox:stable")
    workspace.record.owned[-1]["id"] = None  # as after a kill between the two
    workspace.save()
    [again] = workspaces.all()
    assert [item.id for item in resources.find_resources(again)] == [container]
    assert close(workspaces, again) == [] and engine.container(container) is None


def test_an_image_that_was_there_keeps_its_last_name(workspaces, lab, docker, engine, unique):
    """One nameless before, and one whose own name has moved to another image since."""
    base = docker("create", "busybox:stable", unique)
    nameless = docker("commit", base)
    named = docker("commit", "-m", "other", base)
    engine.tag(named, f"{unique}:latest")
    workspace = workspaces.open(lab, "headless")
    ours = {image: f"{workspace.registry}/{image[7:19]}:latest" for image in (nameless, named)}
    try:
        for image, tag in ours.items():
            engine.tag(image, tag)
        engine.tag("busybox:stable", f"{unique}:latest")
        engine.tag("busybox:stable", f"{workspace.registry}/box:latest")

        assert close(workspaces, workspace) == []

        assert engine.image(nameless) and engine.image(named)
        assert engine.image(f"{workspace.registry}/box:latest") is None
        assert engine.image("busybox:stable")
    finally:
        engine.remove_image(f"{unique}:latest")
        for image, tag in ours.items():
            engine.remove_image(tag)
            engine.remove_image(image)


@pytest.mark.parametrize("last", ["RUN false", "RUN sleep 60"])
def test_a_build_that_stops_half_way_leaves_nothing(
    workspaces, workspace, docker, tmp_path, monkeypatch, last
):
    """Not even an image between two steps, which would have no label if labels came last."""
    steps = ["from busybox:stable AS one", "ARG WORKSPACE", "RUN echo $WORKSPACE >/x"]
    steps += ["FROM busybox:stable", "COPY --from=one /x /y", last]
    (tmp_path / "Dockerfile").write_text("\n".join(steps))
    monkeypatch.setattr("labrunner.engine.connection.ACTION_TIMEOUT", 1.5)
    before = images(docker)

    with pytest.raises(CannotCheck):
        workspace.build(tmp_path, f"{workspace.registry}/image", X=workspace.id)

    assert built(docker, before, {workspace.id})
    assert close(workspaces, workspace) == []
    assert built(docker, before, {workspace.id}) == []


def test_a_workspace_is_kept_until_the_engine_has_written_its_image(
    workspaces, workspace, engine, tmp_path, monkeypatch
):
    """It would appear when nobody looks any more. 400 MB take the engine a second or more."""
    last = "RUN dd if=/dev/zero of=/z bs=1M count=400 2>/dev/null\n"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox:stable\n{last}")
    filters = {"label": f"{WORKSPACE}={workspace.id}", "status": "exited"}
    with ThreadPoolExecutor(1) as thread, monkeypatch.context() as patch:
        patch.setattr(builds, "MOST_LOOKS", 1)
        patch.setattr(builds, "SETTLED", 0)
        building = thread.submit(workspace.build, tmp_path, f"{workspace.registry}/image")
        eventually(lambda: engine.containers(**filters))
        with pytest.raises(builds.StillBuilding):
            close(workspaces, workspace)
        workspace.lock.release()
        assert workspaces.sweep() == [] and workspace.folder.exists()
        image = building.result()
    assert engine.image(image) and close(workspaces, workspace) == []
    assert engine.image(image) is None and not workspace.folder.exists()


def test_all_images_of_a_build_are_written_down(workspace, engine, tmp_path):
    """In the containerd store, those of its steps may outlive that of the last."""
    (tmp_path / "Dockerfile").write_text('FROM busybox:stable\nLABEL x=y\nCMD ["true"]\n')
    image = workspace.build(tmp_path, f"{workspace.registry}/image")
    built = engine.images(all=True, label=f"{WORKSPACE}={workspace.id}")
    assert len(built) == 3 and image in {each.id for each in built}
    assert {row["id"] for row in workspace.record.owned} == {each.id for each in built}


def test_what_an_engine_that_died_in_a_build_left_behind_goes(
    workspaces, workspace, engine, docker, tmp_path, monkeypatch
):
    """The container of the last step, which the engine would have taken away itself."""
    monkeypatch.setattr(builds, "SETTLED", 0.1)
    (tmp_path / "Dockerfile").write_text("FROM busybox:stable")
    image = workspace.build(tmp_path, f"{workspace.registry}/image")
    workspace.record.owned[-1]["id"] = None  # as if the build had not come to its end
    step = docker("create", image)
    workspace.record.opened = engine.ask_time()  # an engine that starts again forgets its events
    assert close(workspaces, workspace) == []
    assert engine.container(step) is None and engine.image(image) is None


def test_a_removal_that_is_under_way_is_waited_for(workspace, engine):
    """As after Ctrl-C in the middle of one, which the engine brings to its end."""
    container = workspace.run("registry:2")
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(engine.remove_container, [container] * 2)) == [None, None]
    assert engine.container(container) is None


def test_clean_up_that_fails_half_way_goes_on_and_a_second_one_finishes(
    workspaces, workspace, engine, docker, unique
):
    network = workspace.create_network(unique)
    workspace.create_volume(unique)
    container = workspace.run("busybox:stable", command=["sleep", "60"])
    mine = ("run", "-d", "--network", unique, "-v", f"{unique}:/v", "busybox:stable")
    foreign = docker(*mine, "sleep", "60")

    left = close(workspaces, workspace)

    assert engine.container(container) is None
    assert [(each.item.kind, each.item.name) for each in left] == [
        ("volume", unique),
        ("network", unique),
    ]
    assert "volume is in use" in str(left[0]) and "active endpoints" in str(left[1])
    assert engine.container(foreign).running
    engine.remove_container(foreign)
    [again] = workspaces.all()
    assert close(workspaces, again) == [] and workspaces.all() == []
    assert engine.volume(unique) is None
    assert network not in {each.id for each in engine.networks()}


# What the learner makes with plain commands


def test_files_in_the_labs_folder_are_listed_and_go_when_chosen(workspaces, lab):
    workspace = workspaces.open(lab, "learner")
    for name in ("auth", "certs", "compose.yaml", "notes.txt"):
        (workspace.work / name).write_text("mine")
    [folder] = resources.find_resources(workspace)
    assert (folder.kind, folder.name) == ("folder", str(workspace.work))
    assert "holds `auth`, `certs`, `compose.yaml` and 1 more; if you keep it" in folder.why
    assert workspaces.close(workspace, [folder]) == []
    assert not workspace.folder.exists() and not workspace.kept_folder.exists()


def test_files_that_are_not_chosen_are_kept_where_it_was_said(workspaces, lab):
    workspace = workspaces.open(lab, "learner")
    (workspace.work / "notes.txt").write_text("mine")
    [folder] = resources.find_resources(workspace)
    assert folder.why.endswith(f"moves to `{workspace.kept_folder}`")
    assert workspaces.close(workspace, []) == []
    assert not workspace.folder.exists()
    assert (workspace.kept_folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_removed_is_said(workspaces, lab, monkeypatch):
    workspace = workspaces.open(lab, "learner")
    (workspace.work / "locked").write_text("root's")

    def refuse(path):
        raise PermissionError(13, "Permission denied", f"{path}/locked")

    monkeypatch.setattr(resources.shutil, "rmtree", refuse)
    [left] = workspaces.close(workspace, resources.find_resources(workspace))
    assert left.reason == f"{workspace.work}/locked: Permission denied."
    assert workspaces.find_open(lab.name).id == workspace.id


def test_what_the_learner_makes_is_listed_with_why(
    workspaces, push_and_pull, engine, docker, unique
):
    workspace = workspaces.open(push_and_pull, "headless")
    registry, port, image = workspace.registry, workspace.port, workspace.image
    docker("image", "tag", image, f"{registry}/{image}")
    docker("image", "tag", image, f"127.0.0.1:{port}/team/app:v1")
    docker("push", f"{registry}/{image}")
    docker("network", "create", unique)
    docker("volume", "create", unique)
    docker("volume", "create", f"{unique}-elsewhere")
    docker("network", "create", f"{unique}-elsewhere")
    docker(
        *("create", "--name", f"{unique}-pulled", "--network", unique, "-v", f"{unique}:/v"),
        f"{registry}/{image}",
    )
    docker("create", "--name", f"{unique}-sample", image)
    docker("create", "--name", f"{unique}-by-id", engine.image(image).id[7:19])
    docker("create", "--name", f"{unique}-port", "-p", f"{port}:80", "busybox:stable")
    docker("create", "--name", f"{unique}-other", "busybox:stable")
    [own] = [each.name for each in engine.containers(name=workspace.name)]
    engine.start(engine.container(f"{unique}-pulled").id)  # so that it is connected

    found = listed(workspace)

    named = {name: why for name, why in found.items() if unique in name[1]}
    assert named == {
        ("container", f"{unique}-pulled"): "it was made from an image of your registry",
        ("container", f"{unique}-sample"): "it was made from this lab's image",
        ("container", f"{unique}-by-id"): "it was made from this lab's image",
        ("container", f"{unique}-port"): "it asks for your registry's port, but never had it",
        ("volume", unique): "a container of this lab used it",
        ("network", unique): "a container of this lab used it",
    }
    assert found[("container", own)] == "this lab made it"
    assert found[("image", f"{registry}/{image}:latest")] == "it is named after your registry"
    assert found[("image", f"127.0.0.1:{port}/team/app:v1")] == "it is named after your registry"
    assert found[("image", f"{image}:latest")] == "it has the name of this lab's image"
    assert close(workspaces, workspace) == []
    assert engine.container(f"{unique}-other") and engine.volume(f"{unique}-elsewhere")
    assert engine.container(f"{unique}-port")
    assert traces(engine, {workspace.id}) == nothing()


def test_only_what_is_chosen_goes(workspaces, workspace, docker, engine, unique):
    kept = docker("create", "--name", unique, "-p", f"{workspace.port}:5000", "registry:2")
    engine.tag("busybox:stable", f"{workspace.registry}/box:latest")
    items = [item for item in resources.find_resources(workspace) if item.kind == "image"]

    assert workspaces.close(workspace, items) == []

    assert engine.container(kept) and engine.image(f"{workspace.registry}/box:latest") is None
    assert workspaces.all() == []


@pytest.mark.parametrize("observed", [True, False])
def test_the_volume_of_a_registry_that_is_gone_is_found(
    workspaces, workspace, docker, engine, observed
):
    """A container removed without its anonymous volume; seen by a check, or only in events."""
    run = ("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name, "registry:2")
    container = docker(*run)
    [volume] = engine.container(container).volumes
    if observed:
        resources.observe(workspace)
    docker("rm", "-f", container)
    assert engine.volume(volume)

    name = f"{volume[:12]}…"  # the engine gave it 64 characters
    assert listed(workspace) == {("volume", name): "a container of this lab used it"}
    assert close(workspaces, workspace) == [] and engine.volume(volume) is None


def test_an_image_pulled_by_digest_under_two_hosts_goes(workspaces, push_and_pull, docker, engine):
    workspace = workspaces.open(push_and_pull, "headless")
    name = f"{workspace.registry}/{workspace.image}"
    docker("image", "tag", workspace.image, name)
    docker("push", name)
    digest = workspace.api.manifest(workspace.image, "latest").digest
    docker("image", "rm", workspace.image, name)
    docker("pull", f"{name}@{digest}")
    docker("pull", f"127.0.0.1:{workspace.port}/{workspace.image}@{digest}")
    assert engine.image(workspace.sample)

    assert close(workspaces, workspace) == []
    assert engine.image(workspace.sample) is None


def test_an_image_that_outlives_its_last_tag_goes_as_well(
    workspaces, sample_lab, engine, docker, unique, monkeypatch
):
    """As in the containerd store. Here its tag moves to another image before it is removed."""
    workspace = workspaces.open(sample_lab, "learner")
    untagged = docker("commit", docker("create", "busybox:stable", unique))
    remove = engine.remove_image

    def move_and_remove(name):
        if not name.startswith("sha256:"):
            engine.tag("busybox:stable", name)
        remove(name)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "remove_image", move_and_remove)
            assert close(workspaces, workspace) == []
        assert engine.image(workspace.sample) is None and engine.image(untagged)
    finally:
        engine.remove_image(untagged)


# The registry that goes from lab to lab


def test_a_registry_of_an_open_lab_is_adopted_by_the_next(
    workspaces, lab, registry_lab, preferred, docker, engine, unique
):
    first = workspaces.open(lab, "learner")
    container = docker("run", "-d", "-p", f"{first.port}:5000", "--name", unique, "registry:2")
    first.wait_for_registry()

    second = workspaces.open(registry_lab, "learner")

    assert (second.port, second.name) == (first.port, unique)
    assert second.record.note == f"It is the container `{unique}`, which is running already."
    assert container not in {item.id for item in resources.find_resources(second)}
    assert container in {item.id for item in resources.find_resources(first)}
    assert close(workspaces, second) == []
    assert engine.container(container).running


def test_a_registry_seen_by_a_lab_that_is_finished_is_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique
):
    first = workspaces.open(lab, "learner")
    container = docker("run", "-d", "-p", f"{first.port}:5000", "--name", unique, "registry:2")
    first.wait_for_registry()
    workspaces.remember_registry(first)
    assert workspaces.close(first, []) == []
    assert workspaces.preview(registry_lab)["registry"] == first.registry

    second = workspaces.open(registry_lab, "learner")
    assert (second.port, second.name) == (first.port, unique)
    assert close(workspaces, second) == []

    docker("stop", "-t", "0", container)
    third = workspaces.open(registry_lab, "learner")
    assert third.name != unique


def test_a_foreign_registry_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, engine, unique
):
    foreign = docker("run", "-d", "-p", f"{preferred}:5000", "--name", unique, "registry:2")
    first = workspaces.open(lab, "learner")
    workspaces.remember_registry(first)
    second = workspaces.open(registry_lab, "learner")
    assert preferred not in (first.port, second.port) and second.name != unique
    assert close(workspaces, second) == []
    assert engine.container(foreign).running


def test_what_is_no_registry_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique
):
    first = workspaces.open(lab, "learner")
    serve = ("busybox:stable", "httpd", "-f", "-p", "80")
    docker("run", "-d", "-p", f"{first.port}:80", "--name", unique, *serve)
    second = workspaces.open(registry_lab, "learner")
    assert second.port != first.port and second.name != unique


# Crashes

RUN = """
import sys
from pathlib import Path
from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.kit import Kit
from labrunner.workspaces.manager import Workspaces
course = loader.load_course(Path.cwd())
engine = Engine()
workspaces = Workspaces(Path(sys.argv[1]), engine, course.labs)
headless = Runner(workspaces, Kit(engine, course.images), Settings(prove=True), jobs=2)
print("ready", flush=True)
run = headless.run([course.lesson_of("push-and-pull")])
print(run.leftovers)
sys.exit(130 if run.interrupted else 0)
"""


@pytest.fixture
def headless_run(workspaces):
    """A run of a lab in another process, that has just begun."""
    words = [sys.executable, "-c", RUN, str(workspaces.folder)]
    run = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout and run.stdout.readline() == "ready\n"
    yield run
    run.kill()
    run.wait()
    run.stdout.close()


def ids(workspaces):
    return {path.name for path in workspaces.folder.glob("*/")}


@pytest.mark.parametrize("moment", range(5))
def test_after_kill_9_at_any_moment_a_sweep_finds_all(
    headless_run, workspaces, engine, docker, moment
):
    before = images(docker)
    time.sleep(random.uniform(0.05, 0.8) * (moment + 1))  # noqa: S311
    headless_run.send_signal(signal.SIGKILL)
    headless_run.wait()
    left = ids(workspaces)

    # its processes end after it, and the engine ends what it was making
    assert eventually(lambda: workspaces.sweep() == [] and not ids(workspaces))
    assert eventually(lambda: traces(engine, left) == nothing())
    assert built(docker, before, left) == []
    assert ids(workspaces) == set()


@pytest.mark.parametrize("moment", range(3))
def test_ctrl_c_cleans_up(headless_run, workspaces, engine, docker, moment):
    before = images(docker)
    time.sleep(random.uniform(0.1, 0.8) * (moment + 1))  # noqa: S311
    made = ids(workspaces)
    headless_run.send_signal(signal.SIGINT)
    output, _ = headless_run.communicate(timeout=60)

    assert headless_run.returncode == 130 and output == "[]\n"
    assert traces(engine, made) == nothing()
    assert built(docker, before, made) == []
    assert ids(workspaces) == set()


def test_a_sweep_leaves_alone_what_is_open_at_work_or_kept(workspaces, lab, engine):
    learner = workspaces.open(lab, "learner")
    at_work = workspaces.open(lab, "headless")
    kept = workspaces.open(lab, "headless")
    kept.create_volume(f"volume-{kept.id}")
    kept.keep()

    assert workspaces.sweep() == []
    assert {each.id for each in workspaces.all()} == {learner.id, at_work.id, kept.id}

    assert workspaces.sweep(kept=True) == []
    assert {each.id for each in workspaces.all()} == {learner.id, at_work.id}
    assert engine.volume(f"volume-{kept.id}") is None


def test_a_lab_that_opens_while_a_sweep_looks_at_it_is_left_alone(workspaces, lab, monkeypatch):
    """The record was read while the lab was opening; by now it is open and its lock is free."""
    workspace = workspaces.open(lab, "learner")
    read = workspaces._read
    first: list[Workspace] = []

    def stale(*words):
        for each in read(*words):
            if not first:
                first.append(each)
                each.record.state = "opening"
            yield each

    monkeypatch.setattr(workspaces, "_read", stale)
    assert workspaces.sweep() == [] and first
    assert workspaces.find_open(lab.name).id == workspace.id


@pytest.mark.parametrize("record", ["", "{}", "[]", "rubbish", '{"lab": "x"}', "null"])
def test_a_record_that_cannot_be_read_is_passed_over(workspaces, record):
    folder = workspaces.folder / "00000000"
    folder.mkdir()
    (folder / "record.json").write_text(record)
    assert workspaces.all() == [] and workspaces.sweep() == []


def test_a_record_is_found_again_as_it_was(workspaces, workspace):
    workspace.create_volume(f"volume-{workspace.id}")
    [again] = workspaces.all()
    assert again.record == workspace.record and again.id == workspace.id
    assert json.loads((workspace.folder / "record.json").read_text())["id"] == workspace.id
    assert os.stat(workspace.work).st_mode & 0o077 == 0


def test_a_registry_that_never_answers_is_said_with_what_stands_there(
    workspaces, workspace, monkeypatch
):
    monkeypatch.setattr("labrunner.workspaces.workspace.STARTUP", 0.2)
    workspace.run("busybox:stable", name=workspace.name, command=["sleep", "60"])
    with pytest.raises(CannotCheck) as caught:
        workspace.wait_for_registry()
    assert f"The name `{workspace.name}` is taken" in caught.value.found


def test_an_act_that_runs_to_its_end_gives_what_it_printed_and_is_gone(workspace, engine):
    assert workspace.run_to_end("busybox:stable", ["echo", "hello"]) == "hello\n"
    assert not eventually(lambda: engine.containers(label=f"{WORKSPACE}={workspace.id}"), 0)


# What a lab asks for besides


@pytest.fixture
def naming(lab):
    """A lab whose learner makes things under a name of the lab's."""
    lab = replace(lab, values={}, setups=[])

    @lab.value
    def volume(workspace):
        return workspace.unused("lab-data")

    return lab


def test_names_for_the_learner_are_as_asked_where_they_are_free(workspaces, naming, docker):
    docker("volume", "create", "lab-data")
    first = workspaces.open(naming, "learner")
    assert first["volume"] == "lab-data-2"
    other = workspaces.open(replace(naming, name="other"), "learner")
    assert other["volume"] == "lab-data-3"
    headless = workspaces.open(naming, "headless")
    assert headless["volume"] == f"lab-data-{headless.id}"
    assert first.name in first.record.names and first["volume"] in first.record.names


def test_what_the_learner_makes_under_a_name_of_the_lab_belongs_to_it(
    workspaces, naming, docker, unique
):
    workspace = workspaces.open(naming, "headless")
    name = workspace["volume"]
    docker("volume", "create", name)
    docker("network", "create", name)
    docker("create", "--name", name, "busybox:stable")
    docker("create", "--name", unique, "--network", name, "busybox:stable")
    docker("tag", "busybox:stable", f"{name}:1")
    why = "it has a name that this lab uses"
    assert listed(workspace) == {
        ("container", name): why,
        ("container", unique): "it is in this lab's network",
        ("image", f"{name}:1"): "it has the name of this lab's image",
        ("volume", name): why,
        ("network", name): why,
    }
    assert close(workspaces, workspace) == []


def test_a_container_that_is_in_another_network_as_well_may_be_somebody_elses(
    workspaces, naming, docker, unique
):
    workspace = workspaces.open(naming, "learner")
    docker("network", "create", workspace["volume"])
    container = docker("create", "--network", workspace["volume"], "busybox:stable")
    found = {item.id: item for item in resources.find_resources(workspace)}
    assert found[container].certain
    docker("network", "create", unique)
    docker("network", "connect", unique, container)
    [both] = [each for each in resources.find_resources(workspace) if each.kind == "container"]
    assert (both.id, both.why, both.certain) == (container, "it is in this lab's network", False)


def test_a_setup_runs_at_each_start_after_registry_and_values(workspaces, real_course):
    seen = []
    lab = replace(real_course.labs["push-and-pull"], values={}, setups=[])

    @lab.value
    def word(workspace):
        return "a word"

    @lab.setup
    def look(workspace):
        sample = workspace.engine.image(workspace.sample)
        seen.append((workspace["word"], workspace.api.repositories(), bool(sample)))

    workspace = workspaces.open(lab, "headless")
    workspace.prepare(lambda line: None)
    assert seen == [("a word", [], True)] * 2


def test_a_setup_that_fails_leaves_nothing(workspaces, real_course, engine):
    made = []

    def fail(workspace):
        made.append(workspace.id)
        workspace.create_volume(f"x-{workspace.id}")
        raise CannotCheck("No.", next="Yes.")

    lab = replace(real_course.labs["push-and-pull"], setups=[fail])
    with pytest.raises(CannotCheck, match="No"):
        workspaces.open(lab, "headless")
    assert made and traces(engine, set(made)) == nothing()


def test_a_registry_that_wants_a_password_or_tls_is_not_adopted(
    workspaces, lab, registry_lab, preferred, docker, unique, tmp_path
):
    workspace = workspaces.open(lab, "learner")
    settings = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "x"}
    settings["REGISTRY_AUTH_HTPASSWD_PATH"] = "/made/at/the/start"
    workspace.run_registry(environment=settings)
    workspaces.remember_registry(workspace)
    assert workspace.api.ping().status == 401
    assert workspaces.preview(registry_lab)["port"] != str(workspace.port)


def test_an_image_that_lost_its_name_to_a_newer_one_belongs(workspaces, naming, docker, tmp_path):
    workspace = workspaces.open(naming, "headless")
    name = workspace["volume"]
    ids = []
    for text in ("one", "two"):
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:stable\nLABEL x={text}{name}\n")
        docker("build", "-q", "-t", name, str(tmp_path))
        resources.observe(workspace)
        ids.append(docker("image", "inspect", "-f", "{{.Id}}", name))
    assert listed(workspace) == {
        ("image", f"{name}:latest"): "it has the name of this lab's image",
        ("image", ids[0][:19]): "it had the name of this lab's image",
    }
    assert close(workspaces, workspace) == []
    assert not images(docker) & set(ids)


def test_the_steps_of_an_image_that_the_learner_builds_are_noted(
    workspaces, naming, docker, engine, tmp_path
):
    workspace = workspaces.open(naming, "learner")
    name = workspace["volume"]
    lines = ["FROM busybox:stable", *(f"LABEL {each}={workspace.id}" for each in "xyz")]
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    docker("build", "-q", "-t", name, str(tmp_path))
    resources.observe(workspace)
    image, built = engine.image(name), set()
    while image.id != engine.image("busybox:stable").id:
        built.add(image.id)
        image = engine.image(image.parent or "busybox:stable")  # buildx keeps no steps
    assert set(workspace.record.seen["images"]) == built


def test_the_labs_image_belongs_under_any_name(workspaces, sample_lab, docker, unique):
    workspace = workspaces.open(sample_lab, "headless")
    docker("tag", workspace.image, f"team/{unique}:1")
    docker("tag", "busybox:stable", f"{unique}:1")
    try:
        assert listed(workspace)[("image", f"team/{unique}:1")] == "it is this lab's image"
        assert ("image", f"{unique}:1") not in listed(workspace)
    finally:
        docker("rmi", f"{unique}:1")


def test_a_name_by_digest_goes_also_where_the_image_stays_for_another_name(
    workspaces, push_and_pull, docker, engine
):
    workspace = workspaces.open(push_and_pull, "headless")
    for image, repository in ((workspace.image, "one"), ("busybox:stable", "two")):
        name = f"{workspace.registry}/{repository}"
        docker("tag", image, f"{name}:1")
        docker("push", f"{name}:1")
        digest = workspace.api.manifest(repository, "1").digest
        docker("rmi", f"{name}:1")
        docker("pull", f"{name}@{digest}")
        kind = "image", f"{name}@{digest}"
        assert listed(workspace)[kind] == "it was pulled from your registry"
    assert close(workspaces, workspace) == []
    assert not engine.image(workspace.sample) and engine.image("busybox:stable")
    names = [name for each in engine.images() for name in each.digests]
    assert not [name for name in names if name.startswith(f"{workspace.registry}/")]
