"""The private registry: password files, answers and logins of other kinds than the solution's."""

import json
import re
import subprocess
from base64 import b64encode

import pytest

from labrunner.checks import history
from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.kit import Kit
from labrunner.workspaces import resources
from labrunner.workspaces.logins import describe_logins
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import (
    ROOT,
    eventually,
    is_registry,
    nothing,
    proxying,
    reopen,
    traces,
)

COURSE = loader.load_course(ROOT)
LESSON = COURSE.lesson_of("lock-the-door")
LAB = COURSE.labs["lock-the-door"]
APP = "apps/internal-app"
NO_LOGIN = "no basic auth credentials"
READY = "There is no answer yet. Everything else is ready."
SUBMIT = "Submit your answer with this step."
SETTINGS = {
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_REALM": "r",
    "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A client configuration of the test's own, with the login of another registry in it."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    logins = {host: {"auth": "Ym9iOnNlY3JldA=="} for host in ("registry.example", "localhost:1")}
    (folder / "config.json").write_text(json.dumps({"auths": logins}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture(scope="module")
def httpd():
    engine = Engine()
    Kit(engine, COURSE.images).get("httpd:2")


@pytest.fixture(scope="module")
def opened_once(shared_workspaces, httpd):
    return shared_workspaces.open(LAB, "headless")


@pytest.fixture
def opened(opened_once, config):
    """A workspace that has just been opened."""
    return reopen(opened_once, "image")


@pytest.fixture(scope="module")
def shared(shared_workspaces, engine, httpd):
    """A locked registry that has refused a push: for tests that leave it as it is."""
    workspace = shared_workspaces.open(LAB, "headless")
    do(workspace, "ask-for-a-password", "be-refused")
    engine.remove_image(f"{workspace.registry}/{APP}:latest")
    return workspace


@pytest.fixture
def file(shared):
    """Its password file, as it was again after the test."""
    file = shared.work / "auth" / "htpasswd"
    right = file.read_bytes()
    yield file
    file.write_bytes(right)


def test_a_registry_on_the_hosts_network_is_as_good(opened, docker, tmp_path):
    words = ["htpasswd", "httpd:2", "-Bbn", "alice", opened["password"]]
    (tmp_path / "htpasswd").write_text(docker("run", "--rm", "--entrypoint", *words))
    settings = [f"{name}={value}" for name, value in SETTINGS.items()]
    settings.append(f"REGISTRY_HTTP_ADDR=:{opened.port}")
    given = [word for each in settings for word in ("-e", each)]
    docker("run", "-d", "--network", "host", "-v", f"{tmp_path}:/auth:ro", *given, "registry:2")
    assert eventually(lambda: opened.lab.find("ask-for-a-password").judge(opened).passed)


@pytest.fixture
def locked(opened):
    """With the first step done."""
    do(opened, "ask-for-a-password")
    return opened


def do(workspace, *steps):
    """Do these steps as the lab does; the last one's answer."""
    answer = ""
    for step in steps:
        act = LAB.find(step).solve
        assert act
        answer = act(workspace) or ""
        resources.observe(workspace)
    return answer


def judge(workspace, step, answer=""):
    return LAB.find(step).judge(workspace, answer)


def log_in(host, password):
    words = ["docker", "login", "-u", "alice", "--password-stdin", host]
    return subprocess.run(words, input=password, capture_output=True, text=True, timeout=60)


def htpasswd(docker, options, *words):
    return docker("run", "--rm", "--entrypoint", "htpasswd", "httpd:2", options, *words) + "\n"


# The registry and its password file


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-mbn", "begins with `$apr1$`"),
        ("-sbn", "begins with `{SHA}"),
        ("-bn", "begins with `$apr1$`"),
    ],
)
def test_a_hash_that_is_not_bcrypt_is_named(shared, file, docker, options, words):
    file.write_text(htpasswd(docker, options, "alice", shared["password"]))
    verdict = judge(shared, "ask-for-a-password")
    assert verdict.status == "failed" and words in verdict.found
    assert f"httpd:2 -Bbn alice {shared['password']} > auth/htpasswd" in verdict.next


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: b"", "the user `alice`. Its users: none."),
        (lambda line: b"# nothing yet\n", "the user `alice`. Its users: none."),
        (lambda line: line.replace(b"alice", b"bob"), "the user `alice`. Its users: `bob`."),
        (lambda line: line.split(b":")[0] + b":open sesame\n", "begins with `open s`"),
        (lambda line: line.decode().encode("utf-8-sig"), "is in UTF-8 with a byte order mark"),
        (lambda line: line.decode().encode("utf-16"), "is in UTF-16"),
        (lambda line: line.decode().encode("utf-16-be"), "is in UTF-16"),
        (lambda line: line[:-10] + b"0123456789\n", "is not for the password"),
    ],
)
def test_what_is_wrong_with_a_password_file_is_named(shared, file, change, words):
    right = file.read_bytes()
    file.write_bytes(change(right))
    verdict = judge(shared, "ask-for-a-password")
    assert verdict.status == "failed" and words in verdict.found
    assert ("Set-Content -Encoding ascii" in verdict.next) == ("UTF" in words)
    file.write_bytes(right)  # the registry reads it again by itself, as the lesson says
    assert judge(shared, "ask-for-a-password").passed


def test_a_second_user_and_a_blank_line_do_no_harm(shared, file, docker):
    file.write_text(f"\n# ours\n{htpasswd(docker, '-Bbn', 'bob', 'secret')}\n{file.read_text()}\n")
    assert judge(shared, "ask-for-a-password").passed


def test_a_folder_in_the_place_of_the_password_file(opened):
    folder = opened.work / "auth" / "htpasswd"
    folder.mkdir(parents=True)
    opened.run_registry(environment=SETTINGS, volumes={"/auth:ro": str(folder.parent)})
    verdict = judge(opened, "ask-for-a-password")
    assert verdict.status == "failed" and "its password file cannot be read" in verdict.found


def test_settings_with_which_the_registry_exits_are_named(opened):
    (opened.work / "auth").mkdir()
    for change, words in (
        ({"REGISTRY_AUTH_HTPASSWD_REALM": ""}, '"realm" must be set'),
        ({"REGISTRY_AUTH_HTPASSWD_PATH": ""}, '"path" must be set'),
        ({}, "failed to open htpasswd path"),  # the folder is there, read-only and empty
    ):
        container = opened.run(
            "registry:2",
            name=opened.name,
            ports={5000: opened.port},
            environment={**SETTINGS, **change},
            volumes={"/auth:ro": f"{opened.work}/auth"},
        )
        assert opened.engine.wait(container) == 2
        verdict = judge(opened, "ask-for-a-password")
        opened.engine.remove_container(container)
        assert verdict.status == "failed"
        assert "before it served anything. Its log says `panic: unable to co" in verdict.found
        assert words in verdict.found
        again = f"`docker rm -f {opened.name}`, then `mkdir -p auth && docker run --rm"
        assert again in verdict.next
        assert f"> auth/htpasswd`, then `docker run -d -p {opened.port}:5000" in verdict.next


def test_a_challenge_that_goes_with_no_password_file_is_named(opened):
    silly = {"REGISTRY_AUTH_SILLY_REALM": "r", "REGISTRY_AUTH_SILLY_SERVICE": "s"}
    opened.run_registry(environment={"REGISTRY_AUTH": "silly", **silly})
    verdict = judge(opened, "ask-for-a-password")
    assert verdict.status == "failed" and "Its challenge is `Bearer " in verdict.found


def test_without_a_registry_every_step_says_how_to_start_a_private_one(opened):
    for step in LAB.steps:
        verdict = step.judge(opened, NO_LOGIN)
        assert verdict.status == "failed" and "Nothing answers" in verdict.found, step.id
        assert "-Bbn alice" in verdict.next and "-e REGISTRY_AUTH=htpasswd" in verdict.next


def test_a_registry_that_is_opened_again_breaks_the_lasting_steps(locked, docker):
    do(locked, "be-refused", "log-in-and-push")
    assert judge(locked, "log-in-and-push").passed
    docker("rm", "-fv", locked.name)
    docker("run", "-d", "-p", f"{locked.port}:5000", "--name", locked.name, "registry:2")
    assert eventually(lambda: "lets everyone in" in judge(locked, "ask-for-a-password").found)
    assert "lets everyone in" in judge(locked, "log-in-and-push").found


# Answers


@pytest.mark.parametrize(
    "answer",
    [
        NO_LOGIN,
        f"  {NO_LOGIN}\n",
        "push access denied, repository does not exist or may require authorization: "
        f"authorization failed: {NO_LOGIN}",
        "Using default tag: latest\nThe push refers to repository [localhost:5000/apps/internal-app"
        f"]\naeffc1d128b9: Preparing\n{NO_LOGIN}",
        "unauthorized: authentication required",
    ],
)
def test_the_error_of_any_engine_is_the_answer(shared, answer):
    assert judge(shared, "be-refused", answer).passed


@pytest.mark.parametrize(
    ("answer", "found", "todo"),
    [
        ("Unable to find image 'x:latest' locally", "announces a pull", "on the next line"),
        ("An image does not exist locally with the tag: x", "no image with that name", "image tag"),
        ("tag does not exist: x", "no image with that name", "image tag"),
        ("denied: requested access to the resource is denied", "Docker Hub's", "the full name"),
        (
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "Docker Hub's",
            "the full name",
        ),
        ("login attempt to x failed with status: 401 Unauthorized", "`docker login`", "Do not log"),
        ("401", "not that error", "Submit the error"),
        ("{}", "not that error", "Submit the error"),
        ("{registry}", "not that error", "Submit the error"),
    ],
)
def test_an_answer_that_is_another_error_is_named(shared, answer, found, todo):
    verdict = judge(shared, "be-refused", answer)
    assert verdict.status == "failed"
    assert found in verdict.found and todo in verdict.next and "docker push" in verdict.next


def test_only_a_client_that_pushes_or_pulls_can_be_refused(locked, docker):
    words = ("curl", "-s", "-A", "curl/8.0", f"http://{locked.registry}/v2/")
    subprocess.run(words, check=True, capture_output=True)
    assert "has not refused anyone yet" in judge(locked, "be-refused", NO_LOGIN).found
    assert judge(locked, "log-out").found.endswith("The registry has not been asked yet.")
    unanswered = judge(locked, "be-refused")
    assert unanswered.found.startswith("There is no answer yet. `localhost:")
    assert unanswered.found.endswith("has not refused anyone yet.")
    assert "docker push" in unanswered.next and unanswered.next.endswith(f" {SUBMIT}")
    docker("tag", locked.image, f"{locked.registry}/{APP}")
    assert NO_LOGIN in docker("push", f"{locked.registry}/{APP}", fails=True)
    unanswered = judge(locked, "be-refused")
    assert (unanswered.found, unanswered.next) == (READY, SUBMIT)
    assert judge(locked, "be-refused", NO_LOGIN).passed


def test_the_refusal_of_another_client_counts(locked):
    url = f"http://{locked.registry}/v2/{APP}/blobs/uploads/"
    words = ("curl", "-s", "-X", "POST", "-A", "skopeo/1.13", url)
    subprocess.run(words, check=True, capture_output=True)
    assert judge(locked, "be-refused", "unauthorized: authentication required").passed


def test_a_log_that_cannot_be_read_is_not_held_against_the_learner(opened, docker):
    folder = opened.work / "auth"
    folder.mkdir()
    (folder / "htpasswd").write_text(htpasswd(docker, "-Bbn", "alice", opened["password"]))
    options = {"log_config": {"type": "none", "config": {}}}
    opened.run_registry(environment=SETTINGS, volumes={"/auth:ro": str(folder)}, **options)
    assert judge(opened, "ask-for-a-password").passed
    assert judge(opened, "be-refused", NO_LOGIN).status == "unknown"


@pytest.mark.parametrize("refusal", ["", "Docker-Distribution-Api-Version: registry/2.0\r\n"])
def test_a_proxy_that_asks_for_the_password_itself_is_as_good_but_its_log_is_not_seen(
    opened, docker, refusal
):
    """The registry's log has no refusal in it: that does not mean that nobody was refused."""
    behind = docker("run", "-d", "-p", "127.0.0.1::5000", "registry:2")
    address = docker("port", behind, "5000/tcp")
    assert eventually(lambda: is_registry(address))
    known = b64encode(f"alice:{opened['password']}".encode()).decode()
    guard = {"login": f"Authorization: Basic {known}", "refusal": refusal}
    with proxying(address, opened.port, **guard):
        assert judge(opened, "ask-for-a-password").passed
        for step in ("be-refused", "log-out"):
            verdict = judge(opened, step, NO_LOGIN)
            assert verdict.status == "unknown" and "cannot be read" in verdict.found
            assert f"`registry:2` that publishes {opened.port} itself" in verdict.next


# The whole way with the command line


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_way_by_either_host_with_another_container_and_a_volume(opened, docker, unique, host):
    docker("volume", "create", unique)
    opened.run_to_end(
        "busybox:stable",
        ["sh", "-c", 'echo "$LINE" > /auth/passwords'],
        environment={"LINE": htpasswd(docker, "-Bbn", "alice", opened["password"]).strip()},
        volumes={"/auth": unique},
    )
    settings = {**SETTINGS, "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/passwords"}
    variables = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    where = ("-p", f"127.0.0.1:{opened.port}:5000", "-v", f"{unique}:/auth:ro")
    docker("run", "-d", "--name", f"{unique}-r", *where, *variables, "registry:2")
    assert eventually(lambda: judge(opened, "ask-for-a-password").passed)

    registry = f"{host}:{opened.port}"
    name = f"{registry}/{APP}"
    docker("tag", opened.image, name)
    error = docker("push", name, fails=True).splitlines()[-1]
    assert judge(opened, "be-refused", error).passed

    assert f"docker login -u alice --password-stdin {registry}" in (
        judge(opened, "log-in-and-push").next
    )
    assert "401 Unauthorized" in log_in(registry, "wrong").stderr
    assert judge(opened, "log-in-and-push").status == "failed"
    assert "Login Succeeded" in log_in(registry, opened["password"]).stdout
    assert judge(opened, "log-in-and-push").next == f"`docker push {name}`."
    docker("push", name)
    assert judge(opened, "log-in-and-push").passed

    docker("run", "--rm", name)
    assert "runs the copy that it had" in judge(opened, "run-it").found
    docker("rmi", name)
    docker("pull", name)
    docker("run", "--name", f"{unique}-c", name)
    assert judge(opened, "run-it").passed

    docker("logout", registry)
    docker("rm", f"{unique}-c")
    assert "Your engine has `" in judge(opened, "log-out", NO_LOGIN).found
    assert judge(opened, "log-out").found.startswith("There is no answer yet. Your engine has `")
    docker("rmi", name)
    error = docker("run", "--rm", name, fails=True)
    assert judge(opened, "log-out", error).passed
    assert judge(opened, "log-out").found == READY


def test_a_run_that_the_engine_has_forgotten_could_not_be_checked(locked, docker, monkeypatch):
    do(locked, "log-in-and-push")
    assert log_in(locked.registry, locked["password"]).returncode == 0
    docker("pull", f"{locked.registry}/{APP}")
    monkeypatch.setattr(history, "REMEMBERED", 0)
    verdict = judge(locked, "run-it")
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert f"`docker run --rm {locked.registry}/{APP}`" in verdict.next


def test_a_login_for_another_spelling_of_the_host_does_not_count(locked, docker):
    assert log_in(locked.registry, locked["password"]).returncode == 0
    other = f"127.0.0.1:{locked.port}"
    docker("tag", locked.image, f"{other}/{APP}")
    assert NO_LOGIN in docker("push", f"{other}/{APP}", fails=True)
    verdict = judge(locked, "log-in-and-push")
    assert f"without a login for `{other}`" in verdict.found
    assert f"--password-stdin {other}`, then `docker push {other}/{APP}`" in verdict.next


def test_another_image_under_the_name_is_named(locked, docker):
    name = f"{locked.registry}/{APP}"
    assert log_in(locked.registry, locked["password"]).returncode == 0
    docker("tag", "busybox:stable", name)
    docker("push", name)
    found = judge(locked, "log-in-and-push").found
    assert found.startswith(f"`{name}:latest` is another image there, ")
    assert found.endswith(": it has 1 of your image's 2 layers.")


def test_an_image_pushed_under_another_tag_is_found(locked, docker):
    place = f"{APP}:1.0"
    assert log_in(locked.registry, locked["password"]).returncode == 0
    docker("tag", locked.image, f"{locked.registry}/{place}")
    docker("push", f"{locked.registry}/{place}")
    verdict = judge(locked, "log-in-and-push")
    assert verdict.found == f"The registry has your image only as `{place}`."
    assert verdict.next.endswith(f"`{place}` may stay.")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{APP}-{{password}}:latest", "names no registry, so it means Docker Hub"),
        (
            f"private-registry.example/{APP}:{{password}}",
            "is for the registry `private-registry.example`",
        ),
        (
            f"private_registry.example/{APP}:{{password}}",
            "names no registry: a host cannot have an underscore",
        ),
        (f"{{registry}}/{APP}:1.0", "its tag is `1.0`, not `latest`"),
    ],
)
def test_a_slip_in_the_name_is_named(shared, docker, engine, name, words):
    wrong = shared.fill(name)
    docker("tag", shared.image, wrong)
    verdict = judge(shared, "log-in-and-push")
    engine.remove_image(wrong)
    assert f"Your image has the name `{wrong}`" in verdict.found and words in verdict.found


def test_a_copy_under_another_spelling_of_the_host_is_named(locked, docker):
    do(locked, "be-refused", "log-in-and-push", "run-it")
    other = f"127.0.0.1:{locked.port}/{APP}"
    answer = do(locked, "log-out")
    docker("tag", locked.image, other)
    verdict = judge(locked, "log-out", answer)
    assert f"Your engine has `{other}`" in verdict.found
    assert f"`docker image rm {other}`" in verdict.next


# The learner's own configuration


def test_the_command_that_is_told_removes_the_labs_login_and_no_other(locked, config):
    assert describe_logins(locked) == []
    assert log_in(locked.registry, locked["password"]).returncode == 0
    [said] = describe_logins(locked)
    [command] = re.findall("`(docker logout .+?)`", said)
    subprocess.run(command.split(), check=True, capture_output=True)
    assert describe_logins(locked) == []
    logins = json.loads((config / "config.json").read_text())["auths"]
    assert logins.keys() == {"registry.example", "localhost:1"}


@pytest.mark.parametrize("shell", [False, True], ids=["the-lab", "its-page"])
def test_a_run_leaves_the_learners_logins_as_they_were(config, tmp_path, httpd, shell):
    before = {path: path.read_bytes() for path in config.rglob("*")}
    engine, folder = Engine(), tmp_path / "workspaces"
    workspaces = Workspaces(folder, engine, COURSE.labs)
    ids = set()

    def ended(lab, step):
        ids.update(workspace.id for workspace in workspaces.all())

    headless = Runner(workspaces, Kit(engine, COURSE.images), Settings(shell=shell), ended=ended)
    assert LESSON
    done = headless.run([LESSON])
    assert done.status == "passed", done.as_dict()
    assert {path: path.read_bytes() for path in config.rglob("*")} == before
    assert ids and traces(engine, ids) == nothing() and not list(folder.glob("*/"))
