import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, NotSent, Pending, Unknown
from payment_service.services import recovery
from payment_service.services.dependencies import Dependencies
from tests.support.callers import ABSENT, with_raw
from tests.support.gateways import LedgerGateway
from tests.support.orders import FIELDS, ORDER, charge_order, detail, faults, paid, trail
from tests.support.waiting import wait_until

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def charge_with_raw(client: FlaskClient, order_id: int, text: str, key: str | None = None) -> TestResponse:
    """Charge an order with this text as the amount in the JSON of its body."""
    return client.post(
        "/v1/payments/charge",
        data=with_raw({**ORDER, "order_id": order_id}, "amount", text),
        content_type="application/json",
        headers={"Idempotency-Key": key or f"key {text}"},
    )


def test_charge_answers_as_the_document_shows(client: FlaskClient, gateway: LedgerGateway) -> None:
    answer = charge_order(client)
    body = paid(answer)
    assert answer.content_type == "application/json"
    assert list(body) == FIELDS
    assert {name: body[name] for name in ORDER} == ORDER
    assert body["status"] == "COMPLETED"
    assert body["gateway_response"] == "Payment processed successfully"
    assert body["refunded_amount"] == 0.0
    assert [(sent.kind, sent.amount, sent.currency) for sent in gateway.sent] == [
        (Kind.CHARGE, Decimal("2499.99"), "INR")
    ]


def test_charge_is_shown_with_its_two_transactions(client: FlaskClient) -> None:
    body = paid(charge_order(client))
    made = body["transactions"]
    names = ["transaction_log_id", "transaction_type", "amount", "status", "description", "created_at"]
    assert trail(body) == [("PAYMENT", "PROCESSING", 2499.99), ("PAYMENT", "COMPLETED", 2499.99)]
    assert [list(row) for row in made] == [names, names]
    assert {type(row["transaction_log_id"]) for row in made} == {int}
    assert [row for row in made if not (row["description"] and MOMENT.fullmatch(row["created_at"]))] == []


def test_times_are_naive_utc_with_microseconds(client: FlaskClient) -> None:
    body, now = paid(charge_order(client)), datetime.now().astimezone()
    times = {name: body[name] for name in ("created_at", "updated_at", "completed_at", "captured_at")}
    ages = {name: (now - datetime.fromisoformat(time + "+00:00")).total_seconds() for name, time in times.items()}
    assert {name: time for name, time in times.items() if not MOMENT.fullmatch(time)} == {}
    assert {name: age for name, age in ages.items() if abs(age) >= 60} == {}


def test_charge_shows_the_authorization_code_of_the_gateway(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Approved(Decimal("2499.99"), "INR", authorization_code="A1B2C3"))
    assert paid(charge_order(client))["authorization_code"] == "A1B2C3"


def test_transaction_id_has_10_digits_and_is_unique(client: FlaskClient) -> None:
    given = [paid(charge_order(client, f"k{n}", order_id=n))["transaction_id"] for n in range(1, 21)]
    assert all(re.fullmatch("TXN[0-9]{10}", each) for each in given)
    assert len(set(given)) == 20


def test_charge_without_a_reference_gets_a_random_one(client: FlaskClient) -> None:
    drawn = [
        paid(charge_order(client, f"k{n}", order_id=n + 1, reference=reference))["reference"]
        for n, reference in enumerate((ABSENT, None, ""))
    ]
    assert all(re.fullmatch("REF[A-Z0-9]{12}", each) for each in drawn)
    assert len(set(drawn)) == 3


def test_reference_is_shown_as_sent_and_orders_may_share_it(client: FlaskClient) -> None:
    references = ["x", "x" * 100, "Rechnung Nr. 7/ü", "x"]
    answers = [
        charge_order(client, f"k{number}", order_id=number, reference=reference)
        for number, reference in enumerate(references, 1)
    ]
    assert [paid(answer)["reference"] for answer in answers] == references


@pytest.mark.parametrize(("given", "shown"), [(ABSENT, "INR"), (None, "INR"), ("USD", "USD"), ("eur", "EUR")])
def test_currency_is_rupees_unless_the_charge_names_another(client: FlaskClient, given: object, shown: str) -> None:
    assert paid(charge_order(client, currency=given))["currency"] == shown


@pytest.mark.parametrize("method", ["CREDIT_CARD", "DEBIT_CARD", "UPI", "NET_BANKING", "WALLET", "COD"])
def test_charge_accepts_every_documented_payment_method(client: FlaskClient, method: str) -> None:
    assert paid(charge_order(client, payment_method=method))["payment_method"] == method


def test_amount_is_rounded_half_even_to_two_decimals(client: FlaskClient, gateway: LedgerGateway) -> None:
    rounded = {
        "10.005": 10.0, "2.675": 2.68, "0.015": 0.02, "0.0051": 0.01, "100000": 100000.0, "100000.000": 100000.0,
        "1": 1.0, '"1500.00"': 1500.0, "0.01": 0.01, "99999.995": 100000.0,
    }  # fmt: skip
    answers = {text: charge_with_raw(client, number, text) for number, text in enumerate(rounded, 1)}
    assert {text: paid(answer)["amount"] for text, answer in answers.items()} == rounded
    assert [float(sent.amount) for sent in gateway.sent] == list(rounded.values())


def test_invalid_amount_answers_422_and_sends_nothing(client: FlaskClient, gateway: LedgerGateway) -> None:
    refused = {
        "0": "greater_than", "0.004": "greater_than", "0.005": "greater_than", "-1": "greater_than",
        "100000.01": "less_than_equal",
        "100000.005": "less_than_equal", "100000.006": "less_than_equal", "999999999999": "less_than_equal",
        "1e2000000": "decimal_parsing", "1e2": "decimal_parsing", '"NaN"': "decimal_parsing",
        '"Infinity"': "decimal_parsing", "1000000000000": "decimal_whole_digits", '"abc"': "decimal_parsing",
        '""': "decimal_parsing", "true": "decimal_type", "[]": "decimal_type", "{}": "decimal_type",
        # More digits than rounding to cents can hold.
        "12" * 13 + "1.5": "decimal_whole_digits", "12" * 15 + ".5": "decimal_whole_digits",
        "12" * 18 + ".005": "decimal_whole_digits", "12" * 19 + "1.5": "decimal_parsing",
    }  # fmt: skip
    found = {text: faults(charge_with_raw(client, 3001, text, key="k")) for text in refused}
    assert found == {text: [(["body", "amount"], kind)] for text, kind in refused.items()}
    assert not gateway.sent
    assert paid(charge_order(client, "k"))["amount"] == 2499.99


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("order_id", (0, -1, "abc", "", 1.5, True, [], {}, 2**63, "1e3", "\u0663")),
        ("user_id", (0, -1, "abc", 1.5, False, 2**63)),
        ("currency", ("", "RUPEES", "XXX", "US", 356, [], True)),
        ("payment_method", ("credit_card", "CARD", "", 5, True, [], {})),
        ("reference", ("x" * 101, 5, True, [], "two\nlines")),
    ],
)
def test_invalid_field_answers_422_and_names_it(
    client: FlaskClient, gateway: LedgerGateway, field: str, values: tuple[Any, ...]
) -> None:
    named = [[loc for loc, _ in faults(charge_order(client, **{field: value}))] for value in values]
    assert named == [[["body", field]]] * len(values)
    assert not gateway.sent


def test_missing_fields_are_named_in_the_order_of_the_document(client: FlaskClient) -> None:
    answer = client.post("/v1/payments/charge", json={}, headers={"Idempotency-Key": "k"})
    needed: tuple[str, ...] = ("order_id", "user_id", "amount", "payment_method")
    missing = [(["body", name], "missing") for name in needed]
    assert faults(answer) == missing
    assert [faults(charge_order(client, **dict[str, Any]({name: ABSENT}))) for name in needed] == [
        [fault] for fault in missing
    ]


def test_id_as_text_of_digits_is_shown_as_a_number(client: FlaskClient) -> None:
    body = paid(charge_order(client, order_id="3001", user_id="601"))
    assert (body["order_id"], body["user_id"]) == (3001, 601)


def test_unknown_field_is_ignored(client: FlaskClient) -> None:
    body = paid(charge_order(client, status="REFUNDED", payment_id=77, transaction_id="mine", refunded_amount=5))
    assert (body["status"], body["refunded_amount"]) == ("COMPLETED", 0.0)
    assert body["transaction_id"] != "mine"


@pytest.mark.parametrize("field", ["reference", "note", "key"])
def test_card_number_anywhere_is_refused_without_an_echo(client: FlaskClient, field: str) -> None:
    answer = charge_order(client, **dict[str, Any]({field: "4111 1111 1111 1111"}))
    assert faults(answer)[0][1] == "card_data_not_accepted"
    assert "4111" not in answer.text


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"order_id": NaN}'])
def test_body_that_is_no_json_object_answers_422(client: FlaskClient, data: bytes) -> None:
    key = {"Idempotency-Key": "k"}
    answer = client.post("/v1/payments/charge", data=data, content_type="application/json", headers=key)
    assert faults(answer)[0][0][0] == "body"


def test_body_of_a_form_answers_415(client: FlaskClient) -> None:
    form = client.post("/v1/payments/charge", data={"order_id": 1}, headers={"Idempotency-Key": "k"})
    assert detail(form, 415).startswith("The body must be application/json")


def test_declined_charge_answers_with_the_reason(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account"))
    first, again = charge_order(client), charge_order(client)
    body = paid(first)
    assert (body["status"], body["gateway_response"]) == ("FAILED", "Insufficient funds in account")
    assert (body["completed_at"], body["captured_at"]) == (None, None)
    assert trail(body) == [("PAYMENT", "PROCESSING", 2499.99), ("PAYMENT", "FAILED", 2499.99)]
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_charge_answers_202_with_its_id(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, word: Unknown | Pending
) -> None:
    gateway.script.append(word)
    answer = charge_order(client)
    body = paid(answer, 202)
    assert set(body) == {*FIELDS, "message"}
    assert (body["status"], body["message"]) == ("PENDING", "Payment accepted for processing")
    assert (body["gateway_response"], body["completed_at"]) == (None, None)
    assert answer.headers["Retry-After"] == "2"
    assert paid(client.get(f"/v1/payments/{body['payment_id']}"), 200)["status"] == "PROCESSING"


def test_repeat_of_an_undecided_charge_gets_its_outcome(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(gateway.lose_answer)
    first, second = paid(charge_order(client), 202), paid(charge_order(client))
    assert (second["payment_id"], second["status"]) == (first["payment_id"], "COMPLETED")
    assert gateway.count(Kind.CHARGE) == 1


def test_recovery_worker_finishes_an_undecided_charge(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_service.services.undecided.SHORTEST_DELAY", 0.0)
    gateway.script.append(gateway.lose_answer)
    number = paid(charge_order(client), 202)["payment_id"]
    wait_until(lambda: recovery.recover(deps).get("finished"))
    body = paid(client.get(f"/v1/payments/{number}"), 200)
    assert (body["status"], len(body["transactions"])) == ("COMPLETED", 2)


def test_charge_without_a_gateway_answers_503_and_a_repeat_charges(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(NotSent("refused"))
    first, second = charge_order(client), charge_order(client)
    assert first.status_code == 503
    assert (first.get_json()["code"], first.headers["Retry-After"]) == ("gateway_unavailable", "1")
    assert paid(second)["status"] == "COMPLETED"
