import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from payment_service.models import idempotency_keys, payments
from payment_service.services import retention
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.callers import at_once, pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway, held_at_the_gateway

Call = Callable[[FlaskClient], TestResponse]
CALLS: dict[str, Call] = {"trips": pay_trip, "bills": pay_bill}


def end_the_cached_answers(deps: Dependencies) -> None:
    """Make the stored responses older than their time to live."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Call:
    """Return a channel's payment, the same at every call."""
    return CALLS[request.param]


def test_repeat_gets_the_stored_status_and_bytes(client: FlaskClient, gateway: LedgerGateway, call: Call) -> None:
    first, *repeats = (call(client) for _ in range(4))
    assert "Idempotent-Replayed" not in first.headers
    assert [(repeat.status_code, repeat.data) for repeat in repeats] == [(first.status_code, first.data)] * 3
    assert {repeat.headers["Idempotent-Replayed"] for repeat in repeats} == {"true"}
    assert len({answer.headers["X-Request-ID"] for answer in (first, *repeats)}) == 4
    assert len(gateway.sent) == 1


def test_repeat_after_a_restart_gets_the_stored_answer(make_app: MakeApp, gateway: LedgerGateway, call: Call) -> None:
    before, after = call(make_app().test_client()), call(make_app().test_client())
    assert before.data == after.data
    assert len(gateway.sent) == 1


def test_repeat_with_another_spelling_of_the_values_gets_the_stored_answer(client: FlaskClient) -> None:
    first = pay_trip(client, idempotency_key="k", method="CARD", amount=150, trip_id=101)
    second = pay_trip(client, idempotency_key=" k\n", method="card", amount="150.00", trip_id="101", unknown=1)
    assert second.data == first.data


def test_repeat_of_a_decline_gets_the_decline(client: FlaskClient, gateway: LedgerGateway, call: Call) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    first, second = call(client), call(client)
    assert (second.status_code, second.data) == (first.status_code, first.data)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_repeat_of_a_running_request_waits_for_its_answer(app: Flask, gateway: LedgerGateway, call: Call) -> None:
    with ThreadPoolExecutor(2) as pool:
        with held_at_the_gateway(gateway) as arrived:
            first = pool.submit(call, app.test_client())
            assert arrived.wait(10)
            second = pool.submit(call, app.test_client())
        assert second.result().data == first.result().data
        assert second.result().headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_repeat_of_a_running_request_answers_409_after_the_wait(
    make_app: MakeApp, gateway: LedgerGateway, call: Call
) -> None:
    app = make_app(idempotency_wait=0.1)
    with ThreadPoolExecutor(1) as pool:
        with held_at_the_gateway(gateway) as arrived:
            first = pool.submit(call, app.test_client())
            assert arrived.wait(10)
            began = time.monotonic()
            answer = call(app.test_client())
            assert 0.1 <= time.monotonic() - began < 3
        assert answer.status_code == 409
        assert answer.get_json()["code"] == "idempotency_key_in_use"
        assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
        assert answer.headers["Retry-After"] == "1"
        assert first.result().status_code in {200, 201}


def test_waiting_repeat_holds_no_connection(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(db_pool_size=1, idempotency_wait=10.0)
    with ThreadPoolExecutor(8) as pool:
        with held_at_the_gateway(gateway) as arrived:
            calls = [pool.submit(pay_trip, app.test_client()) for _ in range(6)]
            assert arrived.wait(10)
            assert app.test_client().get("/payments").status_code == 200
            assert pay_bill(app.test_client()).status_code == 201
        assert len({each.result().data for each in calls}) == 1


def test_8_requests_at_once_with_one_key_charge_once(app: Flask, gateway: LedgerGateway, call: Call) -> None:
    answers = at_once(app, 8, lambda client, _: call(client))
    assert len({(answer.status_code, answer.data) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert gateway.count(Kind.CHARGE) == 1


def test_different_request_under_a_key_answers_422_with_the_differing_fields(
    client: FlaskClient, deps: Dependencies
) -> None:
    paid = pay_trip(client).get_json()
    answer = pay_trip(client, amount=151, method="UPI", trip_id=102, metadata={"note": "new"})
    body = answer.get_json()
    assert answer.status_code == 422
    assert body["code"] == "idempotency_key_mismatch"
    assert body["fields"] == ["amount", "method", "trip_id"]
    assert body["payment"]["payment_id"] == paid["payment_id"]
    assert body["payment"]["reference"] == paid["reference"]
    assert body["retry"] == {"safe": True, "key": "new", "after": None}
    assert "amount, method, trip_id" in body["error"]
    assert pay_trip(client).get_json() == paid


def test_mismatch_of_a_bill_is_answered_in_the_shape_of_bills(client: FlaskClient) -> None:
    paid = pay_bill(client).get_json()
    answer = pay_bill(client, bill_id=2)
    assert answer.status_code == 422
    assert answer.get_json()["fields"] == ["bill_id"]
    assert answer.get_json()["payment"]["payment_id"] == paid["payment_id"]
    assert "bill_id" in answer.get_json()["detail"]


def test_different_request_under_the_key_of_a_running_one_answers_422(app: Flask, gateway: LedgerGateway) -> None:
    with ThreadPoolExecutor(1) as pool, held_at_the_gateway(gateway) as arrived:
        pool.submit(pay_trip, app.test_client())
        assert arrived.wait(10)
        assert pay_trip(app.test_client(), amount=151).status_code == 422


def test_refund_under_the_key_of_a_payment_answers_422(client: FlaskClient) -> None:
    number = trip_id_of(pay_trip(client))
    answer = refund_trip(client, number, idempotency_key="demo-client-1")
    assert answer.status_code == 422
    assert "route" in answer.get_json()["fields"]
    other = trip_id_of(pay_trip(client, idempotency_key="other"))
    assert refund_trip(client, number, idempotency_key="r").status_code == 200
    mixed = refund_trip(client, other, idempotency_key="r")
    assert mixed.status_code == 422
    assert mixed.get_json()["payment"]["payment_id"] == number


def test_bad_request_leaves_its_key_free(client: FlaskClient, call: Call) -> None:
    headers = {"Idempotency-Key": "unique-key-123"}
    bodies: tuple[dict[str, object], ...] = (
        {},
        {"trip_id": 1, "idempotency_key": "demo-client-1"},
        {"bill_id": 1},
        {"bill_id": 1, "trip_id": 2},
    )
    answers = [
        client.post(path, json=body, headers=headers) for body in bodies for path in ("/payments", "/v1/payments")
    ]
    assert {answer.status_code for answer in answers} == {400, 422}
    assert call(client).status_code in {200, 201}


def test_refused_refund_is_replayed(client: FlaskClient) -> None:
    number = trip_id_of(pay_trip(client))
    first, second = (refund_trip(client, number, amount=151) for _ in range(2))
    assert first.status_code == second.status_code == 400
    assert first.data == second.data
    assert second.headers["Idempotent-Replayed"] == "true"


def test_expired_key_answers_with_the_payment_as_it_is_now(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    first = pay_trip(client).get_json()
    refund_trip(client, first["payment_id"])
    end_the_cached_answers(deps)
    answer = pay_trip(client)
    assert answer.status_code == 200
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.get_json() == {**first, "status": "REFUNDED", "refunded_amount": 150.0}
    assert gateway.count(Kind.CHARGE) == 1


def test_repeat_of_a_purged_key_charges_nothing(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, call: Call
) -> None:
    first = call(client)
    end_the_cached_answers(deps)
    assert sum(retention.purge(deps)) == 1
    again = call(client)
    assert again.get_json() == first.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert gateway.count(Kind.CHARGE) == 1


def test_repeat_of_a_purged_refund_key_refunds_nothing(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = trip_id_of(pay_trip(client))
    first = refund_trip(client, number, amount=10)
    end_the_cached_answers(deps)
    assert sum(retention.purge(deps)) == 2
    again = refund_trip(client, number, amount=10)
    assert again.get_json() == first.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert refund_trip(client, number, amount=11).status_code == 422
    assert gateway.count(Kind.REFUND) == 1


def test_key_is_stored_as_a_hash_with_its_request(client: FlaskClient, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(client))
    refund_trip(client, number)
    table = idempotency_keys.c
    with deps.database.reading() as connection:
        rows = connection.execute(
            select(table.key_hash, table.request_path, table.response_status, table.created_at, table.expires_at)
            .order_by(table.key_id)
        ).all()  # fmt: skip
        bound = connection.execute(select(payments.c.idempotency_hash)).scalar_one()
    assert [row.key_hash for row in rows] == [sha256(key).hexdigest() for key in (b"demo-client-1", b"refund-demo-1")]
    assert rows[0].key_hash == bound
    assert [row.request_path for row in rows] == ["POST:/payments", f"POST:/payments/{number}/refunds"]
    assert [row.response_status for row in rows] == [200, 200]
    lives = [(row.expires_at - row.created_at).total_seconds() for row in rows]
    assert all(86399 < life < 86410 for life in lives)
