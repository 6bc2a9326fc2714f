"""What belongs to a lab for certain, what may be somebody else's, and what is nobody's, on the real
engine."""

from dataclasses import replace

import pytest

from labrunner.workspaces import resources

NEVER_SERVED = "it asks for your registry's port, but never had it"
PROJECT = ("--label", "com.docker.compose.project=shop")
SLEEP = ("busybox:stable", "sleep", "60")


@pytest.fixture
def workspace(workspaces, real_course):
    """A learner's lab that has just been opened."""
    return workspaces.open(real_course.labs["run-a-registry"], "learner")


def certain(workspace):
    return {each.id for each in resources.find_certain(workspace)}


def in_doubt(workspace):
    """Why, by id."""
    found = resources.find_resources(workspace)
    return {each.id: each.why for each in found if not each.certain}


def test_what_others_make_while_a_lab_is_open_is_never_removed_by_itself(
    workspaces, workspace, docker, engine, unique
):
    network, shop = docker("network", "create", unique), f"{unique}-shop"
    networks = {network, docker("network", "create", shop)}
    for volume in (unique, shop):
        docker("volume", "create", volume)
    serve = ("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name)
    registry = docker(
        *serve, "--network", unique, "-v", f"{unique}:/var/lib/registry", "registry:2"
    )
    port, mount = ("-p", f"{workspace.port}:5000"), ("--network", shop, "-v", f"{shop}:/data")
    udp = docker("run", "-d", "-p", f"{workspace.port}:{workspace.port}/udp", *SLEEP)
    created = docker("create", *port, *mount, *SLEEP)
    composed = docker("create", *port, *PROJECT, "registry:2")
    beside = docker("run", "-d", *mount, *SLEEP)
    on_host = docker("create", *port, "--network", "host", *SLEEP)
    registry_on_host = docker("create", "--network", "host", "registry:2")
    engine.tag("busybox:stable", f"{workspace.name}:{unique}")
    try:
        assert certain(workspace) == {registry}
        found = in_doubt(workspace)
        assert found[created] == NEVER_SERVED
        assert found[composed] == f"{NEVER_SERVED}; it is of the Compose project `shop`"
        assert found[registry_on_host] == "it may be another registry, on the host's network"
        assert found[unique] == found[network] == "a container of this lab used it"
        assert found[shop] == "a container that may not be the lab's uses it"
        assert not {udp, beside, on_host, f"{workspace.name}:{unique}"} & found.keys()

        assert workspaces.close(workspace, resources.find_certain(workspace)) == []

        assert engine.container(registry) is None
        for each in (udp, created, composed, beside, on_host, registry_on_host):
            assert engine.container(each)
        assert engine.volume(unique) and engine.volume(shop)
        assert networks <= {each.id for each in engine.networks()}
        assert engine.image(f"{workspace.name}:{unique}")
    finally:
        engine.remove_image(f"{workspace.name}:{unique}")


def test_only_a_registry_that_has_had_the_port_is_the_labs(workspace, docker, engine):
    port = ("-p", f"{workspace.port}:5000")
    never = docker("create", *port, "registry:2")
    other = docker("run", "-d", *port, *SLEEP)
    assert certain(workspace) == set()
    assert in_doubt(workspace)[other] == "it is on your registry's port, but is not a registry"
    docker("rm", "-f", other)
    served = docker("run", "-d", *port, "registry:2")
    volumes = engine.container(served).volumes
    assert certain(workspace) == {served, *volumes}
    docker("stop", "-t", "0", served)
    assert certain(workspace) == {served, *volumes} and never in in_doubt(workspace)


def test_a_registry_of_another_make_is_known_by_its_answer(workspace, docker, engine, unique):
    docker("commit", docker("create", "registry:2"), f"{unique}:1")
    try:
        serve = ("run", "-d", "-p", f"{workspace.port}:5000", f"{unique}:1")
        container = docker(*serve)
        workspace.wait_for_registry()
        assert container in certain(workspace)
        docker("rm", "-fv", container)
    finally:
        engine.remove_image(f"{unique}:1")


def test_what_compose_made_is_certain_only_from_a_file_in_the_labs_folder(workspace, docker):
    create = ("create", "--name", workspace.name, *PROJECT, "--label")
    folder = "com.docker.compose.project.working_dir"
    other = docker(*create, f"{folder}=/srv/shop", "busybox:stable")
    why = "it has a name that this lab uses; it is of the Compose project `shop`"
    assert in_doubt(workspace) == {other: why} and certain(workspace) == set()
    docker("rm", other)
    network = docker("network", "create", *PROJECT, workspace.unused(f"{workspace.id}-net"))
    assert network in in_doubt(workspace)
    own = docker(*create, f"{folder}={workspace.work}", "busybox:stable")
    assert certain(workspace) == {own, network}


def test_the_registrys_name_is_kept_for_its_container_alone(workspace, docker, engine, unique):
    """When the lab opened, anything but a container could have had it."""
    workspace.record.values["name"], workspace.record.names = unique, [unique]
    docker("volume", "create", unique)
    network = docker("network", "create", unique)
    container = docker("create", "--name", unique, "busybox:stable")
    engine.tag("busybox:stable", f"{unique}:1")
    try:
        assert certain(workspace) == {container}
        assert in_doubt(workspace).keys() == {unique, network}
    finally:
        engine.remove_image(f"{unique}:1")


def test_the_engines_own_networks_are_nobodys_whatever_their_ids(
    workspaces, workspace, docker, engine
):
    """The default bridge has another id after each start of the engine."""
    own = {each.id for each in engine.networks() if each.name in ("bridge", "host", "none")}
    before = workspace.record.before
    before["networks"] = [id for id in before["networks"] if id not in own]
    workspace.save()
    docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", workspace.name, "registry:2")
    assert not own & {each.id for each in resources.find_resources(workspace)}
    assert workspaces.close(workspace, resources.find_resources(workspace)) == []
    assert workspaces.all() == []
    assert own <= {each.id for each in engine.networks()}


@pytest.fixture
def building(workspaces, real_course):
    """A learner's lab in which they build an image of their own, by the name `image`."""
    values = {"image": lambda workspace: workspace.unused("my-image")}
    lab = replace(real_course.labs["run-a-registry"], values=values)
    return workspaces.open(lab, "learner")


@pytest.fixture
def build(docker, engine, tmp_path):
    """Builds an image that nobody else has, by these names; its id. The names go at the end."""
    named = set()

    def run(text, *names):
        named.update(names)
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:stable\nLABEL x={text}\n")
        docker("build", "-q", *(word for name in names for word in ("-t", name)), str(tmp_path))
        return engine.image(names[0]).id

    yield run
    for name in named:
        engine.remove_image(name)


def test_a_container_of_the_labs_image_goes_by_whatever_name_it_was_made(
    workspaces, building, build, docker, engine, unique
):
    """Its image goes, so finishing would stop at it. What is beside it stays."""
    name = building.image
    image = build(unique, f"{name}:2")
    made_by = (f"{name}:2", f"docker.io/library/{name}:2", image, image.removeprefix("sha256:")[:9])
    ours = {docker("create", each) for each in made_by}
    other = build(f"{unique}-both", f"{unique}:1", f"{name}:3")
    theirs = {docker("create", f"{unique}:1"), docker("create", other)}
    docker("tag", "busybox:stable", f"{name}:box")
    theirs |= {docker("create", "busybox:stable"), docker("create", engine.image(f"{name}:box").id)}

    assert certain(building) == {*ours, *(f"{name}:{tag}" for tag in ("2", "3", "box"))}
    assert in_doubt(building) == {}
    assert workspaces.close(building, resources.find_certain(building)) == []

    assert not any(map(engine.container, ours)) and engine.image(image) is None
    assert all(map(engine.container, theirs)) and engine.image(f"{unique}:1")
    docker("rm", *theirs)


def test_a_container_made_by_a_name_that_its_image_has_lost_may_be_somebody_elses(
    workspaces, building, build, docker, engine, unique
):
    """So finishing leaves both, and does not stop at the image."""
    image = build(unique, f"{unique}:1")
    container = docker("create", "--name", unique, f"{unique}:1")
    docker("tag", image, building.image)
    docker("rmi", f"{unique}:1")
    found = in_doubt(building)
    assert found == {
        container: "it was made from this lab's image",
        f"{building.image}:latest": "a container that may not be the lab's uses it",
    }
    assert certain(building) == set()

    chosen = [each for each in resources.find_resources(building) if each.kind == "image"]
    [left] = workspaces.close(building, chosen)

    assert left.reason.startswith(f"The container `{unique}` uses it. ")
    assert f"`docker rm -f {unique}`. The engine refused: " in left.reason
    assert workspaces.close(building, resources.find_certain(building)) == []
    assert engine.container(container) and engine.image(image)
    docker("rm", container)
    engine.remove_image(building.image)


def test_an_image_that_another_was_built_on_says_so(building, build, docker, engine, unique):
    image = build(unique, f"{building.image}:latest")
    container = docker("create", image)
    docker("commit", container, f"{unique}:1")
    docker("rm", container)
    [left] = resources.remove(building, [resources.Resource("image", image, image, "")])
    engine.remove_image(f"{unique}:1")
    assert left.reason.startswith(f"The image `{unique}:1` was built on it. ")
    assert f"`docker image rm {unique}:1`. The engine refused: " in left.reason
