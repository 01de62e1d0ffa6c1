"""Sinks that receive everything: HTTP services, a RabbitMQ queue and a Kafka cluster of the test."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from flask import Flask

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery.base import Sink
from payment_service.delivery.relay import Relay
from payment_service.delivery.sinks import build_sinks
from tests.support.broker import Ear
from tests.support.kafka_cluster import KafkaCluster
from tests.support.receiver import Receiver, Taken
from tests.support.relays import drain
from tests.support.sinks import rabbit_sink

SERVICES = ("order", "inventory", "notification", "trip_notification")
TOPIC = "payment-events"
HEADERS = ("Webhook-Id", "X-Request-ID", "traceparent")


class ReceivingSinks:
    """The sinks; `settings` switch them on in an app."""

    def __init__(self, broker_port: int, stack: ExitStack) -> None:
        self._port = broker_port
        self._receivers = {name: stack.enter_context(closing(Receiver())) for name in SERVICES}
        self._cluster = stack.enter_context(closing(KafkaCluster(TOPIC)))
        self._queue = stack.enter_context(closing(Ear(broker_port, f"test-{clock.new_hex(12)}"))).bind()
        urls = {f"{name}_service_url": receiver.url for name, receiver in self._receivers.items()}
        brokers = {"kafka_brokers": self._cluster.brokers_at, "kafka_topic": TOPIC, "rabbitmq_enabled": True}
        self.settings: Mapping[str, Any] = {**urls, **brokers}

    def receive(self, app: Flask) -> dict[str, list[list[str]]]:
        """Run the app's relays until no delivery is pending; return the messages of each sink, sorted."""
        database: Database = app.extensions["payment_service"].database
        sinks = build_sinks(app.config)
        sinks["rabbitmq"].close()
        sinks["rabbitmq"] = rabbit_sink(self._port, self._queue)  # the test's exchange instead of the service's
        for sink in sinks.values():
            _drain(database, sink)
        self._queue.bodies()
        received = {name: [_request(taken) for taken in receiver.taken] for name, receiver in self._receivers.items()}
        received["rabbitmq"] = [[key, body.decode()] for _, key, body in self._queue.messages]
        received["kafka"] = [[_text(each.key()), _text(each.value())] for each in self._cluster.listen()]
        return {name: sorted(messages) for name, messages in received.items()}


@contextmanager
def receiving_sinks(broker_port: int) -> Iterator[ReceivingSinks]:
    """Run the sinks for as long as the block."""
    with ExitStack() as stack:
        yield ReceivingSinks(broker_port, stack)


def _drain(database: Database, sink: Sink) -> None:
    try:
        drain(Relay(database, sink))
    finally:
        sink.close()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value or b"").decode()


def _request(taken: Taken) -> list[str]:
    headers = [str(taken.headers.get(name)) for name in HEADERS]
    return [taken.method, taken.path, taken.body.decode(), *headers]
