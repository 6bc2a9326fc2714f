"""What holds for all labs of the course. That they prove their checks, and that their pages do
them, is tested by `labs/` itself, with the plugin of the product."""

import re
import subprocess
from functools import partial

import pytest

from labrunner.course import loader
from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.headless.track import Settings
from labrunner.kit.errors import ImageUnavailable
from labrunner.kit.kit import Kit
from labrunner.registry.versions import CONFIG_FILES
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import ROOT, eventually, nothing, traces

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
