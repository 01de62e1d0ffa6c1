"""RabbitMQ, a real one: cut off, deaf, without an exchange, without a queue."""

import shutil
import time
from contextlib import closing

import pika
import pytest

from payment_service.delivery.base import Delivered, Report, RetryLater, SinkUnavailable, Unrouted
from payment_service.delivery.rabbitmq import AWAITED, RabbitSink
from tests.support import broker as support
from tests.support.broker import Ear, connect
from tests.support.ports import free_port
from tests.support.sinks import an_event, outcome_of, rabbit_sink, reports_of
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import wait_until


def test_message_has_the_stored_bytes_and_the_headers_of_repeats(broker_port: int, ear: Ear) -> None:
    event = an_event(request_id="req-1", body='{"frozen":"ü"}')
    ear.bind()
    with closing(rabbit_sink(broker_port, ear)) as sink:
        sink.send([event])
        assert reports_of(sink, 1) == [Report(event, Delivered())]
    ear.bodies()
    ((properties, key, body),) = ear.messages
    assert body.decode() == event.body
    assert properties.timestamp == int(event.occurred_at.timestamp())
    assert key == properties.type == "payment.completed"
    assert (properties.delivery_mode, properties.content_type) == (2, "application/json")
    assert (properties.message_id, properties.correlation_id) == (str(event.event_id), "req-1")


def test_many_messages_at_once_are_each_confirmed(broker_port: int, ear: Ear) -> None:
    events = [an_event(number, version=1) for number in range(300)]
    ear.bind()
    with closing(rabbit_sink(broker_port, ear)) as sink:
        sink.send(events)
        reports = reports_of(sink, 300)
    assert {report.outcome for report in reports} == {Delivered()}
    assert len(ear.listen()) == 300


@pytest.mark.parametrize("kind", sorted(AWAITED))
def test_documented_event_without_a_queue_is_refused(broker_port: int, ear: Ear, kind: str) -> None:
    event = an_event(version=1, event_type=kind)
    with closing(rabbit_sink(broker_port, ear)) as sink:
        sink.send([event])
        assert reports_of(sink, 1) == [Report(event, Unrouted("no queue takes it"))]
        ear.bind()
        sink.send([event])
        assert reports_of(sink, 1) == [Report(event, Delivered())]


def test_intermediate_event_without_a_queue_delays_nothing(broker_port: int, ear: Ear) -> None:
    events = [
        an_event(number, version=number, event_type=kind)
        for number, kind in enumerate(["payment.processing", "payment.completed", "payment.refund_requested"])
    ]
    ear.bind("payment.completed")
    with closing(rabbit_sink(broker_port, ear)) as sink:
        sink.send(events)
        assert {report.outcome for report in reports_of(sink, 3)} == {Delivered()}
    ear.listen()
    assert [key for _, key, _ in ear.messages] == ["payment.completed"]


def test_message_that_a_full_queue_refuses_is_tried_again(broker_port: int, ear: Ear) -> None:
    with connect(broker_port) as connection, closing(rabbit_sink(broker_port, ear)) as sink:
        channel, name = connection.channel(), f"{ear.exchange}-full"
        channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.queue_bind(name, ear.exchange, "#")
        assert outcome_of(sink) == Delivered()
        assert outcome_of(sink) == RetryLater("the broker could not take it")
        channel.queue_purge(name)
        assert outcome_of(sink) == Delivered()


def test_unreachable_broker_uses_up_no_try(ear: Ear) -> None:
    with closing(rabbit_sink(free_port(), ear)) as sink:
        sink.send([an_event(1), an_event(2)])
        outcomes = [report.outcome for report in reports_of(sink, 2)]
    assert all(isinstance(outcome, SinkUnavailable) for outcome in outcomes), outcomes


def test_refused_credentials_use_up_no_try(broker_port: int, ear: Ear) -> None:
    wrong = pika.ConnectionParameters("127.0.0.1", broker_port, "/", pika.PlainCredentials("guest", "wrong"))
    with closing(RabbitSink(wrong, exchange=ear.exchange)) as sink:
        sink.send([an_event()])
        (report,) = reports_of(sink, 1)
    assert isinstance(report.outcome, SinkUnavailable)
    assert "ACCESS_REFUSED" in report.outcome.reason


def test_broker_without_confirmations_is_given_up(broker_port: int, ear: Ear, proxy: TcpProxy) -> None:
    ear.bind()
    with closing(rabbit_sink(proxy.port, ear, confirmed_within=0.5)) as sink:
        sink.send([an_event(1, version=1)])
        reports_of(sink, 1)
        proxy.swallows_answers = True
        sink.send([an_event(2, version=1)])
        began = time.monotonic()
        assert [report.outcome for report in reports_of(sink, 1)] == [SinkUnavailable("no confirmation in time")]
        assert time.monotonic() - began < 2
        proxy.swallows_answers = False
        proxy.cut()
        sink.send([an_event(3, version=1)])
        assert reports_of(sink, 1)[0].outcome == Delivered()
    assert [arrival.payment_id for arrival in ear.listen()] == [1, 2, 3]


def test_silent_broker_is_given_up_and_found_again(broker_port: int, ear: Ear, proxy: TcpProxy) -> None:
    ear.bind()
    proxy.swallows_answers = True
    with closing(rabbit_sink(proxy.port, ear, confirmed_within=0.2)) as sink:
        reports = []
        for number in (1, 2):
            sink.send([an_event(number, version=1)])
            reports += reports_of(sink, 1)
        assert [report.outcome for report in reports] == [SinkUnavailable("no confirmation in time")] * 2
        proxy.swallows_answers = False
        assert proxy.cut() == 1, "it is one connection that is waited for"
        third = an_event(3, version=1)
        wait_until(lambda: outcome_of(sink, third) == Delivered())
    assert {arrival.payment_id for arrival in ear.listen()} == {3}


def test_channel_that_the_broker_closes_is_opened_again(broker_port: int, ear: Ear) -> None:
    ear.bind()
    with closing(rabbit_sink(broker_port, ear)) as sink:
        sink.send([an_event(1, version=1)])
        reports_of(sink, 1)
        ear.delete_exchange()
        events = [an_event(number, version=1) for number in range(2, 12)]
        sink.send(events)
        refused = reports_of(sink, 10)
        assert {type(report.outcome) for report in refused} <= {SinkUnavailable, RetryLater}
        assert any("NOT_FOUND" in getattr(report.outcome, "reason", "") for report in refused)
        ear.bind_again()
        sink.send(events)
        assert {report.outcome for report in reports_of(sink, 10)} == {Delivered()}


def test_idle_connection_stays_open(broker_port: int, ear: Ear, proxy: TcpProxy) -> None:
    ear.bind()
    sink = rabbit_sink(proxy.port, ear, heartbeat=1)
    with closing(sink):
        sink.send([an_event(1, version=1)])
        reports_of(sink, 1)
        said, until, polled = proxy.said, time.monotonic() + 3, []
        while time.monotonic() < until:
            polled += sink.poll(0)
            time.sleep(0.2)
        assert polled == []
        assert proxy.said > said, "a firewall that forgets silent connections keeps this one"
        sink.send([an_event(2, version=1)])
        assert [report.outcome for report in reports_of(sink, 1)] == [Delivered()]
        assert proxy.cut() == 1, "it was one connection all the time"


def test_missing_broker_skips_the_test_and_fails_it_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "PORT", free_port())
    monkeypatch.setattr(support, "SERVERS", ())
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert support.broker_of_the_machine() is None
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="RABBITMQ IS MISSING"):
        support.Broker()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="RABBITMQ IS MISSING"):
        support.Broker()
