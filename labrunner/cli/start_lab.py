"""`script/lab start-lab`: start a lab."""

from __future__ import annotations

import json
import shlex

import click
from flask.cli import with_appcontext

from labrunner.registry.versions import NUMBERS
from labrunner.session.services import get_services

from .console import handle_errors, notify, show
from .lookup import find_lab, find_lesson


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
    lesson, found = find_lesson(lab), find_lab(lab)
    if registry:
        get_services().workspaces.registry_choice.keep(NUMBERS[registry])
    workspace = get_services().session(found).start(notify)
    values, folder = lesson.known_values(workspace.record.values), str(workspace.work)
    if as_json:
        row = {"workspace": workspace.id, "lab": found.name, "folder": folder, **values}
        click.echo(json.dumps({**row, "port": workspace.port}))
        return
    if lesson.names_registry:
        show(f"Your registry is `{workspace.registry}`. {workspace.record.note}")
    used = {name: value for name, value in values.items() if name in lesson.names}
    for name, value in used.items():
        show(f"  {name:<{max(map(len, used))}} `{value}`")
    show(f"Work in the lab's folder: `cd {shlex.quote(folder)}`")
    show(f"Follow the lesson, and check your work with `script/lab check-lab {found.name}`.")
