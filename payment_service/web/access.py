"""Access control: every blueprint declares its access where it is registered; every request is checked here."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Flask, g, request

from payment_service import clock
from payment_service.domain.errors import DO_NOT_RETRY, DatabaseUnavailable, TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal
from payment_service.services import queries
from payment_service.web.auth import SIGNED, caller_of_token
from payment_service.web.context import dependencies
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
    app.extensions["anonymous_payments"] = AnonymousPayments()

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
            try:
                g.principal = caller_from_request(open_access=not open_channels.isdisjoint(access.channels))
            except Unauthenticated as error:
                raise _advised(app, error, access.channels) from None


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
        raise _advised(app, TokenMissing(), (channel,))


def is_allowed(app: Flask, channel: str) -> bool:
    """Whether this request's caller may be served as `channel`'s: with a token, or where the channel is open."""
    return bool(g.principal.subject) or channel in app.extensions["open_channels"]


class AnonymousPayments:
    """Which channels have payments that were made without a token.

    "None" is believed for `BELIEVED` seconds only: another process may still be open.
    """

    BELIEVED = 10.0

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool, float]] = {}

    def in_channel(self, channel: str) -> bool:
        """Whether there are any, also where the database does not tell."""
        found, until = self._known.get(channel, (False, -math.inf))
        if clock.monotonic() < until:
            return found
        until = clock.monotonic() + self.BELIEVED
        try:
            found = bool(queries.newest(dependencies(), Principal(), channel, 1, {}))
        except DatabaseUnavailable:
            found = True
        else:
            until = math.inf if found else until
        self._known[channel] = found, until
        return found


def _advised(app: Flask, error: Unauthenticated, channels: Sequence[str]) -> Unauthenticated:
    """A 401 with advice that is true: where a first try may have been anonymous, a token makes another key of its key.

    An alias of anonymous callers takes care of that.
    """
    has_alias = "" in dict(app.config["KEY_SCOPE_ALIASES"]).values()
    payments: AnonymousPayments = app.extensions["anonymous_payments"]
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    if changes and not has_alias and any(map(payments.in_channel, channels)):
        error.retry = DO_NOT_RETRY
    return error
