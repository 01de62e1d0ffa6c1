"""What gateways tell by themselves: notices that something happened. They wake a look-up and decide nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeGuard

from payment_service.domain.operations import OperationStatus
from payment_service.gateways.base import Gateway


@dataclass(frozen=True)
class Notice:
    """One event of a gateway's, as far as the gateway has signed it.

    `event_id` is the same at every delivery of the event, which happened at `created_at` (aware UTC). `gateway_keys`
    are those of the operations that it may be about, the latest first; none where it names none. `reference` is the
    gateway's id of the object. `content` is what was signed, for gateways that cannot be asked. A hint (`is_hint`) is
    signed by nobody: it is dropped unless an operation of ours has both its first key and its reference.
    """

    event_id: str
    type: str
    created_at: datetime
    gateway_keys: tuple[str, ...] = ()
    reference: str | None = None
    content: str | None = None
    is_hint: bool = False


@dataclass(frozen=True)
class Forged:
    """The gateway has not signed this, or not for this account, or not now; `reason` is for the log."""

    reason: str


class NotifyingGateway(Gateway, Protocol):
    """What `capabilities.notifies` adds."""

    def read_notice(
        self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Sequence[Notice] | Forged:
        """The notices in a request that came to the webhook; none where it tells of nothing of ours. Asks nobody.

        The names of `headers` are in lower case; `body` is what came in, byte for byte; `query` stood in the address.
        """

    def events(self, since: datetime) -> Iterator[Notice]:
        """The same notices from the gateway's own list, newest first, where `capabilities.lists_events`.

        Raises GatewayUnavailable while iterating.
        """

    def told_by(self, notice_type: str) -> OperationStatus | None:
        """The outcome that notices of a type tell, None where they tell of none or of more.

        Nobody believes it: it spares the look-up of an operation that has this outcome already.
        """


def sends_notices(gateway: Gateway | None) -> TypeGuard[NotifyingGateway]:
    """Whether a gateway tells by itself what happens there."""
    return gateway is not None and gateway.capabilities.notifies
