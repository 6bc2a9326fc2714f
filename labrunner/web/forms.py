"""What a request asks for and sends: the form of the answer, and the fields of a form."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import BadRequest


def wants_json() -> bool:
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def wants_fragment() -> bool:
    """Whether htmx asks, and so gets only what changes on the page."""
    return request.headers.get("HX-Request") == "true"


def fields(*names: str, several: str | None = None) -> dict[str, str]:
    """The form's fields, each exactly once; `several` may come any number of times.

    Raises `BadRequest` for a field that is missing, doubled, or not asked for.
    """
    sent = {name: values for name, values in request.form.lists() if name != "csrf_token"}
    sent.pop(several, None) if several else None
    if set(sent) != set(names) or any(len(values) != 1 for values in sent.values()):
        wanted = ", ".join(names) or "nothing"
        raise BadRequest(f"This form has other fields than expected; it takes: {wanted}.")
    return {name: values[0] for name, values in sent.items()}
