from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined
from payment_service.repositories import payments
from payment_service.services import queries
from payment_service.services.dependencies import Dependencies
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    FIELDS,
    cancel_order,
    change_order,
    charge_order,
    create_order,
    detail,
    faults,
    paid,
    refund_order,
)


def listed(client: FlaskClient, **parameters: object) -> dict[str, Any]:
    answer = client.get("/v1/payments", query_string=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def orders(client: FlaskClient, **parameters: object) -> list[int]:
    return [payment["order_id"] for payment in listed(client, **parameters)["payments"]]


@pytest.fixture
def many(client: FlaskClient, gateway: LedgerGateway) -> list[dict[str, Any]]:
    """Create one payment in each status, orders 1 to 6; users 1 and 2 in turn."""
    numbers = [
        paid(create_order(client, order_id=n, user_id=2 - n % 2, payment_method=("UPI", "COD", "WALLET")[n % 3]))[
            "payment_id"
        ]
        for n in range(1, 7)
    ]
    for number, word in ((numbers[1], "COMPLETED"), (numbers[2], "COMPLETED"), (numbers[3], "FAILED")):
        paid(change_order(client, number, word), 200)
    paid(refund_order(client, numbers[2], amount=1), 200)
    paid(change_order(client, numbers[4], "COMPLETED"), 200)
    paid(refund_order(client, numbers[4]), 200)
    paid(cancel_order(client, numbers[5]), 200)
    return [paid(client.get(f"/v1/payments/{number}"), 200) for number in numbers]


def test_payment_is_found_by_its_id_its_order_and_its_transaction(client: FlaskClient) -> None:
    body = paid(charge_order(client))
    paths = (body["payment_id"], f"order/{body['order_id']}", f"transaction/{body['transaction_id']}")
    answers = [client.get(f"/v1/payments/{path}") for path in paths]
    assert [paid(answer, 200) for answer in answers] == [body] * 3
    assert {answer.content_type for answer in answers} == {"application/json"}


def test_look_up_by_order_shows_the_newest_payment(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    failed = paid(charge_order(client, "one"))
    assert paid(client.get("/v1/payments/order/3001"), 200) == failed
    second = paid(charge_order(client, "two"))
    assert paid(client.get("/v1/payments/order/3001"), 200) == second
    assert paid(client.get(f"/v1/payments/{failed['payment_id']}"), 200)["status"] == "FAILED"


@pytest.mark.parametrize("number", ["0", "-1", "4711", "2147483648", str(2**63 - 1)])
def test_unknown_payment_answers_404_in_the_words_of_the_document(client: FlaskClient, number: str) -> None:
    assert detail(client.get(f"/v1/payments/order/{number}"), 404) == f"Payment for order {number} not found"
    answers = [
        change_order(client, number, "FAILED"),
        refund_order(client, number, "k"),
        cancel_order(client, number),
    ]
    assert [detail(answer, 404) for answer in answers] == [f"Payment {number} not found"] * 3
    assert {answer.get_json()["code"] for answer in answers} == {"payment_not_found"}
    assert [answer.get_json()["retry"] for answer in answers] == [{"safe": False, "key": None, "after": None}] * 3


@pytest.mark.parametrize("name", ["TXN0000000000", "x", "TXN\u0661", "x" * 500, "a b", "'; --"])
def test_unknown_transaction_answers_404(client: FlaskClient, name: str) -> None:
    assert detail(client.get(f"/v1/payments/transaction/{name}"), 404) == f"Payment with transaction {name} not found"


@pytest.mark.parametrize("name", ["%00", "a%00b", "%0A", "%7F", "4111111111111111"])
def test_path_with_control_characters_or_card_data_answers_422(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/v1/payments/transaction/{name}")
    assert faults(answer)[0][0] == ["path", "transaction_id"]
    assert "4111" not in answer.text


@pytest.mark.parametrize("text", ["abc", "1.0", "9223372036854775808", "9" * 40, "1e3", "%00", "%D9%A1", "0x1", "+1"])
def test_id_that_is_no_number_answers_422(client: FlaskClient, text: str) -> None:
    assert faults(client.get(f"/v1/payments/{text}")) == [(["path", "payment_id"], "int_parsing")]
    assert faults(client.get(f"/v1/payments/order/{text}")) == [(["path", "order_id"], "int_parsing")]
    answers = [change_order(client, text, "FAILED"), refund_order(client, text), cancel_order(client, text)]
    assert [faults(answer) for answer in answers] == [[(["path", "payment_id"], "int_parsing")]] * 3


def test_list_has_totals_and_no_transactions(client: FlaskClient, many: list[dict[str, Any]]) -> None:
    body = listed(client, page=1)
    assert list(body) == ["total", "page", "page_size", "before", "payments"]
    assert (body["total"], body["page"], body["page_size"]) == (6, 1, 10)
    assert [list(payment) for payment in body["payments"]] == [FIELDS] * 6
    assert body["payments"] == [{**payment, "transactions": []} for payment in reversed(many)]


def test_list_is_filtered_by_status_method_and_user(client: FlaskClient, many: list[dict[str, Any]]) -> None:
    assert {payment["status"] for payment in many} == {"PENDING", "COMPLETED", "FAILED", "REFUNDED", "CANCELLED"}
    of_status = {
        "PENDING": [1],
        "COMPLETED": [3, 2],
        "FAILED": [4],
        "REFUNDED": [5],
        "CANCELLED": [6],
        "PROCESSING": [],
    }
    assert {word: orders(client, status=word) for word in of_status} == of_status
    assert orders(client, payment_method="COD") == [4, 1]
    assert orders(client, user_id=1) == [5, 3, 1]
    assert orders(client, user_id=2, status="COMPLETED", payment_method="WALLET") == [2]
    assert orders(client, user_id=2**63 - 1) == []
    assert listed(client, status="COMPLETED", page_size=1)["total"] == 2


def test_pages_list_payments_newest_first(client: FlaskClient, many: list[dict[str, Any]]) -> None:
    pages = [orders(client, page=page, page_size=4) for page in (1, 2, 3)]
    assert pages == [[6, 5, 4, 3], [2, 1], []]
    beyond = listed(client, page=2**31, page_size=100)
    assert (beyond["total"], beyond["page"], beyond["payments"]) == (6, 2**31, [])


def test_page_has_10_payments_by_default(client: FlaskClient) -> None:
    for number in range(1, 13):
        paid(create_order(client, order_id=number))
    body = listed(client, page=1)
    assert (body["total"], body["page_size"], len(body["payments"])) == (12, 10, 10)
    assert len(orders(client, page_size=100)) == 12
    assert len(orders(client, page=2)) == 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("page", (0, -1, "abc", "", "1.5", 10**20, 2**31 + 1)),
        ("page_size", (0, -1, 101, "all", "")),
        ("status", ("completed", "SUCCESS", "", "x")),
        ("payment_method", ("CARD", "upi", "")),
        ("user_id", (0, -1, "abc", 2**63)),
    ],
)
def test_parameter_out_of_bounds_answers_422_and_names_it(
    client: FlaskClient, name: str, values: tuple[object, ...]
) -> None:
    found = {value: faults(client.get("/v1/payments", query_string={name: value})) for value in values}
    assert {value: [loc for loc, _ in each] for value, each in found.items()} == {
        key: [["query", name]] for key in values
    }


def test_parameter_given_twice_answers_422(client: FlaskClient) -> None:
    assert faults(client.get("/v1/payments?page=1&page=2")) == [(["query", "page"], "value_error")]


def test_last_transaction_has_the_status_of_the_payment(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = paid(create_order(client))["payment_id"]
    with deps.database.reading() as connection:
        before = payments.find(connection, number)
    assert before is not None
    paid(change_order(client, number, "COMPLETED"), 200)
    assert [entry.status for entry in queries.with_trail(deps, before).trail] == ["PENDING"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/payments/charge", {"GET", "POST", "DELETE"}),
        ("POST", "/v1/payments/order/1", {"GET"}),
        ("DELETE", "/v1/payments/transaction/x", {"GET"}),
        ("PUT", "/v1/payments/1/status", {"PATCH"}),
        ("GET", "/v1/payments/1/refund", {"POST"}),
        ("PUT", "/v1/payments/1", {"GET", "DELETE"}),
    ],
)
def test_wrong_method_answers_405_with_the_allowed_ones(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)
    assert detail(answer, 405) == "Method Not Allowed"
    assert {*answer.headers["Allow"].split(", ")} - {"HEAD", "OPTIONS"} == allowed
