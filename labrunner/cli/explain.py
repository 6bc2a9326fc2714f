"""`script/lab explain`: take an image reference apart."""

from __future__ import annotations

import json
import sys

import click

from labrunner.errors import ExitStatus
from labrunner.registry import references

from .console import exit_with, show


@click.command("explain")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(name: str, as_json: bool) -> None:
    """Take an image's name apart: registry, repository, tag and digest."""
    try:
        reference = references.parse(name)
    except references.InvalidReference as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
            sys.exit(ExitStatus.BAD_CALL)
        exit_with(ExitStatus.BAD_CALL, str(error))
    if as_json:
        click.echo(json.dumps(reference.as_dict()))
        return
    for part, value in reference.as_dict().items():
        default = part == "registry" and reference.default_registry
        shown = f"`{value}`{' (the default)' if default else ''}" if value else "none"
        show(shown, label=f"  {part:<11} ")
    for note in references.notes(name):
        show(note)
