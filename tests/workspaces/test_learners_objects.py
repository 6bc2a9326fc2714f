"""What the learner makes with plain commands: it is found, listed with the reason, and removed."""

import pytest

from labrunner.workspaces import resources
from tests.fixtures.engine import nothing, traces
from tests.fixtures.workspaces import close, images


def listed(workspace):
    """What belongs to the workspace, by kind and name, with the reason."""
    return {(item.kind, item.name): item.why for item in resources.find_resources(workspace)}


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


@pytest.mark.parametrize("observed", [True, False])
def test_an_image_that_lost_its_name_to_a_newer_one_belongs(
    workspaces, naming, docker, tmp_path, observed
):
    """Also where nobody looked between the two builds."""
    workspace = workspaces.open(naming, "headless")
    name = workspace["volume"]
    ids = []
    for text in ("one", "two"):
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:stable\nLABEL x={text}{name}\n")
        docker("build", "-q", "-t", name, str(tmp_path))
        if observed:
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
