"""`script/lab decode`: what an error from a terminal means."""

from __future__ import annotations

import json
import sys

import click
from flask.cli import with_appcontext

from labrunner.decoder import decoder
from labrunner.errors import ExitStatus
from labrunner.session.services import get_services

from .console import exit_with, format_sentence, handle_errors, notify, paint, show, write

NO_TEXT = (
    "There is no text to decode. Give it in quotes: `script/lab decode 'manifest unknown'`. "
    "Or pipe it: `docker push … 2>&1 | script/lab decode`."
)


@click.command("decode", context_settings={"ignore_unknown_options": True})
@click.argument("text", nargs=-1, type=click.UNPROCESSED)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
@handle_errors
def decode(text: tuple[str, ...], as_json: bool) -> None:
    """Say what an error means, why it happens, and what to do about it.

    TEXT is what the terminal shows. Without it, standard input is read, as in
    `docker push … 2>&1 | script/lab decode`. Exits 0 when an error is recognised, 1 when none is,
    and 2 when there is no text.
    """
    said = " ".join(text) if text else _standard_input()
    if not said.strip():
        if as_json:
            click.echo(json.dumps({"error": NO_TEXT}))
            sys.exit(ExitStatus.BAD_CALL)
        exit_with(ExitStatus.BAD_CALL, NO_TEXT)
    findings = decoder.decode(said)
    if as_json:
        click.echo(json.dumps({"findings": [each.as_dict() for each in findings]}))
    elif findings:
        for finding in findings:
            _show(finding)
    else:
        notify(*decoder.NOT_KNOWN)
    sys.exit(ExitStatus.SUCCESS if findings else ExitStatus.FAILED)


def _standard_input() -> str:
    """Return the end of standard input, as much as the decoder reads."""
    if sys.stdin is None:  # it was closed
        return ""
    if sys.stdin.isatty():
        notify("Paste what your terminal shows, then press Enter and Ctrl-D.")
    text, size = b"", 65536
    while True:
        chunk = sys.stdin.buffer.read(size)
        text = (text + chunk)[-4 * decoder.LIMIT :]  # a character has at most four bytes
        if len(chunk) < size:
            return text.decode(errors="replace")


def _show(finding: decoder.Finding) -> None:
    rows = (
        ("Found", f"`{finding.said}`"),
        ("Means", finding.means),
        *_why(finding),
        ("Next", finding.next),
        ("Lesson", _lesson(finding.message.lesson)),
        ("Read on", finding.message.page),
    )
    write(paint(format_sentence(finding.title), bold=True))
    for label, sentence in rows:
        if sentence:
            show(sentence, label=f"  {label:<8} ")


def _why(finding: decoder.Finding) -> list[tuple[str, str]]:
    """Return the row of the cause, or one row for each of several."""
    if not finding.causes:
        return [("Why", finding.why)]
    rows = [f"{number}. {cause} {sign}" for number, (cause, sign) in enumerate(finding.causes, 1)]
    return [("Why", rows[0]), *(("", row) for row in rows[1:])]


def _lesson(slug: str) -> str:
    """Return the number and title of a lesson; nothing where the course has no such lesson."""
    for lesson in get_services().course.outline:
        if lesson.slug == slug:
            return f"{lesson.number}, {lesson.title}"
    return ""
