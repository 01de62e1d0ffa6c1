from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, Unknown
from tests.support.callers import pay_bill, pay_trip
from tests.support.gateways import LedgerGateway


def listed(client: FlaskClient, **parameters: Any) -> list[int]:
    """Return the bills of the listed payments."""
    answer = client.get("/v1/payments", query_string=parameters)
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.get_json(), list)
    return [each["bill_id"] for each in answer.get_json()]


@pytest.fixture
def bills(client: FlaskClient) -> list[int]:
    """Pay bills 1 to 5 in this order."""
    for number in range(1, 6):
        assert pay_bill(client, key=f"key {number}", bill_id=number).status_code == 201
    return list(range(1, 6))


def test_list_without_payments_is_an_empty_array(client: FlaskClient) -> None:
    answer = client.get("/v1/payments")
    assert (answer.status_code, answer.get_json()) == (200, [])


def test_list_shows_a_payment_as_its_answer_did(client: FlaskClient) -> None:
    paid = pay_bill(client).get_json()
    assert client.get("/v1/payments").get_json() == [paid]


def test_list_shows_the_oldest_payment_first(client: FlaskClient, bills: list[int]) -> None:
    assert listed(client) == bills


def test_skip_and_limit_select_a_page(client: FlaskClient, bills: list[int]) -> None:
    assert listed(client, skip=0, limit=2) == [1, 2]
    assert listed(client, skip=2, limit=2) == [3, 4]
    assert listed(client, skip=4) == [5]
    assert listed(client, skip=5) == listed(client, skip=2**31) == []
    assert listed(client, limit=1) == [1]


def test_list_filtered_by_bill_shows_only_its_payments(client: FlaskClient, bills: list[int]) -> None:
    pay_bill(client, key="again", bill_id=3)
    assert listed(client, bill_id=3) == [3, 3]
    assert listed(client, bill_id=3, skip=1) == [3]
    assert listed(client, bill_id=99) == []


def test_page_has_at_most_100_payments(client: FlaskClient) -> None:
    for number in range(101):
        pay_bill(client, key=f"key {number}")
    assert len(listed(client)) == len(listed(client, limit=100)) == 100


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("skip", ("-1", "x", "", "1.5", "1e3", "9" * 30, "\u0661")),
        ("limit", ("0", "-1", "101", "x", "", "9" * 30)),
        ("bill_id", ("0", "-1", "x", "", "1 OR 1=1", "9" * 40)),
    ],
)
def test_parameter_out_of_bounds_answers_422_and_names_it(
    client: FlaskClient, name: str, values: tuple[str, ...]
) -> None:
    answers = {value: client.get("/v1/payments", query_string={name: value}) for value in values}

    assert {value: answer.status_code for value, answer in answers.items()} == dict.fromkeys(values, 422)
    named = {value: [fault["loc"] for fault in answer.get_json()["detail"]] for value, answer in answers.items()}
    assert named == {key: [["query", name]] for key in values}


def test_parameter_given_twice_answers_422(client: FlaskClient) -> None:
    assert client.get("/v1/payments?skip=1&skip=2").status_code == 422


def test_list_shows_only_paid_bills(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.extend([Declined("CARD_DECLINED", "Card was declined by issuer"), Unknown("time-out")])
    pay_bill(client, key="declined", bill_id=1)
    pay_bill(client, key="undecided", bill_id=2)
    pay_bill(client, key="paid", bill_id=3)
    assert listed(client) == [3]
    assert listed(client, bill_id=1) == listed(client, bill_id=2) == []


def test_list_of_bills_shows_no_trips(client: FlaskClient) -> None:
    pay_trip(client)
    pay_bill(client, bill_id=7)
    assert listed(client) == listed(client, skip=0) == [7]
