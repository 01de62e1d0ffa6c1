"""Who is asking, and where a change comes from."""

from dataclasses import dataclass, field

SERVICE_SCOPE = "payments:service"
"""The scope of a service that acts for all subjects."""


@dataclass(frozen=True)
class Principal:
    """The subject of a verified token, or the anonymous caller of an open channel (`subject` is then empty).

    `email` and `is_verified` are None where the token says nothing of them. `alias_of` is the older subject that the
    caller had ("" for an anonymous one), None where it has always had this one.
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

    @property
    def is_service(self) -> bool:
        """Whether the caller acts for everybody."""
        return SERVICE_SCOPE in self.scopes


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
