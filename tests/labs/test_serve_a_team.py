"""The registry for a team, done in other ways than the lab's own."""

import re
import subprocess
from shutil import which
from textwrap import dedent

import pytest

from labrunner import TLS_SETTINGS, issue_certificate
from labrunner.course import loader
from labrunner.course.lesson import fill
from labrunner.kit.kit import Kit
from labrunner.workspaces import resources
from tests.fixtures.engine import ROOT, eventually, reopen

COURSE = loader.load_course(ROOT)
LESSON = COURSE.lesson_of("serve-a-team")
LAB = COURSE.labs["serve-a-team"]
COMPOSE_FILES = re.findall(r"^ *```yaml\n(.*?)^ *```$", LESSON.text, re.DOTALL | re.MULTILINE)
COMMANDS = "\n".join(block.code for block in LESSON.blocks)
NGINX_FILES = {
    **dict(
        re.findall(r"^cat > (proxy/\S+) <<'END'\n(.*?)^END$", COMMANDS, re.DOTALL | re.MULTILINE)
    ),
    **{
        file: text
        for text, file in re.findall(r"^echo '(.*)' > (proxy/\S+)$", COMMANDS, re.MULTILINE)
    },
}
FORWARD = """
proxy_pass http://{name}:5000;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-Proto $scheme;
"""


@pytest.fixture(scope="module")
def opened_once(shared_workspaces, engine):
    for image in LAB.images:
        Kit(engine, COURSE.images).get(image)
    return shared_workspaces.open(LAB, "headless")


@pytest.fixture
def opened(opened_once):
    """A workspace that has just been opened."""
    return reopen(opened_once, "image", "large_image")


def act(workspace, *steps):
    """Do these steps as the lab does; the last one's answer."""
    answer = ""
    for step in steps:
        does = LAB.find(step).solve
        assert does
        answer = does(workspace) or ""
        resources.observe(workspace)
    return answer


def judge(workspace, step, answer=""):
    return LAB.find(step).judge(workspace, answer)


def passes(workspace, step, answer=""):
    verdict = judge(workspace, step, answer)
    assert verdict.passed, verdict


def configure(workspace, location):
    """Write nginx's configuration, and have it read."""
    text = "server {{ listen 443 ssl; client_max_body_size 0; {0} location / {{ {1} }} }}"
    certificate = "ssl_certificate /certs/registry.crt; ssl_certificate_key /certs/registry.key;"
    file = workspace.work / "proxy/registry.conf"
    file.write_text(text.format(certificate, workspace.fill(location)))
    workspace.engine.restart(workspace["proxy"])


def test_compose_starts_both_halves_from_the_files_on_the_page(opened):
    if not which("docker-compose"):
        pytest.skip("docker-compose is not installed; script/test would do that.")

    def compose(file, *words):
        (opened.work / "compose.yaml").write_text(fill(dedent(file), opened.record.values))
        command = ["docker-compose", "-f", "compose.yaml", *words]
        done = subprocess.run(command, cwd=opened.work, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    alone, behind_nginx = COMPOSE_FILES
    act(opened, "serve-both")
    opened.remove_own(opened.name)
    compose(alone, "up", "-d")
    assert eventually(lambda: judge(opened, "serve-both").passed)
    act(opened, "log-in-and-push")
    passes(opened, "log-in-and-push")

    (opened.work / "proxy").mkdir()
    assert len(NGINX_FILES) == 3
    for name, text in NGINX_FILES.items():
        (opened.work / name).write_text(fill(text, opened.record.values))
    compose(behind_nginx, "up", "-d")
    assert eventually(lambda: judge(opened, "put-nginx-in-front").passed)
    opened.push_as(
        opened["large_image"], opened.ref("team/app", "2.0"), (opened["user"], opened["password"])
    )
    passes(opened, "let-layers-through")
    assert judge(opened, "put-nginx-in-front").proves == ("take-it-off-the-port",)
    for step in ("serve-both", "log-in-and-push"):
        passes(opened, step)

    found = resources.find_resources(opened)
    made = {(item.kind, item.name) for item in found if item.certain}
    assert {("container", opened.name), ("container", opened["proxy"])} <= made
    assert ("volume", opened["volume"]) in made
    assert [item for item in found if item.kind == "network" and item.certain]


def test_registry_2_behind_nginx_that_asks_for_the_password_itself_is_as_good(opened):
    act(opened, "serve-both", "log-in-and-push", "put-nginx-in-front")
    opened.remove_own(opened.name)
    opened.run(
        "registry:2",
        name=opened.name,
        network=opened["network"],
        volumes={"/var/lib/registry": opened["volume"]},
    )
    users = (opened.work / "auth/htpasswd").read_text()
    (opened.work / "proxy/users").write_text(users)
    own = "auth_basic team; auth_basic_user_file /etc/nginx/conf.d/users;"
    issue_certificate(opened.work, "DNS:localhost", "IP:127.0.0.1", days=2)
    configure(opened, own + FORWARD)
    assert eventually(lambda: judge(opened, "put-nginx-in-front").passed)
    for step in ("serve-both", "log-in-and-push"):
        passes(opened, step)
    assert judge(opened, "renew-the-certificate").found.endswith("valid for another 1 day.")


@pytest.mark.parametrize("setting", ["RELATIVEURLS=true", "HOST=https://127.0.0.1:{port}"])
def test_a_registry_that_knows_its_own_address_needs_no_headers(opened, setting):
    act(opened, "serve-both", "log-in-and-push", "put-nginx-in-front")
    name, value = opened.fill(f"REGISTRY_HTTP_{setting}").split("=", 1)
    before = opened.engine.container(opened.name)
    opened.remove_own(opened.name)
    opened.run(
        "registry:2",
        name=opened.name,
        network=opened["network"],
        environment={**before.environment, name: value},
        volumes={mount.target: mount.source for mount in before.mounts},
    )
    opened.engine.restart(opened["proxy"])
    opened.wait_for_registry()
    login = opened["user"], opened["password"]
    begun = opened.client(login=login, any_tls=True).request("POST", "team/app/blobs/uploads/")
    passes(opened, "follow-the-location", f"Location: {begun.headers['Location']}")


@pytest.mark.long
def test_a_proxy_that_does_not_start_says_why(opened):
    act(opened, "serve-both", "log-in-and-push", "put-nginx-in-front")
    opened.remove_own(opened.name)
    opened.engine.stop(opened["proxy"], seconds=0)
    opened.engine.start(opened["proxy"])
    opened.engine.wait(opened["proxy"])
    verdict = judge(opened, "put-nginx-in-front")
    assert verdict.reason == "proxy-ended"
    assert f'host not found in upstream "{opened.name}"' in verdict.found
    remove = f"`docker rm -f {opened.name} {opened['proxy']}`, then `docker run -d --name"
    assert remove in verdict.next and "/etc/nginx/conf.d:ro" in verdict.next


def test_a_registry_that_ended_behind_the_proxy_is_to_be_started(opened):
    act(opened, "serve-both", "log-in-and-push", "put-nginx-in-front")
    opened.engine.stop(opened.name, seconds=0)
    verdict = judge(opened, "put-nginx-in-front")
    assert (verdict.status, verdict.reason) == ("failed", "exited"), verdict
    assert verdict.next.startswith(f"`docker start {opened.name}`. ")
    assert verdict.next.endswith(f"Then `docker restart {opened['proxy']}`.")


def test_advice_makes_the_files_that_are_not_there_before_it_starts_what_mounts_them(opened):
    """And a beginner, who has nothing yet, is not told to start the registry of the next step."""
    first = judge(opened, "serve-tls").next
    assert first.startswith("Start one: `mkdir certs`, then `openssl req ")
    assert "htpasswd" not in first and first.endswith(" registry:3`.")
    both = judge(opened, "serve-both").next
    assert both.index("openssl req") < both.index("> auth/htpasswd`") < both.index("docker run -d")
    (opened.work / "certs").mkdir()
    opened.run(
        "registry:3",
        name=opened.name,
        ports={5000: opened.port},
        environment=TLS_SETTINGS,
        volumes={"/certs:ro": f"{opened.work / 'certs'}"},
    )
    opened.engine.wait(opened.name)
    verdict = judge(opened, "serve-tls")
    assert verdict.found.endswith(
        "Its log says `open /certs/registry.crt: no such file or directory`."
    )
    assert f"`docker rm -f {opened.name}`, then `openssl req " in verdict.next


def test_a_proxy_that_runs_is_not_enough(opened, docker):
    step, proxy = "put-nginx-in-front", opened["proxy"]
    act(opened, "serve-both", "log-in-and-push", "take-it-off-the-port")
    verdict = judge(opened, step)
    assert verdict.reason == "no-proxy" and "registry:3" not in verdict.next
    assert verdict.next.startswith("`mkdir proxy`, then write `proxy/registry.conf` ")
    act(opened, step)
    text = opened.work / "proxy/registry.conf"
    text.rename(text.with_suffix(""))
    opened.engine.restart(proxy)
    verdict = judge(opened, step)
    assert verdict.reason == "proxy-silent" and "`docker logs" not in verdict.next
    text.with_suffix("").rename(text)
    folders = {"proxy": "/etc/nginx/conf.d", "certs": "/certs"}
    mounts = [f"-v={opened.work / name}:{path}:ro" for name, path in folders.items()]
    docker("rm", "-f", proxy)
    docker("create", "-P", "--name", proxy, "--network", opened["network"], *mounts, "nginx:latest")
    assert judge(opened, step).next == f"`docker start {proxy}`."
    docker("start", proxy)
    assert judge(opened, step).reason == "proxy-unpublished"


def test_images_that_would_go_with_the_container_are_noticed_before_it_is_replaced(opened, docker):
    act(opened, "serve-both")
    before = opened.engine.container(opened.name)
    opened.remove_own(opened.name)
    opened.run(
        "registry:3",
        name=opened.name,
        ports={5000: opened.port},
        environment=before.environment,
        volumes={f"/{name}:ro": f"{opened.work / name}" for name in ("auth", "certs")},
    )
    opened.wait_for_registry()
    verdict = judge(opened, "serve-both")
    assert verdict.reason == "anonymous" and f"-v {opened['volume']}:" in verdict.next


def test_an_answer_from_before_the_headers_does_not_pass_and_neither_does_one_from_after(opened):
    """What was submitted must be right, and what the registry says now must be as well."""
    act(opened, "serve-both", "log-in-and-push", "put-nginx-in-front")
    right = act(opened, "follow-the-location")
    passes(opened, "follow-the-location", right)
    wrong = right.replace("https://", "http://")
    verdict = judge(opened, "follow-the-location", wrong)
    assert verdict.reason == "old-location" and "headers.conf" not in verdict.next
    configure(opened, "proxy_pass http://{name}:5000;")
    opened.wait_for_registry()
    assert judge(opened, "follow-the-location", right).reason == "other-host"


def test_a_registry_that_was_left_on_its_port_is_told_from_one_that_is_out_of_reach(opened, docker):
    step = "take-it-off-the-port"
    act(opened, "serve-both")
    assert judge(opened, step).reason == "published"
    opened.remove_own(opened.name)
    verdict = judge(opened, step)
    create = f"`docker network create {opened['network']}`, then `docker run -d "
    assert verdict.reason == "no-container" and verdict.next.startswith(create)
    network = ("--network", opened["network"])
    docker("run", "-d", "--name", opened.name, *network, "registry:3", fails=True)
    verdict = judge(opened, step)
    assert verdict.reason == "start-failed"
    assert f"`docker rm -f {opened.name}`, then {create}" in verdict.next
    docker("rm", "-v", opened.name)
    docker("run", "-d", "--name", opened.name, "registry:3")
    assert judge(opened, step).reason == "no-network"
    docker("network", "create", opened["network"])
    other = ("--name", opened.name, "--network", opened["network"], "nginx:latest")
    docker("rm", "-fv", opened.name)
    docker("run", "-d", *other)
    assert judge(opened, step).reason == "other-image"
    docker("rm", "-fv", opened.name)
    docker("run", "-d", "--name", opened.name, "registry:3")
    docker("network", "connect", opened["network"], opened.name)
    passes(opened, step)
    docker("stop", "-t", "0", opened.name)
    assert judge(opened, step).reason == "exited"
