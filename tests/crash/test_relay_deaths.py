"""C20 to C22: a relay that dies at any point loses no event, changes no order, repeats only events it has sent."""

from collections import defaultdict
from contextlib import closing
from uuid import UUID

import pytest
import requests

from tests.crash.scenario import Scenario, WorkerSlot
from tests.crash.stages import DATABASES, Database
from tests.support.receiver import Receiver

ORDERS = 3

DEATHS = ("relay.claimed", "relay.sent", "relay.sent", "relay.claimed")
"""The failpoints at which one relay after the other dies before the last one may work."""


def pay(scenario: Scenario) -> None:
    """Charge some orders and give each back in two parts: three events for each."""
    url = f"http://127.0.0.1:{scenario.steady.port}/v1/payments"
    for number in range(1, ORDERS + 1):
        order = {"order_id": number, "user_id": 1, "amount": 30, "payment_method": "UPI"}
        paid = requests.post(f"{url}/charge", json=order, headers={"Idempotency-Key": f"{scenario.name}{number}"})
        assert paid.status_code == 201, paid.text
        for turn in range(2):
            part = {"amount": 15, "reason": "wrong size"}
            named = {"Idempotency-Key": f"{scenario.name}{number}-{turn}"}
            back = requests.post(f"{url}/{paid.json()['payment_id']}/refund", json=part, headers=named)
            assert back.status_code == 200, back.text


@pytest.mark.parametrize("database", DATABASES)
def test_death_of_a_relay_at_any_point_loses_and_reorders_no_event(
    honest: list[WorkerSlot], database: Database
) -> None:
    with (
        closing(Receiver()) as neighbour,
        honest[0].scenario(database, notification_service_url=neighbour.url, rabbitmq_enabled=False) as scenario,
    ):
        pay(scenario)
        died = {}
        for place in DEATHS:
            died[place] = scenario.relay(f"{place}=kill") != 0
            scenario.tables.end_leases_of_deliveries()
        assert scenario.relay() == 0
        events = scenario.tables.rows("transactions", "payment_id, version", "version IS NOT NULL")
        deliveries = scenario.tables.rows("outbox_deliveries", "delivery_id")
    bodies: defaultdict[UUID, set[bytes]] = defaultdict(set)
    for taken in neighbour.taken:
        bodies[UUID(taken.headers["Webhook-Id"])].add(taken.body)
    versions = {UUID(event["event_id"]): (event["payment_id"], event["version"]) for event in events}
    first = [versions[identity] for identity in bodies]
    of_payment = {payment: [version for number, version in first if number == payment] for payment, _ in first}
    assert died == dict.fromkeys(DEATHS, True), "each point was reached"
    assert {row["status"] for row in deliveries} == {"DELIVERED"}
    assert set(first) == {versions[UUID(row["event_id"])] for row in deliveries}, "no event was lost"
    assert all(len(said) == 1 for said in bodies.values()), "a redelivery has the same body"
    assert len(first) == 3 * ORDERS
    assert len(neighbour.taken) > len(bodies), "a relay died between sending and marking"
    assert of_payment == {payment: sorted(found) for payment, found in of_payment.items()}, "events came in order"
