"""The lab "Push and pull", done with the command line in right, wrong and other ways."""

import secrets

import pytest

from labrunner.checks import history
from labrunner.engine.engine import Engine
from labrunner.workspaces import resources
from tests.fixtures.workspaces import judge


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    return shared_workspaces.open(shared_workspaces.labs["push-and-pull"], "headless")


@pytest.fixture
def pushing(opened_once):
    """A workspace as after its opening: its image, its layer and its name are new."""
    found = [item for item in resources.find_resources(opened_once) if item.kind == "image"]
    assert resources.remove(opened_once, found) == []
    word = secrets.token_hex(4)
    name = opened_once.unused(f"my-image-{word}")
    built = opened_once.build(opened_once.lab.folder, name, workspace=word)
    opened_once.record.values["image"], opened_once.record.sample = name, built
    opened_once.prepare(lambda line: None)
    return opened_once


@pytest.fixture(scope="module")
def untouched(shared_workspaces):
    """The same, shared by tests that leave it as it was."""
    return shared_workspaces.open(shared_workspaces.labs["push-and-pull"], "headless")


def short(digest):
    return f"`{digest[:19]}…`"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_whole_way_with_the_command_line_by_either_host(pushing, docker, host):
    name = f"{host}:{pushing.port}/{pushing.image}"
    steps: dict[str, list[tuple[str, ...]]] = {
        "tag-the-image": [("tag", pushing.image, name)],
        "push-the-image": [("push", name)],
        "remove-your-copies": [("rmi", name, pushing.image)],
        "pull-it-back": [("pull", name)],
        "run-it": [("run", "--rm", name)],
    }
    for step, commands in steps.items():
        assert judge(pushing, step).status == "failed", step
        for words in commands:
            docker(*words)
        assert judge(pushing, step).passed, judge(pushing, step)


def test_a_run_that_pulls_by_itself_is_a_pull(pushing, docker):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", pushing.image, name)
    docker("push", name)
    docker("rmi", name, pushing.image)
    assert "as my-image" not in docker("run", "--rm", name)
    assert judge(pushing, "pull-it-back").passed and judge(pushing, "run-it").passed


def test_a_container_of_another_kind_of_run_counts_as_run(pushing, docker, unique):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", pushing.image, name)
    docker("create", "--name", unique, f"{name}:latest")
    assert judge(pushing, "run-it").next == f"`docker start -a {unique}`."
    docker("start", unique)
    assert judge(pushing, "run-it").passed


def test_a_pull_after_an_image_was_still_there_is_no_proof(pushing, docker):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", pushing.image, name)
    docker("push", name)
    docker("pull", name)
    verdict = judge(pushing, "pull-it-back")
    assert verdict.status == "failed" and "it never left" in verdict.found
    assert "docker image rm" in verdict.next and "docker pull" in verdict.next


def test_a_pull_that_engine_and_registry_have_forgotten_could_not_be_checked(
    pushing, docker, monkeypatch
):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", pushing.image, name)
    docker("push", name)
    monkeypatch.setattr(history, "REMEMBERED", 0)
    monkeypatch.setattr(pushing, "requests", list)
    verdict = judge(pushing, "pull-it-back")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert f"`docker pull {name}`" in verdict.next


# What a verdict sounds like


def test_not_pushed(untouched, engine):
    image, registry = untouched.image, untouched.registry
    untouched.tag(untouched.sample, f"{registry}/{image}:latest")
    try:
        verdict = judge(untouched, "push-the-image")
    finally:
        engine.remove_image(f"{registry}/{image}:latest")
    assert verdict.as_dict() == {
        "status": "failed",
        "expected": f"`{registry}` holds your image as `{image}:latest`.",
        "found": f"Your engine has `{registry}/{image}:latest`, but the registry has no "
        f"repository `{image}`.",
        "next": f"`docker push {registry}/{image}`.",
    }


def test_neither_tagged_nor_pushed(untouched):
    verdict = judge(untouched, "push-the-image")
    image, registry = untouched.image, untouched.registry
    assert f"no image with the name `{registry}/{image}:latest`, and the registry" in verdict.found
    assert f"`docker image tag {image} {registry}/{image}`, then `docker push" in verdict.next


def test_tagged_for_another_port(untouched, engine):
    name = f"localhost:1/{untouched.image}:latest"
    untouched.tag(untouched.sample, name)
    try:
        verdict = judge(untouched, "push-the-image")
    finally:
        engine.remove_image(name)
    assert "which is for the registry `localhost:1`" in verdict.found
    assert "`docker image tag" in verdict.next and "`docker push" in verdict.next


def test_a_container_that_could_not_be_started_says_why(pushing, docker, unique):
    pushing.tag(pushing.sample, pushing.ref())
    docker("create", "--name", unique, pushing.ref(), "no-such-program")
    docker("start", unique, fails=True)
    verdict = judge(pushing, "run-it")
    assert verdict.reason == "not-started" and "no-such-program" in verdict.found


@pytest.mark.parametrize("place", ["{image}:v1", "team/app:latest"])
def test_pushed_elsewhere(pushing, docker, place):
    place = place.format(image=pushing.image)
    docker("tag", pushing.image, f"{pushing.registry}/{place}")
    docker("push", f"{pushing.registry}/{place}")
    verdict = judge(pushing, "push-the-image")
    assert verdict.found == f"The registry has your image only as `{place}`."
    assert verdict.next.endswith(f"`{place}` may stay.")


def test_another_image_under_the_name(pushing, docker):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", "busybox:stable", name)
    docker("push", name)
    verdict = judge(pushing, "push-the-image")
    digest = pushing.api.manifest(pushing.image, "latest").digest
    assert verdict.found == (
        f"`{pushing.ref()}` is another image there, {short(digest)}, which your engine "
        "knows as `busybox:stable`: it has 1 of your image's 2 layers."
    )
    assert verdict.next.endswith("The tag will move.")
    tagged = judge(pushing, "tag-the-image")
    assert "is another image" in tagged.found and "`busybox:stable`" in tagged.found


def test_another_tag_in_a_repository_without_latest(pushing, docker):
    name = f"{pushing.registry}/{pushing.image}"
    docker("tag", "busybox:stable", f"{name}:v1")
    docker("push", f"{name}:v1")
    verdict = judge(pushing, "push-the-image")
    assert f"the registry's repository `{pushing.image}` has no tag `latest`" in verdict.found


def test_the_registry_is_down(pushing, docker):
    [registry] = [
        item.name for item in resources.find_resources(pushing) if item.kind == "container"
    ]
    docker("stop", "-t", "0", registry)
    for step in ("push-the-image", "remove-your-copies", "pull-it-back"):
        verdict = judge(pushing, step)
        assert verdict.status == "unknown" and verdict.expected is None
        assert f"Nothing answers on `{pushing.registry}`. The container `{registry}` exited" in (
            verdict.found
        )
        start = f"`docker start {registry}`. What you pushed is still there."
        assert verdict.next.startswith(start)


def test_the_engine_is_down(untouched, monkeypatch, tmp_path):
    gone = f"unix://{tmp_path}/none.sock"
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", gone)
        patch.setattr(untouched, "engine", Engine(timeout=1))
        for step in untouched.lab.steps:
            if step.id != "push-the-image":  # which asks the registry first
                verdict = step.judge(untouched)
                assert verdict.status == "unknown"
                assert verdict.found == f"No engine answers at `{gone}`."


def test_a_slip_in_the_name_is_named(untouched, docker, engine):
    for name, words in (
        ("{image}:{port}", "where `{port}` is a tag, not a port"),
        ("team/{image}:latest", "names no registry, so it means Docker Hub"),
        ("localhost:1/{image}:latest", "is for the registry `localhost:1`"),
        ("{registry}/{image}x:latest", "its repository is `{image}x`"),
        ("{registry}/{image}:v1", "its tag is `v1`, not `latest`"),
    ):
        wrong, right = untouched.fill(name), untouched.fill("{image} {registry}/{image}")
        docker("tag", untouched.image, wrong)
        try:
            verdict = judge(untouched, "tag-the-image")
        finally:
            engine.remove_image(wrong)
        assert verdict.status == "failed"
        assert f"Your image has the name `{wrong}`" in verdict.found
        assert untouched.fill(words) in verdict.found
        assert f"`docker image tag {right}`" in verdict.next


def test_no_name_but_its_own(untouched):
    verdict = judge(untouched, "tag-the-image")
    assert verdict.found == f"The only name of your image is `{untouched.image}:latest`."
