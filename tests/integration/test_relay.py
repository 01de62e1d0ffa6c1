"""The relay on both databases, with scripted sinks."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery.base import Delivered, Outcome
from payment_service.delivery.relay import Relay
from payment_service.domain.deliveries import Delivery
from payment_service.models import outbox_deliveries
from payment_service.repositories import outbox
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip
from tests.support.events import delivery, pile_up, statuses
from tests.support.relays import QUICK, ScriptedSink, drain, wait_until_settled

SINK = "scripted"


def accept(_delivery: Delivery) -> Outcome:
    return Delivered()


def names(sink: ScriptedSink) -> list[tuple[Any, int]]:
    """Return payment and version of everything offered, in order."""
    return [(int(each.message_key or 0), each.version) for each in sink.offered]


def test_events_of_a_payment_are_sent_in_order_and_payments_in_parallel(database: Database) -> None:
    pile_up(database, [SINK], count=3, versions=3)
    sink = ScriptedSink(accept)
    relay = Relay(database, sink)
    turns = []
    while relay.run_once():
        turns.append(names(sink))
        sink.offered.clear()
    assert turns == [[(payment, version) for payment in (1, 2, 3)] for version in (1, 2, 3)]
    assert statuses(database, SINK) == {"DELIVERED": 9}
    assert delivery(database, SINK)["delivered_at"] is not None


def test_delivery_leased_by_a_relay_is_not_taken_by_another(database: Database) -> None:
    pile_up(database, [SINK], count=30, versions=2)
    first, second, third = (ScriptedSink(accept) for _ in range(3))
    for sink in (first, second, third):
        Relay(database, sink).run_once()
    assert [len(sink.offered) for sink in (first, second, third)] == [20, 10, 0]
    assert {version for sink in (first, second) for _, version in names(sink)} == {1}


def test_several_relays_deliver_everything_in_order(database: Database) -> None:
    expected = pile_up(database, [SINK], count=60, versions=4)
    heard: list[Delivery] = []
    lock = threading.Lock()

    def hear(each: Delivery) -> Outcome:
        with lock:
            heard.append(each)
        return Delivered()

    sinks = [ScriptedSink(hear) for _ in range(4)]
    stop = threading.Event()
    threads = [threading.Thread(target=Relay(database, sink).run, args=(stop, lambda: None)) for sink in sinks]
    for thread in threads:
        thread.start()
    wait_until_settled(database, SINK)
    stop.set()
    for thread in threads:
        thread.join()
    assert {str(each.event_id) for each in heard} == expected
    assert len(heard) == len(expected), "nothing twice: every lease was alive"
    versions: dict[Any, list[int]] = {}
    for each in heard:
        versions.setdefault(each.message_key, []).append(each.version)
    assert set(map(tuple, versions.values())) == {(1, 2, 3, 4)}


def test_sink_works_outside_a_transaction(database: Database) -> None:
    pile_up(database, [SINK], count=3, versions=2)
    sink = ScriptedSink(accept)
    offer, collect = sink.send, sink.poll
    held = []

    def offering(deliveries: Any) -> None:
        held.append(database.in_transaction)
        offer(deliveries)

    def collecting(seconds: float) -> Any:
        held.append(database.in_transaction)
        return collect(seconds)

    sink.send, sink.poll = offering, collecting  # type: ignore[method-assign]
    drain(Relay(database, sink))
    assert set(held) == {False}


def test_cost_of_claiming_follows_due_deliveries_and_not_the_backlog(database: Database) -> None:
    """Three thousand that are not due make the next claim no slower than ten times."""
    pile_up(database, [SINK], count=50)
    with database.atomic("test") as connection:
        connection.execute(update(outbox_deliveries).values(status="DELIVERED"))

    def took() -> float:
        began = time.perf_counter()
        with database.atomic("test") as connection:
            assert len(outbox.claim(connection, SINK, "me", 60, 10)) == 10
        return time.perf_counter() - began

    pile_up(database, [SINK], count=10, first=1000)
    alone = took()
    pile_up(database, [SINK], count=1500, versions=2, first=2000)
    with database.atomic("test") as connection:
        later = "due_at + interval '1 hour'" if database.engine.dialect.name == "postgresql" else "'2999-01-01'"
        connection.execute(text(f"UPDATE outbox_deliveries SET due_at = {later} WHERE status = 'PENDING'"))  # noqa: S608
    pile_up(database, [SINK], count=10, first=20000)
    assert took() < 10 * alone + 0.01


def test_events_of_an_api_call_reach_a_sink_and_repeats_send_none(make_app: MakeApp, app: Flask) -> None:
    app = make_app(rabbitmq_enabled=True)
    client, database = app.test_client(), dependencies_of(app).database
    number = pay_trip(client).get_json()["payment_id"]
    pay_trip(client)
    refund_trip(client, number)
    refund_trip(client, number)
    sink = ScriptedSink(accept, "rabbitmq")
    drain(Relay(database, sink))
    assert [(each.event_type, each.version) for each in sink.offered] == [
        ("payment.created", 1),
        ("payment.completed", 2),
        ("payment.refund_requested", 3),
        ("payment.refunded", 4),
    ]


def test_disabled_sink_writes_no_row(make_app: MakeApp) -> None:
    app = make_app(rabbitmq_enabled=False)
    pay_trip(app.test_client())
    with dependencies_of(app).database.reading() as connection:
        assert connection.execute(select(outbox_deliveries)).all() == []


def test_event_is_due_by_the_clock_of_the_database(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(rabbitmq_enabled=True)
    ahead = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    pay_trip(app.test_client())
    sink = ScriptedSink(accept, "rabbitmq", QUICK)
    drain(Relay(dependencies_of(app).database, sink))
    assert len(sink.offered) == 2
