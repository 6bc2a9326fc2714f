"""`script/lab start-lab`: start a lab."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from labrunner.registry.versions import NUMBERS
from labrunner.session.services import get_services

from .console import handle_errors, notify, show
from .lookup import find_lab


@click.command("start-lab")
@click.argument("lab")
@click.option("--registry", type=click.Choice([*NUMBERS]), help="Do the course with this registry.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as one JSON object.")
@with_appcontext
@handle_errors
def start_lab(lab: str, registry: str | None, as_json: bool) -> None:
    """Start a lab: choose a free port and free names, and set up what the lab needs.

    The registry that you choose stays chosen, on the pages too.
    """
    found = find_lab(lab)
    if registry:
        get_services().workspaces.registry_choice.keep(NUMBERS[registry])
    workspace = get_services().session(found).start(notify)
    values = workspace.record.values
    if as_json:
        row = {"workspace": workspace.id, "lab": found.name, **values, "port": workspace.port}
        click.echo(json.dumps(row))
        return
    show(f"Your registry is `{workspace.registry}`. {workspace.record.note}")
    for name, value in values.items():
        show(f"  {name:<10} `{value}`")
    show(f"Follow the lesson, and check your work with `script/lab check-lab {found.name}`.")
