"""Who may enter: every blueprint declares its access where it is registered, and every request is judged by it here."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, g, request

from payment_service.domain.errors import TokenMissing
from payment_service.domain.principals import Principal
from payment_service.web.auth import caller_from_request
from payment_service.web.operators import operator_from_request


@dataclass(frozen=True)
class Access:
    """Public, or for the callers of these channels: with a token, or without one where a channel is open.

    On a shared path the channel is known only after the body or the row was read: `enter()` judges again then.
    Pages for operators ask for the token in their cookie, whichever channels are open.
    """

    channels: tuple[str, ...] = ()
    for_operators: bool = False

    @property
    def is_public(self) -> bool:
        """Whether nobody is asked who he is."""
        return not self.channels and not self.for_operators


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
        if access.is_public:
            return
        if access.for_operators:
            g.principal = operator_from_request()
            return
        if len(access.channels) == 1:
            g.channel = access.channels[0]  # a missing token is told in the words of the path's only channel, too
        g.principal = caller_from_request(open_access=bool(open_channels & set(access.channels)))


def enter(app: Flask, channel: str) -> None:
    """The request turned out to be `channel`'s: from here on its rules and its words hold. Raises TokenMissing."""
    g.channel = channel
    if not may_enter(app, channel):
        raise TokenMissing


def may_enter(app: Flask, channel: str) -> bool:
    """Whether this request's caller may be served as `channel`'s: with a token, or where the channel is open."""
    return bool(g.principal.subject) or channel in app.extensions["open_channels"]
