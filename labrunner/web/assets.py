"""What templates need: filters for texts, and versioned addresses of static files."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import brotli
from flask import Flask, Response, request
from markupsafe import Markup
from rich.filesize import decimal

from labrunner.language import translated
from labrunner.progress.records import State
from labrunner.session.report import WORDS
from labrunner.text import clock, length


def init_app(app: Flask) -> None:
    """Add the filters, the joined style sheet, and caching of static files to the app."""
    app.jinja_env.filters.update(clock=_clock, length_of=_length, size=decimal, state=_state)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    static = Path(str(app.static_folder))
    app.jinja_env.globals["icon"] = Markup((static / "icon.svg").read_text())  # noqa: S704 - ours
    sheets = style_sheets(static / "css")

    @app.get("/static/style.css")
    def style() -> Response:
        """Serve all style sheets as one, so that a page waits for one response. It is compressed as
        well as can be, once: that takes long, and each page has it."""
        sheet = b"\n".join(sheet.read_bytes() for sheet in sheets)
        if not request.accept_encodings["br"]:
            return Response(sheet, mimetype="text/css")
        headers = {"Content-Encoding": "br", "Vary": "Accept-Encoding"}
        return Response(_compressed(sheet), mimetype="text/css", headers=headers)

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "style":
            values["v"] = _version(*sheets)
        elif endpoint == "static" and "filename" in values:
            values["v"] = _version(static / values["filename"])

    @app.after_request
    def cache(response: Response) -> Response:
        """Let browsers keep a static file whose address has its version: it never changes, so it
        needs no headers for revalidation."""
        if request.endpoint not in ("static", "style") or response.status_code not in (200, 304):
            return response
        response.headers.pop("Content-Disposition", None)  # it is inline anyway
        response.headers["Cache-Control"] = "no-cache"
        if "v" in request.args:
            response.headers["Cache-Control"] = "max-age=31536000, immutable"
            for name in ("ETag", "Last-Modified", "Accept-Ranges"):
                response.headers.pop(name, None)
        return response


def _clock(seconds: float) -> str:
    return translated(clock(seconds))


def _length(seconds: float) -> str:
    return translated(length(seconds))


def _state(state: State) -> str:
    return translated(WORDS[state])


@lru_cache(maxsize=1)
def _compressed(data: bytes) -> bytes:
    return bytes(brotli.compress(data))


def style_sheets(folder: Path) -> list[Path]:
    """Return the style sheets with `layers.css` first: it alone decides which rule prevails."""
    layers = folder / "layers.css"
    return [layers, *sorted(path for path in folder.glob("*.css") if path != layers)]


def _version(*paths: Path) -> str:
    return _digest(paths, tuple(path.stat().st_mtime_ns for path in paths))


@lru_cache
def _digest(paths: tuple[Path, ...], changed: tuple[int, ...]) -> str:
    return sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]
