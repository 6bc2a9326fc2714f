"""Lab 1: where the learner pulls from, answers as people copy them, and images built and run in
other ways than the page's."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from labrunner import AUTH, CannotCheck, htpasswd
from labrunner.checks.second_host_start import WORDS
from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from labrunner.workspaces.record import Record
from labrunner.workspaces.workspace import Workspace
from tests.fixtures.engine import ROOT, eventually
from tests.fixtures.workspaces import close

WHOLE = loader.load_course(ROOT).labs["meet-your-engine"]
LAB = replace(WHOLE, setups=[])  # without its registry
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


# Where the learner pulls from


class Asked:
    """An engine that knows what Docker Hub gives as `nginx`, and what it has itself."""

    def __init__(self, given: str, here: tuple[str, ...] | None) -> None:
        self.given = given
        self.here = here

    def public_digest(self, name):
        if not self.given:
            raise CannotCheck("no such host", next="Wait.")
        return self.given

    def image(self, name):
        return None if self.here is None else SimpleNamespace(digests=self.here)


@pytest.mark.parametrize(
    ("kind", "given", "here", "words"),
    [
        ("learner", "sha256:1", None, "Docker Hub"),
        ("learner", "sha256:1", ("nginx@sha256:1",), "Docker Hub"),
        ("learner", "sha256:1", ("nginx@sha256:2",), "would move the name nginx to another image"),
        ("learner", "sha256:1", (), "would move the name nginx to another image"),
        ("learner", "", None, "cannot pull from there now"),
        ("headless", "sha256:1", None, "one that this lab has started in place of Docker Hub"),
    ],
)
def test_the_learner_pulls_from_docker_hub_where_that_moves_no_name(
    tmp_path, kind, given, here, words
):
    engine: Any = Asked(given, here)
    record = Record("1", LAB.name, kind, "opening", 0, {})
    assert LAB.values["hub"](Workspace(tmp_path, record, LAB, engine)).endswith(words)


@pytest.fixture
def behind_a_mirror(docker, tmp_path, engine):
    """An engine that gets what Docker Hub has from a mirror, without any other network; and what
    brings an image there."""
    words = ("--dns", "127.0.0.1", "-p", "127.0.0.1::5000")  # no name server: it says so at once
    mirror = docker("run", "-d", *words, "registry:2")
    path = tmp_path / "engine.sock"
    within = ("--network", f"container:{mirror}", "-v", f"{tmp_path}:{tmp_path}")
    options = ("-H", f"unix://{path}", "--registry-mirror", "http://localhost:5000")
    docker("run", "-d", *WORDS.split(), *within, "docker:dind", *options)
    [port] = [each.host for each in engine.container(mirror).ports if each.host]
    address = f"unix://{path}"

    def answers():
        words = ["docker", "-H", address, "version"]
        return subprocess.run(words, capture_output=True).returncode == 0

    assert eventually(answers, 60)

    def bring(image):
        name = f"localhost:{port}/library/nginx:latest"
        docker("tag", image, name)
        docker("push", name)
        engine.remove_image(name)

    return address, bring


def test_the_learner_pulls_nginx_from_docker_hub(behind_a_mirror, docker, tmp_path, monkeypatch):
    """What `docker pull nginx` says to Docker Hub, here to its mirror."""
    address, bring = behind_a_mirror
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        inner = Engine()
        assert inner.info()  # it stays with this way
    workspaces = Workspaces(tmp_path / "workspaces", inner, {WHOLE.name: WHOLE})
    bring("nginx:latest")
    workspace = workspaces.open(WHOLE, "learner")
    assert workspace["hub"] == "Docker Hub" and workspace["nginx"] == "nginx"
    assert inner.containers() == []
    step = WHOLE.find("pull-an-image")
    assert step.judge(workspace).reason == "not-pulled"
    docker("-H", address, "pull", "nginx")
    verdict = step.judge(workspace)
    assert verdict.passed and "Without a login" in verdict.found

    bring("busybox:stable")
    assert step.judge(workspace).reason == "another-image"
    assert "would move the name" in WHOLE.values["hub"](workspace)
    docker("-H", address, "pull", "docker.io/library/nginx:latest")
    assert step.judge(workspace).passed
    assert close(workspaces, workspace) == []


@pytest.fixture(scope="module")
def beside_hub(shared_workspaces):
    """A workspace with the registry that stands in for Docker Hub."""
    return shared_workspaces.open(WHOLE, "headless")


def test_the_registry_in_place_of_docker_hub_outlives_its_end_and_a_new_start(beside_hub, engine):
    """The lab is started again after it was stopped, and after it was removed."""
    name, nginx = beside_hub["hub_name"], f"{beside_hub['nginx']}:latest"
    given = engine.public_digest(nginx)
    assert engine.image(nginx) is None
    engine.stop(name)
    beside_hub.prepare(lambda line: None)
    assert engine.public_digest(nginx) == given
    engine.remove_container(name)
    beside_hub.prepare(lambda line: None)
    assert engine.public_digest(nginx) == given and engine.image(nginx) is None


def test_a_run_that_pulls_by_itself_is_a_pull_and_its_container_belongs(beside_hub, docker, engine):
    nginx, theirs = beside_hub["nginx"], engine.image("nginx:latest")
    assert judge(beside_hub, "pull-an-image").reason == "not-pulled"
    made = docker("run", "-d", nginx)
    assert judge(beside_hub, "pull-an-image").passed
    assert judge(beside_hub, "run-by-its-short-name").reason == "full-name"
    found = {(item.kind, item.id) for item in resources.find_certain(beside_hub)}
    assert {("container", made), ("image", f"{nginx}:latest")} <= found
    assert engine.image("nginx:latest").id == theirs.id


def test_an_image_that_is_called_like_a_container_of_the_lab_is_somebody_elses(beside_hub, docker):
    docker("image", "tag", "busybox:stable", beside_hub["web"])
    other = docker("run", "-d", beside_hub["web"], "sleep", "60")
    found = {item.id for item in resources.find_certain(beside_hub)}
    docker("rm", "-f", other)
    docker("image", "rm", beside_hub["web"])
    assert other not in found


def test_a_container_that_was_there_before_is_no_run_of_this_lab(beside_hub, docker):
    """Also where it starts again meanwhile, as by its restart policy."""
    older = docker("run", "-d", "-P", "--expose", "80", beside_hub["short_name"])
    beside_hub.record.before["containers"].append(older)
    docker("restart", "-t", "0", older)
    assert judge(beside_hub, "run-by-its-short-name").status == "failed"
    docker("run", "-d", "-p", "127.0.0.1::80", f"{beside_hub['short_name']}:latest")
    assert judge(beside_hub, "run-by-its-short-name").passed


@pytest.mark.parametrize(
    ("options", "leads"),
    [
        ((), False),
        (("-p", "127.0.0.1::8080"), False),
        (("-p", "127.0.0.1::80/udp"), False),
        (("-p", "127.0.0.1::8080", "-p", "127.0.0.1::80"), True),
        (("-P", "--expose", "80"), True),
    ],
)
def test_a_published_port_must_lead_to_nginx_also_in_a_container_that_was_stopped(
    beside_hub, docker, options, leads
):
    container = docker("run", "-d", *options, beside_hub["short_name"])
    try:
        verdict = judge(beside_hub, "run-by-its-short-name")
        docker("stop", "-t", "0", container)
        if "-P" not in options:  # whose ports are known only while it runs
            assert judge(beside_hub, "run-by-its-short-name") == verdict
    finally:
        docker("rm", "-f", container)
    assert (verdict.passed, verdict.reason) == (leads, "" if leads else "no-page")
    assert judge(beside_hub, "run-by-its-short-name").status == "failed"


def test_an_image_that_the_registry_gives_only_after_a_login_is_no_proof(
    beside_hub, engine, tmp_path
):
    """The engine has pulled it; what this step shows is that anyone can."""
    nginx, login = f"{beside_hub['nginx']}:latest", ("ann", "secret")
    engine.remove_container(beside_hub["hub_name"])
    (tmp_path / "users").write_text(htpasswd(beside_hub, *login))
    beside_hub.run(
        beside_hub.registry_image,
        name=beside_hub["hub_name"],
        ports={5000: int(beside_hub["hub_port"])},
        environment=AUTH,
        volumes={"/auth/htpasswd:ro": str(tmp_path / "users")},
    )
    beside_hub.wait_for_registry(f"localhost:{beside_hub['hub_port']}")
    beside_hub.push_as("nginx:latest", nginx, login)
    beside_hub.pull(nginx, login)
    verdict = judge(beside_hub, "pull-an-image")
    assert (verdict.status, verdict.reason) == ("unknown", "engine-refused")
    assert "auth" in verdict.found  # in the engine's own words


# Answers, and images of one's own


@pytest.mark.parametrize(
    "answer",
    [
        "{version}",
        "  '{version}'\n",
        "Version:          {version}",
        "Server:\n Engine:\n  Version: {version}\n",
    ],
)
def test_the_engines_version_is_found_in_what_people_copy(opened, engine, answer):
    version = engine.version().version
    verdict = judge(opened, "ask-the-engine", answer.format(version=version))
    assert verdict.passed and version in verdict.found


@pytest.mark.parametrize("options", [(), ("--format", "{{json .}}")])
def test_more_than_one_version_is_no_answer_also_where_the_right_one_is_among_them(
    opened, docker, engine, options
):
    printed = docker("version", *options)
    assert engine.version().version in printed
    verdict = judge(opened, "ask-the-engine", printed)
    assert (verdict.status, verdict.reason) == ("failed", "several")
    assert "`Version:` under `Server` and `Engine`" in verdict.next


def test_the_number_without_what_a_distribution_puts_behind_is_enough(opened, engine):
    assert judge(opened, "ask-the-engine", engine.version().version.partition("+")[0]).passed


def test_the_command_lines_own_version_is_not_the_engines_unless_they_are_the_same(
    opened, docker, engine
):
    client, version = docker("version", "--format", "{{.Client.Version}}"), engine.version().version
    verdict = judge(opened, "ask-the-engine", docker("--version"))
    assert verdict.passed == (client in (version, version.partition("+")[0]))
    assert f"`{client}`" in verdict.found
    assert verdict.passed or ("command line" in verdict.found and "`Server`" in verdict.next)


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
        ("hub.docker.com", False, "the website of Docker Hub, for people"),
        ("https://registry-1.docker.io/v2/", False, "the engine then pulls from"),
        ("localhost:5000", False, "not where a name without a registry leads"),
        ("Docker Hub", False, "not an address"),
    ],
)
def test_the_default_registry_by_any_of_its_names(opened, answer, passed, words):
    verdict = judge(opened, "find-the-default-registry", answer)
    assert verdict.passed == passed and words in verdict.found
    assert passed or "with `Index` in its name" in verdict.next


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


def test_an_update_counts_by_its_labels_also_when_its_container_is_removed(opened, build, docker):
    def reason():
        return judge(opened, "update-your-image").reason

    assert reason() == "no-stamp"
    build("-t", opened.image)
    docker("run", "--rm", opened.image)
    assert reason() == "no-version"
    build("-t", opened.image, "--label", "version=2")
    assert reason() == "not-run"
    docker("run", "--rm", opened.image, "false", fails=True)
    assert reason() == "not-run"
    docker("run", opened.image, "echo", "hello")
    assert reason() == "other-command"
    docker("run", "--rm", opened.image)
    assert judge(opened, "update-your-image").passed and judge(opened, "build-an-image").passed


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
    assert "nosuchprogram" in verdict.found and "nothing after its name" in verdict.next
    engine.remove_container(unique)
    build("-t", opened.image, dockerfile=DOCKERFILE.replace("echo", "nosuchprogram"))
    docker("run", "--name", unique, opened.image, fails=True)
    verdict = judge(opened, "run-it")
    assert "nosuchprogram" in verdict.found and "Build the image again" in verdict.next
    engine.remove_container(unique)


@pytest.mark.parametrize(
    ("words", "own"),
    [
        ((), True),
        (("sh", "-c", "echo `Hello`; exit 0"), False),
        (("--entrypoint", "echo"), False),
    ],
)
def test_a_run_counts_only_with_the_images_own_command(opened, build, docker, words, own):
    """Here the command is one of the shell's, after an entrypoint."""
    build(
        *("-t", opened.image),
        dockerfile="FROM busybox:stable\nLABEL stamp={stamp}\n"
        'ENTRYPOINT ["/bin/sh", "-c"]\nCMD ["echo Hello"]\n',
    )
    options, command = (words, ()) if "--entrypoint" in words else ((), words)
    docker("run", *options, opened.image, *command)
    verdict = judge(opened, "run-it")
    assert (verdict.passed, verdict.reason) == (own, "" if own else "other-command")
    assert own or verdict.found.count("`") == 4


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
