"""Who may use the pages: a browser with the token of this start, or the cookie that replaces it."""

from __future__ import annotations

import logging
import re
import secrets
from datetime import timedelta

from flask import (
    Blueprint,
    Flask,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import Forbidden

from labrunner.session.services import get_services
from labrunner.web.forms import fields, wants_json
from labrunner.web.services import get_web_services

from .origin import TOKEN
from .secret import renew_secret
from .sessions import CookieSessions

bp = Blueprint("auth", __name__)
OPEN_ENDPOINTS = {"static", "style", "auth.login", "auth.health"}  # what answers without a cookie


def init_app(app: Flask) -> None:
    """Refuse requests that have neither the cookie nor the token of this start."""
    address = app.config["ADDRESS"]
    app.config.update(
        SESSION_COOKIE_NAME=f"labrunner-{address.port}",  # cookies are shared between ports
        SESSION_COOKIE_SECURE=address.url.startswith("https:"),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=timedelta(days=7),  # the next start has a token again
        SESSION_REFRESH_EACH_REQUEST=False,  # each file of a page would set it again
        WTF_CSRF_SSL_STRICT=False,  # `OriginCheck` compares more than the address of the page
        WTF_CSRF_TIME_LIMIT=None,  # a page may stay open for days
    )
    app.session_interface = CookieSessions()
    app.before_request(_require_login)  # before the CSRF check, which would speak first
    CSRFProtect(app)
    app.register_blueprint(bp)
    for server in ("werkzeug", "gunicorn.access", "gunicorn.error"):
        logging.getLogger(server).addFilter(_remove_token)


def _require_login() -> ResponseReturnValue | None:
    """Deny by default: a route is open only if it is named in `OPEN_ENDPOINTS`."""
    token = request.environ.get(TOKEN)
    if token is not None and request.method == "GET":
        if _is_token(token):
            _log_in()
            # `//name` would be another server
            path = f"{request.script_root}/" + request.path.lstrip("/\\")
            query = request.query_string.decode()
            return redirect(f"{path}?{query}".rstrip("?"), 303)
        return _ask_for_token(
            "That is not the current token. Each start of the server has a new one."
        )
    if request.endpoint in OPEN_ENDPOINTS or session.get("in"):
        return None
    if request.method in ("GET", "HEAD") and "Upgrade" not in request.headers:
        return _ask_for_token()
    raise Forbidden("Open the address that the server printed when it started, then try again.")


@bp.post("/login")
def login() -> ResponseReturnValue:
    if _is_token(fields("token")["token"].strip()):
        _log_in()
        return redirect(url_for("lessons.course"), 303)
    return _ask_for_token("That is not the token.")


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out all browsers: with another key, no cookie of before is worth anything. Streams end
    as well, which look at the key, and so do shells."""
    fields()
    current_app.secret_key = renew_secret(get_services().instance)
    get_web_services().shells.end_all()
    session.clear()
    return redirect(url_for("lessons.course"), 303)


@bp.get("/health")
def health() -> ResponseReturnValue:
    """Say that the server is up, and nothing else."""
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


def _is_token(token: str) -> bool:
    return secrets.compare_digest(token.encode(), current_app.config["TOKEN"].encode())


def _log_in() -> None:
    session["in"] = True
    session.permanent = True


def _ask_for_token(reason: str = "") -> ResponseReturnValue:
    if wants_json():
        return {"error": reason or "Open the address that the server printed when it started."}, 401
    return render_template("auth/login.html", reason=reason), 401


def _remove_token(record: logging.LogRecord) -> bool:
    """Remove what may be the token from a line that a server logs, also of a request that the app
    has never seen."""
    record.msg = re.sub(r"token=[^&\s\"']+", "token=…", record.getMessage())
    record.args = ()
    return True
