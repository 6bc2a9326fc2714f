"""Whoever looks at the picture of a registry changes nothing: neither what a lab's checks say, nor
a byte in the registry."""

import threading
from contextlib import contextmanager

import pytest

from labrunner.engine.engine import Engine
from labrunner.headless.runner import Runner
from labrunner.inspector.contents import RegistryContents
from labrunner.inspector.scan import Scanner
from labrunner.kit.kit import Kit
from labrunner.web.views import registry
from labrunner.workspaces.manager import Workspaces
from tests.fixtures.engine import nothing, traces

scanner = Scanner()
PAUSE = 1  # seconds from one look to the next, as on a page


@contextmanager
def looked_at(folder, labs):
    """Look at the registries of all open workspaces the whole time, as pages do, and whenever the
    second that is given is called. The first is what they were told; errors are raised at the end.
    """
    over, looks, errors = threading.Event(), [], []
    workspaces = Workspaces(folder, Engine(timeout=1), labs)

    def look():
        for workspace in workspaces.all():
            if workspace.record.state != "open":
                continue
            try:
                contents, said = registry.read_contents(scanner, workspace)
                registry.read_transfers(workspace, contents or RegistryContents())
                looks.append(said)
            except Exception as error:
                errors.append(error)

    def keep_looking():
        while not over.wait(PAUSE):
            look()

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield looks, look
    finally:
        over.set()
        thread.join()
    assert errors == []


@pytest.mark.parametrize("name", ["push-and-pull", "take-out-the-rubbish"])
def test_a_lab_passes_as_before_while_its_registry_is_looked_at(
    name, tmp_path, engine, real_course
):
    lesson, ids = real_course.lesson_of(name), set()
    workspaces = Workspaces(tmp_path / "workspaces", engine, real_course.labs)
    kit = Kit(engine, real_course.images)

    def ended(lab, step):
        ids.update(workspace.id for workspace in workspaces.all())
        look()  # while what the step left is there for sure

    with looked_at(tmp_path / "workspaces", real_course.labs) as (looks, look):
        done = Runner(workspaces, kit, ended=ended).run([lesson])
    assert done.status == "passed", done.as_dict()
    assert "" in looks  # not all of them were in vain
    assert (done.leftovers, list((tmp_path / "workspaces").glob("*/"))) == ([], [])
    assert ids and traces(engine, ids) == nothing()


def test_looking_changes_no_file_of_the_registry_and_is_no_visit(workspaces, real_course):
    workspace = workspaces.open(real_course.labs["take-out-the-rubbish"], "headless")
    for step in workspace.lab.steps[:3]:
        step.solve(workspace)
        registry.read_contents(scanner, workspace)
    container = workspace.engine.container(workspace.name).id
    count = "find /var/lib/registry -exec stat -c '%n %s %Y %Z' {} + | sort"

    def files():
        return workspace.engine.execute(container, ["sh", "-c", count])

    before = files()
    contents = registry.read_contents(scanner, workspace)[0] or RegistryContents()
    assert {entry.state for entry in contents.manifests} == {"named", "deleted"}
    told = registry.read_transfers(workspace, contents)
    assert [visit.kind for visit, _ in told] == ["push", "push"]
    for _ in range(3):
        registry.read_contents(scanner, workspace)
        assert registry.read_transfers(workspace, contents) == told
    assert files() == before
