import re
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Declined, NotSent, Pending, Unknown
from tests.conftest import MakeApp
from tests.support.callers import ABSENT, TRIP, pay_trip, with_raw
from tests.support.gateways import LedgerGateway

NO_AMOUNTS = (
    "true", "null", "[]", "{}", "NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', "1e2", '"1e2"', "1e400",
    "1e2000000", '"1e2000000"', "-1", "-0.01", "-0", '"-0"', "1000000000000", "150.001", "0.005", '""', '" 150"',
    '"150 "', '"+150"', '"\u0661\u0665\u0660"', '"\uff11\uff12"', '"1_000"', '"0x10"', '"1,000"', '"150."', '".5"',
    '"01"', "9" * 5000, '"\u00b2"',
)  # fmt: skip
Values = tuple[Any, ...]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def test_payment_answers_as_the_document_shows(client: FlaskClient, gateway: LedgerGateway) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    answer = pay_trip(client, metadata={"note": "local test"})
    body = answer.get_json()
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert list(body)[:7] == ["payment_id", "trip_id", "amount", "method", "status", "reference", "created_at"]
    assert set(body) == {*list(body)[:7], "refunded_amount"}
    assert isinstance(body["payment_id"], int)
    assert (body["trip_id"], body["amount"], body["method"], body["status"]) == (101, 150.0, "CARD", "SUCCESS")
    assert '"amount":150.0,' in answer.text
    assert MOMENT.fullmatch(body["created_at"])
    after = datetime.now(UTC).replace(tzinfo=None)
    assert before <= datetime.fromisoformat(body["created_at"]) <= after
    assert body["reference"] in {f"PAY-{moment:%Y%m%d}-dd961ae0" for moment in (before, after)}
    assert body["refunded_amount"] == 0.0
    assert [(sent.amount, sent.currency, sent.method) for sent in gateway.sent] == [(Decimal(150), "INR", "CARD")]


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (dict.fromkeys(TRIP, ABSENT), "idempotency_key, trip_id, method"),
        ({"idempotency_key": ABSENT, "trip_id": ABSENT}, "idempotency_key, trip_id"),
        ({"trip_id": ABSENT, "method": ABSENT}, "trip_id, method"),
        ({"idempotency_key": None, "method": None}, "idempotency_key, method"),
        ({"trip_id": ABSENT}, "trip_id"),
        ({"amount": ABSENT}, "amount"),
        ({"trip_id": ABSENT, "amount": -1}, "trip_id"),
    ],
)
def test_missing_fields_are_listed_in_the_order_of_the_document(
    client: FlaskClient, fields: dict[str, Any], missing: str
) -> None:
    answer = pay_trip(client, **fields)
    assert answer.status_code == 400
    assert answer.get_json() == {
        "error": f"Missing required fields: {missing}",
        "code": "validation_error",
        "retry": {"safe": True, "key": "same", "after": None},
    }


@pytest.mark.parametrize("method", ["CARD", "UPI", "WALLET", "CASH", "NETBANKING", "card", "Upi", "netBanking"])
def test_documented_method_is_accepted_in_any_case(client: FlaskClient, method: str) -> None:
    assert pay_trip(client, method=method).get_json()["method"] == method.upper()


def test_undocumented_method_answers_400(client: FlaskClient, gateway: LedgerGateway) -> None:
    others: Values = ("", "CHEQUE", "CARD ", 1, True, [], {}, "\uff23\uff21\uff32\uff24")
    answers = [pay_trip(client, method=method) for method in others]
    assert [answer.status_code for answer in answers] == [400] * len(others)
    assert {answer.get_json()["error"] for answer in answers} == {
        "method must be one of CARD, UPI, WALLET, CASH, NETBANKING"
    }
    assert not gateway.sent


@pytest.mark.parametrize("trip_id", [1, 101, "102", 2**63 - 1])
def test_positive_trip_id_is_accepted(client: FlaskClient, trip_id: int | str) -> None:
    assert pay_trip(client, trip_id=trip_id).get_json()["trip_id"] == int(trip_id)


def test_invalid_trip_id_answers_400(client: FlaskClient, gateway: LedgerGateway) -> None:
    others: Values = (0, -1, 2**63, 10**40, 1.5, 1.0, True, "", "x", " 1", "+1", "1_0", "\u0661", "01", [], {})
    answers = [pay_trip(client, trip_id=trip_id) for trip_id in others]
    assert [answer.status_code for answer in answers] == [400] * len(others)
    errors = [answer.get_json()["error"] for answer in answers]
    assert [error for error in errors if not error.startswith("trip_id must be ")] == []
    assert not gateway.sent


def test_amount_is_accepted_as_a_number_or_text(client: FlaskClient) -> None:
    texts = ("150", "150.00", '"150"', '"150.5"', "0.01", "150.000", "999999999999.99", '"0.1"', "19.99", "0", "0.00")
    bodies = {text: with_raw({**TRIP, "idempotency_key": text}, "amount", text) for text in texts}
    answers = {
        text: client.post("/payments", data=body, content_type="application/json") for text, body in bodies.items()
    }
    assert {text: answer.status_code for text, answer in answers.items()} == dict.fromkeys(texts, 200)
    amounts = {text: answer.get_json()["amount"] for text, answer in answers.items()}
    assert amounts == {text: float(text.strip('"')) for text in texts}


def test_invalid_amount_answers_400(client: FlaskClient, gateway: LedgerGateway) -> None:
    bodies = {text: with_raw(TRIP, "amount", text) for text in NO_AMOUNTS}
    answers = {
        text: client.post("/payments", data=body, content_type="application/json") for text, body in bodies.items()
    }
    found = {text: (answer.status_code, answer.get_json()["code"]) for text, answer in answers.items()}
    assert found == dict.fromkeys(NO_AMOUNTS, (400, "validation_error"))
    assert not gateway.sent
    assert client.get("/payments").get_json()["payments"] == []


def test_free_trip_succeeds_without_the_gateway(client: FlaskClient, gateway: LedgerGateway) -> None:
    body = pay_trip(client, amount=0).get_json()
    assert (body["status"], body["amount"]) == ("SUCCESS", 0.0)
    assert not gateway.sent


@pytest.mark.parametrize("key", ["k", "x" * 255, "schl\u00fcssel-\u2602", "a b", " " * 300 + "y" * 255 + "\t\n", 42])
def test_key_of_up_to_255_characters_is_accepted(client: FlaskClient, key: object) -> None:
    answer = pay_trip(client, idempotency_key=key)
    digest = sha256(str(key).strip().encode()).hexdigest()
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["reference"].endswith(f"-{digest[:8]}")


def test_invalid_key_answers_400(client: FlaskClient, gateway: LedgerGateway) -> None:
    others: Values = ("", " ", "\t\n", "x" * 256, "a\nb", "a\tb", "a\x00b", "a\x7fb", "a\x85b", 1.5, True, [], {})
    answers = [pay_trip(client, idempotency_key=key) for key in others]
    errors = [answer.get_json()["error"] for answer in answers]
    assert [answer.status_code for answer in answers] == [400] * len(others)
    assert [error for error in errors if "idempotency_key" not in error] == []
    assert "1 to 255 characters" in pay_trip(client, idempotency_key="x" * 400).get_json()["error"]
    assert not gateway.sent


def test_key_in_the_header_must_equal_the_body(client: FlaskClient) -> None:
    same = pay_trip(client, headers={"Idempotency-Key": " demo-client-1 "})
    other = pay_trip(client, headers={"Idempotency-Key": "demo-client-2"})
    assert same.status_code == 200
    assert other.status_code == 400
    assert other.get_json()["error"] == "Idempotency-Key and idempotency_key differ"


def test_metadata_that_is_no_object_is_ignored(client: FlaskClient) -> None:
    objects: Values = ({}, {"note": "local test"}, {"nested": {"list": [1, 2.5, None, True]}})
    values = [*objects, "text", 5, [], None, True]
    answers = [pay_trip(client, idempotency_key=f"k{number}", metadata=each) for number, each in enumerate(values)]
    assert [answer.status_code for answer in answers] == [200] * len(values)


def test_large_metadata_answers_400(client: FlaskClient) -> None:
    others: Values = ({str(at): 1 for at in range(21)}, {"a" * 41: 1}, {"a": "x" * 501}, {"a": list(range(200))})
    assert [pay_trip(client, metadata=metadata).status_code for metadata in others] == [400] * len(others)


def test_unknown_field_is_ignored(client: FlaskClient) -> None:
    body = pay_trip(client, status="REFUNDED", payment_id=7, reference="mine", refunded_amount=150).get_json()
    assert (body["status"], body["refunded_amount"]) == ("SUCCESS", 0.0)
    assert body["reference"] != "mine"


def test_decline_answers_with_the_reason(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account"))
    answer = pay_trip(client)
    body = answer.get_json()
    assert answer.status_code == 200
    assert (body["status"], body["failure_code"]) == ("FAILED", "INSUFFICIENT_FUNDS")
    assert body["message"] == "Insufficient funds in account"
    assert {"payment_id", "trip_id", "amount", "method", "reference", "created_at"} <= set(body)


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_payment_answers_202_with_its_id(
    client: FlaskClient, gateway: LedgerGateway, word: Unknown | Pending
) -> None:
    gateway.script.append(word)
    answer = pay_trip(client)
    body = answer.get_json()
    assert answer.status_code == 202
    assert set(body) == {"payment_id", "status", "message", "reference"}
    assert (body["status"], body["message"]) == ("PENDING", "Payment accepted for processing")
    assert client.get(f"/payments/{body['payment_id']}").get_json()["status"] == "PENDING"


def test_payment_without_a_gateway_answers_503_and_a_repeat_charges(
    client: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.script.append(NotSent("refused"))
    first, second = pay_trip(client), pay_trip(client)
    assert first.status_code == 503
    assert first.get_json()["code"] == "gateway_unavailable"
    assert first.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert first.headers["Retry-After"] == "1"
    assert second.get_json()["status"] == "SUCCESS"
    assert len(gateway.ledger) == 1


def test_keys_with_a_common_hash_prefix_get_different_references(client: FlaskClient) -> None:
    one, other = keys_whose_hashes_begin_alike()
    references = [pay_trip(client, idempotency_key=key).get_json()["reference"] for key in (one, other)]
    digest = sha256(other.encode()).hexdigest()
    assert references[0].endswith(f"-{digest[:8]}")
    assert references[1].endswith(f"-{digest[:12]}")


def keys_whose_hashes_begin_alike() -> tuple[str, str]:
    seen: dict[str, str] = {}
    for number in range(10**6):
        start = sha256(str(number).encode()).hexdigest()[:8]
        if start in seen:
            return seen[start], str(number)
        seen[start] = str(number)
    raise AssertionError("no two of a million hashes begin alike")


@pytest.mark.parametrize(("prefix", "path"), [("/v1", "/v1/payments"), ("/rides", "/rides/payments")])
def test_trips_are_served_below_the_prefix(make_app: MakeApp, prefix: str, path: str) -> None:
    client = make_app(api_prefix=prefix).test_client()
    paid = pay_trip(client, path).get_json()
    assert client.get(f"{path}/{paid['payment_id']}").get_json() == paid
    assert client.get(path, query_string={"trip_id": 101}).get_json() == {"payments": [paid], "next_cursor": None}
    back = client.post(f"{path}/{paid['payment_id']}/refunds", json={"idempotency_key": "r", "amount": 50})
    assert back.get_json()["refund_amount"] == 50.0
    assert len(client.get(f"{path}/{paid['payment_id']}/refunds").get_json()["refunds"]) == 1


def test_broken_body_below_an_own_prefix_gets_the_shape_of_trips(make_app: MakeApp) -> None:
    answer = (
        make_app(api_prefix="/rides").test_client().post("/rides/payments", data="{", content_type="application/json")
    )
    assert answer.status_code == 400
    assert set(answer.get_json()) == {"error", "code", "retry"}
