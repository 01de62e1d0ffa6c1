"""Kafka: idempotent producer, acknowledged by all replicas, keyed by payment; the extra `[kafka]` brings the client."""

import logging
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from payment_service import clock
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Delivered, Outcome, Rejected, Report, RetryLater, SinkUnavailable
from payment_service.domain.deliveries import Delivery

ACKNOWLEDGED_WITHIN = 20.0
"""Seconds within which the client gets a message acknowledged, with its own retries, or returns it to us."""

LAST_WORDS = 0.1
"""Seconds of one wait for late reports."""

POISON = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD})
"""Errors of one message that will not go away."""

ABSENT = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - the client's own names for its own errors begin so
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._PURGE_QUEUE,  # noqa: SLF001
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
        KafkaError._QUEUE_FULL,  # noqa: SLF001
    }
)
"""Errors of the cluster or of our client, not of the message."""


class KafkaSink:
    """The cluster behind `brokers`. Its producer is created with the first message, in the process that sends.

    `options` are additional settings of the client.
    """

    name = "kafka"
    window = 500

    def __init__(self, brokers: str, topic: str, *, backoff: Backoff | None = None, **options: Any) -> None:
        self.backoff = backoff or Backoff(longest=60.0)
        self._topic = topic
        self._options = {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.timeout.ms": int(ACKNOWLEDGED_WITHIN * 1000),
            "linger.ms": 5,
            "log_level": 3,
            "logger": logging.getLogger(__name__),
            **options,
        }
        self._producer: Producer | None = None
        self._under_way: dict[int, Delivery] = {}
        self._reports: list[Report] = []
        self._broken = False

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Pass them to the client, which sends from its own thread."""
        for delivery in deliveries:
            self._produce(delivery)

    def poll(self, seconds: float) -> list[Report]:
        """Serve the client's delivery reports until there is one, and return the reports."""
        deadline = clock.monotonic() + seconds
        while self._producer is not None:
            self._serve(0 if self._reports else max(0.0, deadline - clock.monotonic()))
            if self._broken:
                self._let_go()  # the next message creates a new producer
            if self._reports or clock.monotonic() >= deadline:
                break
        reports, self._reports = self._reports, []
        return reports

    def close(self) -> list[Report]:
        """Wait for the last acknowledgements, as long as the client would."""
        until = clock.monotonic() + ACKNOWLEDGED_WITHIN
        while self._under_way and not self._broken and clock.monotonic() < until:
            self._serve(LAST_WORDS)
        self._let_go()
        return self.poll(0)

    def _serve(self, seconds: float) -> None:
        """Let the client call back; it raises its fatal error here, once."""
        if self._producer is not None:
            try:
                self._producer.poll(seconds)
            except KafkaException:
                self._broken = True

    def _let_go(self) -> None:
        """Drop the producer and report every delivery without acknowledgement as given up."""
        if self._producer is not None:
            self._producer.purge()
            self._serve(LAST_WORDS)
        for delivery in list(self._under_way.values()):
            self._report(delivery, SinkUnavailable("given up"))
        self._producer, self._broken = None, False

    def _produce(self, delivery: Delivery) -> None:
        def report(error: KafkaError | None, _message: Message) -> None:
            self._note(delivery, error)

        headers: dict[str, str | bytes | None] = {"event_id": str(delivery.event_id), "event_type": delivery.event_type}
        headers |= {"traceparent": delivery.traceparent} if delivery.traceparent else {}
        key, value = delivery.message_key, delivery.body.encode()
        self._under_way[delivery.delivery_id] = delivery
        try:
            if self._producer is None:
                self._producer = Producer(self._options)
            self._producer.produce(self._topic, key=key, value=value, headers=headers, on_delivery=report)
        except BufferError:
            self._report(delivery, SinkUnavailable("the client's queue is full"))
        except KafkaException as error:
            self._note(delivery, error.args[0])

    def _note(self, delivery: Delivery, error: KafkaError | None) -> None:
        if error is not None and error.fatal():
            self._broken = True
        self._report(delivery, _outcome(error))

    def _report(self, delivery: Delivery, outcome: Outcome) -> None:
        """Report a delivery once: the client may report it again after it was given up."""
        if self._under_way.pop(delivery.delivery_id, None) is delivery:
            self._reports.append(Report(delivery, outcome))


def _outcome(error: KafkaError | None) -> Outcome:
    if error is None:
        return Delivered()
    if error.code() in POISON:
        return Rejected(error.name())
    return SinkUnavailable(error.name()) if error.code() in ABSENT or error.fatal() else RetryLater(error.name())
