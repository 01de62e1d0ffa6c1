"""Callers of trips and bills get the outcomes of the simulated gateway's magic amounts."""

import pytest
from flask.testing import FlaskClient

from payment_service.services import recovery
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.database import expire_leases

REASONS = {
    "402.01": ("INSUFFICIENT_FUNDS", "Insufficient funds in account"),
    "402.02": ("CARD_DECLINED", "Card was declined by issuer"),
    "402.03": ("EXPIRED_CARD", "Card has expired"),
    "402.04": ("GATEWAY_ERROR", "Failed to capture payment"),
}
UNDECIDED = {"202.01": "SUCCESS", "202.02": "FAILED", "202.03": "SUCCESS", "202.04": "FAILED"}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service with its default gateway."""
    return make_app(gateway=None).test_client()


@pytest.mark.parametrize("amount", REASONS)
def test_magic_amount_is_declined_with_its_reason(client: FlaskClient, amount: str) -> None:
    code, text = REASONS[amount]
    trip = pay_trip(client, amount=amount)
    assert trip.status_code == 200
    assert (trip.get_json()["status"], trip.get_json()["failure_code"]) == ("FAILED", code)
    assert trip.get_json()["message"] == text
    bill = pay_bill(client, amount=amount)
    assert (bill.status_code, bill.get_json()["detail"]) == (402, text)


@pytest.mark.parametrize(("amount", "truth"), UNDECIDED.items())
def test_magic_amount_is_undecided_until_a_repeat(client: FlaskClient, amount: str, truth: str) -> None:
    first, second = pay_trip(client, amount=amount), pay_trip(client, amount=amount)
    assert (first.status_code, first.get_json()["status"]) == (202, "PENDING")
    assert (second.status_code, second.get_json()["status"]) == (200, truth)
    assert first.get_json()["payment_id"] == second.get_json()["payment_id"]
    bills = [pay_bill(client, amount=amount).status_code for _ in range(2)]
    assert bills == [202, 201 if truth == "SUCCESS" else 402]


@pytest.mark.parametrize(("amount", "truth"), UNDECIDED.items())
def test_recovery_finishes_an_undecided_magic_amount(client: FlaskClient, amount: str, truth: str) -> None:
    app = client.application
    pending = pay_trip(client, amount=amount).get_json()["payment_id"]
    assert client.get(f"/payments/{pending}").get_json()["status"] == "PENDING"
    expire_leases(dependencies_of(app))
    assert recovery.recover(dependencies_of(app))["finished"] == 1
    assert client.get(f"/payments/{pending}").get_json()["status"] == truth
    answer = pay_trip(client, amount=amount)
    assert (answer.status_code, answer.get_json()["status"]) == (200, truth)


def test_success_rate_decides_each_key_the_same_way(make_app: MakeApp) -> None:
    client = make_app(gateway=None, gateway_success_rate=0.5).test_client()
    words = [pay_trip(client, idempotency_key=f"key {number}").get_json()["status"] for number in range(40)]
    assert 5 < words.count("SUCCESS") < 35
    again = make_app(gateway=None, gateway_success_rate=0.5).test_client()
    assert [pay_trip(again, idempotency_key=f"key {at}").get_json()["status"] for at in range(40)] == words


def test_success_rate_of_zero_declines_everything_but_free_trips(make_app: MakeApp) -> None:
    client = make_app(gateway=None, gateway_success_rate=0.0).test_client()
    assert pay_trip(client).get_json()["status"] == "FAILED"
    assert pay_bill(client).status_code == 402
    assert pay_trip(client, idempotency_key="free", amount=0).get_json()["status"] == "SUCCESS"


def test_refund_of_a_magic_amount_has_its_outcome(client: FlaskClient) -> None:
    number = pay_trip(client, amount=1000).get_json()["payment_id"]
    declined = refund_trip(client, number, idempotency_key="1", amount="402.01")
    assert (declined.status_code, declined.get_json()["code"]) == (400, "refund_declined")
    first, second = (refund_trip(client, number, idempotency_key="2", amount="202.01") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert client.get(f"/payments/{number}").get_json()["refunded_amount"] == 202.01
