"""A receiver that refuses now may take the event later. Release 1.0.0 gave an event up at the first 4xx."""

from contextlib import closing

import pytest

from payment_service.db import Database
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Refused, Rejected
from payment_service.delivery.http import HttpSink
from payment_service.delivery.relay import Relay
from payment_service.delivery.signatures import Signer
from tests.conftest import MakeApp, dependencies_of
from tests.support.events import pile_up, statuses
from tests.support.orders import charge_order, paid
from tests.support.receiver import Answer, Receiver, Taken
from tests.support.relays import QUICK, ScriptedSink, running
from tests.support.waiting import wait_until


def waits(backoff: Backoff, chance: float) -> list[float]:
    """Return the delays of a delivery that is refused until it is given up."""
    delays: list[float] = []
    while (delay := backoff.delay(len(delays) + 1, chance, is_refusal=True)) is not None:
        delays.append(delay)
    return delays


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("backoff", [Backoff(), Backoff(longest=60.0)], ids=["http", "broker"])
def test_c2_refused_delivery_gets_8_tries_over_an_hour(backoff: Backoff, chance: float) -> None:
    delays = waits(backoff, chance)
    assert len(delays) + 1 >= 8
    assert 3600 <= sum(delays) < 2.5 * 3600


def test_c2_delivery_that_is_always_refused_is_dead(database: Database) -> None:
    pile_up(database, ["order"], count=1)
    impatient = Backoff(first=0.01, longest=0.02, refusal_patience=0.1)
    sink = ScriptedSink(lambda _: Refused("HTTP 404"), "order", impatient)
    relay = Relay(database, sink)

    wait_until(lambda: not relay.run_once() and statuses(database, "order") == {"DEAD": 1})

    assert len(sink.offered) >= impatient.refusals


def test_c2_answer_410_makes_a_delivery_dead_at_once(database: Database) -> None:
    pile_up(database, ["order"], count=1)
    sink = ScriptedSink(lambda _: Rejected("HTTP 410"), "order", QUICK)
    relay = Relay(database, sink)

    wait_until(lambda: not relay.run_once() and statuses(database, "order") == {"DEAD": 1})

    assert len(sink.offered) == 1


@pytest.mark.parametrize("refusal", [404, 401, 409], ids=["commits after our answer", "rotates first", "knows the id"])
def test_c2_order_service_that_refuses_at_first_gets_the_completed_event(
    make_app: MakeApp, receiver: Receiver, refusal: int
) -> None:
    app = make_app(order_service_url=receiver.url)
    number = paid(charge_order(app.test_client()))["payment_id"]

    def refuse_three_times(_: Taken) -> Answer:
        return Answer(refusal if len(receiver.seen) < 3 else 200)

    receiver.behaviour = refuse_three_times
    with (
        closing(HttpSink("order", receiver.url, Signer(), backoff=QUICK)) as sink,
        running(dependencies_of(app).database, sink),
    ):
        wait_until(lambda: receiver.taken)

    assert [(each.method, each.path) for each in receiver.taken] == [("PATCH", "/v1/orders/3001/payment-status")]
    assert f'"payment_id":{number}' in receiver.taken[0].body.decode()
