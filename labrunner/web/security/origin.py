"""Which requests reach the app, and the headers of every response.

Anyone who reaches the app controls the engine. So a request must name this server as its host,
which defeats DNS rebinding, and must not come from a page of another origin. Both are compared for
equality. Flask's `TRUSTED_HOSTS` ignores the port and runs after other code, so this check runs
before the app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from labrunner.address import Address

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # under `no-referrer` a form would post `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # where the app says nothing else, as for static files
}
# These concern documents only. A page loads twenty styles and scripts, which are lighter without.
OF_DOCUMENTS = ("Content-Security-Policy", "Referrer-Policy", "Cross-Origin-Opener-Policy")
PARTS = ("text/css", "text/javascript")
FORBIDDEN, NOT_FOUND = "403 Forbidden", "404 Not Found"
NOTHING = "There is nothing at this address."
FOREIGN = "This request comes from another site's page."
TOKEN = "labrunner.token"  # noqa: S105 - the key in the environment, not a token


class OriginCheck:
    """A WSGI app that passes on to another app only what belongs to the address of the course, and
    takes the prefix off it."""

    def __init__(self, app: Application, address: Address) -> None:
        self.app = app
        self.address = address

    def __call__(self, environ: Environment, start: StartResponse) -> Iterable[bytes]:
        def start_with_headers(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            given = {name.lower(): value for name, value in headers}
            is_part = given.get("content-type", "").startswith(PARTS)
            more = [
                (name, value)
                for name, value in HEADERS.items()
                if name.lower() not in given and not (is_part and name in OF_DOCUMENTS)
            ]
            return start(status, headers + more, *rest)

        _hide_token(environ)
        if refusal := self._refusal(environ):
            status, reason = refusal
            body = f"{reason}\n".encode()
            plain = [("Content-Type", "text/plain; charset=utf-8")]
            start_with_headers(status, [*plain, ("Content-Length", str(len(body)))])
            return [body]
        environ["wsgi.url_scheme"] = self.address.url.partition(":")[0]
        environ["SCRIPT_NAME"] = self.address.prefix
        environ["PATH_INFO"] = environ["PATH_INFO"][len(self.address.prefix) :] or "/"
        return self.app(environ, start_with_headers)

    def _refusal(self, environ: Environment) -> tuple[str, str] | None:
        """Return the status and the reason for a request that does not reach the app."""
        if environ.get("HTTP_HOST", "").lower() not in self.address.hosts:
            here = "This server answers only at the address that it printed when it started."
            return FORBIDDEN, here
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
        if not path.isprintable():  # it could begin a line of a log, or turn a redirect elsewhere
            return NOT_FOUND, NOTHING
        if not f"{path}/".startswith(f"{self.address.prefix}/"):
            return NOT_FOUND, NOTHING
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin not in self.address.origins:
            return FORBIDDEN, FOREIGN
        site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            foreign = origin is None and site != "same-origin"
        else:  # another page may lead here, but has nothing of ours loaded into it
            led = environ.get("HTTP_SEC_FETCH_DEST") == "document"
            foreign = site in ("same-site", "cross-site") and not led
        return (FORBIDDEN, FOREIGN) if foreign else None


def _hide_token(environ: Environment) -> None:
    """Move the token out of the address, so that no access log or page can repeat it."""
    query = environ.get("QUERY_STRING", "")
    if "token=" not in query:
        return
    pairs = parse_qsl(query, keep_blank_values=True)
    environ[TOKEN] = next((value for name, value in pairs if name == "token"), None)
    environ["QUERY_STRING"] = urlencode([pair for pair in pairs if pair[0] != "token"])
    for name in ("RAW_URI", "REQUEST_URI"):  # gunicorn's and Werkzeug's copies
        if name in environ:
            path = str(environ[name]).partition("?")[0]
            environ[name] = f"{path}?{environ['QUERY_STRING']}".rstrip("?")
