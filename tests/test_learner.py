"""The one learner: starting, checking, finishing, and what goes wrong meanwhile."""

import sqlite3
import threading

import pytest

from labrunner import belongings
from labrunner.engine import Engine, EngineDown
from labrunner.kit import Kit
from labrunner.lab import Lab
from labrunner.learner import Busy, Learner, NotStarted
from labrunner.progress import Progress, ProgressUnavailable
from labrunner.verdict import CannotCheck
from labrunner.workspaces import Workspaces
from tests.engine_fixtures import LAB, close_all, eventually


def quiet(line):
    """Takes what is said of the start."""


@pytest.fixture
def lab(real_course):
    return real_course.labs["run-a-registry"]


@pytest.fixture
def small(instance, engine, course):
    """A learner of a course with one small lab: one lasting step, and one that happens once."""
    source = LAB + (
        "\n\n@lab.once\ndef remove_it(workspace):\n"
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
        lambda: learner.belongings(lab),
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
        hold.wait(10)

    volumes.requires = [wait]
    first = threading.Thread(target=small.start, args=(volumes, quiet))
    first.start()
    try:
        assert began.wait(5)
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
    assert {keep, drop} <= {item.id for item in learner.belongings(lab)}

    assert learner.finish(lab, [drop, "no-such-id"]) == []

    assert engine.container(keep) and not engine.container(drop)
    assert learner.workspace(lab) is None
    again = learner.start(lab, quiet)
    assert keep not in {item.id for item in belongings.of(again)}


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
