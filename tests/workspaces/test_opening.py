"""How a workspace is opened: its port and its names, and what is undone where it fails."""

import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineRefused
from labrunner.verdicts import CannotCheck
from labrunner.workspaces import manager as module
from labrunner.workspaces import ports, resources
from labrunner.workspaces.labels import WORKSPACE
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import nothing, traces
from tests.fixtures.web import free_port
from tests.fixtures.workspaces import close


def test_the_usual_port_is_the_registrys():
    assert module.PREFERRED_PORT == 5000


def test_a_learner_gets_the_usual_port_where_it_is_free_and_no_note(workspaces, lab, preferred):
    workspace = workspaces.open(lab, "learner")
    assert workspace.port == preferred and workspace.registry == f"localhost:{preferred}"
    assert workspace.record.note == ""
    assert workspaces.find_open(lab.name).id == workspace.id
    assert resources.find_resources(workspace) == []


def test_a_choice_of_the_registry_holds_for_all_labs_that_take_any_also_for_open_ones(
    workspaces, lab, push_and_pull, real_course, preferred
):
    workspace = workspaces.open(lab, "learner")
    assert workspace.registry_image == workspaces.registry_choice.image == "registry:2"

    workspaces.registry_choice.keep("registry:3")

    again = Workspaces(workspaces.folder, workspaces.engine, workspaces.labs).find_open(lab.name)
    assert again.registry_image == again["registry_image"] == "registry:3"
    assert again["registry_config"] == "/etc/distribution/config.yml"
    assert workspaces.preview(push_and_pull)["registry_image"] == "registry:3"
    assert workspaces.preview(real_course.labs["from-2-to-3"])["registry_image"] == "registry:2"
    assert workspaces.preview(real_course.labs["serve-a-team"])["registry_image"] == "registry:3"
    assert [path.name for path in workspaces.folder.glob("registry-image*")] == ["registry-image"]


def test_a_headless_run_has_the_registry_that_it_is_given_and_not_the_learners(workspaces, lab):
    workspaces.registry_choice.keep("registry:3")
    assert workspaces.open(lab, "headless").registry_image == "registry:2"
    workspaces.registry_choice.keep("registry:2")
    assert workspaces.open(lab, "headless", registry="registry:3").registry_image == "registry:3"


@pytest.mark.parametrize("kept", [b"", b"registry:4", b"registry:3\n", b"\xff"])
def test_a_choice_that_cannot_be_read_is_none(workspaces, kept):
    (workspaces.folder / "registry-image").write_bytes(kept)
    assert workspaces.registry_choice.image == "registry:2"


def test_a_workspace_from_before_there_was_a_choice_has_its_values(workspaces, lab, preferred):
    workspace = workspaces.open(lab, "learner")
    values = workspace.record.values
    workspace.record.values = {key: values[key] for key in ("registry", "port", "name", "second")}
    workspace.save()
    assert workspaces.find_open(lab.name).record.values == values


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


def test_what_most_learners_get_is_on_the_page_before_the_lab_is_started(workspaces, lab):
    lab = replace(lab, usual={"web": "web", "name": "other"})
    values = workspaces.preview(lab)
    assert values["web"] == "web" and values["name"] != "other"


@pytest.mark.parametrize("kind", ["learner", "headless"])
def test_one_more_port_of_a_lab_is_nobody_elses(workspaces, lab, kind):
    with closing(socket.create_server(("", 0))) as program:
        taken = program.getsockname()[1]
        lab = replace(lab, values={"web_port": lambda ws: ws.unused_port(taken)})
        one, other = (workspaces.open(replace(lab, name=name), kind) for name in ("one", "other"))
    chosen = {one["web_port"], other["web_port"], one["port"], other["port"]}
    assert len(chosen) == 4 and str(taken) not in chosen


@pytest.mark.long
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
        name = f"lab-{random.random()}"  # noqa: S311 - no secret
        return own, own.open(replace(lab, name=name), kind)

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


def test_names_for_the_learner_are_as_asked_where_they_are_free(workspaces, naming, docker):
    docker("volume", "create", "lab-data")
    first = workspaces.open(naming, "learner")
    assert first["volume"] == "lab-data-2"
    other = workspaces.open(replace(naming, name="other"), "learner")
    assert other["volume"] == "lab-data-3"
    headless = workspaces.open(naming, "headless")
    assert headless["volume"] == f"lab-data-{headless.id}"
    assert first.name in first.record.names and first["volume"] in first.record.names


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
