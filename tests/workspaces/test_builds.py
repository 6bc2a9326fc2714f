"""The images that a workspace builds, also where the build does not come to its end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from labrunner.verdicts import CannotCheck
from labrunner.workspaces import builds
from labrunner.workspaces.labels import WORKSPACE
from tests.fixtures.engine import eventually
from tests.fixtures.workspaces import built, close, images


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
