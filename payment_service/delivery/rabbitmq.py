"""RabbitMQ: a durable topic exchange; every message is persistent and confirmed, and an unrouted one is noticed."""

import logging
from collections.abc import Sequence

import pika

from payment_service import clock
from payment_service.delivery.amqp import Message, Publisher, Verdict
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Delivered, Outcome, Report, RetryLater, SinkUnavailable, Unrouted
from payment_service.domain.deliveries import Delivery

EXCHANGE = "payment_events"

AWAITED = frozenset({"payment.created", "payment.completed", "payment.failed", "payment.refunded"})
"""The types that the document promises to its consumers: without a queue for one, operators are informed. Other types
are steps in between, or of another document; without a queue for one, no consumer wants it.
"""

CONFIRMED_WITHIN = 15.0
"""Seconds after which a broker that lives and does not confirm counts as gone."""

HEARTBEAT = 10
"""Seconds within which each side must hear from the other: the relay polls at least every second."""

LAST_WORDS = 2.0
"""Seconds to close a connection cleanly."""

logging.getLogger("pika").setLevel(logging.CRITICAL)  # the relay logs the same in one line


class RabbitSink:
    """The broker at `parameters`, over one connection; each poll of the relay also answers heartbeats."""

    name = "rabbitmq"
    window = 200

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        *,
        exchange: str = EXCHANGE,
        confirmed_within: float = CONFIRMED_WITHIN,
        heartbeat: int = HEARTBEAT,
        backoff: Backoff | None = None,
    ) -> None:
        parameters.socket_timeout = 5
        parameters.stack_timeout = 10
        parameters.blocked_connection_timeout = 10
        parameters.heartbeat = heartbeat
        self.backoff = backoff or Backoff(longest=60.0)
        self._publisher: Publisher[Delivery] = Publisher(parameters, exchange, self._told)
        self._confirmed_within = confirmed_within
        self._under_way: dict[int, float] = {}
        self._reports: list[Report] = []

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to publish them."""
        for delivery in deliveries:
            self._under_way[delivery.delivery_id] = clock.monotonic()
            self._publisher.publish(
                Message(delivery, delivery.event_type, delivery.body.encode(), _properties(delivery))
            )

    def poll(self, seconds: float) -> list[Report]:
        """Process network events until the broker has replied, and return the reports."""
        self._publisher.run(seconds)
        oldest = min(self._under_way.values(), default=clock.monotonic())
        if clock.monotonic() - oldest > self._confirmed_within:
            self._publisher.give_up("no confirmation in time")
        reports, self._reports = self._reports, []
        return reports

    def close(self) -> list[Report]:
        """Wait for the last confirmations, then close the connection cleanly."""
        reports: list[Report] = []
        while self._under_way:
            reports += self.poll(LAST_WORDS)
        self._publisher.give_up("stopping")
        until = clock.monotonic() + LAST_WORDS
        while self._publisher.is_connected and clock.monotonic() < until:
            self._publisher.run(until - clock.monotonic())
        return reports

    def _told(self, delivery: Delivery, verdict: Verdict, reason: str) -> None:
        del self._under_way[delivery.delivery_id]
        self._reports.append(Report(delivery, _outcome(delivery, verdict, reason)))


def _outcome(delivery: Delivery, verdict: Verdict, reason: str) -> Outcome:
    if verdict is Verdict.CONFIRMED:
        return Delivered()
    if verdict is Verdict.UNROUTED:
        return Unrouted("no queue takes it") if delivery.event_type in AWAITED else Delivered()
    if verdict is Verdict.LOST:
        return SinkUnavailable(reason)
    return RetryLater(reason or "the broker could not take it")


def _properties(delivery: Delivery) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=str(delivery.event_id),
        correlation_id=delivery.request_id,
        type=delivery.event_type,
        timestamp=int(delivery.occurred_at.timestamp()),
        headers={"traceparent": delivery.traceparent} if delivery.traceparent else {},
    )
