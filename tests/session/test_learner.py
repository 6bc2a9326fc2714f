"""The one learner: starting, checking, finishing, and what goes wrong meanwhile."""

import sqlite3
import threading

import pytest

import labrunner.session.learner
from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from labrunner.kit.kit import Kit
from labrunner.progress.store import Progress, ProgressUnavailable
from labrunner.session.errors import Busy, NotStarted
from labrunner.session.learner import Learner
from labrunner.verdicts import CannotCheck
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import LAB, close_all, eventually


def quiet(line):
    """Takes what is said of the start."""


@pytest.fixture
def lab(real_course):
    return real_course.labs["run-a-registry"]


@pytest.fixture
def small(instance, engine, course):
    """A learner of a course with one small lab: one lasting step, and one that happens once."""
    source = LAB + (
        "\n\n@lab.step\ndef remove_it(workspace):\n"
        '    """`{name}` is gone."""\n'
        "    if not workspace.engine.volume(workspace.name):\n"
        '        return "It is gone."\n'
        '    raise NotYet(expected="No volume.", found="It is there.", next="Remove it.")\n'
        "\n\n@remove_it.solution\ndef _(workspace):\n"
        "    workspace.engine.remove_volume(workspace.name)\n"
    )
    lesson = (
        "---\ntitle: V\nlab: volumes\n---\n## M {#make-a-volume .step}\n## R {#remove-it .step}\n"
    )
    loaded = course({"labs/volumes/lab.py": source, "lessons/01-v.md": lesson})
    assert loaded.problems == ()
    workspaces = Workspaces(instance / "workspaces", engine, loaded.labs)
    progress = Progress(instance / "progress.db")
    yield Learner(loaded, workspaces, progress, Kit(engine, loaded.images))
    close_all(workspaces)


@pytest.fixture
def volumes(small):
    return small.course.labs["volumes"]


def test_nothing_can_be_checked_or_finished_before_the_start(learner, lab):
    for act in (
        lambda: learner.check(lab, lab.steps[0]),
        lambda: learner.check_all(lab),
        lambda: learner.resources(lab),
        lambda: learner.finish(lab, []),
    ):
        with pytest.raises(NotStarted):
            act()
    assert learner.word(lab) == "not started"


def test_starting_twice_gives_the_same_workspace(small, volumes):
    first = small.start(volumes, quiet)
    assert small.start(volumes, quiet).id == first.id
    assert [each.id for each in small.workspaces.all()] == [first.id]


def test_the_way_through_a_lab(small, volumes, engine):
    make, remove = volumes.steps
    workspace = small.start(volumes, quiet)

    assert small.check(volumes, make).state == "failed"
    assert small.check(volumes, remove).state == "passed"  # it happens to hold
    workspace.create_volume(workspace.name)
    made = small.check(volumes, make)
    assert made.state == "passed" and small.word(volumes) == "done"
    engine.remove_volume(workspace.name)
    assert small.check(volumes, make).state == "broken"
    assert small.check(volumes, make).passed_at == made.passed_at
    assert small.word(volumes) == "1 of 2"
    assert volumes.name in small.progress.done_labs()

    assert small.finish(volumes, []) == []
    assert small.workspace(volumes) is None
    small.start(volumes, quiet)
    assert small.progress.of(volumes.name) == {}


def test_a_moment_that_has_passed_is_not_judged_again(small, volumes):
    remove = volumes.steps[1]
    workspace = small.start(volumes, quiet)
    first = small.check(volumes, remove)
    workspace.create_volume(workspace.name)
    assert remove.judge(workspace).status == "failed"
    assert small.check(volumes, remove).checked_at == first.checked_at
    assert small.check_all(volumes)["remove-it"].state == "passed"


def test_what_is_skipped_can_still_be_done(small, volumes):
    make = volumes.steps[0]
    with pytest.raises(NotStarted):
        small.skip(volumes, make)
    workspace = small.start(volumes, quiet)
    assert small.skip(volumes, make).state == "skipped"
    assert small.check_all(volumes)["make-a-volume"].state == "skipped"
    assert small.word(volumes) == "1 of 2"
    workspace.create_volume(workspace.name)
    assert small.look(volumes, make).state == "passed"
    assert small.skip(volumes, make).state == "passed"


def test_a_step_done_for_the_learner_is_never_theirs(small, volumes, engine):
    make, remove = volumes.steps
    with pytest.raises(NotStarted):
        small.solve(volumes, make)
    workspace = small.start(volumes, quiet)
    solved = small.solve(volumes, make)
    assert (solved.state, solved.attempts, solved.passed_at) == ("solved", 0, None)
    assert engine.volume(workspace.name)
    assert small.solve(volumes, make) == small.progress.of(volumes.name)["make-a-volume"]
    for again in (small.check(volumes, make), small.look(volumes, make)):
        assert again.state == "solved"
    assert small.solve(volumes, remove).state == "solved"
    assert small.check(volumes, make).state == "broken"
    workspace.create_volume(workspace.name)
    assert small.check(volumes, make).state == "solved"
    assert small.word(volumes) == "done, 2 for you"
    assert volumes.name not in small.progress.done_labs()
    happened = [event.what for event in small.progress.history()]
    assert "done" in happened and "passed" not in happened


def test_a_solution_that_fails_says_so_and_counts_for_nothing(small, volumes, docker):
    make = volumes.steps[0]
    workspace = small.start(volumes, quiet)
    docker("volume", "create", workspace.name)  # in the way
    engine = small.engine
    found = small.solve(volumes, make)
    assert found.state == "unknown" and not found.done and found.attempts == 0
    assert "This step could not be done for you: " in found.verdict.found
    assert "go back to this step" in found.verdict.next
    assert engine.volume(workspace.name)

    engine.remove_volume(workspace.name)
    make.act = lambda workspace: 1 / 0
    found = small.solve(volumes, make)
    assert "ZeroDivisionError" in found.verdict.found and "test_learner.py" in found.verdict.found
    make.act = lambda workspace: None
    found = small.solve(volumes, make)
    assert found.verdict.status == "failed" and not found.solved_at
    assert found.verdict.found == "This was done for you, and yet: There is none."
    workspace.create_volume(workspace.name)
    for _ in small.notice(volumes):  # what was done for the learner shows late
        pass
    late = small.progress.of(volumes.name)["make-a-volume"]
    assert late.state == "solved" and not late.own
    assert volumes.name not in small.progress.done_labs()


def test_a_check_does_not_wait_for_long_while_something_else_is_done(small, volumes, monkeypatch):
    monkeypatch.setattr(labrunner.session.learner, "PATIENCE", 0.1)
    small.start(volumes, quiet)
    make = volumes.steps[0]
    with small.workspaces.turn(volumes.name):
        for check in (small.check, small.look):
            with pytest.raises(Busy):
                check(volumes, make)
    assert small.check(volumes, make).state == "failed"


def test_a_step_is_solved_once_and_nothing_else_is_done_to_the_lab_meanwhile(small, volumes):
    make = volumes.steps[0]
    small.start(volumes, quiet)
    hold, began, act, times = threading.Event(), threading.Event(), make.act, []

    def wait(workspace):
        times.append(workspace)
        began.set()
        hold.wait(60)
        return act(workspace)

    make.act = wait
    checked = []
    first = threading.Thread(target=small.solve, args=(volumes, make))
    check = threading.Thread(target=lambda: checked.append(small.check(volumes, make)))
    first.start()
    try:
        assert began.wait(60)
        check.start()
        for do in (
            lambda: small.solve(volumes, make),
            lambda: small.finish(volumes, []),
            lambda: small.reset(volumes, []),
        ):
            with pytest.raises(Busy):
                do()
    finally:
        hold.set()
        first.join()
        check.join()
    assert checked[0].state == "solved" and checked[0].passed_at is None  # it came after
    assert len(times) == 1


def test_a_lab_is_reset_and_its_history_stays(small, volumes, engine):
    make = volumes.steps[0]
    workspace = small.start(volumes, quiet)
    workspace.create_volume(workspace.name)
    small.check(volumes, make)
    items = {item.id for item in small.resources(volumes)}
    assert small.reset(volumes, items) == []
    assert engine.volume(workspace.name) is None and small.workspace(volumes) is None
    again = small.start(volumes, quiet)
    assert again.id != workspace.id
    assert small.progress.of(volumes.name) == {}
    assert small.check(volumes, make).state == "failed"
    happened = [event.what for event in small.progress.history()]
    assert happened == ["started", "passed", "reset", "started", "failed"]


def test_going_back_does_the_steps_before_for_the_learner(small, volumes, engine):
    make, remove = volumes.steps
    workspace = small.start(volumes, quiet)
    workspace.create_volume(workspace.name)
    assert small.check(volumes, make).state == "passed"
    items = {item.id for item in small.resources(volumes)}
    assert small.reset(volumes, items, remove) == []
    said = []
    small.start_at(volumes, remove, said.append)
    steps = small.progress.of(volumes.name)
    assert list(steps) == ["make-a-volume"] and steps["make-a-volume"].state == "solved"
    assert engine.volume(small.workspace(volumes).name)
    assert said[-1] == f"Doing for you: There is a volume `{small.workspace(volumes).name}`."
    assert small.check(volumes, remove).state == "failed"
    [back] = [event for event in small.progress.history() if event.what == "back"]
    assert back.step == "remove-it"


def test_nobody_comes_between_the_steps_of_going_back(small, volumes):
    refused = []

    def say(line):
        if line.startswith("Doing for you: "):
            with pytest.raises(Busy):
                small.finish(volumes, [])
            refused.append(line)

    small.start_at(volumes, volumes.steps[1], say)
    assert len(refused) == 1
    assert small.progress.of(volumes.name)["make-a-volume"].state == "solved"


def test_going_back_stops_at_a_step_that_cannot_be_done(small, volumes):
    make, remove = volumes.steps
    make.act = lambda workspace: 1 / 0
    small.start_at(volumes, remove, quiet)
    assert small.progress.of(volumes.name)["make-a-volume"].state == "unknown"
    assert small.workspace(volumes)


def test_a_reset_that_leaves_something_is_none(small, volumes, docker, engine):
    workspace = small.start(volumes, quiet)
    workspace.create_volume(workspace.name)
    small.check(volumes, volumes.steps[0])
    user = docker("create", "-v", f"{workspace.name}:/v", "busybox:stable")
    [left] = small.reset(volumes, [workspace.name])
    assert "volume is in use" in left.reason
    assert small.progress.of(volumes.name)["make-a-volume"].state == "passed"
    assert "reset" not in [event.what for event in small.progress.history()]
    engine.remove_container(user)


def met(learner):
    return [event.mistakes for event in learner.progress.history() if event.attempts]


def test_the_mistake_that_was_made_is_noted_and_one_not_begun_is_none(learner, lab, unique):
    start, catalog = lab.find("start-a-registry"), lab.find("ask-the-catalog")
    workspace = learner.start(lab, quiet)
    learner.check(lab, start)  # nothing was done yet: its advice would fit three mistakes
    workspace.run("registry:2", name=workspace.name, ports={5000: None})
    learner.check(lab, start)
    learner.look(lab, start)
    learner.check(lab, catalog, "{}")
    learner.check(lab, catalog, "")
    begun, port, answer, empty = met(learner)
    assert begun is None and empty is None
    assert "published on another port" in port
    assert "the answer of /v2/ instead of the catalog's" in answer


def test_the_most_specific_mistake_is_the_one(small, volumes):
    make = volumes.steps[0]
    small.start(volumes, quiet)
    small.progress.note_before(volumes.name, make, "something else")
    make.mistake("rough", advice="docker")(lambda workspace: None)
    make.mistake("fine", advice="Run `docker volume create`.")(lambda workspace: None)
    make.mistake("other", advice="docker rm")(lambda workspace: None)
    small.check(volumes, make)
    make.mistakes.clear()
    small.check(volumes, make)
    assert met(small) == [("fine",), ()]


def test_an_engine_that_dies_is_unknown_and_takes_nothing_away(
    small, volumes, monkeypatch, tmp_path
):
    make = volumes.steps[0]
    workspace = small.start(volumes, quiet)
    workspace.create_volume(workspace.name)
    passed = small.check(volumes, make)

    gone = f"unix://{tmp_path}/none.sock"
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", gone)
        patch.setattr(small.workspaces, "engine", Engine(timeout=1))
        patch.setattr(small.kit, "engine", small.engine)
        found = small.check(volumes, make)
        assert found.state == "unknown" and found.verdict.found == f"No engine answers at `{gone}`."
        assert found.done and found.passed_at == passed.passed_at
        with pytest.raises(EngineDown):
            small.start(volumes, quiet)

    assert small.check(volumes, make).state == "passed"


@pytest.mark.parametrize("answer", ["\0", "x" * 65536, "--help", "\u202e{}", "[" * 60000, "{}"])
def test_any_answer_gets_a_verdict(learner, lab, answer):
    learner.start(lab, quiet)
    found = learner.check(lab, lab.find("ask-the-catalog"), answer)
    assert found.state == "failed" and found.verdict.next


def spoil(learner):
    learner.progress.path.write_bytes(b"rubbish" * 1000)


def test_progress_that_cannot_be_kept_keeps_nobody_from_the_lab(small, volumes):
    small.progress.path.parent.mkdir(exist_ok=True)
    spoil(small)
    workspace = small.start(volumes, quiet)
    make = volumes.steps[0]
    assert small.check(volumes, make).verdict.found == "There is none."
    workspace.create_volume(workspace.name)
    found = small.check(volumes, make)
    assert found.state == "passed" and found.done
    assert small.check_all(volumes)["make-a-volume"].state == "passed"
    with pytest.raises(ProgressUnavailable):
        small.word(volumes)
    assert small.finish(volumes, [workspace.name]) == []


def test_progress_that_is_locked_for_the_moment_is_as_good_as_none(small, volumes, monkeypatch):
    small.start(volumes, quiet)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
    holder = connect(small.progress.path, isolation_level=None)
    try:
        holder.execute("begin exclusive")
        assert small.check(volumes, volumes.steps[0]).state == "failed"
    finally:
        holder.close()


def test_two_starts_at_once_are_one(small, volumes):
    hold, began = threading.Event(), threading.Event()

    def wait(engine):
        began.set()
        hold.wait(60)

    volumes.requires = [wait]
    first = threading.Thread(target=small.start, args=(volumes, quiet))
    first.start()
    try:
        assert began.wait(60)
        for act in (lambda: small.start(volumes, quiet), lambda: small.finish(volumes, [])):
            with pytest.raises(Busy):
                act()
    finally:
        hold.set()
        first.join()
    assert len(small.workspaces.all()) == 1
    assert small.start(volumes, quiet)


def test_finishing_removes_what_is_chosen_and_the_rest_is_the_learners(
    learner, lab, docker, engine, unique
):
    workspace = learner.start(lab, quiet)
    publish = f"{workspace.port}:5000"
    keep = docker("create", "-p", publish, "--name", f"{unique}-1", "registry:2")
    drop = docker("create", "-p", publish, "--name", f"{unique}-2", "registry:2")
    assert {keep, drop} <= {item.id for item in learner.resources(lab)}

    assert learner.finish(lab, [drop, "no-such-id"]) == []

    assert engine.container(keep) and not engine.container(drop)
    assert learner.workspace(lab) is None
    again = learner.start(lab, quiet)
    assert keep not in {item.id for item in resources.find_resources(again)}


def test_what_was_there_before_cannot_be_chosen(learner, lab, docker, engine):
    foreign = docker("create", "busybox:stable")
    learner.start(lab, quiet)
    assert learner.finish(lab, [foreign, "busybox:stable", "registry:2"]) == []
    assert engine.container(foreign) and engine.image("busybox:stable")


def test_what_cannot_be_removed_keeps_the_lab_open(small, volumes, docker, engine):
    workspace = small.start(volumes, quiet)
    workspace.create_volume(workspace.name)
    user = docker("create", "-v", f"{workspace.name}:/v", "busybox:stable")
    [left] = small.finish(volumes, [workspace.name])
    assert left.item.name == workspace.name and "volume is in use" in left.reason
    assert small.workspace(volumes).id == workspace.id
    engine.remove_container(user)
    assert small.finish(volumes, [workspace.name]) == []
    assert small.workspace(volumes) is None


def test_checks_remember_the_learners_registry_for_the_next_lab(
    learner, lab, real_course, docker, unique
):
    workspace = learner.start(lab, quiet)
    docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", unique, "registry:2")
    start = lab.find("start-a-registry")
    assert eventually(lambda: learner.check(lab, start).state == "passed")
    learner.finish(lab, [])
    following = learner.start(real_course.labs["push-and-pull"], quiet)
    assert (following.port, following.name) == (workspace.port, unique)


def test_a_lab_that_cannot_run_here_says_why_and_leaves_nothing(small, volumes):
    volumes.requires = [lambda engine: None, lambda engine: "There is no second host."]
    with pytest.raises(CannotCheck, match="no second host") as caught:
        small.start(volumes, quiet)
    assert caught.value.found == "There is no second host."
    assert small.workspaces.all() == []


def test_an_engine_on_another_machine_is_refused_by_its_name(small, volumes, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.7:2376")
    with pytest.raises(CannotCheck, match=r"on another machine, `192\.0\.2\.7`") as caught:
        small.start(volumes, quiet)
    assert "docker context use default" in caught.value.next


def test_a_lab_whose_image_is_nowhere_says_so_and_leaves_nothing(small, unique):
    lab = Lab("x", images=[f"127.0.0.1:1/{unique}:latest"], name=unique)
    small.kit = Kit(small.engine, lab.images)
    with pytest.raises(CannotCheck, match=r"127\.0\.0\.1:1 cannot be reached"):
        small.start(lab, quiet)
    assert small.workspaces.all() == []
