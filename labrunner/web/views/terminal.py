"""The terminal in the page: a shell for a lab that is started, and the page's connection to it.

A form opens a shell, as it does every change. The response names a websocket by an unguessable id,
by which a page that is loaded again finds its shell. Both requests need the cookie, and an origin
in their headers, which `security/origin.py` compares: the forms' token does not cover the
handshake of a websocket.
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

from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck
from labrunner.web.errors import page
from labrunner.web.forms import fields
from labrunner.web.services import get_web_services
from labrunner.web.shells import ShellConnection

from .lessons import find_session

MAX_MESSAGE = 64 * 1024  # bytes

bp = Blueprint("terminal", __name__)
sock = Sock()


def init_app(app: Flask) -> None:
    """Give an app the terminal's routes."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "max_message_size": MAX_MESSAGE,
        "ping_interval": 25,
        "thread_class": partial(threading.Thread, daemon=True),
    }
    app.register_blueprint(bp)


@bp.before_request
def _only_from_a_page() -> None:
    """Refuse a request without an origin before there is a shell or a websocket."""
    if "Origin" not in request.headers:
        raise Forbidden("Only a page of this server can open a terminal.")
    id = (request.view_args or {}).get("id")
    if id and not get_web_services().shells.find(id):
        raise NotFound


@bp.before_request
def _send_as_it_is() -> None:
    """Have nothing compressed on the websocket: that takes most of the time of a long output."""
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


@bp.post("/lessons/<slug>/terminal")
def open_shell(slug: str) -> ResponseReturnValue:
    """Open a shell for the lab.

    Raises `NotStarted`, `Full`, and `CannotCheck` where no shell can be started.
    """
    fields()
    lesson, session = find_session(slug)
    workspace = session.require_workspace()
    try:
        workspace.work.mkdir(exist_ok=True)
        values = lesson.known_values(workspace.record.values)
        shell = get_web_services().shells.open(workspace.work, values)
    except OSError as error:
        raise CannotCheck(
            Sentence(
                "A shell could not be started in `{folder}`: {error}.",
                folder=workspace.work,
                error=error.strerror,
            ),
            next="Fix that, or finish the lab and start it again.",
        ) from error
    return {"socket": url_for("terminal.attach", id=shell.id)}, 201


@sock.route("/terminal/<id>", bp=bp)
def attach(websocket: Server, id: str) -> None:
    """Connect a page to its shell, instead of the page before."""
    shells = get_web_services().shells
    if session := shells.find(id):
        ShellConnection(websocket, session, shells.closing).serve()


@bp.errorhandler(RemoteProtocolError)
def _no_handshake(error: RemoteProtocolError) -> ResponseReturnValue:
    return page(400, Sentence("That is not a WebSocket handshake"), f"{error}.")
