from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, Unknown
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway


def listed(client: FlaskClient, **parameters: Any) -> list[int]:
    """Return the numbers of the payments on the first page."""
    answer = client.get("/payments", query_string=parameters)
    assert answer.status_code == 200, answer.text
    assert set(answer.get_json()) == {"payments", "next_cursor"}
    return [each["payment_id"] for each in answer.get_json()["payments"]]


def pay_several(client: FlaskClient, count: int, **fields: Any) -> list[int]:
    """Return the numbers of new payments, oldest first."""
    return [trip_id_of(pay_trip(client, idempotency_key=f"key {number}", **fields)) for number in range(count)]


def test_list_without_payments_is_empty(client: FlaskClient) -> None:
    assert client.get("/payments").get_json() == {"payments": [], "next_cursor": None}


def test_look_up_shows_a_payment_as_its_answer_did(client: FlaskClient) -> None:
    paid = pay_trip(client).get_json()
    assert client.get(f"/payments/{paid['payment_id']}").get_json() == paid
    assert client.get("/payments").get_json()["payments"] == [paid]


def test_list_shows_the_newest_payment_first(client: FlaskClient) -> None:
    numbers = pay_several(client, 3)
    assert listed(client) == numbers[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_cursors_lead_through_every_payment_once(client: FlaskClient, limit: int) -> None:
    numbers = pay_several(client, 6)
    walked: list[int] = []
    pages = 0
    parameters: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get("/payments", query_string=parameters).get_json()
        pages += 1
        walked += [each["payment_id"] for each in page["payments"]]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert walked == numbers[::-1]
    assert pages == 6 // limit


def test_new_payment_shifts_no_page(client: FlaskClient) -> None:
    numbers = pay_several(client, 4)
    first = client.get("/payments", query_string={"limit": 2}).get_json()
    pay_trip(client, idempotency_key="meanwhile")
    assert listed(client, cursor=first["next_cursor"]) == numbers[1::-1]


def test_page_has_at_most_100_payments(client: FlaskClient) -> None:
    pay_several(client, 101)
    assert len(listed(client)) == len(listed(client, limit=100)) == 100
    limits = ("0", "-1", "101", "1e1", "", "x", "1.0", "9" * 30, "\u0661")
    answers = {limit: client.get("/payments", query_string={"limit": limit}) for limit in limits}
    assert {limit: answer.status_code for limit, answer in answers.items()} == dict.fromkeys(limits, 400)
    errors = {limit: answer.get_json()["error"] for limit, answer in answers.items()}
    assert {limit: error for limit, error in errors.items() if not error.startswith("limit must be")} == {}


def test_list_is_filtered_by_trip_and_method(client: FlaskClient) -> None:
    one = trip_id_of(pay_trip(client, idempotency_key="1", trip_id=1, method="UPI"))
    two = trip_id_of(pay_trip(client, idempotency_key="2", trip_id=2, method="UPI"))
    three = trip_id_of(pay_trip(client, idempotency_key="3", trip_id=2, method="CASH"))
    assert listed(client, trip_id=2) == [three, two]
    assert listed(client, trip_id="1") == [one]
    assert listed(client, trip_id=3) == []
    assert listed(client, method="upi") == [two, one]
    assert listed(client, method="UPI", trip_id=2) == [two]


def test_list_is_filtered_by_documented_status(client: FlaskClient, gateway: LedgerGateway) -> None:
    paid, part, whole = pay_several(client, 3)
    refund_trip(client, part, idempotency_key="r1", amount=1)
    refund_trip(client, whole, idempotency_key="r2")
    gateway.script.extend([Declined("CARD_DECLINED", "Card was declined by issuer"), Unknown("time-out")])
    failed = trip_id_of(pay_trip(client, idempotency_key="failed"))
    pending = pay_trip(client, idempotency_key="pending").get_json()["payment_id"]
    assert listed(client, status="SUCCESS") == [part, paid]
    assert listed(client, status="refunded") == [whole]
    assert listed(client, status="FAILED") == [failed]
    assert listed(client, status="PENDING") == [pending]
    assert listed(client, status="CANCELLED") == []


def test_list_is_filtered_by_creation_time(client: FlaskClient) -> None:
    made = pay_trip(client).get_json()
    number, moment = made["payment_id"], datetime.fromisoformat(made["created_at"])
    tick = timedelta(microseconds=1)
    assert listed(client, **{"from": moment.isoformat()}) == [number]
    assert listed(client, **{"from": (moment + tick).isoformat()}) == []
    assert listed(client, to=moment.isoformat()) == []
    assert listed(client, to=(moment + tick).isoformat()) == [number]
    aware = moment.replace(tzinfo=UTC).isoformat()
    assert listed(client, **{"from": aware}) == [number]
    assert listed(client, **{"from": "2020-01-01", "to": "2999-12-31"}) == [number]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("trip_id", ("0", "-1", "x", "1 OR 1=1", "9" * 40)),
        ("status", ("PAID", "", "CAPTURED", "SUCCESS'--")),
        ("method", ("CHEQUE", "")),
        ("from", ("yesterday", "", "2025-13-01", "0001-01-01T00:00:00+23:59", "1e9")),
        ("to", ("tomorrow", "9999-12-31T23:59:59-23:59")),
        ("cursor", ("x", "", "cDE=x", "p1", "cA", "cC0x", "\u0661", "cD" + "k5" * 20)),
    ],
)
def test_invalid_filter_answers_400_and_names_it(client: FlaskClient, name: str, values: tuple[str, ...]) -> None:
    answers = {value: client.get("/payments", query_string={name: value}) for value in values}
    assert {value: answer.status_code for value, answer in answers.items()} == dict.fromkeys(values, 400)
    errors = {value: answer.get_json()["error"] for value, answer in answers.items()}
    assert {value: error for value, error in errors.items() if not error.startswith(name)} == {}


def test_parameter_given_twice_is_refused(client: FlaskClient) -> None:
    assert client.get("/payments?trip_id=1&trip_id=2").status_code == 400
    assert client.get("/payments?limit=1&limit=1").status_code == 400


def test_unknown_parameters_are_ignored(client: FlaskClient) -> None:
    assert listed(client, sort="amount", page=3) == []


def test_cursor_is_no_plain_number(client: FlaskClient) -> None:
    pay_several(client, 2)
    cursor = client.get("/payments", query_string={"limit": 1}).get_json()["next_cursor"]
    assert not cursor.isdigit()


def test_list_of_trips_shows_no_bills(client: FlaskClient) -> None:
    pay_bill(client)
    number = trip_id_of(pay_trip(client))
    assert listed(client) == [number]
