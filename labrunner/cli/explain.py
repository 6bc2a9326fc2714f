"""`flask explain`: takes an image reference apart."""

from __future__ import annotations

import json
import sys

import click

from labrunner.registry import references

from .console import BAD_CALL, console, leave, prose


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
            sys.exit(BAD_CALL)
        leave(BAD_CALL, str(error))
    if as_json:
        click.echo(json.dumps(reference.as_dict()))
        return
    for part, value in reference.as_dict().items():
        default = part == "registry" and reference.default_registry
        shown = f"`{value}`{' (the default)' if default else ''}" if value else "none"
        console.print(prose(f"  {part:<11} {shown}"))
    for note in references.notes(name):
        console.print(prose(note))
