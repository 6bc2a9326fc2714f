"""What closing a workspace removes, what it leaves alone, and how it goes on where it fails."""

from concurrent.futures import ThreadPoolExecutor

from labrunner.workspaces import resources
from labrunner.workspaces.labels import OBJECT, WORKSPACE
from tests.fixtures.workspaces import close


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


def test_a_volume_that_outlived_its_container_in_an_engine_that_died_goes_as_well(
    workspaces, workspace, engine
):
    """The engine makes it before the container, and removes it after that."""
    container = workspace.run("registry:2")
    [volume] = engine.container(container).volumes
    engine.remove_container(container, volumes=False)
    assert engine.volume(volume)
    assert close(workspaces, workspace) == []
    assert engine.volume(volume) is None


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
    used = f"The container `{engine.container(foreign).name}` uses it. If you no longer need"
    assert all(each.reason.startswith(used) for each in left)
    assert engine.container(foreign).running
    engine.remove_container(foreign)
    [again] = workspaces.all()
    assert close(workspaces, again) == [] and workspaces.all() == []
    assert engine.volume(unique) is None
    assert network not in {each.id for each in engine.networks()}


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
    assert left.reason.startswith(f"{workspace.work}/locked: Permission denied.")
    assert left.reason.endswith(f"`sudo rm -r {workspace.work}/locked`.")
    assert workspaces.find_open(lab.name).id == workspace.id


def test_only_what_is_chosen_goes(workspaces, workspace, docker, engine, unique):
    kept = docker("create", "--name", unique, "-p", f"{workspace.port}:5000", "registry:2")
    engine.tag("busybox:stable", f"{workspace.registry}/box:latest")
    items = [item for item in resources.find_resources(workspace) if item.kind == "image"]

    assert workspaces.close(workspace, items) == []

    assert engine.container(kept) and engine.image(f"{workspace.registry}/box:latest") is None
    assert workspaces.all() == []


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
