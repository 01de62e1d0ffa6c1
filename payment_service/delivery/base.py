"""What the relay hands to a sink, and what a sink says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from payment_service.delivery.backoff import Backoff
from payment_service.domain.deliveries import Delivery


@dataclass(frozen=True)
class Delivered:
    """The sink acknowledged it."""


@dataclass(frozen=True)
class RetryLater:
    """The sink refuses it for now, or nobody knows whether it took it; `after`: seconds it asks to be left alone."""

    reason: str
    after: float | None = None


@dataclass(frozen=True)
class Refused:
    """The sink refuses it now and may take it later: an order not committed yet, a secret rotated too early."""

    reason: str
    after: float | None = None


@dataclass(frozen=True)
class Unrouted:
    """The broker has no queue for it."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """The sink refuses it, and would again."""

    reason: str


@dataclass(frozen=True)
class SinkUnavailable:
    """There is no sink to speak of: that says nothing of this delivery, and does not count as one of its tries."""

    reason: str


Outcome = Delivered | RetryLater | Refused | Unrouted | Rejected | SinkUnavailable


@dataclass(frozen=True)
class Report:
    """What has become of a delivery that a sink was sent."""

    delivery: Delivery
    outcome: Outcome


class Sink(Protocol):
    """Somebody who must hear of events. One thread calls it; nothing here raises.

    `window` is how many deliveries may be under way at once. Of each one sent there is a report within half a
    minute, which is well within the relay's lease, whatever happens.
    """

    name: str
    window: int
    backoff: Backoff

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to send them, all of different streams. Does not wait for the network."""

    def poll(self, seconds: float) -> list[Report]:
        """What has become of those under way: waits up to `seconds` for the first report.

        Called about once a second even if nothing is under way: it keeps alive what must be kept alive.
        """

    def close(self) -> list[Report]:
        """Begin nothing more, wait for what has begun, let go of every connection; the last reports."""
