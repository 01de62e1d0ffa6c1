"""Access control: every blueprint declares its access where it is registered; every request is checked here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, g, request

from payment_service.domain.errors import TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal
from payment_service.web.auth import SIGNED, caller_of_token
from payment_service.web.operators import operator_from_request


@dataclass(frozen=True)
class Access:
    """Public, or for the callers of these channels: with a token, or without one where a channel is open.

    On a shared path the channel is known only after the body or the row was read: `authorize_channel` checks it then.
    Pages for operators ask for the token in their cookie, whichever channels are open.
    """

    channels: tuple[str, ...] = ()
    for_operators: bool = False

    @property
    def is_public(self) -> bool:
        """Whether nobody is asked who he is."""
        return not self.channels and not self.for_operators


_BEARER = re.compile(rf"Bearer +({SIGNED})")

PUBLIC = Access()
OPERATORS = Access(for_operators=True)


def init_access(app: Flask, table: Mapping[str, Access], open_channels: frozenset[str]) -> None:
    """Judge every request by the access its blueprint was registered with (`table`, by registered name)."""
    app.extensions["access"] = table
    app.extensions["open_channels"] = open_channels

    @app.before_request
    def _admit() -> None:
        g.principal = Principal()
        if request.endpoint is None:  # nothing is served here: the error handlers answer
            return
        access = table[request.blueprint or ""]
        if access.for_operators:
            g.principal = operator_from_request()
        elif access.channels:
            if len(access.channels) == 1:
                g.channel = access.channels[0]  # a missing token is told in the words of the path's only channel, too
            g.principal = caller_from_request(open_access=not open_channels.isdisjoint(access.channels))


def caller_from_request(*, open_access: bool) -> Principal:
    """The subject of the request's bearer token; with `open_access`, nobody in particular where no token is sent.

    Raises TokenMissing without a bearer token, Unauthenticated for any that is not entirely valid (also on open
    paths), UserNotFound for one without subject, Unavailable while the issuer's keys cannot be had.
    """
    header = request.headers.get("Authorization")
    if header is None and (open_access or request.method == "OPTIONS"):  # a preflight never carries a token
        return Principal()
    if header is None or not header.startswith("Bearer"):
        raise TokenMissing
    match = _BEARER.fullmatch(header)  # servers join two headers with a comma, which no token contains
    if match is None:
        raise Unauthenticated
    return caller_of_token(match[1])


def authorize_channel(app: Flask, channel: str) -> None:
    """The request turned out to be `channel`'s: from here on its rules and its words hold. Raises TokenMissing."""
    g.channel = channel
    if not is_allowed(app, channel):
        raise TokenMissing


def is_allowed(app: Flask, channel: str) -> bool:
    """Whether this request's caller may be served as `channel`'s: with a token, or where the channel is open."""
    return bool(g.principal.subject) or channel in app.extensions["open_channels"]
