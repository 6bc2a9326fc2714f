"""Live verdicts: what happens on the engine turns a step without a click, and nothing else does."""

import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count, pairwise
from queue import Empty

import pytest
import requests

import labrunner.engine.events
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.advice import Advice
from labrunner.session.errors import NotStarted
from labrunner.session.live_messages import FOUND, LOOKED, LOST, OVER, Message
from labrunner.session.session import Session
from labrunner.session.watcher import Watcher
from labrunner.verdicts import UNANSWERED
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import close_all, eventually, services_of
from tests.fixtures.live_lab import LAB, LESSON, push
from tests.fixtures.wire import Wire

PATIENCE = 60  # seconds for what has to come
WRONG = "Its name is wrong."
RUNS_AN_ENGINE = (
    "--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined"
    " --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
    " -v /sys/fs/cgroup:/sys/fs/cgroup:rw"
)


@pytest.fixture(autouse=True)
def pulse(monkeypatch):
    """Threads find out within a second that nobody needs them any more."""
    monkeypatch.setattr(labrunner.engine.events, "HEARTBEAT", 1)


@pytest.fixture
def services(instance, engine, course):
    loaded = course({"labs/live/lab.py": LAB, "lessons/01-live.md": LESSON})
    assert loaded.problems == ()
    workspaces = Workspaces(instance / "workspaces", engine, loaded.labs)
    yield services_of(loaded, instance, workspaces)
    close_all(workspaces)


@pytest.fixture
def lab(services):
    return services.course.labs["live"]


@pytest.fixture
def workspace(services, lab):
    return services.session(lab).start(lambda line: None)


@pytest.fixture
def live(services):
    return Watcher(services)


def subscribed(live):
    [lab] = live.services.course.labs.values()
    return live.subscribe(live.services.session(lab), lambda session, ids: " ".join(sorted(ids)))


@contextmanager
def watching(live):
    """An open page: a function that returns the next thing it is told, or None in that time."""

    def told(seconds=PATIENCE):
        end = time.monotonic() + seconds
        with suppress(Empty):
            while (message := line.get(timeout=max(0, end - time.monotonic()))) == LOOKED:
                pass
            return message

    with subscribed(live) as line:
        assert told() == FOUND
        yield told
    assert eventually(lambda: not threads(), PATIENCE)


def until(message, told):
    """Whether the page is told this, whatever else before: a step may be shown once more."""
    return message in iter(told, None)


def known(services):
    """How the steps stand, as it is stored."""
    return services.progress.load_lab("live").steps


def threads():
    found = [each.name for each in threading.enumerate()]
    return [name for name in found if name == "events of the engine" or name.startswith("live ")]


def notice(services, lab):
    for _ in services.session(lab).recheck_changed():
        pass


def changed(*steps):
    return Message("steps", " ".join(steps))


def test_each_page_is_told_in_its_own_language(live, lab, workspace, docker):
    def page(language):
        def render(session, ids):
            return f"{language}: {' '.join(sorted(ids))}"

        return live.subscribe(live.services.session(lab), render, language)

    with page("en") as english, page("de") as german, page("en") as another:
        docker("volume", "create", workspace["word"])
        for line, language in ((english, "en"), (german, "de"), (another, "en")):
            messages = iter(partial(line.get, timeout=PATIENCE), None)
            said = next(each.text for each in messages if each.kind == "steps")
            assert said == f"{language}: make-a-volume"
    assert eventually(lambda: not threads(), PATIENCE)


# Looking at a lab


def test_a_look_keeps_what_is_news_and_counts_as_no_attempt(services, lab, workspace, docker):
    notice(services, lab)
    assert known(services) == {}
    docker("volume", "create", workspace["word"])
    notice(services, lab)
    passed = known(services)["make-a-volume"]
    assert (passed.state, passed.attempts) == ("passed", 0)
    notice(services, lab)
    assert known(services) == {"make-a-volume": passed}
    docker("volume", "rm", workspace["word"])
    notice(services, lab)
    assert known(services)["make-a-volume"].state == "broken"


def test_a_lasting_step_waits_for_those_before_it(services, lab, workspace, docker):
    make, *between, third = lab.steps
    docker("volume", "create", f"{workspace['word']}-3")
    notice(services, lab)
    assert known(services) == {}
    docker("volume", "create", workspace["word"])
    for step in between:
        services.session(lab).skip(step)
    notice(services, lab)
    assert {make.id, third.id} == {id for id, found in known(services).items() if found.done}


def test_a_verdict_that_says_the_same_is_no_news(services, lab, workspace):
    checked = services.session(lab).check(lab.steps[0])
    notice(services, lab)
    assert known(services)["make-a-volume"].checked_at == checked.checked_at


def test_a_press_of_the_button_waits_for_one_check_and_not_for_the_look(services, lab, workspace):
    slow, quick = lab.steps[:2]
    judge, running, at_once = slow.judge, [], []

    def slowly(*given):
        running.append(given)
        at_once.append(len(running))
        time.sleep(0.5)
        running.pop()
        return judge(*given)

    slow.judge = slowly
    look = threading.Thread(target=lambda: next(services.session(lab).recheck_changed()))
    look.start()
    assert services.session(lab).check(slow).state == "failed"
    look.join()
    assert at_once == [1, 1]
    look = services.session(lab).recheck_changed()
    next(look)  # it has more to check
    assert services.session(lab).check(quick).state == "failed"
    assert list(look)


def test_nothing_is_looked_at_before_the_start(services, lab):
    with pytest.raises(NotStarted):
        notice(services, lab)


# From the engine to the page


def test_a_step_passes_and_breaks_by_itself(live, services, workspace, docker):
    with watching(live) as told:
        docker("volume", "create", workspace["word"])
        assert told() == changed("make-a-volume")
        docker("volume", "rm", workspace["word"])
        assert told() == changed("make-a-volume")
        assert known(services)["make-a-volume"].state == "broken"


def test_a_moment_that_has_passed_stays(live, services, workspace, docker):
    with watching(live) as told:
        docker("volume", "create", f"{workspace['word']}-2")
        assert told() == changed("see-another")
        docker("volume", "rm", f"{workspace['word']}-2")
        docker("volume", "create", workspace["word"])
        assert told() == changed("make-a-volume")
        assert known(services)["see-another"].state == "passed"


def test_what_a_container_does_in_a_while_is_seen(live, workspace, docker):
    with watching(live) as told:
        slowly = "sleep 1.2; touch /it; sleep 60"
        docker("run", "-d", "--name", workspace["word"], "busybox:stable", "sh", "-c", slowly)
        assert told() == changed("write-a-file")


def test_a_command_in_a_container_is_seen(live, workspace, docker):
    name = workspace["word"]
    docker("run", "-d", "--name", name, "busybox:stable", "sleep", "60")
    with watching(live) as told:
        assert told(3) is None
        docker("exec", name, "touch", "/it")
        assert told() == changed("write-a-file")


def test_what_only_the_registry_sees_is_found(live, workspace):
    workspace.run_registry()
    with watching(live) as told:
        assert told(1) is None
        push(workspace.registry)
        assert told() == changed("fill-the-registry")


def test_a_check_of_another_page_or_terminal_is_shown(live, services, lab, workspace):
    with watching(live) as told:
        services.session(lab).check(lab.steps[0])
        assert told() == changed("make-a-volume")
        services.progress.begin("live")
        assert told() == changed("make-a-volume")


def test_an_act_that_does_not_reach_the_current_step_is_told_once(
    live, services, workspace, docker
):
    with watching(live) as told:
        docker("volume", "create", f"{workspace['word']}-x")
        assert told() == changed("make-a-volume")
        step = known(services)["make-a-volume"]
        assert (step.state, step.attempts) == ("failed", 0)
        assert step.verdict.found == "There is another one."
        docker("volume", "create", f"{workspace['word']}-y")
        assert told(1) is None


def test_a_step_with_an_answer_is_told_of_all_that_it_lacks_besides(
    live, services, lab, workspace, docker
):
    services.progress.begin("live", {"say-it": f"{UNANSWERED} It is not there."})
    for step in lab.steps[:4]:
        services.session(lab).skip(step)
    with watching(live) as told:
        docker("volume", "create", f"{workspace['word']}-say-x")
        assert told() == changed("say-it")
        step = known(services)["say-it"]
        assert (step.state, step.attempts) == ("failed", 0)
        assert step.verdict.found == f"{UNANSWERED} Something else is there."
        docker("volume", "create", f"{workspace['word']}-say")
        assert told() == changed("say-it")
        assert known(services)["say-it"].verdict.found == f"{UNANSWERED} Everything else is ready."


def test_what_happens_while_a_step_is_told_what_it_lacks_is_told_next(
    services, lab, workspace, docker
):
    services.progress.begin("live", {"say-it": f"{UNANSWERED} It is not there."})
    for step in lab.steps[:4]:
        services.session(lab).skip(step)
    advice = Advice(services.session(lab))
    for name, found in (
        ("say-x", "Something else is there."),
        ("say", "Everything else is ready."),
    ):
        docker("volume", "create", f"{workspace['word']}-{name}")
        next(advice.give())  # what happens then stops it there
        assert known(services)["say-it"].verdict.found == f"{UNANSWERED} {found}"


def test_a_later_step_is_told_of_its_known_mistakes_only(
    live, services, lab, workspace, docker, monkeypatch
):
    looks, give = [], Advice.give

    def note(advice):
        yield from give(advice)
        looks.append(advice._found)

    monkeypatch.setattr(Advice, "give", note)
    with watching(live) as told:
        for name, found in (("", "It is not there."), ("-3y", "It is odd."), ("-3x", WRONG)):
            if name:
                docker("volume", "create", workspace["word"] + name)
            assert eventually(partial(seen, looks, "make-a-third", found), PATIENCE)
        assert told() == changed("make-a-third")
        assert known(services)["make-a-third"].state == "failed"
    [event] = [each for each in services.progress.load_archive().events if each.step]
    assert event.found == WRONG
    assert event.mistakes is None  # it may have been meant for another step


def seen(looks, step, found):
    return looks and looks[-1].get(step) == found


def test_what_a_step_lacks_is_not_told_while_a_command_runs(services, workspace, docker):
    running = [workspace.work]
    live = Watcher(services, running.__contains__)
    with watching(live) as told:
        docker("volume", "create", f"{workspace['word']}-x")
        assert told(1.5) is None
        running.clear()
        assert told() == changed("make-a-volume")


def test_a_lab_that_is_finished_elsewhere_is_over(live, services, lab, workspace):
    with watching(live) as told:
        services.session(lab).finish([])
        assert told() == OVER


def test_a_look_that_fails_is_made_again(live, services, workspace, docker, monkeypatch):
    recheck, fails = Session.recheck_changed, []

    def fail_once(session):
        if fails:
            raise fails.pop()
        return recheck(session)

    monkeypatch.setattr(Session, "recheck_changed", fail_once)
    for failure in (EngineDown, ProgressUnavailable):
        error = failure("It is slow.", next="Wait.")
        with watching(live) as told:
            fails.append(error)
            docker("volume", "create", workspace["word"])
            assert told() == changed("make-a-volume")
            assert fails == []
            docker("volume", "rm", workspace["word"])
            assert told() == changed("make-a-volume")


def test_a_page_is_told_to_look_at_the_registry_when_that_can_have_changed(
    live, services, workspace, docker, monkeypatch
):
    registry = workspace.run_registry()
    assert eventually(partial(requests.get, f"http://{workspace.registry}/v2/", timeout=5))
    looks, recheck = [], Session.recheck_changed

    def note(session):
        yield from recheck(session)
        looks.append(session)

    monkeypatch.setattr(Session, "recheck_changed", note)
    numbers = count()
    with subscribed(live) as line:

        def told():
            """What the page was told until another look at the lab was over."""
            for _ in range(2):  # the next one begins when all is told of the one before it
                looks.clear()
                docker("volume", "create", f"{workspace['word']}-other-{next(numbers)}")
                assert eventually(lambda: looks, PATIENCE)
            return [line.get() for _ in range(line.qsize())]

        assert eventually(lambda: LOOKED not in told(), PATIENCE)  # the first look is news
        assert LOOKED not in told()
        push(workspace.registry)
        assert LOOKED in iter(partial(line.get, timeout=PATIENCE), None)
        assert eventually(lambda: LOOKED not in told(), PATIENCE)
        docker("stop", registry)
        assert LOOKED in iter(partial(line.get, timeout=PATIENCE), None)


def test_many_events_are_few_looks_the_last_one_after_all(
    live, services, workspace, engine, docker, monkeypatch
):
    looks, recheck = [], Session.recheck_changed

    def note(session):
        looks.append(time.time())
        yield from recheck(session)

    monkeypatch.setattr(Session, "recheck_changed", note)
    with watching(live):
        looks.clear()
        began = time.time()
        names = [f"{workspace['word']}-many-{number}" for number in range(12)]
        for name in names:
            docker("volume", "create", name)
        last = engine.events(began, engine.ask_time(), type="volume", event="create")[-1]
        assert last.attributes.get("volume", last.id) == names[-1]
        assert eventually(lambda: looks and looks[-1] > last.time, PATIENCE)
        pauses = [after - before for before, after in pairwise(looks)]
        assert all(pause > 0.2 for pause in pauses)
        assert len(looks) <= (time.time() - began) / 0.25 + 3


def test_our_own_checks_and_headless_runs_start_nothing(
    live, services, lab, workspace, engine, docker
):
    name = workspace["word"]
    theirs = docker("run", "-d", "--name", name, "busybox:stable", "sleep", "60")
    other = docker("run", "-d", "busybox:stable", "sleep", "60")
    services.session(lab).check(lab.steps[0])  # which sees that this container is the lab's
    events = engine.follow(type="container", event=["create", "start", "die", "exec_die"])
    assert next(events) is None
    engine.execute(theirs, ["true"])  # the engine of the services, as in a check
    docker("exec", theirs, "true")
    docker("exec", other, "true")
    headless = services.workspaces.open(lab, "headless")
    made = headless.run("busybox:stable", command=["sleep", "60"])
    learners = (
        services.session(lab).require_workspace().run("busybox:stable", command=["sleep", "60"])
    )
    seen = {}
    while learners not in seen or "start" not in [each.action for each in seen[learners]]:
        if event := next(events):
            seen.setdefault(event.id, []).append(event)
    events.close()

    executed = [event for event in seen[theirs] if event.action == "exec_die"]
    assert [live.is_relevant(event) for event in executed] == [False, True]
    assert [live.is_relevant(event) for event in seen[other]] == [False]
    assert not any(live.is_relevant(event) for event in seen[made])
    assert all(live.is_relevant(event) for event in seen[learners])


def test_an_engine_that_goes_and_comes_back_leaves_no_wrong_verdict(
    live, services, workspace, docker, engine, tmp_path, monkeypatch
):
    wire = Wire(engine, tmp_path / "engine.sock")
    wire.connect()
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{wire.path}")
        services.workspaces.engine = Engine(timeout=30)
        assert services.workspaces.engine.info()  # it stays with this way
    with watching(live) as told:
        docker("volume", "create", workspace["word"])
        assert told() == changed("make-a-volume")
        wire.cut()
        assert told() == LOST
        docker("volume", "rm", workspace["word"])
        assert told(3) is None
        assert known(services)["make-a-volume"].state == "passed"
        wire.connect()
        assert {told(), told()} == {FOUND, changed("make-a-volume")}  # a check may be first
        assert known(services)["make-a-volume"].state == "broken"
    wire.cut()
    services.workspaces.engine = engine


@pytest.fixture
def second_engine(docker, tmp_path, engine):
    """An engine in a container, which may be killed. Its container ends with it."""
    path = tmp_path / "second.sock"
    flags = RUNS_AN_ENGINE.split()
    folder = ["-v", f"{tmp_path}:{tmp_path}", "--entrypoint", "sh"]
    # With a stale pid of containerd that is by chance another process's, dockerd waits in vain.
    tidy = "find /run /var/run -name docker.pid -o -name containerd.pid | xargs rm -f"
    command = f"{tidy}; exec dockerd -H unix://{path}"
    host = docker("run", "-d", *flags, *folder, "docker:dind", "-c", command)
    come_back(docker, host, path)
    kept = tmp_path / "images.tar"
    docker("save", "-o", str(kept), "registry:2", "busybox:stable")
    docker("-H", f"unix://{path}", "load", "-i", str(kept))
    return host, path


def come_back(docker, host, path):
    """Start an engine's container, and wait until the engine answers."""
    docker("start", host)

    def answers():
        asked = subprocess.run(["docker", "-H", f"unix://{path}", "version"], capture_output=True)
        return asked.returncode == 0

    assert eventually(answers, 3 * PATIENCE), engine_log(host)


def engine_log(host):
    said = subprocess.run(["docker", "logs", "--tail", "20", host], capture_output=True, text=True)
    return said.stdout + said.stderr


def test_an_engine_that_is_killed_and_started_leaves_no_wrong_verdict(
    live, services, lab, second_engine, docker, monkeypatch
):
    host, path = second_engine
    address = f"unix://{path}"
    first = services.workspaces.engine
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        services.workspaces.engine = services.kit.engine = Engine(timeout=5)
        assert services.workspaces.engine.info()  # it stays with this way
    workspace = services.session(lab).start(lambda line: None)
    states = []
    with watching(live) as told:
        docker("-H", address, "volume", "create", workspace["word"])
        assert told() == changed("make-a-volume")
        for signal in ("KILL", "TERM"):
            docker("kill", "-s", signal, host)
            docker("wait", host)
            assert until(LOST, told)
            states.append(known(services)["make-a-volume"].state)
            come_back(docker, host, path)
            assert until(FOUND, told)
        docker("-H", address, "volume", "rm", workspace["word"])
        assert told() == changed("make-a-volume")
    assert states == ["passed", "passed"]
    assert [each.kind for each in services.progress.load_archive().events] == [
        "started",
        "passed",
        "broken",
    ]
    close_all(services.workspaces)
    services.workspaces.engine = first


def test_without_an_engine_a_page_is_told_so(live, services, workspace, monkeypatch, engine):
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        services.workspaces.engine = Engine(timeout=30)
        with subscribed(live) as line:
            assert line.get(timeout=PATIENCE) == LOST
            with subscribed(live) as other:
                assert other.get(timeout=PATIENCE) == LOST
        assert known(services) == {}
        assert eventually(lambda: not threads(), PATIENCE)
    services.workspaces.engine = engine
