"""The labs of the course, done in other ways than the solution's. That they prove their checks, and
that their pages do them, is tested by `labs/` itself, with the plugin of the product."""

import re
import secrets
import subprocess
from functools import partial

import pytest

from labrunner.checks import history
from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.registry.versions import CONFIG_FILES
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import (
    ROOT,
    eventually,
    nothing,
    proxying,
    request_of,
    response,
    serving,
    traces,
)

COURSE = loader.load_course(ROOT)
COMMAND = re.compile("`((?:curl|docker) [^`]+)`")


def run(lesson, folder, engine, **how):
    """Run a lab in a folder of its own; the run, once nothing of it is left."""
    ids: list[str] = []
    workspaces = Workspaces(folder, engine, COURSE.labs)
    kit = Kit(engine, COURSE.images)

    def ended(lab, step):
        ids.extend(workspace.id for workspace in workspaces.all())

    done = Runner(workspaces, kit, Settings(**how), ended=ended).run([lesson])
    assert ids and traces(engine, set(ids)) == nothing()
    assert list(folder.glob("*/")) == []
    assert done.leftovers == []
    return done


ANSWERS = [
    "0",
    "-1",
    "--help",
    "{}",
    "[]",
    "null",
    '{"a":',
    "{registry}",
    "%s%n",
    "a" * 10_000,
    "\x00\x1b[31m",
    "\u202edetrevni",
    "ƒ€😀",
    "<img src=x>",
    "1e999",
    "9" * 400,
    ":",
    "/",
    "@",
    "`",
    "sha256:",
    "sha256:" + "g" * 64,
    "sha256:" + "a" * 64,
    "https://",
    "a:b:c/d@e",
    "\n\n",
    " . ",
]


@pytest.mark.parametrize("name", [path.parent.name for path in sorted(ROOT.glob("labs/*/lab.py"))])
def test_no_step_passes_before_it_is_done_and_any_answer_gets_a_verdict(
    services, engine, monkeypatch, name
):
    """What comes by itself never passes a step early. To what is typed, a check says what to do
    next, and never breaks on it; it does not give the answer away. The answers take turns: each
    step has every third one. The learner has chosen registry 3, where it is here: with registry 2,
    all steps are done by the tests of `labs/`."""
    lab = services.course.labs[name]
    if engine.image("registry:3"):
        services.workspaces.registry_choice.keep("registry:3")
    try:
        services.session(lab).start(lambda line: None)
    except ImageUnavailable as error:
        pytest.skip(error.found)  # as where Go is missing
    assert recheck(services, lab) == {}
    for number, step in enumerate(lab.steps, 1):
        workspace = services.session(lab).require_workspace()
        if step.takes_answer:
            with monkeypatch.context() as unchanged:
                unchanged.setattr(Engine, "query", remembering(Engine.query))
                unchanged.setattr(Engine, "volume_size", remembering(Engine.volume_size))
                for answer in ANSWERS[number % 3 :: 3]:
                    verdict = step.judge(workspace, answer)
                    failed = verdict.status == "failed" and verdict.next
                    assert failed, (answer, verdict)
        assert step.solve
        solution = step.solve(workspace)
        if step.takes_answer:
            services.session(lab).check(step, solution or "")
        assert eventually(partial(passed, services, lab, step))
        assert given_away(workspace, step) == []
        found = services.progress.load_lab(name).steps
        assert [each.id for each in lab.steps[number:] if each.id in found] == []
    assert all(each.done for each in services.progress.load_lab(name).steps.values())


def given_away(workspace, step):
    """The commands that verdicts on wrong answers to a question name, and that print the right
    one: a hint has those."""
    if not step.asks_question:
        return []
    here = ("", workspace.registry_image)
    near = [each for each in step.mistakes if each.only_an_answer and each.registry in here]
    answers = ["?", *(each.make(workspace) for each in near)]
    said = {code for each in answers for code in COMMAND.findall(step.judge(workspace, each).next)}
    return [code for code in said if step.judge(workspace, output(workspace, code)).passed]


def output(workspace, command):
    words = ["bash", "-c", command]
    done = subprocess.run(words, cwd=workspace.work, capture_output=True, text=True, timeout=20)
    return done.stdout


def remembering(ask):
    """A method of the engine that asks it the same only once."""
    told = {}

    def answer(engine, *words):
        if str(words) not in told:
            told[str(words)] = ask(engine, *words)
        return told[str(words)]

    return answer


def recheck(services, lab):
    """Check all steps as after an event; what is known of them."""
    for _ in services.session(lab).recheck_changed():
        pass
    return services.progress.load_lab(lab.name).steps


def passed(services, lab, step):
    found = recheck(services, lab).get(step.id)
    return found and found.done


def test_only_the_error_of_a_refusal_or_what_was_moved_back_is_an_answer_that_the_page_prints():
    """All other answers are to questions, and `run-lab --shell` refuses a page that gives them."""
    printed = {
        f"{lab.name} {step.id}"
        for lab in COURSE.labs.values()
        for step in lab.steps
        if step.evidence
    }
    assert printed == {
        "across-the-network be-refused",
        "lock-the-door be-refused",
        "lock-the-door log-out",
        "pin-it roll-back",
        "serve-tls meet-the-error",
    }


def test_a_lesson_ends_with_a_task_whose_commands_are_in_its_last_hint_only():
    for lesson in COURSE.lessons:
        *_, task = lesson.lab.steps
        assert lesson.titles[task.id].startswith("Task: ") and len(task.mistakes) > 1, lesson.slug
        for image in CONFIG_FILES:
            [block] = lesson.with_registry(image).blocks_of(task.id)
            assert block.hint and not task.takes_answer, lesson.slug


@pytest.mark.parametrize("name", ["run-a-registry", "push-and-pull"])
def test_a_lab_passes_beside_a_learners_registry_on_its_usual_place(tmp_path, engine, docker, name):
    """Port 5000 and the name `registry` are taken. All labs take both from their workspace."""
    if not engine.container("registry"):
        docker("create", "--name", "registry", "-p", "5000:5000", "registry:2")
    theirs = engine.container("registry")
    done = run(COURSE.lesson_of(name), tmp_path / name, engine)
    assert done.status == "passed", done.as_dict()
    assert engine.container("registry") == theirs


# Run a registry, in other ways


@pytest.fixture
def lab():
    return COURSE.labs["run-a-registry"]


@pytest.fixture
def opened(workspaces, lab):
    return workspaces.open(lab, "headless")


def judge(workspace, step, answer=""):
    return workspace.lab.find(step).judge(workspace, answer)


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


# Push and pull, in other ways


@pytest.fixture(scope="module")
def opened_once(shared_workspaces):
    return shared_workspaces.open(COURSE.labs["push-and-pull"], "headless")


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
    return shared_workspaces.open(COURSE.labs["push-and-pull"], "headless")


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
