"""The sign-in provider of the operations pages: its discovery document, and the state of a sign-in under way.

This module fetches discovery, not Authlib: all waiting requests must share one fetch within one time-out.
No request to the provider holds a connection to the database.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

import structlog
from requests import codes

from payment_service import clock
from payment_service.domain.errors import Unauthenticated, Unavailable
from payment_service.domain.principals import Principal
from payment_service.domain.refusals import Reason, Refusal
from payment_service.http_client import HttpClient, NoReply
from payment_service.web.jwks import Jwks

log = structlog.get_logger(__name__)

TIMEOUTS = (2.0, 5.0)
"""Seconds: to connect, and for the whole reply."""

_LIFESPAN = 3600.0
_MOST_BYTES = 256 * 1024
_DIGITS = 64
_DISCOVERY = "/.well-known/openid-configuration"
_PARTS = 4


class SignInFailed(Unauthenticated):
    """The sign-in did not succeed: start again"""

    code = "sign_in_failed"

    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.refusal = Refusal(reason)


class ProviderUnavailable(Unavailable):
    """The sign-in provider cannot be reached now: try again in a moment"""

    code = "sign_in_provider_unavailable"


@dataclass(frozen=True)
class Flow:
    """A sign-in that has begun: the values that the browser keeps, and the page to which it leads."""

    state: str
    nonce: str
    verifier: str
    then: str

    def as_text(self) -> str:
        """Return the cookie's value."""
        return ".".join((self.state, self.nonce, self.verifier, quote(self.then, safe="/")))

    @classmethod
    def from_text(cls, text: str) -> "Flow":
        """Read a cookie's value. Raises SignInFailed for any other text."""
        parts = text.split(".", _PARTS - 1)
        if len(parts) != _PARTS or not all(parts):
            raise SignInFailed(Reason.NO_SIGN_IN_UNDER_WAY)
        return cls(parts[0], parts[1], parts[2], unquote(parts[3]))

    @classmethod
    def to(cls, then: str) -> "Flow":
        """Begin a sign-in that leads to `then`."""
        return cls(clock.new_hex(_DIGITS), clock.new_hex(_DIGITS), clock.new_hex(_DIGITS), then)


class Provider(Protocol):
    """The sign-in provider as the pages see it; `web/oidc.py` has the only class."""

    issuer: str

    def begin(self, redirect_uri: str, then: str) -> tuple[str, Flow]:
        """Return the provider's address, and the flow for the browser to keep. Raises ProviderUnavailable."""

    def finish(self, flow: Flow, reply: Mapping[str, str], redirect_uri: str) -> tuple[Principal, bool]:
        """Return the principal who has signed in, and True if the provider makes them an operator.

        `reply` has the parameters with which the provider sent the browser back. Raises SignInFailed,
        ProviderUnavailable.
        """


@dataclass(frozen=True)
class Endpoints:
    """The parts of the provider's discovery document that we use."""

    authorization: str
    token: str
    keys: Jwks
    auth_methods: frozenset[str]
    names_issuer: bool


class Discovery:
    """The discovery document of one issuer. Safe for threads; nothing is fetched before the first sign-in."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._client = HttpClient(TIMEOUTS, 1)
        self._endpoints: Endpoints | None = None
        self._fetched = float("-inf")
        self._tries = 0
        self._fetching = threading.Lock()

    def endpoints(self) -> Endpoints:
        """Return the provider's endpoints, at most an hour old. All callers that wait for a fetch share its result.

        During an outage of the provider the last endpoints stay in use. Raises ProviderUnavailable if there are none.
        """
        tries = self._tries
        if clock.monotonic() - self._fetched > _LIFESPAN:
            with self._fetching:
                if self._tries == tries:
                    self._fetch()
                    self._tries += 1
        if self._endpoints is None:
            raise ProviderUnavailable
        return self._endpoints

    def _fetch(self) -> None:
        try:
            status, body = self._client.get(self._issuer.rstrip("/") + _DISCOVERY, _MOST_BYTES)
            self._endpoints = self._usable(json.loads(body) if status == codes.ok else None)
            self._fetched = clock.monotonic()
        except (NoReply, ValueError, RecursionError) as error:
            log.warning("ops.provider_unreachable", error=type(error).__name__)

    def _usable(self, document: Any) -> Endpoints:
        """Return the endpoints. Raises ValueError for another issuer's document, and for less TLS than the issuer's."""
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise ValueError("the document is not this issuer's")
        urls = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        schemes = ("https://",) if self._issuer.startswith("https://") else ("https://", "http://")
        if not all(isinstance(url, str) and url.startswith(schemes) for url in urls):
            raise ValueError("an endpoint is missing or not safe")
        authorization, token, keys = map(str, urls)
        return Endpoints(
            authorization,
            token,
            Jwks(keys),
            texts(document.get("token_endpoint_auth_methods_supported")) or frozenset({"client_secret_basic"}),
            names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        )


def texts(value: Any) -> frozenset[str]:
    """Return the words of a text, or the texts of a list."""
    parts = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
    return frozenset(part for part in parts if isinstance(part, str))
