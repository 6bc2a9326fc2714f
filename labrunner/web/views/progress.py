"""Progress as a file: exported from the page *What you did*, and imported there."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from labrunner.language import Sentence, translated
from labrunner.progress.store import NewerProgress
from labrunner.session import export
from labrunner.session.export import LIMIT, BadFile
from labrunner.session.services import get_services
from labrunner.web.forms import fields, wants_json

from .report import page

bp = Blueprint("progress", __name__)
AROUND = 4096  # bytes of a form around the file in it


def init_app(app: Flask) -> None:
    """Accept a file of progress, which is larger than any other form. The limit must be set before
    anything reads the form."""
    app.before_request(_make_room)
    app.register_blueprint(bp)


def _make_room() -> None:
    if request.endpoint == "progress.import_progress" and session.get("in"):
        request.max_content_length = LIMIT + AROUND


@bp.get("/progress.jsonl")
def export_progress() -> ResponseReturnValue:
    """Send all progress as a file, which `import_progress` accepts."""
    return export.pack(get_services().progress.load_archive()), {
        "Content-Type": "application/jsonl",
        "Content-Disposition": 'attachment; filename="registry-lab-progress.jsonl"',
    }


@bp.post("/progress")
def import_progress() -> ResponseReturnValue:
    """Import a file of progress, whole or not at all; with `replace` also over newer progress."""
    fields(several="replace")
    sent = request.files.getlist("file")
    if len(sent) != 1 or len(request.files) != 1:
        raise BadRequest("This form takes one file.")
    try:
        archive = export.unpack(sent[0].read(LIMIT + 1))
        get_services().progress.import_archive(archive, replace="replace" in request.form)
    except (BadFile, NewerProgress) as error:
        why = Sentence.joined(error.found, error.next)
        return ({"error": why} if wants_json() else page(refused=why)), error.http_status
    if wants_json():
        return {"labs": sorted(archive.latest)}
    flash(translated(export.describe(archive, get_services().course.labs)))
    return redirect(url_for("report.what_you_did"), 303)
