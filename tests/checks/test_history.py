"""What an engine remembers: where that does not reach, a step cannot be checked."""

from dataclasses import replace

import pytest

from labrunner.checks import history
from labrunner.checks.history import require_memory
from labrunner.verdicts import CannotCheck


@pytest.fixture
def workspace(workspaces, real_course):
    bare = replace(real_course.labs["push-and-pull"], registry=False, sample=False)
    return workspaces.open(bare, "headless")


def test_an_engine_that_was_not_restarted_remembers_what_happened_since_a_lab_was_opened(workspace):
    require_memory(workspace, "`docker run x`")


@pytest.mark.parametrize(
    ("lab", "step"), [("push-and-pull", "run-it"), ("meet-your-engine", "run-it")]
)
def test_what_happened_before_a_restart_of_the_engine_could_not_be_checked(
    workspaces, real_course, lab, step
):
    """A lab that was opened before the engine was started."""
    workspace = workspaces.open(replace(real_course.labs[lab], registry=False), "headless")
    if lab == "meet-your-engine":
        workspace.lab.find("build-an-image").solve(workspace)
    workspace.record.opened = 0
    verdict = workspace.lab.find(step).judge(workspace)
    assert (verdict.status, verdict.reason) == ("unknown", "forgotten")
    assert verdict.found.startswith("The engine was restarted after you started this lab")
    assert "`docker run" in verdict.next


def test_events_that_the_engine_forgot_matter_only_to_what_may_be_as_old(workspace, monkeypatch):
    workspace.engine.wait(workspace.run("busybox:stable", command=["true"]))
    monkeypatch.setattr(history, "REMEMBERED", len(workspace.events()))
    with pytest.raises(CannotCheck, match="last") as forgotten:
        require_memory(workspace, "`docker run x`")
    assert forgotten.value.reason == "forgotten"
    require_memory(workspace, "`docker run x`", since=workspace.engine.now())


def test_what_was_seen_before_a_restart_counts(workspaces, real_course, engine):
    lab = replace(real_course.labs["push-and-pull"], registry=False)
    workspace = workspaces.open(lab, "headless")
    workspace.tag(workspace.sample, workspace.ref())
    container = workspace.run(workspace.ref())
    engine.wait(container)
    workspace.record.opened = 0
    assert workspace.lab.find("run-it").judge(workspace).passed
