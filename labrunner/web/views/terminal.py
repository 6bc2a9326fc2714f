"""The terminal in the page: a shell for a lab that is started, and the page's connection to it.

A shell is begun by a form like every change. The answer names a websocket by an unguessable id, so
that a page that is loaded again finds its shell again. Both want the cookie and this very server
as host and origin; the front door sees to it that an origin which is named is ours, and here one
must be named: a websocket's handshake is not covered by the forms' token.

Over the websocket go bytes, as typed and as printed, and in text what is not for the shell.
From the page: `{"rows": 24, "columns": 80}`, `{"seen": 4096}` (bytes that it has shown) and
`{"end": true}`. To the page: `{"ready": true}` after the output so far, `{"ended": 0}`.
"""

from __future__ import annotations

import threading
from functools import partial

from flask import Blueprint, Flask, request, url_for
from flask.typing import ResponseReturnValue
from flask_sock import Sock
from simple_websocket import Server
from werkzeug.exceptions import Forbidden, NotFound
from wsproto.utilities import RemoteProtocolError

from labrunner.verdicts import CannotCheck
from labrunner.web.errors import page
from labrunner.web.forms import fields
from labrunner.web.services import get_web_services
from labrunner.web.shells import Page

from .lessons import find_session

LARGEST = 64 * 1024  # bytes of a message

bp = Blueprint("terminal", __name__)
sock = Sock()


def init_app(app: Flask) -> None:
    """Give an app the terminal's routes."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "max_message_size": LARGEST,
        "ping_interval": 25,
        "thread_class": partial(threading.Thread, daemon=True),
    }
    app.register_blueprint(bp)


@bp.before_request
def _only_from_a_page() -> None:
    """Refuse before there is a shell or a websocket."""
    if "Origin" not in request.headers:
        raise Forbidden("A terminal is opened from its page alone.")
    id = (request.view_args or {}).get("id")
    if id and not get_web_services().shells.find(id):
        raise NotFound


@bp.post("/lessons/<slug>/terminal")
def begin(slug: str) -> ResponseReturnValue:
    """A new shell for the lab. Raises `NotStarted`, `Full`, and `CannotCheck` where none can be
    started."""
    fields()
    _, session = find_session(slug)
    workspace = session.require_workspace()
    try:
        workspace.work.mkdir(exist_ok=True)
        shell = get_web_services().shells.begin(workspace.work, workspace.record.values)
    except OSError as error:
        raise CannotCheck(
            f"No shell can be started in `{workspace.work}`: {error.strerror}.",
            next="See to that, or finish the lab and start it again.",
        ) from error
    return {"socket": url_for("terminal.attach", id=shell.id)}, 201


@sock.route("/terminal/<id>", bp=bp)
def attach(websocket: Server, id: str) -> None:
    """A page is connected to its shell, instead of the one that was before."""
    shells = get_web_services().shells
    if kept := shells.find(id):
        Page(websocket, kept, shells.closing).serve()


@bp.errorhandler(RemoteProtocolError)
def _no_handshake(error: RemoteProtocolError) -> ResponseReturnValue:
    return page(400, "That is no websocket's handshake", f"{error}.")
