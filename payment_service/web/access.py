"""Access control: each blueprint declares its access at registration; this module checks every request against it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from flask import Flask, current_app, g, request

from payment_service import clock
from payment_service.domain.errors import DO_NOT_RETRY, DatabaseUnavailable, TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal, TokenScope
from payment_service.services import queries
from payment_service.web.auth import SIGNED, ScopeMissing, caller_of_token
from payment_service.web.context import dependencies
from payment_service.web.operators import operator_from_request


class Guard(Enum):
    """Why a view asks for no token."""

    PUBLIC = "public"
    PROXY = "guarded by the proxy"
    GATEWAY = "for gateways: it decides nothing"


Need = TokenScope | Guard
Refusal = Unauthenticated | ScopeMissing
CALLERS_SCOPES = frozenset({TokenScope.CHARGE, TokenScope.REFUND, TokenScope.READ})
"""The scopes that a channel's view may need; a service's scope includes all three."""


@dataclass(frozen=True)
class Access:
    """The needs of a blueprint's views, as one need for all or one for each, and the channels that it serves.

    On a shared path the channel is known only after the body or the row was read: `authorize_channel` checks it then.
    Pages for operators ask for the session that their cookie names, even on open channels.
    """

    needs: Need | Mapping[str, Need]
    channels: tuple[str, ...] = ()

    @property
    def is_public(self) -> bool:
        """True if the service asks for no token. Another guard, such as the proxy, may protect the views."""
        return not self.channels and not self.for_operators

    @property
    def for_operators(self) -> bool:
        """True if only operators are served."""
        return self.needs is TokenScope.OPERATE

    def need_of(self, view: str) -> Need:
        """Return the need of a view. Raises LookupError for a view without one, or if it does not fit the callers."""
        need = self.needs if isinstance(self.needs, TokenScope | Guard) else self.needs.get(view)
        fits = need in CALLERS_SCOPES if self.channels else isinstance(need, Guard) or self.for_operators
        if need is None or not fits:
            raise LookupError(f"{view} declares no need that fits its callers")
        return need


_BEARER = re.compile(rf"Bearer +({SIGNED})")


def init_access(app: Flask, table: Mapping[str, Access], open_channels: frozenset[str], plain: frozenset[str]) -> None:
    """Check every request against the access that its blueprint was registered with (`table`, by registered name).

    The callers of `open_channels` need no token, those of `plain` channels no scope in it. Raises LookupError for a
    route that declares no need.
    """
    app.extensions["access"] = table
    app.extensions["open_channels"] = open_channels
    app.extensions["plain_channels"] = plain
    app.extensions["anonymous_payments"] = AnonymousPayments()
    needs = app.extensions["needs"] = _needs(app, table)

    @app.before_request
    def _admit() -> None:
        g.principal = Principal()
        if request.endpoint is None:  # no such route: the error handlers respond
            return
        access = table[request.blueprint or ""]
        g.need = needs[request.endpoint]
        if access.for_operators:
            g.principal = operator_from_request()
        elif access.channels:
            if len(access.channels) == 1:
                g.channel = access.channels[0]  # an error also has the shape of the path's only channel
            try:
                g.principal = caller_from_request(open_access=not open_channels.isdisjoint(access.channels))
                if request.method != "OPTIONS":  # a preflight changes nothing and has no token
                    _require_any(access.channels)
            except (Unauthenticated, ScopeMissing) as error:
                raise _advised(app, error, access.channels) from None


def _needs(app: Flask, table: Mapping[str, Access]) -> dict[str, Need]:
    """Return the need of every route, by its endpoint."""
    found = {}
    for rule in app.url_map.iter_rules():
        blueprint, _, view = rule.endpoint.rpartition(".")
        found[rule.endpoint] = table[blueprint].need_of(view)
    return found


def caller_from_request(*, open_access: bool) -> Principal:
    """Return the principal of the request's bearer token; with `open_access`, an anonymous one if no token was sent.

    Raises TokenMissing without a bearer token, Unauthenticated for any token that is not entirely valid (also on open
    paths), UserNotFound for one without subject, Unavailable while the issuer's keys cannot be fetched.
    """
    header = request.headers.get("Authorization")
    if header is None and (open_access or request.method == "OPTIONS"):  # a preflight never has a token
        return Principal()
    if header is None or not header.startswith("Bearer"):
        raise TokenMissing
    match = _BEARER.fullmatch(header)  # servers join two headers with a comma, which no token contains
    if match is None:
        raise Unauthenticated
    return caller_of_token(match[1])


def authorize_channel(app: Flask, channel: str) -> None:
    """Serve the rest of the request under the rules and in the response shapes of `channel`.

    Raises TokenMissing and ScopeMissing.
    """
    g.channel = channel
    if not is_allowed(channel):
        raise _advised(app, refusal([channel]), [channel])


def is_allowed(channel: str) -> bool:
    """Return True if `channel` may serve this request's caller, by the caller's token or without one.

    A plain token, one without any scope of this service, is enough where the channel asks for no scopes.
    """
    caller: Principal = g.principal
    if not caller.subject:
        return channel in current_app.extensions["open_channels"]
    if not caller.scopes:
        return channel in current_app.extensions["plain_channels"]
    return caller.may(cast(TokenScope, g.need), channel)


def refusal(channels: Sequence[str]) -> Refusal:
    """Return the error that explains why none of these channels serves this request's caller."""
    if not g.principal.subject:
        return TokenMissing()
    need = cast(TokenScope, g.need)
    names = [need.value, need.within(channels[0])] if len(channels) == 1 else [need.value]
    return ScopeMissing(f"The token needs the scope {' or '.join(names)}")


def _require_any(channels: Sequence[str]) -> None:
    if not any(map(is_allowed, channels)):
        raise refusal(channels)


class AnonymousPayments:
    """Finds out which channels have payments that were made without a token.

    It keeps "none" for `BELIEVED` seconds only: another process may still accept requests without a token.
    """

    BELIEVED = 10.0

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool, float]] = {}

    def in_channel(self, channel: str) -> bool:
        """Return True if there are any, and also if the database cannot be read."""
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


def _advised(app: Flask, error: Refusal, channels: Sequence[str]) -> Refusal:
    """Return the 401 or 403 with correct retry advice.

    A first attempt may have been anonymous. A token then puts the same key into another scope, so a repeat would be a
    new request: the advice is not to retry. An alias of anonymous callers keeps the key in its scope.
    """
    has_alias = "" in dict(app.config["KEY_SCOPE_ALIASES"]).values()
    payments: AnonymousPayments = app.extensions["anonymous_payments"]
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    if changes and not has_alias and any(map(payments.in_channel, channels)):
        error.retry = DO_NOT_RETRY
    return error
