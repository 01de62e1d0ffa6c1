"""The relay and a real RabbitMQ: stopped, killed, cut off, without an exchange, without a queue."""

import json
import threading
import time
from functools import partial

import pytest

from payment_service.db import Database
from payment_service.delivery import relay
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.broker import Broker, Ear
from tests.support.callers import pay_trip
from tests.support.event_schemas import validator
from tests.support.events import delivery, flawless, pile_up, statuses
from tests.support.relays import QUICK, running, wait_until_settled
from tests.support.sinks import rabbit_sink
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import wait_until

SINK = "rabbitmq"
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
pytestmark = pytest.mark.usefixtures("watchful")


@on_postgresql
def test_connection_cut_under_load_loses_no_event(
    database: Database, broker_port: int, ear: Ear, proxy: TcpProxy
) -> None:
    expected, cut, pending = pile_up(database, [SINK], count=150, versions=4), [], []
    ear.bind()
    with running(database, rabbit_sink(proxy.port, ear)):
        for step in (1, 2):
            wait_until(lambda target=150 * step: statuses(database, SINK).get("DELIVERED", 0) >= target)  # type: ignore[misc]
            cut.append(proxy.cut())
            pending.append(statuses(database, SINK)["PENDING"])
        wait_until_settled(database, SINK)
    assert cut == [1, 1]
    assert min(pending) > 0, "there was a load to cut the connection under"
    flawless(expected, ear.listen())


@on_postgresql
def test_lost_confirmation_repeats_the_message_with_the_same_id_and_bytes(
    database: Database, broker_port: int, ear: Ear, proxy: TcpProxy
) -> None:
    """C21: published, not confirmed."""
    expected = pile_up(database, [SINK], count=100, versions=3)
    ear.bind()
    with running(database, rabbit_sink(proxy.port, ear, confirmed_within=0.5)):
        wait_until(lambda: statuses(database, SINK).get("DELIVERED", 0) > 0)
        proxy.swallows_answers = True
        time.sleep(0.4)
        proxy.cut()
        proxy.swallows_answers = False
        wait_until_settled(database, SINK)
    assert flawless(expected, ear.listen()) > 0


@on_postgresql
def test_missing_exchange_is_declared_and_a_missing_queue_waited_for(
    database: Database, broker_port: int, ear: Ear
) -> None:
    expected = pile_up(database, [SINK], count=60, versions=3)
    with running(database, rabbit_sink(broker_port, ear)):
        wait_until(lambda: delivery(database, SINK)["last_error"] == "no queue takes it", patience=10)
        ear.bind()
        wait_until_settled(database, SINK)
        ear.delete_exchange()
        expected |= pile_up(database, [SINK], count=60, versions=3, first=1000)
        wait_until(lambda: delivery(database, SINK, 180)["last_error"] == "no queue takes it", patience=10)
        ear.bind_again()
        wait_until_settled(database, SINK)
    flawless(expected, ear.listen())


@on_postgresql
def test_broker_stopped_and_killed_under_load_loses_no_event(
    make_app: MakeApp, deps: Dependencies, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C24, with payments coming in all the time."""
    monkeypatch.setattr(relay, "LEFT_ALONE", QUICK)
    client = make_app(rabbitmq_enabled=True).test_client()
    database, heard, done = deps.database, Ear(broker.port, "payments-under-load"), threading.Event()
    expected = pile_up(database, [SINK], count=60, versions=20, first=1_000_000)
    heard.bind()
    took, answers, pending = list[float](), list[int](), list[int]()

    def keep_paying() -> None:
        while not done.wait(0.05):
            began = time.monotonic()
            answers.append(pay_trip(client, idempotency_key=f"load-{len(took)}").status_code)
            took.append(time.monotonic() - began)

    def delivered(target: int) -> bool:
        return statuses(database, SINK).get("DELIVERED", 0) > target

    payer = threading.Thread(target=keep_paying)
    payer.start()
    with running(database, rabbit_sink(broker.port, heard)):
        try:
            for target, interrupt in ((300, broker.kill), (600, broker.stop)):
                wait_until(partial(delivered, target), patience=90)
                pending.append(statuses(database, SINK)["PENDING"])
                interrupt()
                broker.start()
        finally:
            done.set()
            payer.join()
        wait_until_settled(database, SINK)
    arrivals = heard.listen()
    paid = {arrival.event_id for arrival in arrivals if int(arrival.payment_id) < 1_000_000}
    assert min(pending) > 0, "there was a load to interrupt it under"
    assert set(answers) == {200}
    assert len(paid) == 2 * len(took)
    flawless(expected | paid, arrivals)
    assert max(took) < 5, "a broker that is gone delays no payment"


def test_relay_of_the_app_reaches_the_broker(make_app: MakeApp, broker_port: int, ear: Ear) -> None:
    app = make_app(rabbitmq_enabled=True, rabbitmq_port=broker_port)
    pay_trip(app.test_client())
    ear.bind()
    with running(dependencies_of(app).database, rabbit_sink(broker_port, ear)):
        wait_until_settled(dependencies_of(app).database, SINK)
    bodies = ear.bodies()
    assert [key for _, key, _ in ear.messages] == ["payment.created", "payment.completed"]
    for body in bodies:
        validator(SINK).validate(json.loads(body))
