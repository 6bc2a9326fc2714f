"""The plugin of pytest: each part of a lab and its page is a test that can be run alone."""

import os
import subprocess
import sys

import pytest

from tests.fixtures.engine import LAB, LESSON, ROOT

SECOND = LAB.split('"busybox:stable"])\n')[1].replace("make_a_volume", "once_more")
SECOND = SECOND.replace("workspace.name", 'workspace.name + "-2"').replace("{name}", "{name}-2")
SECOND = SECOND.replace('f"{workspace.name + "-2"}-x"', 'workspace.name + "-y"')
PAGE = (
    LESSON
    + """
## Once more {#once-more .step}

```bash
docker volume create {{ name }}-2
docker run --rm -v {{ name }}-2:/v --name {{ name }} busybox:stable true
```
"""
)


FOR_3 = """
@make_a_volume.mistake(
    "with registry 3", advice="docker volume create", reason="missing", registry="registry:3"
)
def _(workspace):
    pass
"""
BLOCK_FOR_3 = """=== "registry 3"
    ```bash
    true
    ```

"""


@pytest.fixture
def run(course, tmp_path):
    """Runs pytest on the lab of a small course; the outcome of each item, and its exit code."""
    course({"labs/volumes/lab.py": LAB + SECOND, "lessons/01-volumes.md": PAGE})
    (tmp_path / "course" / "pytest.ini").write_text("[pytest]\n")

    def run(*words, ids=(), **environment):
        plugins = ("-p", "labrunner.headless.plugin", "-p", "no:cacheprovider")
        where = [f"labs/volumes/lab.py::{id}" for id in ids] or ["labs"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rA", "-q", *plugins, *words, *where],
            cwd=tmp_path / "course",
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )
        lines = [line.split(" - ")[0].split(" ", 1) for line in done.stdout.splitlines()]
        found = [line for line in lines if line[0] in ("PASSED", "FAILED", "ERROR")]
        outcome = {line[1].split("::")[-1].split("@")[0]: line[0] for line in found}
        return outcome, done.returncode, done.stdout + done.stderr

    yield run
    assert not list((tmp_path / "course/instance/workspaces").glob("*/"))


def test_each_step_mistake_and_block_is_an_item(run):
    outcome, code, output = run()
    assert code == 0, output
    assert outcome == {
        "make-a-volume": "PASSED",
        "once-more": "PASSED",
        "make-a-volume[a slip in its name]": "PASSED",
        "once-more[a slip in its name]": "PASSED",
        "make-a-volume[line 9]": "PASSED",
        "once-more[line 16]": "PASSED",
    }


def test_an_item_alone_does_what_is_before_it(run):
    outcome, code, output = run("-k", "once-more and slip or line and 16")
    assert code == 0, output
    assert len(outcome) == 2


def test_items_run_in_any_order_and_in_any_process(run):
    backwards = ["once-more", "make-a-volume", "once-more[line 16]", "make-a-volume[line 9]"]
    outcome, code, output = run("-n", "2", "--dist", "loadgroup", ids=backwards)
    assert code == 0, output
    assert set(outcome) == {*backwards, *(f"{step}[a slip in its name]" for step in backwards[:2])}


def test_the_items_of_a_lab_whose_image_is_nowhere_are_skipped_and_fail_under_ci(run, tmp_path):
    lab = tmp_path / "course/labs/volumes/lab.py"
    lab.write_text(lab.read_text().replace('"busybox:stable"', '"127.0.0.1:1/none:x"'))
    outcome, code, output = run("-k", "once-more and slip")
    assert (code, outcome) == (0, {})
    assert "1 skipped" in output and "127.0.0.1:1 cannot be reached" in output
    words = ("-k", "once-more and slip", "-p", "tests.fixtures.skips")
    outcome, code, output = run(*words, CI="true")
    assert (code, set(outcome.values())) == (1, {"ERROR"})
    assert "a failure under CI: " in output and "127.0.0.1:1 cannot be reached" in output


def test_what_only_registry_3_has_is_an_item_with_that_registry(run, tmp_path):
    lab, page = (tmp_path / f"course/{each}" for each in ("labs/volumes/lab.py", "lessons"))
    lab.write_text(lab.read_text() + FOR_3)
    heading = "## Once more"
    (page / "01-volumes.md").write_text(PAGE.replace(heading, BLOCK_FOR_3 + heading))
    _, code, output = run("--collect-only")
    items = [line.split("::")[1] for line in output.splitlines() if "::" in line]
    assert code == 0 and len(items) == len(set(items)) == 10, output
    assert {each for each in items if "registry" in each} == {
        "make-a-volume[with registry 3]",
        "make-a-volume[line 9, registry:3]",
        "make-a-volume[line 15, registry:3]",
        "once-more[line 21, registry:3]",
    }


def test_what_is_weak_is_said_in_the_checks_words(run, tmp_path):
    lab = tmp_path / "course/labs/volumes/lab.py"
    lab.write_text(lab.read_text().replace("{workspace.name}-x", "{workspace.name}"))
    outcome, code, output = run("-k", "make-a-volume and slip")
    assert (code, outcome) == (1, {"make-a-volume[a slip in its name]": "FAILED"})
    assert "Found: The mistake “a slip in its name” is passed: It is there." in output
