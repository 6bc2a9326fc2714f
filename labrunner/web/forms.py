"""What a request asks for and sends: the format of the response, and the fields of a form."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from labrunner.language import Sentence


def wants_json() -> bool:
    """Return whether the client prefers JSON to a page."""
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def wants_fragment() -> bool:
    """Return whether htmx asks, which needs only what changes on the page."""
    return request.headers.get("HX-Request") == "true"


def fields(*names: str, several: str | None = None) -> dict[str, str]:
    """Return the form's fields, each of which must be sent once.

    several: a field that may be sent any number of times, and is not returned. Raises `BadRequest`
    for a field that is missing, repeated, or not expected.
    """
    sent = {name: values for name, values in request.form.lists() if name != "csrf_token"}
    is_of_any_length = request.content_length is None and "wsgi.input_terminated" in request.environ
    if is_of_any_length and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge  # Werkzeug has cut the form off at the limit
    if several:
        sent.pop(several, None)
    if set(sent) != set(names) or any(len(values) != 1 for values in sent.values()):
        wanted = ", ".join(names) or Sentence("nothing")
        unexpected = "This form does not have the expected fields: {fields}."
        raise BadRequest(Sentence(unexpected, fields=wanted))
    return {name: values[0] for name, values in sent.items()}
