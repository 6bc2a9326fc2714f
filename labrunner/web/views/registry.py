"""The learner's registry: a diagram of its contents, and the last transfers."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from labrunner.inspector import narration
from labrunner.inspector.contents import RegistryContents
from labrunner.inspector.scan import Scanner
from labrunner.inspector.transfers import Transfer
from labrunner.language import Sentence
from labrunner.registry.errors import NotARegistry, RegistryDown, RegistryRefused
from labrunner.session.errors import NotStarted
from labrunner.session.services import get_services
from labrunner.verdicts import CannotCheck
from labrunner.web.diagrams import labels, registry, table
from labrunner.web.diagrams.layout import LAYOUTS
from labrunner.web.forms import wants_fragment
from labrunner.web.services import get_web_services
from labrunner.workspaces.workspace import Workspace

from .lessons import find_lab

bp = Blueprint("registry", __name__)

LOG_LINES = 5000  # the last of the registry's log; reading all of it would take a second
bp.add_app_template_filter(labels.printable, "printable")


@bp.get("/lessons/<slug>/registry")
def show(slug: str) -> ResponseReturnValue:
    lesson, lab = find_lab(slug)
    workspace = get_services().quick_workspaces.find_open(lab.name)
    if not workspace:
        raise NotStarted(lab.name)
    contents, problem = read_contents(get_web_services().scanner, workspace)
    diagrams = [registry.draw(contents, layout) for layout in LAYOUTS] if contents else []
    return render_template(
        "registry/_contents.html" if wants_fragment() else "registry/page.html",
        lesson=lesson,
        address=workspace.registry,
        contents=contents or RegistryContents(),
        diagrams=diagrams,
        rows=table.rows(contents) if contents else [],
        problem=problem,
        transfers=read_transfers(workspace, contents or RegistryContents()),
    )


def read_contents(scanner: Scanner, workspace: Workspace) -> tuple[RegistryContents | None, str]:
    """Return what is in the registry, or a sentence that says why it cannot be drawn.

    A lab whose registry asks for a login has it in its values `user` and `password`.
    """
    values = workspace.record.values
    login = (values["user"], values["password"]) if {"user", "password"} <= values.keys() else None
    try:
        return scanner.scan(workspace, login), ""
    except (RegistryDown, NotARegistry) as error:
        return None, error.found  # the lab says what to do then
    except RegistryRefused as refused:
        if refused.status != 401:
            return None, Sentence.joined(refused.found, refused.next)
        asks = (
            "`{registry}` asks for a user name and a password, and does not accept this lab's."
            if login
            else "`{registry}` asks for a user name and a password, so its contents are not shown "
            "here."
        )
        return None, Sentence(asks, registry=workspace.registry)
    except CannotCheck as error:
        return None, Sentence.joined(error.found, error.next)


def read_transfers(
    workspace: Workspace, contents: RegistryContents
) -> list[tuple[Transfer, Sentence]]:
    """Return the last transfers with a sentence for each; none where the log cannot be read, which
    the diagram explains."""
    try:
        return narration.narrate(workspace.requests(tail=LOG_LINES), contents)
    except CannotCheck:
        return []
