"""What the learner has done, kept in SQLite."""

import sqlite3
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from labrunner.language import Sentence, dump
from labrunner.progress import store
from labrunner.progress.records import Event, ProgressArchive, StepProgress
from labrunner.progress.schema import ProgressUnavailable
from labrunner.progress.store import LONGEST_TEXT, Progress
from labrunner.verdicts import Verdict
from tests.fixtures.progress import FAILED, PASSED, UNKNOWN


def test_nothing_is_done_at_first(progress):
    assert progress.load_lab("lab").steps == {} and progress.load().done == {}
    assert StepProgress().state == "not started" and not StepProgress().done


def test_a_verdict_is_kept_whole(progress, lasting):
    kept = progress.record("lab", lasting, FAILED)
    assert progress.load_lab("lab").steps == {"a-step": kept}
    assert kept.verdict == FAILED and kept.attempts == 1 and kept.passed_at is None
    assert progress.load_lab("another").steps == {}


def test_a_verdict_is_kept_with_what_it_was_made_from(progress, lasting):
    found = Sentence("There is {what}.", what=Sentence.counted("{count} tag", "{count} tags", 2))
    long = Sentence("You said {answer}.", answer="x" * LONGEST_TEXT)
    progress.record("lab", lasting, Verdict("failed", "A.", found, long))
    verdict, [event] = (
        progress.load_lab("lab").step("a-step").verdict,
        progress.load_archive().events,
    )
    assert (verdict.expected, verdict.found, verdict.next) == ("A.", "There is 2 tags.", long)
    assert dump(verdict.found) == dump(event.found) == dump(found) != found
    assert dump(verdict.next) == dump(long)
    assert dump(event.next) == event.next == f"{long[: LONGEST_TEXT - 1]}…"


@pytest.mark.parametrize(
    ("verdicts", "state", "done"),
    [
        ([FAILED], "failed", False),
        ([UNKNOWN], "unknown", False),
        ([FAILED, PASSED], "passed", True),
        ([PASSED, FAILED], "broken", False),
        ([PASSED, FAILED, PASSED], "passed", True),
        ([PASSED, UNKNOWN], "unknown", True),
        ([PASSED, FAILED, UNKNOWN], "unknown", True),
    ],
)
def test_a_lasting_step_can_break_and_unknown_does_not_count(
    progress, lasting, verdicts, state, done
):
    for verdict in verdicts:
        progress.record("lab", lasting, verdict)
    found = progress.load_lab("lab").steps["a-step"]
    assert (found.state, found.done, found.attempts) == (state, done, len(verdicts))


def test_a_moment_that_has_passed_stays_passed(progress, once):
    first = progress.record("lab", once, PASSED)
    assert progress.record("lab", once, FAILED) == first
    assert progress.load_lab("lab").steps["a-step"].state == "passed"


def test_it_first_passed_when_it_first_passed(progress, lasting):
    first = progress.record("lab", lasting, PASSED)
    second = progress.record("lab", lasting, PASSED)
    assert second.passed_at == first.passed_at < second.checked_at


def test_a_lab_begun_anew_is_open_again_and_was_done_once(progress, lasting):
    progress.record("lab", lasting, PASSED)
    progress.record("other", lasting, PASSED)
    progress.begin("lab")
    progress.record("lab", lasting, PASSED, steps=["a-step"])
    when = progress.load().done
    progress.begin("lab")
    progress.record("lab", lasting, PASSED, steps=["a-step"])
    assert list(when) == ["lab"]
    progress.begin("lab")
    assert progress.load_lab("lab").steps == {} and list(progress.load_lab("other").steps) == [
        "a-step"
    ]
    assert progress.load().done == when


def test_a_prediction_is_kept_until_the_lab_it_was_made_for_is_closed_and_begun_anew(progress):
    progress.predict("lab", "before the start")
    progress.begin("lab")
    assert progress.load_lab("lab").prediction == "before the start"
    progress.predict("lab", "another")
    assert progress.load().predictions == {"lab": "another"}
    for kind in ("reset", "back", "finished"):
        progress.note("lab", kind)
        assert progress.load_lab("lab").prediction == "another"
        progress.begin("other")
        progress.begin("lab")
        assert progress.load_lab("lab").prediction is None
        progress.predict("lab", "another")
    progress.note("lab", "finished")
    progress.predict("lab", "for the next time")
    progress.begin("lab")
    assert progress.load().predictions == {"lab": "for the next time"}


def test_checks_at_the_same_time_lose_nothing(progress, lasting):
    def record(number):
        Progress(progress.path).record("lab", lasting, PASSED if number == 7 else FAILED)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, range(40)))
    found = progress.load_lab("lab").steps["a-step"]
    assert found.attempts == 40 and found.passed_at


def test_words_of_the_learner_are_kept_as_they_are(progress, lasting):
    words = "'; drop table step; -- \u202e <b> \x07"
    progress.record("lab'", lasting, Verdict("failed", words, words, words))
    assert progress.load_lab("lab'").steps["a-step"].verdict.found == words


def test_a_check_that_nobody_asked_for_is_no_attempt_and_is_noted_when_it_says_something_else(
    progress, lasting
):
    for verdict in (FAILED, FAILED, PASSED, PASSED, FAILED):
        progress.record("lab", lasting, verdict, asked=False)
    assert progress.load_lab("lab").steps["a-step"].attempts == 0
    assert [event.kind for event in progress.load_archive().events] == [
        "failed",
        "passed",
        "broken",
    ]
    progress.record("lab", lasting, FAILED)
    assert [event.attempts for event in progress.load_archive().events] == [0, 0, 0, 1]


def test_every_check_that_was_asked_for_is_in_the_history_with_what_it_said(progress, lasting):
    progress.record("lab", lasting, FAILED, mistakes=["a slip"])
    progress.record("lab", lasting, FAILED)
    progress.record("lab", lasting, PASSED)
    first, second, third = progress.load_archive().events
    assert (first.kind, first.found, first.next) == ("failed", "B.", "C.")
    assert (first.mistakes, second.mistakes, third.mistakes) == (("a slip",), None, None)
    assert (third.kind, third.found) == ("passed", None)
    assert first.at <= second.at <= third.at


def test_a_long_answer_does_not_fill_the_history(progress, lasting):
    long = "x" * 65536
    progress.record("lab", lasting, Verdict("failed", long, long, long))
    [event] = progress.load_archive().events
    assert len(event.found) == len(event.next) == LONGEST_TEXT
    assert progress.load_lab("lab").steps["a-step"].verdict.found == long


@pytest.mark.parametrize(
    ("verdict", "asked", "state"),
    [
        (FAILED, False, "skipped"),
        (UNKNOWN, False, "skipped"),
        (PASSED, False, "passed"),
        (FAILED, True, "failed"),
        (PASSED, True, "passed"),
    ],
)
def test_what_is_skipped_stays_so_until_it_passes_or_is_tried(
    progress, lasting, verdict, asked, state
):
    skipped = progress.skip("lab", lasting)
    assert (skipped.state, skipped.done) == ("skipped", False)
    assert progress.load_lab("lab").steps["a-step"] == skipped
    progress.record("lab", lasting, verdict, asked=asked)
    assert progress.load_lab("lab").steps["a-step"].state == state
    assert progress.load_archive().events[0].kind == "skipped"


def test_what_is_done_cannot_be_skipped_and_what_broke_can(progress, lasting):
    done = progress.record("lab", lasting, PASSED)
    assert progress.skip("lab", lasting) == done
    progress.record("lab", lasting, FAILED)
    assert progress.skip("lab", lasting).state == "skipped"
    assert not progress.load_lab("lab").steps["a-step"].done


@pytest.mark.parametrize("kind", ["lasting", "once"])
def test_what_was_solved_is_never_passed_by_the_learner(progress, kind, request):
    step = request.getfixturevalue(kind)
    solved = progress.record("lab", step, PASSED, asked=False, solved=True)
    assert (solved.state, solved.done, solved.done_by_learner) == ("solved", True, False)
    again = progress.record("lab", step, PASSED)
    assert again.state == "solved" and again.passed_at is None
    assert "passed" not in [event.kind for event in progress.load_archive().events]


def test_what_was_solved_can_break_and_is_solved_when_it_is_mended(progress, lasting):
    progress.record("lab", lasting, PASSED, asked=False, solved=True)
    states = [progress.record("lab", lasting, each).state for each in (FAILED, UNKNOWN)]
    assert states == ["broken", "unknown"]
    assert progress.record("lab", lasting, PASSED).state == "solved"


def test_a_solution_that_failed_leaves_the_step_to_the_learner(progress, lasting):
    progress.skip("lab", lasting)
    failed = progress.record("lab", lasting, UNKNOWN, asked=False, solved=True)
    assert (failed.state, failed.attempts, failed.solved_at) == ("unknown", 0, None)
    assert progress.record("lab", lasting, PASSED).state == "passed"


def test_what_the_learner_passed_before_it_was_solved_stays_known(progress, lasting):
    passed = progress.record("lab", lasting, PASSED).passed_at
    progress.record("lab", lasting, FAILED)
    solved = progress.record("lab", lasting, PASSED, asked=False, solved=True)
    assert (solved.state, solved.passed_at) == ("solved", passed)


def test_beginning_anew_keeps_what_happened(progress, lasting):
    progress.begin("lab")
    progress.record("lab", lasting, PASSED, untouched={"another": "B."})
    assert progress.load_lab("lab").untouched == {"another": "B."}
    for _ in range(2):
        progress.note("lab", "done")
    progress.note("lab", "reset")
    progress.begin("lab")
    assert progress.load_lab("lab").steps == progress.load_lab("lab").untouched == {}
    happened = [event.kind for event in progress.load_archive().events]
    assert happened == ["started", "passed", "done", "reset", "started"]


@pytest.fixture
def waits(progress, lasting, monkeypatch):
    """The seconds for which the file, which another program holds, would have been waited for."""
    progress.record("lab", lasting, PASSED)
    connect, waits = sqlite3.connect, []

    def wait(path, timeout):
        waits.append(timeout)
        return connect(path, timeout=0)

    monkeypatch.setattr(sqlite3, "connect", wait)
    with closing(connect(progress.path, isolation_level=None)) as holder:
        holder.execute("begin exclusive")
        yield waits


def test_a_file_that_another_program_holds_is_waited_for_once(progress, waits):
    """A page asks for it once, and a check of all steps twice for each of them."""
    for ask in (progress.load, *(partial(progress.load_lab, "lab") for _ in range(20))):
        with pytest.raises(ProgressUnavailable, match="locked"):
            ask()
    assert len(waits) == 21
    assert waits[0] <= 2 and sum(waits) < 5


def test_a_file_that_is_busy_for_long_is_waited_for_again_and_again(progress, waits, monkeypatch):
    """However often it is asked for meanwhile."""
    for now in range(1000, 1030, 3):
        monkeypatch.setattr(store.time, "monotonic", lambda now=now: now)
        with pytest.raises(ProgressUnavailable, match="locked"):
            progress.load()
    assert waits.count(max(waits)) == 3


def test_a_file_that_another_program_holds_is_said(progress, lasting, monkeypatch):
    progress.record("lab", lasting, PASSED)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.1))
    holder = connect(progress.path, isolation_level=None)
    try:
        holder.execute("begin exclusive")
        with pytest.raises(ProgressUnavailable, match="locked"):
            progress.record("lab", lasting, FAILED)
    finally:
        holder.close()
    assert progress.record("lab", lasting, FAILED).state == "broken"


def test_of_a_long_history_no_more_than_its_outcome_is_held(progress, lasting):
    event = Event(1, "lab", lasting.id, "failed", 1, "B" * 500, "C" * 500, ("a slip",))
    progress.import_archive(ProgressArchive(events=[replace(event, at=at) for at in range(2000)]))
    tracemalloc.start()
    try:
        [met] = progress.load().histories["lab"].steps[lasting.id].mistakes.values()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert met.times == 2000
    assert most < 200_000
