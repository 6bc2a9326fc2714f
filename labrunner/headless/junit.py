"""The report of a run as JUnit has it, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from labrunner.text import plain

from .results import LabResult, Run, StepResult


def write_report(run: Run, file: Path) -> None:
    """Write what a run came to into a file."""
    report = JUnitXml("flask run-lab")
    for lab in run.labs:
        suite = TestSuite(lab.lab)
        for step in lab.steps or [StepResult("start", lab.status, found=lab.reason)]:
            suite.add_testcase(_case(lab, step))
        report.add_testsuite(suite)
    report.write(str(file), pretty=True)


def _case(lab: LabResult, step: StepResult) -> TestCase:
    case = TestCase(step.step, classname=lab.lab, time=round(step.seconds, 3))
    kinds: dict[str, Any] = {"failed": Failure, "unknown": Error, "skipped": Skipped}
    if kind := kinds.get(step.status):
        entry = kind(plain(step.found or step.status))
        rows = (("Expected", step.expected), ("Found", step.found), ("Next", step.next))
        text = "\n".join(f"{label}: {sentence}" for label, sentence in rows if sentence)
        entry.text = plain(text)
        case.result = [entry]
    return case
