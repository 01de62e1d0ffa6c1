"""The relay and an HTTP receiver that is slow, sick or gone, and relays killed in between."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from payment_service.db import Database
from payment_service.delivery.relay import Relay
from payment_service.delivery.sinks import build_sinks
from payment_service.gateways.base import Declined
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip
from tests.support.events import delivery, flawless, pile_up, statuses
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, paid, refund_order
from tests.support.processes import ROOT, environment
from tests.support.receiver import Answer, Receiver, Taken
from tests.support.relays import drain, running, wait_until_settled
from tests.support.sinks import http_sink
from tests.support.waiting import wait_until

SINK = "notification"
Sent = tuple[str, str, dict[str, Any]]
"""Method, path and body of a request."""
TRIP_FIELDS = ("payment_id", "trip_id", "amount", "status", "reference")
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
pytestmark = pytest.mark.usefixtures("watchful")


@on_postgresql
def test_slow_event_delays_no_other(make_app: MakeApp, receiver: Receiver) -> None:
    database = dependencies_of(make_app()).database
    expected = pile_up(database, [SINK], count=60, versions=2)
    others_are_through = threading.Event()

    def behave(taken: Taken) -> Answer:
        if b'"payment_id": 7,' in taken.body:
            others_are_through.wait(30)
        return Answer()

    receiver.behaviour = behave
    with running(database, http_sink(receiver.url, timeout=40.0)):
        wait_until(lambda: statuses(database, SINK).get("DELIVERED", 0) == 118)
        others_are_through.set()
        wait_until_settled(database, SINK)
    flawless(expected, receiver.arrivals())


@on_postgresql
def test_returning_downstream_service_gets_everything_within_seconds(make_app: MakeApp, receiver: Receiver) -> None:
    database = dependencies_of(make_app()).database
    receiver.stop()
    expected = pile_up(database, [SINK], count=100, versions=2)
    with running(database, http_sink(receiver.url)):
        wait_until(lambda: delivery(database, SINK)["last_error"] == "no connection", patience=5)
        time.sleep(1.0)
        receiver.start()
        wait_until_settled(database, SINK, patience=10)
    assert flawless(expected, receiver.arrivals()) == 0
    assert delivery(database, SINK)["attempts"] == 1


def mixed(seed: int) -> Callable[[Taken], Answer]:
    """Return a mixed behaviour: 30 % 5xx, 10 % time-outs, 5 % lost acknowledgements of events that were taken."""
    chance, lock = random.Random(seed), threading.Lock()

    def behave(_taken: Taken) -> Answer:
        with lock:
            drawn, status = chance.random(), chance.choice([500, 502, 503, 504])
        if drawn < 0.30:
            return Answer(status)
        if drawn < 0.40:
            return Answer(wait=0.3, takes=True)
        return Answer(hangs_up=True, takes=True) if drawn < 0.45 else Answer()

    return behave


def test_events_survive_a_failing_downstream_service_and_dying_relays(
    make_app: MakeApp, receiver: Receiver, database_url: str, engine_name: str
) -> None:
    """C20, C21, C22, C26: nothing lost, each payment in order, repeats with the same id and bytes."""
    database: Database = dependencies_of(make_app()).database
    payments, lives = (500, 16) if engine_name == "postgresql" else (60, 4)
    expected = pile_up(database, [SINK], count=payments, versions=4)
    receiver.behaviour = mixed(seed=20)
    command = [sys.executable, "-m", "tests.support.doomed_relay", database_url, receiver.url, str(lives), "21"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=300
    )
    assert done.returncode == 0, done.stderr
    died = [int(word) for word in done.stdout.split()]
    assert (sum(died), min(died) > 0) == (lives, True), died
    assert statuses(database, SINK) == {"DELIVERED": 4 * payments}
    repeats = flawless(expected, receiver.arrivals())
    assert len(receiver.seen) > 1.6 * len(expected), "nearly every second try must have failed, or nothing was tested"
    assert repeats > 0.05 * len(expected), "lost acknowledgements must have led to repeats, or nothing was tested"


def test_change_by_the_api_reaches_the_downstream_service_signed(make_app: MakeApp, receiver: Receiver) -> None:
    app = make_app(trip_notification_service_url=receiver.url, webhook_secret="a secret")
    trip = pay_trip(app.test_client()).get_json()
    with closing(build_sinks(app.config)["trip_notification"]) as sink:
        drain(Relay(dependencies_of(app).database, sink))
    (taken,) = receiver.taken
    assert (taken.method, taken.path) == ("POST", "/v1/notifications")
    assert json.loads(taken.body) == {name: trip[name] for name in TRIP_FIELDS}
    assert taken.headers["Webhook-Signature"].startswith("v1,")


def test_documented_requests_of_orders_are_sent_exactly(
    make_app: MakeApp, receiver: Receiver, gateway: LedgerGateway
) -> None:
    app = make_app(
        order_service_url=receiver.url, inventory_service_url=receiver.url, notification_service_url=receiver.url
    )
    client = app.test_client()
    bought = paid(charge_order(client, "bought"))["payment_id"]
    paid(refund_order(client, bought), 200)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    declined = paid(charge_order(client, "declined", order_id=3002))["payment_id"]
    sinks = build_sinks(app.config)
    for name in ("order", "inventory", SINK):
        with closing(sinks[name]) as sink:
            drain(Relay(dependencies_of(app).database, sink))
    sent = [(taken.method, taken.path, json.loads(taken.body)) for taken in receiver.taken]
    expected = [
        order_told(3001, bought, "COMPLETED"),
        order_told(3001, bought, "REFUNDED"),
        order_told(3002, declined, "FAILED"),
        released(3001, "Payment refunded"),
        released(3002, "Payment failed"),
        notified("PAYMENT_SUCCESS", "Your payment of 2499.99 INR for order 3001 was successful"),
        notified("PAYMENT_REFUNDED", "2499.99 INR for order 3001 has been refunded to you"),
        notified("PAYMENT_FAILED", "Your payment of 2499.99 INR for order 3002 failed"),
    ]
    assert sorted(sent, key=repr) == sorted(expected, key=repr), "different orders come in any order"
    first = [each for each in sent if each[1] == "/v1/orders/3001/payment-status"]
    assert first == expected[:2], "and the same one in its own"


def order_told(order: int, payment: int, word: str) -> Sent:
    about = {"order_id": order, "amount": 2499.99, "currency": "INR"}
    return ("PATCH", f"/v1/orders/{order}/payment-status", {"payment_id": payment, "payment_status": word, **about})


def released(order: int, reason: str) -> Sent:
    return ("POST", "/v1/inventory/release", {"order_id": order, "reason": reason})


def notified(kind: str, message: str) -> Sent:
    return ("POST", "/v1/notifications", {"user_id": 601, "type": kind, "message": message, "channel": "EMAIL"})
