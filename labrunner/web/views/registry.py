"""The picture of the learner's registry, and what went over the wire to it."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from labrunner.inspector import narration, scan
from labrunner.inspector.contents import RegistryContents
from labrunner.inspector.transfers import Transfer
from labrunner.registry.errors import NotARegistry, RegistryDown, RegistryRefused
from labrunner.session.errors import NotStarted
from labrunner.session.services import get_services
from labrunner.verdicts import CannotCheck
from labrunner.web.diagrams import registry, table
from labrunner.web.forms import wants_fragment
from labrunner.workspaces.workspace import Workspace

from .lessons import find_lab

bp = Blueprint("registry", __name__)

LINES = 5000  # of the registry's log, its latest; all of it would take a second to read
bp.add_app_template_filter(registry.shown, "shown")
bp.add_app_template_filter(registry.short, "short")


@bp.get("/lessons/<slug>/registry")
def show(slug: str) -> ResponseReturnValue:
    lesson, lab = find_lab(slug)
    workspace = get_services().quick_workspaces.of_learner(lab.name)
    if not workspace:
        raise NotStarted(lab.name)
    shelf, said = _look(workspace)
    return render_template(
        "registry/_contents.html" if wants_fragment() else "registry/page.html",
        lesson=lesson,
        registry=workspace.registry,
        shelf=shelf or RegistryContents(),
        plans=[registry.of(shelf, form) for form in registry.FORMS] if shelf else [],
        table=table.of(shelf) if shelf else [],
        said=said,
        transfers=_wire(workspace, shelf or RegistryContents()),
    )


def _look(workspace: Workspace) -> tuple[RegistryContents | None, str]:
    """What is in the registry, or why that cannot be drawn.

    A lab whose registry asks for a login says with which in its values `user` and `password`.
    """
    values, name = workspace.record.values, f"`{workspace.registry}`"
    login = (values["user"], values["password"]) if {"user", "password"} <= values.keys() else None
    try:
        return scan.scan(workspace, login), ""
    except (RegistryDown, NotARegistry) as error:
        return None, error.found  # what to do then is the lab's to say
    except RegistryRefused as refused:
        if refused.status != 401:
            return None, f"{refused.found} {refused.next}"
        how = "and does not open with this lab's" if login else "so what is in it is not drawn here"
        return None, f"{name} asks for a user name and a password, {how}."
    except CannotCheck as error:
        return None, f"{error.found} {error.next}"


def _wire(workspace: Workspace, shelf: RegistryContents) -> list[tuple[Transfer, str]]:
    """The last visits; none where the log cannot be read, which the picture says why."""
    try:
        return narration.tell(workspace.requests(tail=LINES), shelf)
    except CannotCheck:
        return []
