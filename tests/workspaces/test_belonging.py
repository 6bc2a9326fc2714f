"""What belongs to a lab for certain, what may be somebody else's, and what is nobody's, on the real
engine."""

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
