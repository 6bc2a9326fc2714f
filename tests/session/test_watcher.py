"""Live verdicts: what happens on the engine turns a step without a click, and nothing else does."""

import re
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from queue import Empty
from urllib.parse import urlsplit

import pytest
import requests

import labrunner.engine.events
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.errors import NotStarted
from labrunner.session.session import Session
from labrunner.session.watcher import FOUND, LOOKED, LOST, OVER, Message, Watcher
from labrunner.web.limits import MAX_CONNECTIONS
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import (
    close_all,
    eventually,
    request_of,
    response,
    services_of,
    serving,
)
from tests.web.test_web import AS_BROWSERS_DO, word

LAB = '''
from labrunner import Lab, NotYet

lab = Lab(title="Live", images=["registry:2", "busybox:stable"])
NOT_YET = NotYet(expected="It.", found="It is not there.", next="Make it.")


@lab.value
def word(workspace):
    return workspace.unused(f"word-{workspace.id}")


@lab.step(lasting=True)
def make_a_volume(workspace):
    """There is a volume `{word}`."""
    if workspace.engine.volume(workspace["word"]):
        return "It is there."
    raise NOT_YET


@lab.step
def see_another(workspace):
    """There was a volume `{word}-2` once."""
    if workspace.engine.volume(workspace["word"] + "-2"):
        return "It was there."
    raise NOT_YET


@lab.step
def write_a_file(workspace):
    """In the container `{word}` is a file."""
    container = workspace.engine.container(workspace["word"])
    if not container or workspace.engine.execute(container.id, ["ls", "/it"])[0]:
        raise NOT_YET
    return "It is there."


@lab.step
def fill_the_registry(workspace):
    """`{registry}` has a repository."""
    if workspace.api.repositories():
        return "It has."
    raise NOT_YET


@lab.step
def say_it(workspace, answer):
    """You say it."""
    return "You did."


@lab.step(lasting=True)
def make_a_third(workspace):
    """There is a volume `{word}-3`."""
    if workspace.engine.volume(workspace["word"] + "-3"):
        return "It is there."
    raise NOT_YET


for step in lab.steps:
    step.solution(lambda workspace: "it")
'''
STEPS = (
    "make-a-volume",
    "see-another",
    "write-a-file",
    "fill-the-registry",
    "say-it",
    "make-a-third",
)
LESSON = "---\ntitle: Live\nlab: live\n---\n" + "\n".join(
    f"## {step} {{#{step} .step}}\n" for step in STEPS
)
PATIENCE = 60  # seconds for what has to come
RUNS_AN_ENGINE = (
    "--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined"
    " --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
    " -v /sys/fs/cgroup:/sys/fs/cgroup:rw"
)
CHECK = "/lessons/tiny/steps/make-a-volume/check"
STREAM = "/lessons/tiny/live"


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


# The engine's events


def test_events_come_as_they_happen_with_a_pulse(engine, docker, unique):
    events = engine.follow(type="volume", event=["create"])
    assert next(events) is None
    docker("volume", "create", unique)
    assert unique in [event.id for event in iter(lambda: next(events), None)]
    events.close()


@pytest.mark.parametrize("ending", ["", "0\r\n\r\n"], ids=["cut", "in good order"])
def test_an_engine_that_ends_its_events_is_down(tmp_path, monkeypatch, ending):
    moment = '{"SystemTime": "2026-01-01T00:00:00Z"}'
    version = '{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}'

    def answer(connection):
        path = request_of(connection).split(" ")[1]
        if "/events" in path:
            head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(f"{head}{ending}".encode())
        else:
            connection.sendall(response(version if "/version" in path else moment))

    with serving(answer, unix=tmp_path / "engine.sock") as path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        events = Engine(timeout=2).follow()
        assert next(events) is None
        with pytest.raises(EngineDown):
            next(events)


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


def push(registry):
    """As a program does that is not Docker."""
    there = f"http://{registry}/v2/by-hand"
    place = requests.post(f"{there}/blobs/uploads/", timeout=5).headers["Location"]
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    mark = "&" if "?" in place else "?"
    assert requests.put(f"{place}{mark}digest={digest}", data=b"{}", timeout=5).ok
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    config = {"mediaType": "application/json", "size": 2, "digest": digest}
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
    headers = {"Content-Type": kind}
    assert requests.put(f"{there}/manifests/1", json=manifest, headers=headers, timeout=5).ok


def test_a_check_of_another_page_or_terminal_is_shown(live, services, lab, workspace):
    with watching(live) as told:
        services.session(lab).check(lab.steps[0])
        assert told() == changed("make-a-volume")
        services.progress.begin("live")
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
    live, services, workspace, docker, monkeypatch
):
    looks, recheck = [], Session.recheck_changed

    def note(session):
        looks.append(time.monotonic())
        yield from recheck(session)

    monkeypatch.setattr(Session, "recheck_changed", note)
    with watching(live):
        looks.clear()
        began = time.monotonic()
        names = [f"{workspace['word']}-many-{number}" for number in range(12)]
        for name in names:
            docker("volume", "create", name)
        last = time.monotonic()
        assert eventually(lambda: looks and looks[-1] > last, PATIENCE)
        pauses = [after - before for before, after in pairwise(looks)]
        assert all(pause > 0.2 for pause in pauses)
        assert len(looks) <= (time.monotonic() - began) / 0.25 + 3


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


class Wire:
    """The way to the engine for whoever goes by `path`; it can be cut."""

    def __init__(self, engine, path):
        self.path, self.engine = path, urlsplit(engine.address).path
        self.ends = []

    def connect(self):
        self.path.unlink(missing_ok=True)
        self.server = serving(self._carry, unix=self.path)
        self.server.__enter__()

    def cut(self):
        self.server.__exit__(None, None, None)
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _carry(self, near):
        with socket.socket(socket.AF_UNIX) as far:
            far.connect(self.engine)
            self.ends += [near, far]
            back = threading.Thread(target=carry, args=(far, near), daemon=True)
            back.start()
            carry(near, far)
            back.join()


def carry(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


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
    assert [each.kind for each in services.progress.load().events] == [
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


# Over HTTP


class Stream:
    """What an open page gets, read as it comes."""

    def __init__(self, site, cookies, path=STREAM):
        self.answer = requests.get(
            site.url + path, cookies=cookies, headers=AS_BROWSERS_DO, stream=True, timeout=PATIENCE
        )
        self.text, self.ended = "", False
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        with suppress(requests.RequestException, AttributeError):  # closed while it reads
            for data in self.answer.iter_content(None):
                self.text += data.decode()
        self.ended = True

    def close(self):
        with suppress(OSError, AttributeError, ValueError):  # it was read to its end
            line = socket.socket(fileno=socket.dup(self.answer.raw.fileno()))
            with line:
                line.shutdown(socket.SHUT_RDWR)
        self.reader.join(5)
        self.answer.close()

    @property
    def passed(self):
        return "Make a volume: passed." in self.text


@pytest.fixture
def visitor(site):
    """Somebody who has started the lab."""
    visitor = site.visitor()
    visitor.start()
    return visitor


@pytest.fixture
def volume(visitor):
    """The volume that the lab wants."""
    return word(visitor)


def test_a_stream_begins_with_all_steps_and_brings_those_that_change(site, visitor, volume, docker):
    visitor.submit(CHECK)
    stream = Stream(site, visitor.cookies)
    assert stream.answer.status_code == 200
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    assert "Content-Encoding" not in stream.answer.headers
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    first, _, _ = stream.text.partition("event: found")
    places = re.findall(r'id="(verdict-[a-z-]+)" hx-swap-oob', first)
    assert places == ["verdict-make-a-volume", "verdict-say-it"]
    assert "Not there yet." in first and "Not done yet." in first
    assert all(line[:6] in ("event:", "data: ", "retry:", "") for line in first.split("\n"))

    docker("volume", "create", volume)
    assert eventually(lambda: stream.passed, PATIENCE)
    last = stream.text.rpartition("event: steps")[2]
    assert "verdict-make-a-volume" in last and "verdict-say-it" not in last
    assert "1 of 2" in last
    stream.close()


def test_the_door_holds_for_a_stream(site, visitor):
    assert requests.get(site.url + STREAM, timeout=5).status_code == 401
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert visitor.get(STREAM, headers=headers).status_code == 403
    assert visitor.post(STREAM).status_code in (400, 405)


def test_there_is_no_stream_without_a_started_lab(site):
    visitor = site.visitor()
    assert visitor.get(STREAM).status_code == 409
    assert visitor.get("/lessons/reading/live").status_code == 404
    assert visitor.get("/lessons/no/live").status_code == 404


@pytest.fixture
def places(site):
    return MAX_CONNECTIONS


def held(site):
    """How many files and connections the server has open."""
    pid = site.process.pid
    [worker] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(list(Path(f"/proc/{worker}/fd").iterdir()))


def test_fifty_pages_are_told_at_once_and_nobody_waits(site, visitor, volume, docker, places):
    assert places >= 50
    streams = [Stream(site, visitor.cookies) for _ in range(places)]
    try:
        assert [stream.answer.status_code for stream in streams] == [200] * places
        found = lambda: all("event: found" in each.text for each in streams)  # noqa: E731
        assert eventually(found, PATIENCE)
        docker("volume", "create", volume)
        assert visitor.get("/lessons/tiny").ok
        assert eventually(lambda: all(stream.passed for stream in streams), PATIENCE)

        refused = visitor.get(STREAM)
        assert refused.status_code == 503
        assert "As many pages and terminals are open as this server can serve" in refused.text
        assert visitor.head(STREAM).status_code == 503
        assert visitor.submit(CHECK).ok
        at_work = held(site)
    finally:
        for stream in streams:
            stream.close()

    assert eventually(lambda: held(site) <= at_work - places, PATIENCE), (at_work, held(site))
    streams = [Stream(site, visitor.cookies) for _ in range(places)]
    for stream in streams:
        stream.close()
    assert [stream.answer.status_code for stream in streams] == [200] * places


def test_pages_that_read_nothing_hold_nobody_up(site, visitor, volume, docker, places):
    cookies = "; ".join(f"{each.name}={each.value}" for each in visitor.cookies)
    head = f"GET {STREAM} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {cookies}\r\n\r\n"
    stream = Stream(site, visitor.cookies)
    with ExitStack() as pages:
        for _ in range(places - 1):
            page = pages.enter_context(socket.create_connection(("127.0.0.1", site.port)))
            page.sendall(head.encode())
            assert page.recv(12) == b"HTTP/1.1 200"
        assert visitor.head(STREAM).status_code == 503
        docker("volume", "create", volume)
        assert eventually(lambda: stream.passed, PATIENCE)
        assert visitor.get("/lessons/tiny").ok
        site.process.terminate()
        site.process.wait(PATIENCE)
    stream.close()


def test_a_head_of_a_stream_takes_no_place(site, visitor):
    for _ in range(100):
        assert visitor.head(STREAM).status_code == 200


def test_the_server_ends_soon_with_streams_open(site, visitor, places):
    streams = [Stream(site, visitor.cookies) for _ in range(places)]
    assert eventually(lambda: all("event: found" in each.text for each in streams), PATIENCE)
    site.process.terminate()
    site.process.wait(30)  # seconds; 3 are promised, on a machine that does nothing else
    assert eventually(lambda: all(stream.ended for stream in streams), PATIENCE)
    assert "Traceback" not in site.log.read_text()


def test_a_page_that_shows_a_lab_of_before_is_told_that_it_is_over(site, visitor):
    [shown] = re.findall(r'data-stream="([^"]+)"', visitor.get("/lessons/tiny").text)
    stream = Stream(site, visitor.cookies, path=shown)
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    assert visitor.submit("/lessons/tiny/finish").ok
    assert eventually(lambda: "event: over" in stream.text, PATIENCE)
    stream.close()
    for again in (lambda: None, visitor.start):
        again()
        assert visitor.get(shown).text == "event: over\ndata: \n\n"


def test_a_step_that_passed_first_no_longer_says_that_another_is_open(
    site, visitor, volume, docker
):
    said = "An earlier step is still open: Make a volume."
    visitor.submit("/lessons/tiny/steps/say-it/check", {"answer": volume})
    stream = Stream(site, visitor.cookies)
    assert eventually(lambda: "event: found" in stream.text, PATIENCE)
    assert said in plain(stream.text)
    docker("volume", "create", volume)
    assert eventually(lambda: stream.passed, PATIENCE)
    stream.close()
    last = stream.text.rpartition("event: steps")[2]
    assert 'id="verdict-say-it"' in last and said not in plain(last)
    checked = visitor.submit(CHECK, headers={"HX-Request": "true"})
    assert 'id="verdict-say-it"' in checked.text and said not in plain(checked.text)


def plain(html):
    return re.sub("<[^>]+>", "", html)
