"""Lab 1: answers as people copy them, and images built and run in other ways than the page's."""

import subprocess

import pytest

from labrunner.course import loader
from labrunner.engine.engine import Engine
from tests.fixtures.engine import ROOT

LAB = loader.load_course(ROOT).labs["meet-your-engine"]
DOCKERFILE = """\
FROM busybox:stable
LABEL stamp={stamp}
CMD ["echo", "It works, {stamp}."]
"""


@pytest.fixture
def opened(workspaces):
    return workspaces.open(LAB, "headless")


@pytest.fixture
def build(opened, tmp_path):
    """Builds the image from a folder with the learner's command line; its id."""

    def run(*words, dockerfile=DOCKERFILE):
        (tmp_path / "Dockerfile").write_text(opened.fill(dockerfile))
        command = ["docker", "build", "-q", *words, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return run


def judge(workspace, step, answer=""):
    return workspace.lab.find(step).judge(workspace, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "{version}",
        "  '{version}'\n",
        "Version:          {version}",
        "Client:\n Version: 1.2.3\n API version: {api}\nServer:\n Engine:\n  Version: {version}\n",
        "Server: Docker Desktop 4.49.0 (12345)\n Engine:\n  Version: {version}\n containerd: 1.7",
        '{{"Platform":{{"Name":""}},"Components":[{{"Name":"Engine","Version":"{version}"}}]}}',
    ],
)
def test_the_engines_version_is_found_in_what_people_copy(opened, engine, answer):
    about = engine.version()
    verdict = judge(opened, "ask-the-engine", answer.format(version=about.version, api=about.api))
    assert verdict.passed and about.version in verdict.found


def test_the_number_without_what_a_distribution_puts_behind_is_enough(opened, engine):
    assert judge(opened, "ask-the-engine", engine.version().version.partition("+")[0]).passed


def test_the_command_lines_own_version_is_not_the_engines(opened, docker, engine):
    client = docker("version", "--format", "{{.Client.Version}}")
    if client == engine.version().version:
        pytest.skip("Here the two are the same.")
    verdict = judge(opened, "ask-the-engine", docker("--version"))
    assert verdict.status == "failed" and f"`{client}`" in verdict.found
    assert "command line" in verdict.found and "docker version --format" in verdict.next


def test_a_part_of_the_version_and_the_apis_are_named(opened, engine):
    about = engine.version()
    assert (
        "only the beginning"
        in judge(opened, "ask-the-engine", about.version.rpartition(".")[0]).found
    )
    assert "version of the API" in judge(opened, "ask-the-engine", about.api).found


@pytest.mark.parametrize(
    ("answer", "passed", "words"),
    [
        ("https://index.docker.io/v1/", True, "written `docker.io`"),
        (" Registry: https://index.docker.io/v1/", True, "Docker Hub"),
        ('"https://INDEX.docker.io/v1/"', True, "Docker Hub"),
        ("docker.io", True, "The engine calls the same registry"),
        ("https://docker.io/", True, "The engine calls the same registry"),
        ("hub.docker.com", False, "the website of Docker Hub"),
        ("https://registry-1.docker.io/v2/", False, "pulls from in the end"),
        ("localhost:5000", False, "not where a name without a registry leads"),
        ("Docker Hub", False, "not an address"),
    ],
)
def test_the_default_registry_by_any_of_its_names(opened, answer, passed, words):
    verdict = judge(opened, "find-the-default-registry", answer)
    assert verdict.passed == passed and words in verdict.found
    assert passed or "IndexServerAddress" in verdict.next


def test_the_default_registry_is_what_the_engine_says(opened, docker):
    said = docker("info", "--format", "{{.IndexServerAddress}}")
    assert judge(opened, "find-the-default-registry", said).passed


def test_an_image_from_a_folder_with_another_command_is_right(opened, build, docker):
    assert judge(opened, "build-an-image").status == "failed"
    build("-t", opened.image)
    assert judge(opened, "build-an-image").passed
    assert docker("run", "--rm", opened.image) == opened.fill("It works, {stamp}.")
    assert judge(opened, "run-it").passed


def test_a_label_given_to_the_build_is_right(opened, build):
    label = f"stamp={opened['stamp']}"
    build("-t", opened.image, "--label", label, dockerfile="FROM busybox:stable\n")
    assert judge(opened, "build-an-image").passed


def test_an_image_under_another_name_needs_one_more(opened, build, docker, unique, engine):
    build("-t", f"{unique}:2")
    verdict = judge(opened, "build-an-image")
    assert f"under the name `{unique}:2`" in verdict.found
    assert verdict.next == f"Name it: `docker image tag {unique}:2 {opened.image}`."
    docker("image", "tag", f"{unique}:2", opened.image)
    engine.remove_image(f"{unique}:2")
    assert judge(opened, "build-an-image").passed


def test_an_image_without_a_name_gets_one_by_its_id(opened, build, docker):
    built = build()
    verdict = judge(opened, "build-an-image")
    assert "without a name" in verdict.found
    command = verdict.next.split("`")[1].split()
    assert command[0] == "docker" and command[3] in built
    docker(*command[1:])
    assert judge(opened, "build-an-image").passed


def test_somebody_elses_image_of_that_name_is_told_apart(opened, build):
    build("-t", opened.image, dockerfile="FROM busybox:stable\nLABEL stamp=other\n")
    assert "its label `stamp` is `other`" in judge(opened, "build-an-image").found


@pytest.mark.parametrize("way", ["by id", "started later", "another name"])
def test_a_run_counts_however_it_is_done(opened, build, docker, unique, engine, way):
    built = build("-t", opened.image)
    assert judge(opened, "run-it").found == "No container was made from your image."
    if way == "by id":
        docker("run", "--name", unique, built)
    elif way == "started later":
        docker("create", "--name", unique, opened.image)
        assert judge(opened, "run-it").next == f"`docker start -a {unique}`."
        docker("start", "-a", unique)
    else:
        docker("image", "tag", opened.image, unique)
        docker("run", "--name", unique, unique)
    verdict = judge(opened, "run-it")
    assert verdict.passed and opened.fill("It works, {stamp}.") in verdict.found
    engine.remove_container(unique)
    if way == "another name":
        engine.remove_image(f"{unique}:latest")


def test_a_run_that_fails_says_why(opened, build, docker, unique, engine):
    build("-t", opened.image)
    docker("run", "--name", unique, opened.image, "nosuchprogram", fails=True)
    verdict = judge(opened, "run-it")
    assert "nosuchprogram" in verdict.found and f"`docker run {opened.image}`" in verdict.next
    engine.remove_container(unique)


def test_a_run_that_the_engine_has_forgotten_does_not_count_against_anyone(opened, build, docker):
    build("-t", opened.image)
    docker("run", "--rm", opened.image)
    for _ in range(140):
        opened.tag(opened.image, f"{opened.image}:again")
        opened.engine.remove_image(f"{opened.image}:again")
    verdict = judge(opened, "run-it")
    assert verdict.status == "unknown" and "has forgotten" in verdict.found
    assert f"`docker run {opened.image}`" in verdict.next


def test_each_learner_has_a_stamp_of_their_own(opened, workspaces):
    assert opened["stamp"] != workspaces.open(LAB, "headless")["stamp"]


def test_without_an_engine_nothing_counts_against_the_learner(opened, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        patch.setattr(opened, "engine", Engine(timeout=1))
        for step in ("ask-the-engine", "build-an-image", "run-it"):
            assert judge(opened, step, "1.2.3").status == "unknown"
