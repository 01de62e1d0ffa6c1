"""The principal of a request, and the source of a change."""

from dataclasses import dataclass, field
from enum import Enum

SCOPE_PREFIX = "payments:"
"""The prefix of this service's scopes: a token that has any of them may do only what they allow."""


class TokenScope(Enum):
    """The rights of a token; with `:<channel>` behind it, in that channel alone."""

    CHARGE = "payments:charge"
    REFUND = "payments:refund"
    READ = "payments:read"
    SERVICE = "payments:service"
    OPERATE = "payments:operate"

    def within(self, channel: str) -> str:
        """Return the same scope for one channel alone."""
        return f"{self.value}:{channel}"


@dataclass(frozen=True)
class Principal:
    """The subject of a verified token, or the anonymous caller of an open channel (`subject` is then empty).

    `email` and `is_verified` are None if the token does not state them. `scopes` are those of this service: a plain
    token has none. `alias_of` is the older subject that the caller had ("" for an anonymous one), None if it has always
    had this one.
    """

    subject: str = ""
    email: str | None = None
    is_verified: bool | None = None
    scopes: frozenset[str] = field(default=frozenset())
    alias_of: str | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects of all the caller's keys and payments, its own first."""
        return (self.subject,) if self.alias_of is None else (self.subject, self.alias_of)

    def may(self, scope: TokenScope, channel: str) -> bool:
        """Return whether a scope of the token allows this in a channel: this very one, or a service's."""
        return self._has(scope, channel) or self._has(TokenScope.SERVICE, channel)

    def acts_for_all(self, channel: str) -> bool:
        """Return whether the caller may see and change the payments of every subject of a channel."""
        return self._has(TokenScope.SERVICE, channel)

    @property
    def is_operator(self) -> bool:
        """True if the token opens the operations pages. They show every channel, so no scope for one of them does."""
        return TokenScope.OPERATE.value in self.scopes

    def _has(self, scope: TokenScope, channel: str) -> bool:
        return scope.value in self.scopes or scope.within(channel) in self.scopes


@dataclass(frozen=True)
class ChangeSource:
    """The source of a change: its actor ("" for an anonymous caller), its request and its trace.

    It stays beside the change. `traceparent` is the caller's header of W3C's Trace Context.
    """

    actor: str
    request_id: str | None = None
    traceparent: str | None = None


RECOVERY = ChangeSource("recovery")
"""Recovery finishes an operation after its caller has gone."""

EXPIRY = ChangeSource("expiry")
"""The worker ends a payment that its caller did not charge in time."""

GATEWAY = ChangeSource("gateway")
"""The gateway revises its decision."""
