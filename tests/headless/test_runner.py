"""Labs run without a browser: what a run reports, where it ends, and what it leaves."""

import signal
import time

import pytest

from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.engine import Engine
from labrunner.kit.kit import Kit
from labrunner.workspaces import resources
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import LAB, LESSON, nothing, traces
from tests.fixtures.headless import only, raise_engine_down


def test_without_proof_the_report_has_none(headless):
    ended = []
    run = headless(ended=lambda lab, step: ended.append((lab.name, step.step, step.status)))
    assert run.status == "passed" and "proved" not in run.as_dict()["labs"][0]["steps"][0]
    assert ended == [("volumes", "make-a-volume", "passed")]


def test_nothing_is_left_of_a_run(headless, engine):
    run = headless(
        (
            "    workspace.create_volume(workspace.name)\n",
            '    workspace.create_volume(workspace.name)\n    workspace.create("busybox:stable")\n',
        ),
        prove=True,
    )
    assert run.status == "passed" and run.leftovers == []
    assert list(headless.workspaces.folder.glob("*/")) == []


def test_a_solution_that_crashes_is_unknown_and_names_its_line(headless):
    run = headless(("workspace.create_volume(workspace.name)", "return {}['x']"))
    step = only(run)
    assert run.status == step.status == "unknown"
    assert step.found == "The lab's own code failed: `KeyError: 'x'`"
    assert step.next == "Fix it: `lab.py`, line 22."


def test_a_solution_that_the_engine_refuses_is_unknown_with_its_words(headless):
    run = headless(("workspace.create_volume(workspace.name)", 'workspace.run("no-such:x")'))
    step = only(run)
    assert "The lab's own code failed: The engine refused: No such image: no-such:x" in step.found
    assert step.next == "Fix it: `lab.py`, line 22." and run.leftovers == []


def test_a_check_that_crashes_is_unknown(headless):
    run = headless(("if workspace.engine.volume(workspace.name)", "if 1 / 0"))
    assert run.status == "unknown" and "ZeroDivisionError" in only(run).found


@pytest.mark.parametrize("where", ["check", "solution", "mistake"])
def test_what_takes_too_long_is_given_up_and_cleaned_up(headless, engine, where):
    change = {
        "check": (
            "    if workspace.engine",
            "    import time; time.sleep(30)\n    if workspace.engine",
        ),
        "solution": (
            "workspace.create_volume(workspace.name)\n",
            'workspace.run_to_end("busybox:stable", ["sleep", "30"])\n',
        ),
        "mistake": (
            'create_volume(f"{workspace.name}-x")',
            'run_to_end("busybox:stable", ["sleep", "30"])',
        ),
    }[where]
    began = time.monotonic()
    run = headless(change, prove=True, seconds=1)
    assert time.monotonic() - began < 20
    step = only(run)
    assert step.status == run.status == "unknown" and run.leftovers == []
    assert step.found == "The step took longer than 1 seconds." and "--timeout" in step.next
    assert list(headless.workspaces.folder.glob("*/")) == []
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_what_follows_a_step_that_fails_is_skipped(headless):
    second = LAB.split('"busybox:stable"])\n')[1].replace("make_a_volume", "other")
    source = ("workspace.create_volume(workspace.name)", "pass")
    lesson = LESSON + "\n## Other {#other .step}\n"
    last = '    workspace.create_volume(f"{workspace.name}-x")\n'
    run = headless((last, last + second), source, lesson=lesson)
    assert [step.status for step in run.labs[0].steps] == ["failed", "skipped"]


def test_a_lab_that_cannot_run_here_is_skipped_with_the_reason(headless):
    needs = 'requires=[lambda engine: "There is no second host."], images='
    run = headless(("images=", needs))
    assert run.status == run.labs[0].status == "skipped" and run.labs[0].steps == []
    assert run.as_dict()["labs"][0]["reason"] == "There is no second host."


def test_a_lab_whose_image_is_nowhere_is_skipped_with_the_reason(headless):
    run = headless(('"busybox:stable"', '"127.0.0.1:1/none:x"'))
    assert run.status == "skipped" and "127.0.0.1:1 cannot be reached" in run.labs[0].reason
    assert run.could_not_run


def test_a_port_that_is_taken_is_said_and_no_other_is_tried(headless, docker, unique, engine):
    docker("run", "-d", "-P", "--name", unique, "registry:2")
    [listed] = engine.containers(name=unique)
    port = next(each.host for each in listed.ports if each.host)
    run = headless(port=port)
    assert (
        run.status == "unknown"
        and f"{port} is taken by the container `{unique}`." in run.labs[0].reason
    )
    assert run.leftovers == [] and engine.container(unique).running


def test_a_port_that_is_given_is_used(headless):
    run = headless(('return "It is there."', "return workspace.registry"), port=5961)
    assert run.status == "passed" and only(run).found == "localhost:5961"


def test_what_is_kept_is_listed_and_goes_with_the_next_run(headless, engine):
    run = headless(keep=True)
    assert run.status == "passed"
    [workspace] = headless.workspaces.all()
    assert run.leftovers == [f"volume {workspace.name}"] and engine.volume(workspace.name)

    again = headless.runner.run([])
    assert again.leftovers == [] and engine.volume(workspace.name) is None
    assert headless.workspaces.all() == []


def test_what_cannot_be_removed_is_listed(headless, docker, engine):
    names = []

    def use(lab, step):
        [workspace] = headless.workspaces.all()
        names.append(workspace.name)
        docker("create", "-v", f"{workspace.name}:/v", "busybox:stable")

    run = headless(ended=use)
    assert run.status == "passed"
    assert len(run.leftovers) == 1
    assert run.leftovers[0].startswith(f"volume {names[0]}: The container `")
    assert " The engine refused: " in run.leftovers[0]


def test_a_run_whose_objects_the_engine_cannot_list_says_so_and_the_next_one_removes_them(
    headless, engine, monkeypatch
):
    """As the containerd store while images are being removed."""

    def refuse(workspace):
        raise EngineRefused("content digest sha256:0: not found")

    with monkeypatch.context() as patch:
        patch.setattr(resources, "find_certain", refuse)
        run = headless()
    [workspace] = headless.workspaces.all()
    refused = "The engine refused: content digest sha256:0: not found"
    assert run.leftovers == [f"workspace {workspace.id}: {refused}"]
    assert engine.volume(workspace.name)
    assert headless.runner.run([]).leftovers == [] and not engine.volume(workspace.name)


def test_what_a_run_has_made_unawares_is_listed_and_what_others_made_is_not(
    headless, docker, engine, unique
):
    volumes = []

    def make(lab, step):
        [workspace] = headless.workspaces.all()
        volumes.append(docker("volume", "create", f"stray-{workspace.id}"))
        docker("volume", "create", unique)
        docker("create", "-p", f"{workspace.port}:5000", "--name", unique, "registry:2")

    run = headless(ended=make)
    assert run.status == "passed"
    assert run.leftovers == [f"volume {volumes[0]}: not removed, though it was made in this run"]
    assert engine.volume(unique) and engine.container(unique)


def test_no_engine_raises(headless, monkeypatch, tmp_path):
    headless()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    dead = Engine(timeout=1)
    runner = headless.runner
    runner.kit = Kit(dead, runner.kit.references)
    runner.workspaces = Workspaces(tmp_path / "other", dead, headless.workspaces.labs)
    with pytest.raises(EngineDown, match="No engine answers at"):
        runner.run(headless.lessons)
    assert runner.workspaces.all() == []


def test_ctrl_c_ends_the_run_after_cleaning_up(headless, engine):
    def stop(lab, step):
        signal.raise_signal(signal.SIGINT)

    run = headless(ended=stop)
    assert run.interrupted and run.leftovers == []
    assert headless.workspaces.all() == []


def test_a_second_ctrl_c_stops_at_once_and_says_what_is_left(headless, monkeypatch, engine):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resources, "remove", stop)
        run = headless(ended=stop)
    assert run.interrupted
    [workspace] = headless.workspaces.all()
    assert run.leftovers == [f"volume {workspace.name}: not removed"]
    assert traces(engine, {workspace.id}) != nothing()
    workspace.lock.release()


def test_a_ctrl_c_during_the_clean_up_waits_for_its_end(headless, engine, monkeypatch):
    """It would otherwise leave what the run had made, and not even list it."""
    listed = resources.find_resources

    def interrupted(workspace):
        signal.raise_signal(signal.SIGINT)
        return listed(workspace)

    monkeypatch.setattr(resources, "find_resources", interrupted)
    run = headless()
    assert run.interrupted and run.leftovers == []
    assert [step.status for step in run.labs[0].steps] == ["passed"]
    assert headless.workspaces.all() == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_engine_that_goes_while_a_step_is_done_ends_the_run(headless, monkeypatch):
    monkeypatch.setattr(Engine, "create_volume", lambda *words: raise_engine_down(None))
    with pytest.raises(EngineDown, match="Gone"):
        headless()
