"""What the templates need to show things: filters, and addresses of static files."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from ..pages import prose

WORDS = {
    "not started": "not done yet",
    "passed": "passed",
    "failed": "not there yet",
    "unknown": "could not be checked",
    "broken": "no longer so",
}


def register(app: Flask) -> None:
    app.jinja_env.filters.update(prose=prose, clock=clock, state=WORDS.__getitem__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.url_defaults
    def version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "filename" in values:
            path = Path(str(app.static_folder)) / values["filename"]
            values["v"] = _digest(path, path.stat().st_mtime_ns)

    @app.after_request
    def cache(response: Response) -> Response:
        """A static file whose address carries its version never changes."""
        if request.endpoint == "static" and response.status_code in (200, 304):
            kept = "max-age=31536000, immutable" if "v" in request.args else "no-cache"
            response.headers["Cache-Control"] = kept
        return response


def clock(seconds: float) -> str:
    """A moment on the learner's own clock; with the day where that is not today."""
    then = datetime.fromtimestamp(seconds).astimezone()
    if then.date() == datetime.now().astimezone().date():
        return f"at {then:%H:%M}"
    return f"on {then.day} {then:%B} at {then:%H:%M}"


@lru_cache
def _digest(path: Path, changed: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]
