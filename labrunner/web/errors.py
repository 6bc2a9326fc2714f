"""Every refusal and fault as a page that says what is wrong and what to do, or as JSON."""

from __future__ import annotations

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, NotFound

from labrunner.errors import CourseError, NotWritable
from labrunner.progress.schema import ProgressUnavailable
from labrunner.session.errors import Busy, NotStarted
from labrunner.verdicts import CannotCheck

from .forms import wants_fragment, wants_json

BACK = "Go back to the course page."
WORDS = {
    400: ("That request is not one this page sends", "Load the page again, then repeat it."),
    404: ("There is nothing at this address", BACK),
    405: ("This address does not take that kind of request", BACK),
    413: ("That is too long", "Send at most 64 KiB, or 1 MB of saved progress."),
    500: ("Something broke in this program", "What happened is in the server's log. " + BACK),
    503: ("That cannot be done now", "Then try again."),
}


def register(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(CannotCheck, _cannot)
    app.register_error_handler(OSError, _disk)
    app.register_error_handler(NotStarted, _not_started)
    app.register_error_handler(Busy, _busy)
    app.register_error_handler(ProgressUnavailable, _unavailable)


def page(status: int, title: str, found: str = "", next: str = BACK) -> ResponseReturnValue:
    """An error page. Texts may hold code between backticks."""
    if wants_json():
        return {"error": f"{title}. {found}".strip(), "next": next}, status
    template = "_error.html" if wants_fragment() else "error.html"
    return render_template(template, title=title, found=found, next=next), status


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    title, next = WORDS.get(error.code, (error.name, BACK))
    own = error.description or ""
    found = own if own != type(error).description and not isinstance(error, NotFound) else ""
    answer = page(error.code, title, found, next)
    headers = [(n, v) for n, v in error.get_headers() if n.lower() == "allow"]
    return (*answer, headers) if headers and isinstance(answer, tuple) else answer


def _csrf(error: CSRFError) -> ResponseReturnValue:
    return page(400, "This form is too old", "", "Load the page again, then repeat it.")


def _cannot(error: CourseError) -> ResponseReturnValue:
    return page(503, "That cannot be done now", error.found, error.next)


def _disk(error: OSError) -> ResponseReturnValue:
    if known := NotWritable.from_os_error(error):
        return _cannot(known)
    raise error


def _not_started(error: NotStarted) -> ResponseReturnValue:
    found = "This lab is not started, so there is nothing to check or to finish."
    return page(409, "Start the lab first", found, "Go back to the lesson and press Start lab.")


def _busy(error: Busy) -> ResponseReturnValue:
    found = "Something else is being done to this lab just now, perhaps in another window."
    return page(409, "One moment", found, "Load the lesson again in a few seconds.")


def _unavailable(error: ProgressUnavailable) -> ResponseReturnValue:
    return page(503, error.title, error.found, error.next)
