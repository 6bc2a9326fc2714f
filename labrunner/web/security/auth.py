"""Who may come in: the token of this start, once, and the cookie that it is exchanged for."""

from __future__ import annotations

import logging
import re
import secrets
from datetime import timedelta

from flask import Blueprint, Flask, current_app, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import Forbidden

from labrunner.web.forms import fields, wants_json

from .origin import TOKEN

bp = Blueprint("auth", __name__)
OPEN = {"static", "style", "auth.login", "auth.health"}  # what answers without a cookie


def register(app: Flask, token: str, port: int) -> None:
    """Refuse whoever has neither the cookie nor the token of this start."""
    app.config.update(
        LABRUNNER_TOKEN=token,
        SESSION_COOKIE_NAME=f"labrunner-{port}",  # cookies are shared between ports
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=timedelta(days=90),
        SESSION_REFRESH_EACH_REQUEST=False,  # each file of a page would set it again
        WTF_CSRF_TIME_LIMIT=None,  # a page may stay open for days
    )
    app.before_request(_guard)  # before the CSRF check, which would speak first
    CSRFProtect(app)
    app.register_blueprint(bp)
    logging.getLogger("werkzeug").addFilter(_without_token)


def _guard() -> ResponseReturnValue | None:
    """Deny by default: a route is open only if it is named in `OPEN`."""
    token = request.environ.get(TOKEN)
    if token is not None and request.method == "GET":
        if _right(token):
            _let_in()
            path = "/" + request.path.lstrip("/\\")  # `//name` would be another server
            query = request.query_string.decode()
            return redirect(f"{path}?{query}".rstrip("?"), 303)
        return _closed("That token is not the one of this start. A new start has a new one.")
    if request.endpoint in OPEN or session.get("in"):
        return None
    if request.method in ("GET", "HEAD") and "Upgrade" not in request.headers:
        return _closed()
    raise Forbidden("Open the address that was printed at the start, then try again.")


@bp.post("/login")
def login() -> ResponseReturnValue:
    if _right(fields("token")["token"].strip()):
        _let_in()
        return redirect("/", 303)
    return _closed("That is not the token.")


@bp.get("/health")
def health() -> ResponseReturnValue:
    """Says that the server is up, and nothing else."""
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


def _right(token: str) -> bool:
    return secrets.compare_digest(token.encode(), current_app.config["LABRUNNER_TOKEN"].encode())


def _let_in() -> None:
    session["in"] = True
    session.permanent = True


def _closed(reason: str = "") -> ResponseReturnValue:
    if wants_json():
        return {"error": reason or "Open the address that was printed at the start."}, 401
    return render_template("auth/login.html", reason=reason), 401


def _without_token(record: logging.LogRecord) -> bool:
    """`flask run` logs each address as it came; this takes the token out of the line."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            re.sub(r"token=[^&\s\"]+", "token=…", each) if isinstance(each, str) else each
            for each in record.args
        )
    return True
