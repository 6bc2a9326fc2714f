"""Answer with a page, a fragment or JSON that says what is wrong and what to do."""

from __future__ import annotations

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, NotFound

from labrunner.errors import CourseError, NotWritable
from labrunner.language import Sentence, translated

from .forms import wants_fragment, wants_json

BACK = "Go back to the course page."
IN_THE_LOG = "The server's log says what happened."
AGAIN = "Reload the page, then try again."
WORDS = {
    400: (Sentence("This page does not send that request"), AGAIN),
    404: (Sentence("There is nothing at this address"), BACK),
    405: (Sentence("This address does not accept that kind of request"), BACK),
    413: (Sentence("That is too long"), "Send at most 64 KiB, or 1 MB of saved progress."),
    500: (Sentence("Something broke in this program"), Sentence.joined(IN_THE_LOG, BACK)),
}


def init_app(app: Flask) -> None:
    """Give an app its error pages."""
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(CourseError, _cannot_go_on)
    app.register_error_handler(OSError, _not_writable)


def page(status: int, title: str, found: str = "", next: str = BACK) -> ResponseReturnValue:
    """Return an error page, fragment or JSON object. Texts may hold code between backticks."""
    if wants_json():
        said = f"{translated(title)}. {translated(found)}".strip()
        return {"error": said, "next": translated(next)}, status
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
    title = Sentence("This form is too old")
    return page(400, title, "", AGAIN)


def _cannot_go_on(error: CourseError) -> ResponseReturnValue:
    return page(error.http_status, error.title, error.found, error.next)


def _not_writable(error: OSError) -> ResponseReturnValue:
    if known := NotWritable.from_os_error(error):
        return _cannot_go_on(known)
    raise error
