import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, NotSent, Pending, Unknown
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from tests.support.callers import ABSENT, BILL, pay_bill, pay_trip, with_raw
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

FIELDS = ["payment_id", "bill_id", "amount", "method", "reference", "paid_at"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def faults(answer: Any) -> list[tuple[list[str | int], str]]:
    """Return place and type of each fault of a 422."""
    assert answer.status_code == 422, answer.text
    body = answer.get_json()
    assert set(body) >= {"detail", "code", "retry"}
    assert all(set(fault) >= {"loc", "msg", "type"} and fault["msg"] for fault in body["detail"])
    return [(fault["loc"], fault["type"]) for fault in body["detail"]]


def test_payment_answers_as_the_document_shows(client: FlaskClient, gateway: LedgerGateway) -> None:
    answer = pay_bill(client)
    body = answer.get_json()
    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    assert list(body) == FIELDS
    assert isinstance(body["payment_id"], int)
    assert (body["bill_id"], body["amount"], body["method"]) == (1, "525.00", "UPI")
    assert body["reference"] == "unique-key-123"
    assert MOMENT.fullmatch(body["paid_at"])
    datetime.fromisoformat(body["paid_at"])
    assert [sent.amount for sent in gateway.sent] == [Decimal(525)]


def test_amount_is_shown_as_sent_with_two_decimals(client: FlaskClient) -> None:
    shown = {
        "525": "525.00", "525.5": "525.50", '"10.01"': "10.01", "0.01": "0.01", "10.010": "10.01",
        "999999999999.99": "999999999999.99", '"7"': "7.00",
    }  # fmt: skip
    answers = {
        text: client.post(
            "/v1/payments",
            data=with_raw(BILL, "amount", text),
            content_type="application/json",
            headers={"Idempotency-Key": f"key {text}"},
        )
        for text in shown
    }
    assert {text: answer.status_code for text, answer in answers.items()} == dict.fromkeys(shown, 201)
    assert {text: answer.get_json()["amount"] for text, answer in answers.items()} == shown


def test_method_of_up_to_50_characters_is_shown_as_sent(client: FlaskClient) -> None:
    methods = ("CARD", "cash", "etc.", "x" * 50, "Überweisung", "a b")
    answers = {method: pay_bill(client, key=f"key {at}", method=method) for at, method in enumerate(methods)}
    assert {method: answer.status_code for method, answer in answers.items()} == dict.fromkeys(methods, 201)
    assert {method: answer.get_json()["method"] for method, answer in answers.items()} == {
        each: each for each in methods
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bill_id", (0, -1, 1.5, True, "x", "", [], {}, 2**63, 10**40, "1 ")),
        ("amount", (0, -1, -5, 0.001, 10.005, True, None, "", "NaN", "1e5", 1e300, 10**12, [], {})),
        ("method", ("", "x" * 51, 5, True, [], {}, "a\nb", "a\x00b")),
    ],
)
def test_invalid_field_answers_422_and_names_it(
    client: FlaskClient, gateway: LedgerGateway, name: str, values: tuple[Any, ...]
) -> None:
    named = [[loc for loc, _ in faults(pay_bill(client, **{name: value}))] for value in values]
    assert list(zip(values, named, strict=True)) == [(value, [["body", name]]) for value in values]
    assert not gateway.sent
    assert client.get("/v1/payments").get_json() == []


def test_missing_field_answers_422_and_names_it(client: FlaskClient) -> None:
    assert faults(pay_bill(client, amount=ABSENT)) == [(["body", "amount"], "missing")]
    assert faults(pay_bill(client, method=ABSENT)) == [(["body", "method"], "missing")]
    assert faults(pay_bill(client, method=None)) == [(["body", "method"], "missing")]
    assert (["body", "bill_id"], "missing") in faults(pay_bill(client, bill_id=ABSENT))
    assert (["body", "bill_id"], "missing") in faults(pay_bill(client, bill_id=None))


def test_faults_are_listed_in_the_order_of_the_fields(client: FlaskClient) -> None:
    answer = pay_bill(client, bill_id=-1, amount=-5, method="")
    assert [loc for loc, _ in faults(answer)] == [["body", "bill_id"], ["body", "amount"], ["body", "method"]]


def test_payment_without_a_key_header_answers_422(client: FlaskClient) -> None:
    assert faults(pay_bill(client, key=None)) == [(["header", "Idempotency-Key"], "missing")]
    assert faults(pay_bill(client, key=None, idempotency_key="k")) == [(["header", "Idempotency-Key"], "missing")]


def test_different_key_in_the_body_is_refused(client: FlaskClient) -> None:
    answer = pay_bill(client, key="one", idempotency_key="another")
    assert faults(answer) == [(["header", "Idempotency-Key"], "value_error")]
    assert pay_bill(client, key="one", idempotency_key="one").status_code == 201


def test_key_of_1_to_255_characters_becomes_the_reference(client: FlaskClient) -> None:
    keys = {"k": "k", "x" * 255: "x" * 255, "a b;c;d=e": "a b;c;d=e", "  trimmed  ": "trimmed"}
    keys["schlüssel".encode().decode("latin-1")] = "schlüssel"
    assert {key: pay_bill(client, key=key).get_json()["reference"] for key in keys} == keys


def test_invalid_key_answers_422_and_sends_nothing(client: FlaskClient, gateway: LedgerGateway) -> None:
    keys = ("", "   ", "x" * 256, "a\x00b", "a\x7fb", "\xff")
    named = {key: [loc for loc, _ in faults(pay_bill(client, key=key))] for key in keys}
    assert named == {key: [["header", "Idempotency-Key"]] for key in keys}
    assert not gateway.sent


def test_repeat_answers_201_with_the_same_bytes(client: FlaskClient, gateway: LedgerGateway) -> None:
    first, second = pay_bill(client), pay_bill(client)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.data == second.data
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_declined_payment_answers_402_and_is_not_listed(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account"))
    first, second = pay_bill(client), pay_bill(client)
    assert first.status_code == second.status_code == 402
    assert first.get_json() == {
        "detail": "Insufficient funds in account",
        "code": "payment_declined",
        "retry": {"safe": True, "key": "new", "after": None},
    }
    assert second.data == first.data
    assert second.headers["Idempotent-Replayed"] == "true"
    assert client.get("/v1/payments").get_json() == []
    assert pay_bill(client, key="another").status_code == 201


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_payment_answers_202(client: FlaskClient, gateway: LedgerGateway, word: Unknown | Pending) -> None:
    gateway.script.append(word)
    answer = pay_bill(client)
    body = answer.get_json()
    assert answer.status_code == 202
    assert (body["status"], isinstance(body["payment_id"], int), bool(body["message"])) == ("PENDING", True, True)
    polled = client.get(f"/v1/payments/{body['payment_id']}")
    assert (polled.status_code, polled.get_json()["status"]) == (202, "PENDING")
    assert client.get("/v1/payments").get_json() == []
    final = pay_bill(client)
    assert final.status_code == 201
    assert final.get_json()["payment_id"] == body["payment_id"]
    assert client.get(f"/v1/payments/{body['payment_id']}").get_json() == final.get_json()


def test_payment_without_a_gateway_answers_503_and_a_repeat_charges(
    client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.script.append(NotSent("refused"))
    first, second = pay_bill(client), pay_bill(client)
    assert (first.status_code, second.status_code) == (503, 201)
    assert set(first.get_json()) == {"detail", "code", "retry"}
    assert len(gateway.ledger) == 1


def test_payment_is_found_by_its_number(client: FlaskClient) -> None:
    paid = pay_bill(client).get_json()
    answer = client.get(f"/v1/payments/{paid['payment_id']}")
    assert (answer.status_code, answer.get_json()) == (200, paid)


def test_unknown_payment_answers_404(client: FlaskClient) -> None:
    numbers = (4711, 0, -1, 2**63 - 1)
    answers = {number: client.get(f"/v1/payments/{number}") for number in numbers}
    shown = {number: (answer.status_code, answer.get_json()["detail"]) for number, answer in answers.items()}
    assert shown == dict.fromkeys(numbers, (404, "Payment not found"))


def test_path_without_a_number_answers_422(client: FlaskClient) -> None:
    texts = ("abc", "1.5", "1e3", "9" * 40, "\u0661", "+1", "1_0")
    found = {text: faults(client.get(f"/v1/payments/{text}")) for text in texts}
    assert found == {key: [(["path", "payment_id"], "int_parsing")] for key in texts}


def test_look_up_of_a_declined_payment_answers_404(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    pay_bill(client)
    (declined,) = rows(deps, payments)
    assert client.get(f"/v1/payments/{declined['payment_id']}").status_code == 404


def test_unknown_fields_are_ignored(client: FlaskClient) -> None:
    body = pay_bill(client, reference="mine", paid_at="2001-01-01T00:00:00", payment_id=9).get_json()
    assert body["reference"] == "unique-key-123"
    assert not body["paid_at"].startswith("2001")


def test_each_key_pays_the_same_bill_again(client: FlaskClient) -> None:
    numbers = {pay_bill(client, key=key).get_json()["payment_id"] for key in ("one", "two", "three")}
    assert len(numbers) == 3


def test_trip_accepts_the_key_of_a_bill(client: FlaskClient) -> None:
    assert pay_bill(client, key="same").status_code == 201
    assert pay_trip(client, idempotency_key="same").status_code == 200
    assert pay_bill(client, key="same", method=ABSENT).status_code == 422
