"""Notices that gateways send when something happened. They wake a look-up and decide nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeGuard

from payment_service.domain.operations import OperationStatus
from payment_service.gateways.base import Gateway


@dataclass(frozen=True)
class Notice:
    """One event at a gateway, with no more content than the gateway has signed.

    `event_id` is the same at every delivery of the event, which happened at `created_at` (aware UTC). `gateway_keys`
    are those of the operations that it may be about, the latest first; empty if it names none. `reference` is the
    gateway's id of the object. `content` is the signed text, for gateways without a look-up. A hint (`is_hint`) is not
    signed: it is dropped unless an operation of ours has both its first key and its reference.
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
    """The methods of a gateway with `capabilities.notifies`."""

    def read_notice(
        self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Sequence[Notice] | Forged:
        """Return the notices in a request to the webhook; none if it is about no payment of ours. Makes no request.

        The names of `headers` are in lower case; `body` has the received bytes; `query` is that of the address.
        """

    def events(self, since: datetime) -> Iterator[Notice]:
        """Yield the same notices from the gateway's own list, newest first, if `capabilities.lists_events`.

        Raises GatewayUnavailable while iterating.
        """

    def told_by(self, notice_type: str) -> OperationStatus | None:
        """Return the outcome in notices of a type, None if they state none or several.

        It only saves the look-up of an operation that already has this outcome, and never decides.
        """


def sends_notices(gateway: Gateway | None) -> TypeGuard[NotifyingGateway]:
    """Return True if a gateway sends notices."""
    return gateway is not None and gateway.capabilities.notifies
