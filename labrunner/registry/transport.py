"""Requests to a registry. The only HTTP client.

Every request has a deadline and a size limit, goes to the registry itself (never through a proxy)
and follows no redirect; all requests of a client share a `Budget`. What keeps an answer from being
read is raised as `CannotCheck`.
"""

from __future__ import annotations

import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import urljoin

from labrunner.json_size import memory_of
from labrunner.language import Sentence
from labrunner.verdicts import CannotCheck

from .budget import Budget
from .connection import deadline, name_fault, unverified_tls, verifying_tls
from .errors import BudgetSpent, NotARegistry, OtherScheme, RegistryDown, RegistrySlow, Untrusted
from .models import Response

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")  # names of this machine, so of one registry
LARGEST = 4 << 20  # bytes; the limit that the specification suggests for a manifest
MOST_MEMORY = 32_000_000  # bytes that an answer takes once it is read
HTTPS_ONLY = (  # what servers that speak TLS say in plain HTTP: Go's, and nginx
    b"HTTP request to an HTTPS server",
    b"HTTP request was sent to HTTPS port",
)
BLANK = b" \t\r\n\xef\xbb\xbf"  # before JSON, with a byte order mark
HANDSHAKE = 2  # seconds; a server without TLS may wait for more of what it cannot read
START = "Start your registry, or look at `docker ps -a` for why it is not running."
AGAIN = "Check again. If that does not help, restart your registry."


class Transport:
    """Requests to the registry at `host:port`, over plain HTTP, or over TLS where `name` is given.

    budget:  of all requests; a request beyond it raises `BudgetSpent`. A new one unless given.
    timeout: seconds for the whole of one request.
    explain: takes a `RegistryDown` or `NotARegistry` before it is raised, and returns the error to
             raise, which may say more precisely what was found and what to do.
    login:   user and password, sent with each request.
    name:    the host name or IP address that the registry's certificate must be for.
    ca:      the authority that must have signed the certificate, as PEM text.
    any_tls: accept any certificate if the registry speaks only TLS. Use it to look into a registry
             of this machine, never to judge one.
    """

    def __init__(
        self,
        address: str,
        *,
        budget: Budget | None = None,
        timeout: float = 5,
        explain: Callable[[CannotCheck], CannotCheck] | None = None,
        login: tuple[str, str] | None = None,
        name: str | None = None,
        ca: str | None = None,
        any_tls: bool = False,
    ) -> None:
        self.address = address
        self.budget = budget or Budget()
        self.timeout = timeout
        self.explain = explain or (lambda error: error)
        host, _, port = address.rpartition(":")
        loopback = host in LOOPBACK
        self._host, self._port = "127.0.0.1" if loopback else host, int(port)
        self._headers = {"Authorization": _basic(*login)} if login else {}
        self._name = name
        self._any_tls = any_tls
        self._tls = verifying_tls(ca) if name else None
        self._speaks_tls = False  # as far as it was tried

    def certificate(self) -> str | None:
        """Return the certificate that the port shows, valid or not, as PEM text, or None if it
        does not speak TLS."""
        timeout = self._take_request()
        end = time.monotonic() + timeout
        try:
            with (
                socket.create_connection((self._host, self._port), timeout) as plain,
                deadline(plain, end - time.monotonic()),
                unverified_tls().wrap_socket(plain, server_hostname=self._name) as secure,
            ):
                shown = secure.getpeercert(binary_form=True)
        except OSError:
            return None
        return ssl.DER_cert_to_PEM_cert(shown) if shown else None

    def request(self, method: str, path: str, *, accept: str = "application/json") -> Response:
        """Send one request below `/v2/`, and return the answer, whatever its status.

        Raises `RegistryDown`, `NotARegistry`, `OtherScheme`, `Untrusted` or `BudgetSpent`.
        """
        try:
            if not self._any_tls or self._tls:
                return self._request(method, path, accept)
            return self._request_either_way(method, path, accept)
        except (RegistryDown, NotARegistry) as error:
            raise self.explain(error) from None

    def _request_either_way(self, method: str, path: str, accept: str) -> Response:
        """Send a request over plain HTTP or, if that is not understood, over TLS."""
        try:
            answer = self._request(method, path, accept)
        except RegistrySlow:
            raise
        except (OtherScheme, NotARegistry, RegistryDown):
            if found := self._switch(method, path, accept):
                return found
            raise
        return (self._switch(method, path, accept) if answer.status == 400 else None) or answer

    def _switch(self, method: str, path: str, accept: str) -> Response | None:
        """Send a request over TLS, and all that follow; return None where the port does not speak
        it. What it says to plain HTTP, if anything, differs from server to server."""
        self._tls = unverified_tls()
        try:
            return self._request(method, path, accept)
        except CannotCheck as error:
            if self._speaks_tls:
                raise
            self._tls = None
            self._any_tls = not isinstance(error, OtherScheme)  # it need not be tried again
            return None

    def _request(self, method: str, path: str, accept: str) -> Response:
        timeout = self._take_request()
        end = time.monotonic() + timeout
        connection = HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            connection.connect()
            with deadline(connection.sock, end - time.monotonic()):
                if self._tls:
                    if not self._speaks_tls:
                        connection.sock.settimeout(min(timeout, HANDSHAKE))
                    connection.sock = self._tls.wrap_socket(
                        connection.sock, server_hostname=self._name
                    )
                    connection.sock.settimeout(timeout)
                    self._speaks_tls = True
                    if self._name and (fault := name_fault(connection.sock, self._name)):
                        raise self._untrusted(fault)
                headers = {"Accept": accept, **self._headers}
                connection.request(method, urljoin("/v2/", path), headers=headers)
                with connection.getresponse() as response:
                    body = response.read(LARGEST + 1)
                    self.budget.count_answer(len(body))
                    if len(body) <= LARGEST and response.length:
                        raise IncompleteRead(body, response.length)
        except TimeoutError:
            if limit := self.budget.reached:
                raise self._spent(limit) from None
            found = Sentence(
                "`{registry}` did not answer within {seconds} seconds.",
                registry=self.address,
                seconds=f"{self.timeout:g}",
            )
            raise RegistrySlow(found, next=AGAIN) from None
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error.verify_message) from None
        except ssl.SSLError:
            raise OtherScheme(
                Sentence("`{registry}` speaks plain HTTP, not TLS.", registry=self.address),
                next="Start the registry with its certificate and key.",
            ) from None
        except (ConnectionResetError, BrokenPipeError, IncompleteRead):
            cut_off = "`{registry}` ends the connection before its answer is complete."
            raise self._down(cut_off) from None
        except OSError:
            raise self._down("`{registry}` does not answer.") from None
        except (HTTPException, UnicodeError):
            raise self._other_program(Sentence("does not speak HTTP")) from None
        finally:
            connection.close()
        if len(body) > LARGEST:
            what = Sentence("sends more than {size} MiB", size=LARGEST >> 20)
            raise self._other_program(what)
        if body.lstrip(BLANK)[:1] in (b"{", b"[") and memory_of(body) > MOST_MEMORY:
            why = "an answer takes more than {size} MB of memory"
            raise self._given_up(Sentence(why, size=f"{MOST_MEMORY / 1e6:g}"))
        if response.status == 400 and any(words in body for words in HTTPS_ONLY):
            raise OtherScheme(
                Sentence("`{registry}` speaks only TLS.", registry=self.address),
                next="Use a registry without TLS here.",
            )
        return Response(response.status, response.headers, body)

    def _take_request(self) -> float:
        """Take a request from the budget, and return the seconds that it may last."""
        if limit := self.budget.reached:
            raise self._spent(limit)
        self.budget.count_request()
        return max(0.01, min(self.timeout, self.budget.seconds_left))

    def _untrusted(self, why: str) -> Untrusted:
        return Untrusted(
            Sentence(
                "The certificate of `{registry}` is not valid for `{name}`: {why}.",
                registry=self.address,
                name=self._name,
                why=why,
            ),
            next="Give the registry a valid certificate, and start it again.",
            reason=why,
        )

    def _spent(self, limit: str) -> BudgetSpent:
        return self._given_up(Sentence("it takes more than {limit}", limit=limit))

    def _given_up(self, why: str) -> BudgetSpent:
        return BudgetSpent(
            Sentence(
                "The course stopped reading from `{registry}`: {why}.",
                registry=self.address,
                why=why,
            ),
            next="Check again. If that does not help, use a registry for this lab only: it "
            "holds less.",
            reason="given-up",
        )

    def _not_a_registry(self, what: str) -> CannotCheck:
        return self.explain(self._other_program(what))

    def _other_program(self, what: str) -> NotARegistry:
        return NotARegistry(
            Sentence(
                "Something answers on `{registry}`, but it is not a registry: it {what}.",
                registry=self.address,
                what=what,
            ),
            next="Stop that program, or give the registry another port.",
        )

    def _down(self, found: str) -> CannotCheck:
        return RegistryDown(Sentence(found, registry=self.address), next=START)


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
