"""Kafka: the client's own scripted cluster, down and up, slow, and answering with errors of every kind."""

import json
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import KafkaError

from payment_service.db import Database
from payment_service.delivery.base import Delivered, Outcome, Rejected, Report, RetryLater, SinkUnavailable
from payment_service.delivery.kafka import KafkaSink
from payment_service.delivery.relay import Relay
from payment_service.delivery.sinks import build_sinks
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts
from tests.support.event_schemas import validator
from tests.support.events import delivery, flawless, pile_up, statuses
from tests.support.kafka_cluster import INIT_PRODUCER_ID, PRODUCE, KafkaCluster, arrival
from tests.support.ports import free_port
from tests.support.relays import QUICK, drain, running, wait_until_settled
from tests.support.sinks import an_event, reports_of
from tests.support.waiting import wait_until

SINK, TOPIC = "kafka", "payment-events"
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
pytestmark = pytest.mark.usefixtures("watchful")


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    with closing(KafkaCluster(TOPIC)) as cluster:
        yield cluster


class NotedSink(KafkaSink):
    """Remembers what became of everything."""

    def __init__(self, brokers: str, patience: float) -> None:
        self.outcomes: list[Outcome] = []
        options = {"delivery.timeout.ms": int(1000 * patience), "reconnect.backoff.max.ms": 100, "log_level": 0}
        super().__init__(brokers, TOPIC, backoff=QUICK, **options)

    def poll(self, seconds: float) -> list[Report]:
        reports = super().poll(seconds)
        self.outcomes += [report.outcome for report in reports]
        return reports


def sink_at(brokers: str, patience: float = 10.0) -> NotedSink:
    """Return a sink with a client that returns a message after `patience` seconds."""
    return NotedSink(brokers, patience)


def test_message_has_the_stored_bytes_and_the_headers_of_repeats(cluster: KafkaCluster) -> None:
    public_id = "0b7c8a3e-1111-4222-8333-444455556666"
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    event = an_event(message_key=public_id, traceparent=trace, body='{"frozen":"ü"}')
    with closing(sink_at(cluster.brokers_at)) as sink:
        sink.send([event])
        assert reports_of(sink, 1) == [Report(event, Delivered())]
    (message,) = cluster.listen()
    assert bytes(message.value() or b"").decode() == event.body
    assert message.key() == public_id.encode()
    headers = dict(message.headers() or [])
    assert headers == {
        "event_id": str(event.event_id).encode(),
        "event_type": b"payment.completed",
        "traceparent": trace.encode(),
    }


def test_events_of_a_payment_are_in_one_partition(cluster: KafkaCluster) -> None:
    with closing(sink_at(cluster.brokers_at)) as sink:
        for version in (1, 2, 3):
            sink.send([an_event(payment, version=version) for payment in range(1, 10)])
            reports_of(sink, 9)
    partitions: dict[bytes, set[int]] = {}
    for message in cluster.listen():
        partitions.setdefault(bytes(message.key() or b""), set()).add(message.partition() or 0)
    assert {len(used) for used in partitions.values()} == {1}
    assert len(partitions) == 9


def test_passing_error_is_retried_by_the_client(cluster: KafkaCluster) -> None:
    with closing(sink_at(cluster.brokers_at)) as sink:
        cluster.fail(PRODUCE, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_LEADER_FOR_PARTITION)
        sink.send([an_event()])
        assert [report.outcome for report in reports_of(sink, 1)] == [Delivered()]
    assert len(cluster.listen()) == 1


def test_event_that_is_too_large_is_refused_and_others_are_delivered(cluster: KafkaCluster) -> None:
    with closing(sink_at(cluster.brokers_at)) as sink:
        cluster.fail(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
        sink.send([an_event(1)])
        assert [report.outcome for report in reports_of(sink, 1)] == [Rejected("MSG_SIZE_TOO_LARGE")]
        sink.send([an_event(2, body="x" * 2_000_000), an_event(3)])
        outcomes = {report.delivery.delivery_id: report.outcome for report in reports_of(sink, 2)}
    assert outcomes == {2: Rejected("MSG_SIZE_TOO_LARGE"), 3: Delivered()}


def test_event_that_the_cluster_forbids_is_tried_again(cluster: KafkaCluster) -> None:
    with closing(sink_at(cluster.brokers_at)) as sink:
        cluster.fail(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        sink.send([an_event()])
        assert [report.outcome for report in reports_of(sink, 1)] == [RetryLater("TOPIC_AUTHORIZATION_FAILED")]

        def is_allowed() -> bool:
            sink.send([an_event()])
            return reports_of(sink, 1)[0].outcome == Delivered()

        wait_until(is_allowed, patience=5)


def test_fatal_error_starts_a_new_producer(cluster: KafkaCluster) -> None:
    with closing(sink_at(cluster.brokers_at)) as sink:
        cluster.fail(INIT_PRODUCER_ID, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
        sink.send([an_event(1), an_event(2)])
        outcomes = [report.outcome for report in reports_of(sink, 2)]
        assert all(isinstance(outcome, SinkUnavailable) for outcome in outcomes), outcomes
        sink.send([an_event(1), an_event(2)])
        assert [report.outcome for report in reports_of(sink, 2)] == [Delivered()] * 2


def test_unreachable_cluster_uses_up_no_try() -> None:
    with closing(sink_at(f"127.0.0.1:{free_port()}", patience=0.5)) as sink:
        sink.send([an_event(1), an_event(2)])
        outcomes = [report.outcome for report in reports_of(sink, 2)]
    assert outcomes == [SinkUnavailable("_MSG_TIMED_OUT")] * 2


def test_close_waits_for_running_messages(cluster: KafkaCluster) -> None:
    cluster.delay(100)
    sink = KafkaSink(cluster.brokers_at, TOPIC, log_level=0)
    sink.send([an_event(number) for number in range(5)])
    assert [report.outcome for report in sink.close()] == [Delivered()] * 5


@on_postgresql
def test_outage_of_the_cluster_under_load_loses_no_event(database: Database, cluster: KafkaCluster) -> None:
    expected, pending = pile_up(database, [SINK], count=100, versions=4), []
    cluster.delay(30)
    with running(database, sink_at(cluster.brokers_at)):
        for step in (1, 2):
            wait_until(lambda target=100 * step: statuses(database, SINK).get("DELIVERED", 0) >= target)  # type: ignore[misc]
            cluster.down()
            pending.append(statuses(database, SINK)["PENDING"])
            time.sleep(0.3)
            cluster.up()
        wait_until_settled(database, SINK)
    assert min(pending) > 0, "there was a load to interrupt it under"
    flawless(expected, map(arrival, cluster.listen()))


@on_postgresql
def test_long_outage_of_the_cluster_uses_up_no_try(database: Database, cluster: KafkaCluster) -> None:
    expected = pile_up(database, [SINK], count=20, versions=2)
    cluster.down()
    with running(database, sink_at(cluster.brokers_at, patience=0.5)):
        wait_until(lambda: delivery(database, SINK)["last_error"] == "_MSG_TIMED_OUT", patience=10)
        cluster.up()
        wait_until_settled(database, SINK)
    flawless(expected, map(arrival, cluster.listen()))
    assert delivery(database, SINK)["attempts"] == 1


@on_postgresql
def test_errors_of_every_kind_under_load_lose_no_event(database: Database, cluster: KafkaCluster) -> None:
    expected = pile_up(database, [SINK], count=100, versions=4)
    sink = sink_at(cluster.brokers_at)
    passing = [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION]
    lasting = [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER]
    cluster.fail(PRODUCE, *passing, *lasting, KafkaError.INVALID_PRODUCER_EPOCH, *passing, *lasting)
    with running(database, sink):
        wait_until_settled(database, SINK)
    assert statuses(database, SINK) == {"DELIVERED": 400}
    flawless(expected, map(arrival, cluster.listen()))
    refused = {outcome.reason for outcome in sink.outcomes if isinstance(outcome, RetryLater)}
    assert refused >= {"TOPIC_AUTHORIZATION_FAILED", "OUT_OF_ORDER_SEQUENCE_NUMBER"}, "the second one is fatal"


def test_relay_of_the_app_reaches_the_cluster(make_app: MakeApp, cluster: KafkaCluster) -> None:
    app = make_app(kafka_brokers=cluster.brokers_at)
    client = app.test_client()
    identity = checkouts.shown(client, checkouts.paid(client))["id"]
    with closing(build_sinks(app.config)[SINK]) as sink:
        drain(Relay(dependencies_of(app).database, sink))
    messages = cluster.listen()
    bodies = [json.loads(message.value() or b"") for message in messages]
    assert [body["event_type"] for body in bodies] == ["payment.created", "payment.successful"]
    assert {message.key() for message in messages} == {identity.encode()}
    for body in bodies:
        validator(SINK).validate(body)
