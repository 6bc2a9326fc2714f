"""The lab "Run a registry", done with the command line in right, wrong and other ways."""

import pytest

from labrunner.workspaces import resources
from tests.fixtures.engine import eventually, proxying, request_of, response, serving
from tests.fixtures.workspaces import judge


@pytest.fixture
def opened(workspaces):
    return workspaces.open(workspaces.labs["run-a-registry"], "headless")


@pytest.mark.parametrize(
    "publish", ["{port}:5000", "127.0.0.1:{port}:5000", "0.0.0.0:{port}:5000/tcp"]
)
def test_a_registry_of_another_name_on_any_address_is_right(opened, docker, unique, publish):
    where = publish.format(port=opened.port)
    docker("run", "-d", "-p", where, "--name", unique, "--restart", "always", "registry:2")
    assert eventually(lambda: judge(opened, "start-a-registry").passed)
    assert f"the container `{unique}` serves it" in judge(opened, "start-a-registry").found
    assert judge(opened, "set-a-restart-policy").found == (
        f"The restart policy of `{unique}` is `always`."
    )
    kill = ("--pid", f"container:{unique}", "busybox:stable", "kill", "-QUIT", "1")
    assert unique in judge(opened, "let-it-die").next
    docker("run", "-d", "--rm", *kill)  # in front, it may be taken along by the end of process 1
    assert eventually(lambda: judge(opened, "let-it-die").passed)


def test_a_container_on_the_same_number_over_udp_changes_no_verdict(opened, docker):
    docker("run", "-d", "-p", f"{opened.port}:5000", "--restart", "always", "registry:2")
    assert eventually(lambda: judge(opened, "set-a-restart-policy").passed)
    sleep = ("busybox:stable", "sleep", "60")
    docker("run", "-d", "-p", f"{opened.port}:{opened.port}/udp", *sleep)
    for step in ("start-a-registry", "set-a-restart-policy"):
        assert judge(opened, step).passed


def test_a_registry_on_a_network_of_its_own_with_a_volume_is_right(opened, docker, unique, engine):
    docker("network", "create", unique)
    docker("volume", "create", unique)
    words = ("--network", unique, "-v", f"{unique}:/var/lib/registry", "--name", f"{unique}-r-1")
    docker("run", "-d", "-p", f"{opened.port}:5000", *words, "registry:2")
    assert eventually(lambda: judge(opened, "start-a-registry").passed)
    belongs = {(item.kind, item.name) for item in resources.find_resources(opened)}
    assert {("network", unique), ("volume", unique), ("container", f"{unique}-r-1")} <= belongs


def test_a_registry_of_another_port_inside_is_right(opened, docker, unique):
    words = ("-e", "REGISTRY_HTTP_ADDR=:80", "-p", f"{opened.port}:80", "--name", unique)
    docker("run", "-d", *words, "registry:2")
    assert eventually(lambda: judge(opened, "start-a-registry").passed)


def test_the_answer_to_the_catalog_is_read_as_json(opened):
    opened.run_registry()
    for answer, passed, words in (
        ('{"repositories":[]}', True, "Your answer is the catalog of"),
        (' {"repositories": []}\n\n', True, "Your answer is the catalog of"),
        ("{}", False, "`{}` is what `/v2/` answers"),
        ("[]", False, "no list of `repositories`"),
        ('{"repositories": "none"}', False, "no list of `repositories`"),
        ('{"repositories": ["a/b"]}', False, "does not list the same repositories"),
        ("404 page not found", False, "not JSON"),
        ("", False, "no answer yet"),
    ):
        verdict = judge(opened, "ask-the-catalog", answer)
        assert (verdict.passed, words in verdict.found) == (passed, True), answer
        assert passed or verdict.next


def test_the_registry_of_somebody_else_is_not_taken_for_the_labs(opened, workspaces, docker):
    """Neither one that another lab runs, nor one that the learner runs on another port."""
    other = workspaces.open(opened.lab, "headless")
    other.run_registry(restart_policy={"Name": "always"})
    assert other.name not in judge(opened, "start-a-registry").found
    docker("run", "-d", "-P", "--restart", "always", "registry:2")
    assert judge(opened, "set-a-restart-policy").found == "There is no such container."


def test_a_container_that_could_not_have_the_port_passes_no_step(opened, docker, foreign_registry):
    """The registry that answers is none of this lab."""
    policy = ("--restart", "always", "--name", opened.name)
    with proxying(foreign_registry, opened.port):
        docker("run", "-d", "-p", f"{opened.port}:5000", *policy, "registry:2", fails=True)
        verdicts = [judge(opened, step.id, "{}") for step in opened.lab.steps]
    assert {verdict.status for verdict in verdicts} == {"failed"}
    first, _, policy_step, last, _ = verdicts
    for verdict in (first, policy_step, last):
        assert f"The container `{opened.name}` was created, but not started." in verdict.found
        assert "address already in use" in verdict.found
        assert f"`docker start {opened.name}`" in verdict.next
    assert first.found.startswith("A registry answers there, but no container publishes that port.")
    assert first.next.startswith("Stop the program that answers, then ")


def test_what_is_no_registry_has_no_catalog(opened):
    everything = serving(answer_all('{"repositories": []}'), port=opened.port)
    with everything:
        for step, answer in (("start-a-registry", ""), ("ask-the-catalog", '{"repositories":[]}')):
            verdict = judge(opened, step, answer)
            assert not verdict.passed and "but it is not a registry" in verdict.found


def answer_all(body):
    def answer(connection):
        request_of(connection)
        connection.sendall(response(body))

    return answer


def test_a_paused_registry_is_to_be_unpaused(opened, docker):
    docker("pause", opened.run_registry())
    verdict = judge(opened, "let-it-die")
    assert verdict.found == f"The container `{opened.name}` is paused."
    assert verdict.next.startswith(f"`docker unpause {opened.name}`. Then `docker run --rm --pid ")


def test_a_second_registry_that_others_reach_or_that_stays_stopped_is_told_so(opened, docker):
    name = opened["second"]
    opened.run_registry()

    def run(publish, reason):
        docker("run", "-d", "-p", publish, "--name", name, "registry:2")
        assert eventually(lambda: judge(opened, "run-a-second-one").reason == reason)

    run("0.0.0.0::5000", "open")
    docker("rm", "-fv", name)
    run("127.0.0.1::5001", "no-answer")
    docker("rm", "-fv", name)
    run("127.0.0.1::5000", "no")
    docker("update", "--restart", "always", name)
    assert judge(opened, "run-a-second-one").passed


def test_without_a_registry_the_later_steps_say_so(opened):
    for step in ("set-a-restart-policy", "let-it-die"):
        verdict = judge(opened, step)
        assert (verdict.status, verdict.found) == ("failed", "There is no such container.")
        assert "docker run -d" in verdict.next
    assert judge(opened, "ask-the-catalog", "{}").status == "failed"
