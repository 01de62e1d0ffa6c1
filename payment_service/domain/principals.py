"""Who is asking, and where a change comes from."""

from dataclasses import dataclass, field
from enum import Enum

SCOPE_PREFIX = "payments:"
"""Scopes that begin so are this service's: a token that has any of them may do what they say, and nothing else."""


class TokenScope(Enum):
    """What a token may do; with `:<channel>` behind it, in that channel alone."""

    CHARGE = "payments:charge"
    REFUND = "payments:refund"
    READ = "payments:read"
    SERVICE = "payments:service"
    OPERATE = "payments:operate"

    def within(self, channel: str) -> str:
        """The same scope for one channel alone."""
        return f"{self.value}:{channel}"


@dataclass(frozen=True)
class Principal:
    """The subject of a verified token, or the anonymous caller of an open channel (`subject` is then empty).

    `email` and `is_verified` are None where the token says nothing of them. `scopes` are those of this service: a plain
    token has none. `alias_of` is the older subject that the caller had ("" for an anonymous one), None where it has
    always had this one.
    """

    subject: str = ""
    email: str | None = None
    is_verified: bool | None = None
    scopes: frozenset[str] = field(default=frozenset())
    alias_of: str | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """All whose keys and payments are the caller's, its own first."""
        return (self.subject,) if self.alias_of is None else (self.subject, self.alias_of)

    def may(self, scope: TokenScope, channel: str) -> bool:
        """Whether a scope of the token allows this in a channel: this very one, or a service's."""
        return self._has(scope, channel) or self._has(TokenScope.SERVICE, channel)

    def acts_for_all(self, channel: str) -> bool:
        """Whether the payments of every subject of a channel are the caller's to see and to move."""
        return self._has(TokenScope.SERVICE, channel)

    @property
    def is_operator(self) -> bool:
        """Whether the token opens the operations pages. They show every channel, so no scope for one of them does."""
        return TokenScope.OPERATE.value in self.scopes

    def _has(self, scope: TokenScope, channel: str) -> bool:
        return scope.value in self.scopes or scope.within(channel) in self.scopes


@dataclass(frozen=True)
class ChangeSource:
    """Where a change comes from: who caused it ("" for nobody in particular), in which request, of which trace.

    It stands beside the change for ever. `traceparent` is the caller's header of W3C's Trace Context.
    """

    actor: str
    request_id: str | None = None
    traceparent: str | None = None


RECOVERY = ChangeSource("recovery")
"""Of what is finished after its caller was gone."""

EXPIRY = ChangeSource("expiry")
"""Of payments that end because their callers did not charge them in time."""

GATEWAY = ChangeSource("gateway")
"""Of what the gateway says after it had decided."""
