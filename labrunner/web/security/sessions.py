"""How the cookie of a browser that has been let in is read."""

from __future__ import annotations

import time
from contextlib import suppress

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature


class CookieSessions(SecureCookieSessionInterface):
    """Reads cookies as Flask does, and takes one that seems to come from the future for a new one:
    the clock may have been set back since."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        serializer = self.get_signing_serializer(app)
        cookie = request.cookies.get(self.get_cookie_name(app))
        if serializer and cookie:
            with suppress(BadSignature):
                values, made = serializer.loads(cookie, return_timestamp=True)
                if time.time() - made.timestamp() < app.permanent_session_lifetime.total_seconds():
                    return self.session_class(values)
        return self.session_class()
