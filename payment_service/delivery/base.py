"""The interface between the relay and a sink: deliveries and their outcomes."""

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
    """The sink refuses it for now, or may or may not have taken it; `after`: the seconds that it asks to wait."""

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
    """The sink refuses it for good."""

    reason: str


@dataclass(frozen=True)
class SinkUnavailable:
    """The sink is out of reach: that concerns no delivery, and does not count as one of its attempts."""

    reason: str


Outcome = Delivered | RetryLater | Refused | Unrouted | Rejected | SinkUnavailable


@dataclass(frozen=True)
class Report:
    """The outcome of a delivery that a sink was sent."""

    delivery: Delivery
    outcome: Outcome


class Sink(Protocol):
    """A destination of events. One thread calls it; its methods do not raise.

    `window` is the number of deliveries that may be under way at once. Each one sent is reported within half a minute,
    also after any failure, which is well within the relay's lease.
    """

    name: str
    window: int
    backoff: Backoff

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to send them, all with different ordering keys. Does not wait for the network."""

    def poll(self, seconds: float) -> list[Report]:
        """Return the reports of deliveries under way: wait up to `seconds` for the first one.

        Called about once a second even if nothing is under way: it also keeps connections alive.
        """

    def close(self) -> list[Report]:
        """Begin nothing more, wait for what has begun, close every connection, and return the last reports."""
