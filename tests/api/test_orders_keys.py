import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, SendResult, Unknown
from payment_service.models import idempotency_keys
from payment_service.services import retention
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.callers import at_once, pay_bill, pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.orders import change_order, charge_order, create_order, detail, faults, paid, refund_order

Call = Callable[..., TestResponse]
BOTH: list[Call] = [charge_order, create_order]


def names(call: Call) -> str:
    return call.__name__


def end_the_cached_answers(deps: Dependencies) -> None:
    """Make the stored responses older than their time to live."""
    answered = idempotency_keys.c.response_status.is_not(None)
    past = datetime.now(UTC) - timedelta(seconds=1)
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).where(answered).values(expires_at=past))


def test_charge_without_a_valid_key_answers_422(client: FlaskClient, gateway: LedgerGateway) -> None:
    kinds = {None: "missing", "": "string_length", "   ": "string_length", "x" * 256: "string_length"}
    kinds["a\tb"] = "string_unicode"
    found = {key: faults(charge_order(client, key)) for key in kinds}
    assert found == {key: [(["header", "Idempotency-Key"], kind)] for key, kind in kinds.items()}
    assert faults(charge_order(client, None, idempotency_key="in the body"))[0][0] == ["header", "Idempotency-Key"]
    assert not gateway.sent


@pytest.mark.parametrize("key", ["k", "x" * 255, "ключ", "order 5; attempt 1"])
def test_key_of_up_to_255_characters_is_accepted(client: FlaskClient, deps: Dependencies, key: str) -> None:
    paid(charge_order(client, key.encode().decode("latin-1")))
    with deps.database.reading() as connection:
        stored = connection.execute(select(idempotency_keys.c.key_hash)).scalars().all()
    assert stored == [sha256(key.encode()).hexdigest()]


@pytest.mark.parametrize("call", BOTH, ids=names)
def test_repeat_gets_the_stored_status_and_bytes(client: FlaskClient, gateway: LedgerGateway, call: Call) -> None:
    first, *repeats = (call(client, " k ") for _ in range(3))
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    assert [(repeat.status_code, repeat.data) for repeat in repeats] == [(201, first.data)] * 2
    assert {repeat.headers["Idempotent-Replayed"] for repeat in repeats} == {"true"}
    assert len(gateway.sent) == (call is charge_order)


def test_key_in_the_body_must_equal_the_header(client: FlaskClient) -> None:
    assert faults(charge_order(client, "k", idempotency_key="other"))[0][0] == ["header", "Idempotency-Key"]
    assert charge_order(client, "k", idempotency_key="k").status_code == 201


@pytest.mark.parametrize("call", BOTH, ids=names)
@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        ({"order_id": 3002}, ["order_id"]),
        ({"amount": 1, "user_id": 5}, ["amount", "user_id"]),
        ({"reference": None}, ["reference"]),
    ],
)
def test_key_of_another_request_answers_422_with_the_differing_fields(
    client: FlaskClient, call: Call, fields: dict[str, Any], differing: list[str]
) -> None:
    first = paid(call(client, "k"))
    answer = call(client, "k", **fields)
    assert [name for name in differing if name not in detail(answer, 422)] == []
    body = answer.get_json()
    assert body["code"] == "idempotency_key_mismatch"
    assert (body["fields"], body["payment"]["payment_id"]) == (differing, first["payment_id"])
    assert paid(call(client, "k")) == first


def test_key_of_a_charge_answers_422_for_a_creation_or_refund(client: FlaskClient) -> None:
    number = paid(charge_order(client, "k"))["payment_id"]
    assert create_order(client, "k").get_json()["code"] == "idempotency_key_mismatch"
    assert refund_order(client, number, "k").get_json()["code"] == "idempotency_key_mismatch"


def test_repeat_with_another_spelling_of_the_values_gets_the_stored_answer(client: FlaskClient) -> None:
    first = charge_order(client, "k", amount=2499.99)
    second = charge_order(client, " k", amount="2499.990", order_id="3001", currency="inr", unknown=1)
    assert second.data == first.data


def test_invalid_request_leaves_its_key_free(client: FlaskClient) -> None:
    faults(charge_order(client, "k", amount=0))
    assert charge_order(client, "k").status_code == 201


def test_refusal_of_a_second_payment_is_replayed_under_its_key(client: FlaskClient) -> None:
    paid(charge_order(client, "one"))
    first, again = charge_order(client, "two"), charge_order(client, "two")
    assert detail(first) == "Payment for order_id 3001 already exists"
    assert first.get_json()["code"] == "payable_already_paid"
    assert first.get_json()["retry"] == {"safe": False, "key": None, "after": None}
    assert (again.status_code, again.data) == (400, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_same_key_in_another_channel_is_another_key(client: FlaskClient) -> None:
    assert pay_bill(client, "k").status_code == pay_trip(client, "/v1/payments", idempotency_key="k").status_code + 1
    assert charge_order(client, "k").status_code == 201


@pytest.mark.parametrize("purged", [False, True])
def test_expired_key_answers_with_its_payment_as_it_is_now(
    client: FlaskClient, deps: Dependencies, purged: bool
) -> None:
    charged, made = paid(charge_order(client, "c")), paid(create_order(client, "m", order_id=2))
    paid(refund_order(client, charged["payment_id"]), 200)
    paid(change_order(client, made["payment_id"], "COMPLETED"), 200)
    end_the_cached_answers(deps)
    if purged:
        assert sum(retention.purge(deps)) > 0

    answers = [charge_order(client, "c"), create_order(client, "m", order_id=2)]
    assert [(paid(answer)["payment_id"], paid(answer)["status"]) for answer in answers] == [
        (charged["payment_id"], "REFUNDED"),
        (made["payment_id"], "COMPLETED"),
    ]
    assert [answer.headers["Idempotent-Replayed"] for answer in answers] == ["true", "true"]


def test_expired_key_of_a_creation_shows_the_payment_while_it_is_charged(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = paid(create_order(client, "m"))["payment_id"]
    gateway.script.append(Unknown("time-out"))
    paid(change_order(client, number, "COMPLETED"), 202)
    end_the_cached_answers(deps)
    assert paid(create_order(client, "m"))["status"] == "PROCESSING"


def test_repeat_of_a_running_request_waits_and_answers_409(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(idempotency_wait=0.1)
    arrived, answer_now = threading.Event(), threading.Event()

    def wait(instruction: GatewayRequest) -> SendResult:
        arrived.set()
        assert answer_now.wait(20)
        return gateway.approve(instruction)

    gateway.script.append(wait)
    first = threading.Thread(target=lambda: charge_order(app.test_client()))
    first.start()
    assert arrived.wait(20)
    answer = charge_order(app.test_client())
    answer_now.set()
    first.join()
    assert detail(answer, 409) == "A request with this idempotency key is still being processed"
    assert (answer.get_json()["code"], answer.headers["Retry-After"]) == ("idempotency_key_in_use", "1")
    assert gateway.count(Kind.CHARGE) == 1


@pytest.mark.parametrize("call", BOTH, ids=names)
def test_requests_at_once_with_one_key_charge_once(app: Flask, gateway: LedgerGateway, call: Call) -> None:
    gateway.latency = 0.05
    answers = at_once(app, 8, lambda client, _: call(client, "k"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert gateway.count(Kind.CHARGE) == (call is charge_order)


@pytest.mark.parametrize("call", BOTH, ids=names)
def test_requests_at_once_for_one_order_with_different_keys_charge_once(
    app: Flask, gateway: LedgerGateway, call: Call
) -> None:
    answers = at_once(app, 8, lambda client, number: call(client, f"k{number}"))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert {detail(answer) for answer in answers if answer.status_code == 400} == {
        "Payment for order_id 3001 already exists"
    }
    assert gateway.count(Kind.CHARGE) == (call is charge_order)
