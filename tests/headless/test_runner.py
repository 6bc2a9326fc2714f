"""Labs run without a browser: what a run shows of good and of weak labs, and how it ends."""

import errno
import json
import os
import signal
import threading
import time

import pytest

from labrunner.engine.connection import EngineDown, EngineRefused
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings, Track
from labrunner.kit.kit import Kit
from labrunner.workspaces import resources
from labrunner.workspaces.labels import WORKSPACE
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import LAB, LESSON, close_all, eventually, nothing, traces


def nothing_more(lab, step): ...


class Runs:
    """Runs a course of one lab, whose source is the small lab's with words replaced."""

    def __init__(self, course, instance, engine):
        self.course, self.engine = course, engine
        self.workspaces = Workspaces(instance / "workspaces", engine, {})

    def __call__(self, *replaced, lesson=LESSON, ended=nothing_more, jobs=1, **settings):
        source = LAB
        for old, new in replaced:
            assert old in source, old
            source = source.replace(old, new)
        loaded = self.course({"labs/volumes/lab.py": source, "lessons/01-volumes.md": lesson})
        assert loaded.problems == ()
        self.lessons = loaded.lessons
        self.workspaces.labs = loaded.labs
        kit = Kit(self.engine, loaded.images)
        self.runner = Runner(self.workspaces, kit, Settings(**settings), jobs, ended=ended)
        return self.runner.run(loaded.lessons)


@pytest.fixture
def headless(course, instance, engine):
    runs = Runs(course, instance, engine)
    yield runs
    close_all(runs.workspaces)


def only(run):
    [lab] = run.labs
    return lab.steps[0]


def shape(value):
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_a_good_lab_proves_itself_and_the_report_has_its_shape(headless):
    run = headless(prove=True)
    report = json.loads(json.dumps(run.as_dict()))

    assert shape(report) == {
        "status": "str",
        "seconds": "float",
        "labs": [
            {
                "lab": "str",
                "status": "str",
                "seconds": "float",
                "steps": [
                    {
                        "step": "str",
                        "status": "str",
                        "seconds": "float",
                        "expected": "NoneType",
                        "found": "str",
                        "next": "NoneType",
                        "proved": {
                            "before": "str",
                            "mistakes": [
                                {
                                    "mistake": "str",
                                    "status": "str",
                                    "found": "str",
                                    "next": "str",
                                    "recovered": "str",
                                }
                            ],
                            "after": "str",
                            "again": "str",
                        },
                    }
                ],
            }
        ],
        "leftovers": [],
    }
    assert (report["status"], report["labs"][0]["lab"]) == ("passed", "volumes")
    assert report["labs"][0]["steps"][0]["proved"] == {
        "before": "failed",
        "mistakes": [
            {
                "mistake": "a slip in its name",
                "status": "failed",
                "found": "There is none.",
                "next": "Run `docker volume create`.",
                "recovered": "passed",
            }
        ],
        "after": "passed",
        "again": "passed",
    }


def test_a_run_with_another_registry_runs_what_the_page_has_for_that_one(headless):
    two = '=== "registry 2"\n    ```bash\n    false\n    ```\n'
    asked = "test {{ registry_image }} = registry:3"
    three = two.replace("registry 2", "registry 3").replace("false", asked)
    page = f"{LESSON}\n{two}{three}"
    assert headless(lesson=page, shell=True, registry="registry:3").status == "passed"
    assert "`false` ended with exit code 1" in only(headless(lesson=page, shell=True)).found


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


ASKING = [
    ("def make_a_volume(workspace):", "def make_a_volume(workspace, answer):"),
    ("if workspace.engine.volume(workspace.name):", 'if answer == workspace["name"]:'),
    ("    workspace.create_volume(workspace.name)", "    return workspace.name"),
    ("volume.mistake", "volume.near_miss"),
    ('    workspace.create_volume(f"{workspace.name}-x")', "    return workspace.port"),
]


def test_a_near_miss_is_proved_without_a_workspace_of_its_own(headless, monkeypatch):
    opened = []
    theirs = Workspaces.open

    def count(self, *args, **how):
        opened.append(args)
        return theirs(self, *args, **how)

    monkeypatch.setattr(Workspaces, "open", count)
    run = headless(*ASKING, ("workspace.port", '"a slip"'), prove=True)
    assert run.status == "passed", run.as_dict()
    assert [row["status"] for row in only(run).proved["mistakes"]] == ["failed"]
    assert len(opened) == 1


def test_a_near_miss_that_passes_makes_the_check_weak(headless):
    run = headless(*ASKING, ("workspace.port", "workspace.name"), prove=True)
    assert only(run).status == "failed"
    assert "The mistake “a slip in its name” is passed" in only(run).found


def test_a_check_that_passes_before_is_weak(headless):
    always = ("if workspace.engine.volume(workspace.name)", "if True")
    for how in ({}, {"prove": True}):
        run = headless(always, ("a slip in its name", "x"), **how)
        step = only(run)
        assert run.status == step.status == "failed"
        assert "passes" in step.found or "is passed" in step.found
        assert step.next == "Fix the check `make_a_volume`."
    bare = LAB.split("@make_a_volume.mistake")[1]
    step = only(headless(always, ("@make_a_volume.mistake" + bare, "")))
    assert step.found == "The check passes before the step is done."


def test_a_mistake_that_passes_makes_the_check_weak(headless):
    run = headless(("{workspace.name}-x", "{workspace.name}"), prove=True)
    step = only(run)
    assert step.status == "failed"
    assert step.found == "The mistake “a slip in its name” is passed: It is there."
    assert step.proved["mistakes"][0]["status"] == "passed"


def test_a_mistake_with_another_reason_than_the_verdict_makes_the_check_weak(headless):
    named = ('reason="missing"', 'reason="slip"')
    step = only(headless(named, prove=True))
    assert step.status == "failed"
    assert (
        step.found == "The mistake “a slip in its name” fails for the reason `missing`, not `slip`."
    )


def test_a_mistake_that_the_solution_does_not_recover_from_is_a_weakness(headless):
    """What a learner would do next does not lead to passed."""
    check = "    if workspace.engine.volume(workspace.name):\n"
    strict = check.replace(":\n", ' and not workspace.engine.volume(workspace.name + "-x"):\n')
    step = only(headless((check, strict), prove=True))
    assert step.status == "failed"
    assert step.found == (
        "The mistake “a slip in its name” is not corrected by the solution: There is none."
    )
    assert step.next == "Run `docker volume create`."
    assert step.proved["mistakes"][0]["recovered"] == "failed"
    assert (step.proved["after"], step.proved["again"]) == ("passed", "passed")


def test_a_mistake_whose_advice_is_missing_makes_the_check_weak(headless):
    step = only(headless(('advice="docker volume create"', 'advice="{name}"'), prove=True))
    assert step.status == "failed"
    assert "gets the advice: Run `docker volume create`. It does not contain `reg" in step.found


def test_a_solution_that_does_not_do_the_step_fails(headless):
    step = only(headless(("workspace.create_volume(workspace.name)", "pass"), prove=True))
    assert (step.status, step.found) == ("failed", "There is none.")
    assert (step.proved["after"], step.proved["again"]) == ("failed", "failed")


def test_a_check_that_passes_once_only_fails_the_proof(headless):
    twice = '    if not hasattr(lab, "asked") and workspace.engine.volume(workspace.name):\n'
    twice += "        lab.asked = True\n"
    change = ("    if workspace.engine.volume(workspace.name):\n", twice)
    step = only(headless(change, prove=True))
    assert (step.proved["after"], step.proved["again"], step.status) == (
        "passed",
        "failed",
        "failed",
    )


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


def test_a_mistake_that_crashes_is_not_taken_for_a_failed_check(headless):
    step = only(headless(('create_volume(f"{workspace.name}-x")', "no_such()"), prove=True))
    assert step.status == "failed" and step.proved["mistakes"][0]["status"] == "unknown"
    assert "is unknown: The lab's own code failed: `AttributeError" in step.found


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
    assert run.leftovers[0].startswith(f"volume {names[0]}: The engine refused: ")


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


def test_the_lessons_commands_take_the_place_of_the_solution(headless, engine):
    run = headless(("    workspace.create_volume(workspace.name)\n", "    1 / 0\n"), shell=True)
    assert run.status == "passed", run.as_dict()
    assert run.leftovers == []


def test_commands_that_do_not_do_the_step_fail_with_the_checks_words(headless):
    lesson = LESSON.replace("docker volume create {{ name }}\n", "true\n").replace(
        "-v {{ name }}:/v ", ""
    )
    step = only(headless(lesson=lesson, shell=True))
    assert (step.status, step.found) == ("failed", "There is none.")


def test_commands_that_fail_fail_the_step_and_name_the_line(headless):
    lesson = LESSON.replace("docker volume create", "docker volume creat")
    step = only(headless(lesson=lesson, shell=True))
    assert step.status == "failed" and step.expected == "The lesson's commands do the step."
    assert "In the block in line 9 of the lesson, `docker volume creat " in step.found


def test_commands_that_never_end_are_given_up(headless):
    lesson = LESSON.replace("docker volume create {{ name }}", "sleep 60")
    began = time.monotonic()
    step = only(headless(lesson=lesson, shell=True, seconds=1))
    assert time.monotonic() - began < 30
    assert step.status in ("failed", "unknown") and "took longer than 1 seconds" in step.found


ASKS = (
    ("def make_a_volume(workspace):", "def make_a_volume(workspace, answer):"),
    ("if workspace.engine.volume(workspace.name):", "if answer.strip() == 'yes':"),
)
YES, NO = (f"```bash\necho {said}\n```\n" for said in ("yes", "no"))
HINT = "??? hint\n    ```bash\n    echo yes\n    ```\n"
GIVEN_AWAY = "The block in line {} of `01-volumes.md` prints the answer."


def page_of(*blocks):
    return LESSON.partition("```")[0] + "".join(blocks)


@pytest.mark.parametrize(
    ("blocks", "line"),
    [
        pytest.param([YES, NO, HINT], 9, id="above the hint"),
        pytest.param([NO, HINT, YES], 16, id="below the hint"),
        pytest.param([NO, YES], 12, id="without a hint"),
    ],
)
def test_a_page_whose_visible_commands_answer_its_question_is_refused(headless, blocks, line):
    step = only(headless(*ASKS, lesson=page_of(*blocks), shell=True))
    assert (step.status, step.found) == ("failed", GIVEN_AWAY.format(line))
    assert "`??? hint`" in step.next and "`@lab.step(evidence=True)`" in step.next


def test_the_answer_to_a_question_comes_from_the_hint(headless):
    assert headless(*ASKS, lesson=page_of(NO, HINT), shell=True).status == "passed"


def test_an_answer_that_is_only_what_the_step_prints_needs_no_hint(headless):
    evidence = ("@lab.step(lasting=True)", "@lab.step(lasting=True, evidence=True)")
    run = headless(*ASKS, evidence, lesson=page_of(NO, YES), shell=True)
    assert run.status == "passed", run.as_dict()


def test_a_block_that_is_run_by_itself_must_not_answer_its_question_either(headless):
    headless(*ASKS, lesson=page_of(NO, HINT, YES))
    [lesson] = headless.lessons
    with Track(headless.workspaces, lesson, lesson.lab, Settings(shell=True)) as track:
        first, second, third = (track.run_block(block) for block in lesson.blocks)
    assert first is second is None and third.found == GIVEN_AWAY.format(16)


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


# Side by side

TWO_MISTAKES = (
    '    workspace.create_volume(f"{workspace.name}-x")\n',
    '    workspace.create_volume(f"{workspace.name}-x")\n\n\n'
    '@make_a_volume.mistake("nothing done", advice="elsewhere", reason="missing")\n'
    "def _(workspace):\n"
    "    pass\n",
)


def test_the_result_does_not_depend_on_how_many_tracks_run_side_by_side(headless):
    """One of the mistakes is weak, and the parts come in another order."""

    def without_seconds(run):
        report = run.as_dict()
        for part in (report, *report["labs"], *report["labs"][0]["steps"]):
            assert part.pop("seconds") >= 0
        return report

    ended = []
    alone = headless(TWO_MISTAKES, prove=True)
    beside = headless(
        TWO_MISTAKES, prove=True, jobs=3, ended=lambda lab, step: ended.append(step.step)
    )
    assert without_seconds(alone) == without_seconds(beside)
    assert [row["mistake"] for row in only(beside).proved["mistakes"]] == [
        "a slip in its name",
        "nothing done",
    ]
    assert only(beside).status == "failed" and "does not contain" in only(beside).found
    assert ended == ["make-a-volume"]
    assert beside.leftovers == [] and headless.workspaces.all() == []


def test_ctrl_c_ends_all_that_run_side_by_side_after_cleaning_up(headless, engine):
    """It comes once, by the process that was asked; each of the others cleans up for itself."""
    slow = 'workspace.run_to_end("busybox:stable", ["sleep", "300"])'
    change = ("workspace.create_volume(workspace.name)\n", slow + "\n")

    def runs():
        labels = [f"{WORKSPACE}={workspace.id}" for workspace in headless.workspaces.all()]
        return any(engine.containers(status="running", label=label) for label in labels)

    def interrupt():
        assert eventually(runs)
        os.kill(os.getpid(), signal.SIGTERM)

    stop = threading.Thread(target=interrupt)
    stop.start()
    began = time.monotonic()
    run = headless(change, prove=True, jobs=2)
    stop.join()
    assert run.interrupted and run.leftovers == [] and time.monotonic() - began < 60
    assert headless.workspaces.all() == []


def test_no_engine_raises_also_side_by_side(headless, monkeypatch):
    headless()
    monkeypatch.setattr(Track, "open", raise_engine_down)
    headless.runner.jobs = 2
    headless.runner.settings = Settings(prove=True)
    with pytest.raises(EngineDown, match="Gone"):
        headless.runner.run(headless.lessons)


def test_an_engine_that_goes_while_a_step_is_done_ends_the_run(headless, monkeypatch):
    monkeypatch.setattr(Engine, "create_volume", lambda *words: raise_engine_down(None))
    with pytest.raises(EngineDown, match="Gone"):
        headless()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_said_also_side_by_side_and_is_no_fault_of_the_lab(
    headless, monkeypatch, jobs
):
    monkeypatch.setattr(Track, "open", raise_disk_full)
    run = headless(prove=True, jobs=jobs)
    assert run.status == "unknown" and run.could_not_run
    assert "Nothing can be written to `/full`: No space left on device." in run.labs[0].reason


@pytest.mark.parametrize("act", ["solution", "mistake"])
def test_an_act_that_finds_the_disk_full_says_nothing_of_the_check(headless, act):
    full = 'raise OSError(28, "No space left on device", "/full")'
    change = {
        "solution": ("workspace.create_volume(workspace.name)", full),
        "mistake": ('workspace.create_volume(f"{workspace.name}-x")', full),
    }[act]
    run = headless(change, prove=True)
    assert run.status == "unknown" and run.could_not_run
    assert "Nothing can be written to `/full`: No space left on device." in only(run).found


def raise_disk_full(track):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full")


def raise_engine_down(track):
    raise EngineDown("Gone.", next="Start it.")
