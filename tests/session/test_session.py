"""The learner's sessions: starting, checking, finishing, and what goes wrong meanwhile."""

import sqlite3
import threading

import pytest

import labrunner.session.state
from labrunner.course.lab import Lab
from labrunner.engine.connection import EngineDown
from labrunner.engine.engine import Engine
from labrunner.kit.kit import Kit
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.errors import Busy, NotStarted
from labrunner.verdicts import CannotCheck, Verdict
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import LAB, close_all, eventually, response, services_of


def quiet(line):
    """Takes what is said of the start."""


@pytest.fixture
def lab(real_course):
    return real_course.labs["run-a-registry"]


@pytest.fixture
def small(instance, engine, course):
    """The services of a course with one small lab: one lasting step, and one that happens once."""
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
    yield services_of(loaded, instance, workspaces)
    close_all(workspaces)


def known(services, lab):
    """How the steps stand, as it is stored."""
    return services.progress.load_lab(lab.name).steps


@pytest.fixture
def volumes(small):
    return small.course.labs["volumes"]


def test_nothing_can_be_checked_or_finished_before_the_start(services, lab):
    for act in (
        lambda: services.session(lab).check(lab.steps[0]),
        lambda: services.session(lab).check_all(),
        lambda: services.session(lab).resources(),
        lambda: services.session(lab).finish([]),
    ):
        with pytest.raises(NotStarted):
            act()
    assert services.session(lab).summary == "not started"


def test_starting_twice_gives_the_same_workspace(small, volumes):
    first = small.session(volumes).start(quiet)
    assert small.session(volumes).start(quiet).id == first.id
    assert [each.id for each in small.workspaces.all()] == [first.id]


def test_the_way_through_a_lab(small, volumes, engine):
    make, remove = volumes.steps
    workspace = small.session(volumes).start(quiet)

    assert small.session(volumes).check(make).state == "failed"
    assert small.session(volumes).check(remove).state == "passed"  # it happens to hold
    workspace.create_volume(workspace.name)
    made = small.session(volumes).check(make)
    assert made.state == "passed" and small.session(volumes).summary == "done"
    engine.remove_volume(workspace.name)
    assert small.session(volumes).check(make).state == "broken"
    assert small.session(volumes).check(make).passed_at == made.passed_at
    assert small.session(volumes).summary == "1 of 2"
    assert volumes.name in small.progress.load().done

    assert small.session(volumes).finish([]) == []
    assert small.session(volumes).workspace is None
    small.session(volumes).start(quiet)
    assert known(small, volumes) == {}


def test_a_check_reads_each_record_once_and_opens_sqlite_twice(small, volumes, reads):
    make, remove = volumes.steps
    workspace = small.session(volumes).start(quiet)
    small.workspaces.open(volumes, "headless").lock.release()
    for do, state in (
        (lambda: None, "failed"),
        (lambda: workspace.create_volume(workspace.name), "passed"),
        (lambda: small.engine.remove_volume(workspace.name), "broken"),
    ):
        do()
        reads.clear()
        assert small.session(volumes).check(make).state == state
        assert reads.pop("sqlite") == 2 and set(reads.values()) == {1}
    workspace.create_volume(workspace.name)
    small.session(volumes).check(make)
    small.engine.remove_volume(workspace.name)
    reads.clear()
    assert small.session(volumes).check(remove).state == "passed"
    assert reads.pop("sqlite") == 2 and set(reads.values()) == {1}
    assert small.progress.load_archive().events[-1].kind == "done"


def test_what_another_process_does_while_a_check_waits_is_not_lost(small, volumes):
    make = volumes.steps[0]
    first = small.session(volumes).start(quiet)
    session = small.session(volumes)
    assert session.workspace.id == first.id and session.progress.steps == {}
    small.session(volumes).solve(make)
    assert session.check(make).state == "solved"
    items = {item.id for item in small.session(volumes).resources()}
    assert small.session(volumes).finish(items) == []
    second = small.session(volumes).start(quiet)
    assert session.check(make).state == "failed"
    assert session.workspace.id == second.id != first.id


def test_a_moment_that_has_passed_is_not_judged_again(small, volumes):
    remove = volumes.steps[1]
    workspace = small.session(volumes).start(quiet)
    first = small.session(volumes).check(remove)
    workspace.create_volume(workspace.name)
    assert remove.judge(workspace).status == "failed"
    assert small.session(volumes).check(remove).checked_at == first.checked_at
    assert small.session(volumes).check_all()["remove-it"].state == "passed"


def test_what_is_skipped_can_still_be_done(small, volumes):
    make = volumes.steps[0]
    with pytest.raises(NotStarted):
        small.session(volumes).skip(make)
    workspace = small.session(volumes).start(quiet)
    assert small.session(volumes).skip(make).state == "skipped"
    assert small.session(volumes).check_all()["make-a-volume"].state == "skipped"
    assert small.session(volumes).summary == "1 of 2"
    workspace.create_volume(workspace.name)
    assert small.session(volumes).recheck(make).state == "passed"
    assert small.session(volumes).skip(make).state == "passed"


def test_a_step_done_for_the_learner_is_never_theirs(small, volumes, engine):
    make, remove = volumes.steps
    with pytest.raises(NotStarted):
        small.session(volumes).solve(make)
    workspace = small.session(volumes).start(quiet)
    solved = small.session(volumes).solve(make)
    assert (solved.state, solved.attempts, solved.passed_at) == ("solved", 0, None)
    assert engine.volume(workspace.name)
    assert small.session(volumes).solve(make) == known(small, volumes)["make-a-volume"]
    for again in (small.session(volumes).check(make), small.session(volumes).recheck(make)):
        assert again.state == "solved"
    assert small.session(volumes).solve(remove).state == "solved"
    assert small.session(volumes).check(make).state == "broken"
    workspace.create_volume(workspace.name)
    assert small.session(volumes).check(make).state == "solved"
    assert small.session(volumes).summary == "done, 2 for you"
    assert volumes.name not in small.progress.load().done
    happened = [event.kind for event in small.progress.load_archive().events]
    assert "done" in happened and "passed" not in happened


def test_a_solution_that_fails_says_so_and_counts_for_nothing(small, volumes, docker):
    make = volumes.steps[0]
    workspace = small.session(volumes).start(quiet)
    docker("volume", "create", workspace.name)  # in the way
    engine = small.engine
    found = small.session(volumes).solve(make)
    assert found.state == "unknown" and not found.done and found.attempts == 0
    assert "This step could not be done for you: " in found.verdict.found
    assert "go back to this step" in found.verdict.next
    assert engine.volume(workspace.name)

    engine.remove_volume(workspace.name)
    make.solve = lambda workspace: 1 / 0
    found = small.session(volumes).solve(make)
    assert "ZeroDivisionError" in found.verdict.found and "test_session.py" in found.verdict.found
    make.solve = lambda workspace: None
    found = small.session(volumes).solve(make)
    assert found.verdict.status == "failed" and not found.solved_at
    assert found.verdict.found == "This was done for you, but: There is none."
    workspace.create_volume(workspace.name)
    for _ in small.session(volumes).recheck_changed():  # what was done for the learner shows late
        pass
    late = known(small, volumes)["make-a-volume"]
    assert late.state == "solved" and not late.done_by_learner
    assert volumes.name not in small.progress.load().done


def test_a_check_does_not_wait_for_long_while_something_else_is_done(small, volumes, monkeypatch):
    monkeypatch.setattr(labrunner.session.state, "PATIENCE", 0.1)
    small.session(volumes).start(quiet)
    make = volumes.steps[0]
    with small.workspaces.turn(volumes.name):
        for check in (small.session(volumes).check, small.session(volumes).recheck):
            with pytest.raises(Busy):
                check(make)
    assert small.session(volumes).check(make).state == "failed"


def test_a_change_does_not_wait_for_long_while_a_step_is_checked(small, volumes, monkeypatch):
    monkeypatch.setattr(labrunner.session.state, "PATIENCE", 0.1)
    small.session(volumes).start(quiet)
    with small.workspaces.turn(volumes.name):
        for change in (small.session(volumes).finish, small.session(volumes).reset):
            with pytest.raises(Busy):
                change([])
    assert small.session(volumes).finish([]) == []


def test_a_step_is_solved_once_and_nothing_else_is_done_to_the_lab_meanwhile(small, volumes):
    make = volumes.steps[0]
    small.session(volumes).start(quiet)
    hold, began, act, times = threading.Event(), threading.Event(), make.solve, []

    def wait(workspace):
        times.append(workspace)
        began.set()
        hold.wait(60)
        return act(workspace)

    make.solve = wait
    checked = []
    first = threading.Thread(target=small.session(volumes).solve, args=(make,))
    check = threading.Thread(target=lambda: checked.append(small.session(volumes).check(make)))
    first.start()
    try:
        assert began.wait(60)
        check.start()
        for do in (
            lambda: small.session(volumes).solve(make),
            lambda: small.session(volumes).finish([]),
            lambda: small.session(volumes).reset([]),
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
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    small.session(volumes).check(make)
    items = {item.id for item in small.session(volumes).resources()}
    assert small.session(volumes).reset(items) == []
    assert engine.volume(workspace.name) is None and small.session(volumes).workspace is None
    again = small.session(volumes).start(quiet)
    assert again.id != workspace.id
    assert known(small, volumes) == {}
    assert small.session(volumes).check(make).state == "failed"
    happened = [event.kind for event in small.progress.load_archive().events]
    assert happened == ["started", "passed", "reset", "started", "failed"]


def test_going_back_does_the_steps_before_for_the_learner(small, volumes, engine):
    make, remove = volumes.steps
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    assert small.session(volumes).check(make).state == "passed"
    items = {item.id for item in small.session(volumes).resources()}
    assert small.session(volumes).reset(items, remove) == []
    said = []
    small.session(volumes).start_at(remove, said.append)
    steps = known(small, volumes)
    assert list(steps) == ["make-a-volume"] and steps["make-a-volume"].state == "solved"
    assert engine.volume(small.session(volumes).workspace.name)
    assert (
        said[-1] == f"Doing for you: There is a volume `{small.session(volumes).workspace.name}`."
    )
    assert small.session(volumes).check(remove).state == "failed"
    [back] = [event for event in small.progress.load_archive().events if event.kind == "back"]
    assert back.step == "remove-it"


def test_nobody_comes_between_the_steps_of_going_back(small, volumes):
    refused = []

    def say(line):
        if line.startswith("Doing for you: "):
            with pytest.raises(Busy):
                small.session(volumes).finish([])
            refused.append(line)

    small.session(volumes).start_at(volumes.steps[1], say)
    assert len(refused) == 1
    assert known(small, volumes)["make-a-volume"].state == "solved"


def test_going_back_stops_at_a_step_that_cannot_be_done(small, volumes):
    make, remove = volumes.steps
    make.solve = lambda workspace: 1 / 0
    small.session(volumes).start_at(remove, quiet)
    assert known(small, volumes)["make-a-volume"].state == "unknown"
    assert small.session(volumes).workspace


def test_a_reset_that_leaves_something_is_none(small, volumes, docker, engine):
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    small.session(volumes).check(volumes.steps[0])
    user = docker("create", "-v", f"{workspace.name}:/v", "busybox:stable")
    [left] = small.session(volumes).reset([workspace.name])
    assert "volume is in use" in left.reason
    assert known(small, volumes)["make-a-volume"].state == "passed"
    assert "reset" not in [event.kind for event in small.progress.load_archive().events]
    engine.remove_container(user)


def met(services):
    return [event.mistakes for event in services.progress.load_archive().events if event.attempts]


def test_the_mistake_that_was_made_is_noted_and_one_not_begun_is_none(services, lab, unique):
    start, catalog = lab.find("start-a-registry"), lab.find("ask-the-catalog")
    workspace = services.session(lab).start(quiet)
    services.session(lab).check(start)  # nothing was done yet: its advice would fit three mistakes
    workspace.run("registry:2", name=workspace.name, ports={5000: None})
    services.session(lab).check(start)
    services.session(lab).recheck(start)
    services.session(lab).check(catalog, "{}")
    services.session(lab).check(catalog, "")
    begun, port, answer, empty = met(services)
    assert begun is None and empty is None
    assert "published on another port" in port
    assert "the answer of /v2/ instead of the catalog's" in answer


def test_the_mistakes_are_those_with_the_reason_of_the_verdict(small, volumes, monkeypatch):
    make = volumes.steps[0]
    small.session(volumes).start(quiet)
    small.progress.begin(volumes.name, {make.id: "something else"})
    for name, reason in (("one", "slip"), ("two", "slip"), ("other", "gone"), ("none", "")):
        make.mistake(name, advice="docker volume create", reason=reason)(lambda workspace: None)
    for reason in ("slip", "gone", "", "unheard-of"):
        verdict = Verdict("failed", "A volume.", "There is none.", "Do.", reason)
        monkeypatch.setattr(make, "judge", lambda *given, verdict=verdict: verdict)
        small.session(volumes).check(make)
    assert met(small)[-4:] == [("one", "two"), ("other",), ("none",), ()]


def test_an_engine_that_dies_is_unknown_and_takes_nothing_away(
    small, volumes, monkeypatch, tmp_path
):
    make = volumes.steps[0]
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    passed = small.session(volumes).check(make)

    gone = f"unix://{tmp_path}/none.sock"
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", gone)
        patch.setattr(small.workspaces, "engine", Engine(timeout=1))
        patch.setattr(small.kit, "engine", small.workspaces.engine)
        found = small.session(volumes).check(make)
        assert found.state == "unknown" and found.verdict.found == f"No engine answers at `{gone}`."
        assert found.done and found.passed_at == passed.passed_at
        with pytest.raises(EngineDown):
            small.session(volumes).start(quiet)

    assert small.session(volumes).check(make).state == "passed"


@pytest.mark.parametrize("body", ["null", "{}", "[{}]", '"text"'])
def test_an_engine_that_answers_in_another_form_is_unknown_and_takes_nothing_away(
    small, volumes, monkeypatch, fake, body
):
    make = volumes.steps[0]
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    small.session(volumes).check(make)
    with fake(response(body)), monkeypatch.context() as patch:
        patch.setattr(small.workspaces, "engine", Engine())
        found = small.session(volumes).check(make)
    assert found.state == "unknown" and found.done
    assert found.verdict.found.startswith("Something answers at")
    assert small.session(volumes).check(make).state == "passed"


def test_all_checked_a_step_without_its_answer_says_what_else_is_ready_now(small, volumes):
    make, remove = volumes.steps
    remove.check = lambda workspace, answer: f"You said {answer}."
    remove.check.__name__, remove.check.__doc__ = "remove_it", "You say it."
    remove.without_answer(make.require)
    workspace = small.session(volumes).start(quiet)

    def found(check):
        verdict = check["remove-it"].verdict if isinstance(check, dict) else check.verdict
        return verdict.found.removeprefix("There is no answer yet. ")

    assert found(small.session(volumes).check_all()) == "There is none."
    assert known(small, volumes).keys() == {"make-a-volume"}
    assert found(small.session(volumes).check(remove)) == "There is none."
    workspace.create_volume(workspace.name)
    assert found(small.session(volumes).check_all()) == "Everything else is ready."
    assert met(small)[-1] is None  # none of that is a mistake
    assert small.session(volumes).check(remove, "it").state == "passed"
    assert found(small.session(volumes).check_all()) == "You said it."


@pytest.mark.parametrize("answer", ["\0", "x" * 65536, "--help", "\u202e{}", "[" * 60000, "{}"])
def test_any_answer_gets_a_verdict(services, lab, answer):
    services.session(lab).start(quiet)
    found = services.session(lab).check(lab.find("ask-the-catalog"), answer)
    assert found.state == "failed" and found.verdict.next


def spoil(services):
    services.progress.path.write_bytes(b"rubbish" * 1000)


def test_progress_that_cannot_be_kept_keeps_nobody_from_the_lab(small, volumes):
    small.progress.path.parent.mkdir(exist_ok=True)
    spoil(small)
    workspace = small.session(volumes).start(quiet)
    make = volumes.steps[0]
    assert small.session(volumes).check(make).verdict.found == "There is none."
    workspace.create_volume(workspace.name)
    found = small.session(volumes).check(make)
    assert found.state == "passed" and found.done
    assert small.session(volumes).check_all()["make-a-volume"].state == "passed"
    with pytest.raises(ProgressUnavailable):
        _ = small.session(volumes).summary
    assert small.session(volumes).finish([workspace.name]) == []


def test_progress_that_is_locked_for_the_moment_is_as_good_as_none(small, volumes, monkeypatch):
    small.session(volumes).start(quiet)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
    holder = connect(small.progress.path, isolation_level=None)
    try:
        holder.execute("begin exclusive")
        assert small.session(volumes).check(volumes.steps[0]).state == "failed"
    finally:
        holder.close()


def test_two_starts_at_once_are_one(small, volumes):
    hold, began = threading.Event(), threading.Event()

    def wait(engine):
        began.set()
        hold.wait(60)

    volumes.requires = [wait]
    first = threading.Thread(target=small.session(volumes).start, args=(quiet,))
    first.start()
    try:
        assert began.wait(60)
        for act in (
            lambda: small.session(volumes).start(quiet),
            lambda: small.session(volumes).finish([]),
        ):
            with pytest.raises(Busy):
                act()
    finally:
        hold.set()
        first.join()
    assert len(small.workspaces.all()) == 1
    assert small.session(volumes).start(quiet)


def test_finishing_removes_what_is_chosen_and_the_rest_is_the_learners(
    services, lab, docker, engine, unique
):
    workspace = services.session(lab).start(quiet)
    publish = f"{workspace.port}:5000"
    keep = docker("create", "-p", publish, "--name", f"{unique}-1", "registry:2")
    drop = docker("create", "-p", publish, "--name", f"{unique}-2", "registry:2")
    assert {keep, drop} <= {item.id for item in services.session(lab).resources()}

    assert services.session(lab).finish([drop, "no-such-id", keep[:12]]) == []

    assert engine.container(keep) and not engine.container(drop)
    assert services.session(lab).workspace is None
    again = services.session(lab).start(quiet)
    assert keep not in {item.id for item in resources.find_resources(again)}


def test_finishing_says_which_other_open_labs_use_the_registry(
    services, lab, real_course, docker, unique
):
    workspace = services.session(lab).start(quiet)
    docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", unique, "registry:2")
    workspace.wait_for_registry()
    following = real_course.labs["push-and-pull"]
    assert services.session(following).start(quiet).name == unique
    [why] = [item.why for item in services.session(lab).resources() if item.name == unique]
    assert why == f"it is on your registry's port; also used by `{following.name}`"


def test_what_was_there_before_cannot_be_chosen(services, lab, docker, engine):
    foreign = docker("create", "busybox:stable")
    services.session(lab).start(quiet)
    assert services.session(lab).finish([foreign, "busybox:stable", "registry:2"]) == []
    assert engine.container(foreign) and engine.image("busybox:stable")


def test_what_cannot_be_removed_keeps_the_lab_open(small, volumes, docker, engine):
    workspace = small.session(volumes).start(quiet)
    workspace.create_volume(workspace.name)
    user = docker("create", "-v", f"{workspace.name}:/v", "busybox:stable")
    [left] = small.session(volumes).finish([workspace.name])
    assert left.item.name == workspace.name and "volume is in use" in left.reason
    assert small.session(volumes).workspace.id == workspace.id
    engine.remove_container(user)
    assert small.session(volumes).finish([workspace.name]) == []
    assert small.session(volumes).workspace is None


def test_checks_remember_the_learners_registry_for_the_next_lab(
    services, lab, real_course, docker, unique
):
    workspace = services.session(lab).start(quiet)
    docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", unique, "registry:2")
    start = lab.find("start-a-registry")
    assert eventually(lambda: services.session(lab).check(start).state == "passed")
    services.session(lab).finish([])
    following = services.session(real_course.labs["push-and-pull"]).start(quiet)
    assert (following.port, following.name) == (workspace.port, unique)


def test_a_registry_that_goes_with_its_lab_is_replaced_by_the_next_as_the_lesson_says(
    services, lab, real_course, docker, unique
):
    workspace = services.session(lab).start(quiet)
    made = docker("run", "-d", "-p", f"{workspace.port}:5000", "--name", unique, "registry:2")
    start = lab.find("start-a-registry")
    assert eventually(lambda: services.session(lab).check(start).state == "passed")
    ticked = {item.id for item in services.session(lab).resources() if item.certain}
    assert made in ticked and services.session(lab).finish(ticked) == []
    following = services.session(real_course.labs["push-and-pull"]).start(quiet)
    assert following.api.repositories() == []
    end = real_course.lesson_of(lab.name).text.partition("\n## Remember")[0].splitlines()[-1]
    assert "untick `{{ name }}`" in end and "If it is gone, lesson 4 starts another." in end


def test_a_lab_that_cannot_run_here_says_why_and_leaves_nothing(small, volumes):
    volumes.requires = [lambda engine: None, lambda engine: "There is no second host."]
    with pytest.raises(CannotCheck, match="no second host") as caught:
        small.session(volumes).start(quiet)
    assert caught.value.found == "There is no second host."
    assert small.workspaces.all() == []


def test_an_engine_on_another_machine_is_refused_by_its_name(small, volumes, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.7:2376")
    monkeypatch.setattr(small.workspaces, "engine", Engine())
    with pytest.raises(CannotCheck, match=r"on another machine, `192\.0\.2\.7`") as caught:
        small.session(volumes).start(quiet)
    assert "docker context use default" in caught.value.next


def test_a_lab_whose_image_is_nowhere_says_so_and_leaves_nothing(small, unique):
    lab = Lab("x", images=[f"127.0.0.1:1/{unique}:latest"], name=unique)
    small.kit = Kit(small.engine, lab.images)
    with pytest.raises(CannotCheck, match=r"127\.0\.0\.1:1 cannot be reached"):
        small.session(lab).start(quiet)
    assert small.workspaces.all() == []
