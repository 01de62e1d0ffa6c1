"""Every sink reports before the relay's lease ends, so that no other relay sends the same delivery meanwhile."""

from payment_service.delivery import http, kafka, rabbitmq
from payment_service.delivery.http import HttpSink
from payment_service.delivery.kafka import KafkaSink
from payment_service.delivery.relay import LEASE

PROMISED = 30.0
"""The seconds that the interface of sinks names."""


def test_last_of_a_full_window_of_requests_ends_within_the_lease() -> None:
    rounds = HttpSink.window / http.PARALLEL
    connecting_and_answering = 2 * http.TIMEOUT
    assert rounds * connecting_and_answering <= PROMISED < LEASE


def test_wait_for_rabbitmq_ends_within_the_lease() -> None:
    assert rabbitmq.CONFIRMED_WITHIN <= PROMISED < LEASE


def test_wait_for_kafka_ends_within_the_lease() -> None:
    sink = KafkaSink("127.0.0.1:9", "payment-events")
    assert sink._options["delivery.timeout.ms"] == 1000 * kafka.ACKNOWLEDGED_WITHIN
    assert kafka.ACKNOWLEDGED_WITHIN <= PROMISED < LEASE
