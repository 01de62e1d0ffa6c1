"""`GET /v1/idempotency-keys/{key}` tells the state of a key to its owner only."""

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.channels import CHANNELS
from payment_service.gateways.base import Approved, Declined, GatewayRequest, Unknown
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.checkouts import process
from tests.support.database import expire_answers, purge_answers, recover_all
from tests.support.gateways import LedgerGateway
from tests.support.tokens import bearer, service

SAFE = {"safe": True, "key": "same", "after": None}


def told(client: FlaskClient, key: str, path: str = "/v1", **request: Any) -> dict[str, Any]:
    answer = client.get(f"{path}/idempotency-keys/{quote(key, safe='')}", **request)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def unknown(client: FlaskClient, key: str, **request: Any) -> bool:
    answer = client.get(f"/v1/idempotency-keys/{quote(key, safe='')}", **request)
    return (answer.status_code, answer.get_json()["code"]) == (404, "idempotency_key_not_found")


@pytest.mark.parametrize("path", ["/v1", "/rides"])
def test_finished_key_shows_its_payment_and_the_expiry_of_its_answer(make_app: MakeApp, path: str) -> None:
    client = make_app(api_prefix="/rides").test_client()
    number = trip_id_of(pay_trip(client, idempotency_key="demo-client-1"))
    body = told(client, "demo-client-1", path)

    assert {name: body[name] for name in body if name not in ("created_at", "expires_at")} == {
        "state": "finished",
        "channel": "trips",
        "request_path": "POST:/payments",
        "payment": {"id": number, "path": f"/payments/{number}"},
        "response_status": 200,
        "retry": SAFE,
    }
    assert body["created_at"] < body["expires_at"]
    assert client.get(body["payment"]["path"]).get_json()["payment_id"] == number


def test_key_of_a_running_request_is_in_progress(client: FlaskClient, gateway: LedgerGateway) -> None:
    seen: list[dict[str, Any]] = []

    def meanwhile(instruction: GatewayRequest) -> Approved:
        seen.append(told(client.application.test_client(), "running"))
        return gateway.approve(instruction)

    gateway.script.append(meanwhile)
    number = trip_id_of(pay_trip(client, idempotency_key="running"))
    (body,) = seen

    assert (body["state"], body["response_status"], body["expires_at"]) == ("in_progress", None, None)
    assert body["payment"]["id"] == number
    assert body["retry"] == {"safe": True, "key": "same", "after": 1}


def test_key_of_an_undecided_request_is_in_progress_until_it_is_decided(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    pay_trip(client, idempotency_key="lost")
    before = told(client, "lost")["state"]
    recover_all(deps)

    assert (before, told(client, "lost")["state"]) == ("in_progress", "finished")


def test_key_of_a_refusal_is_finished_without_a_payment(client: FlaskClient) -> None:
    number = trip_id_of(pay_trip(client, amount=10))
    refund_trip(client, number, idempotency_key="too-much", amount=11)
    body = told(client, "too-much")

    assert (body["state"], body["response_status"], body["payment"]) == ("finished", 400, None)


@pytest.mark.parametrize("purged", [False, True])
@pytest.mark.parametrize("key", ["charge", "refund"])
def test_expired_key_stays_bound_to_its_payment(
    client: FlaskClient, deps: Dependencies, purged: bool, key: str
) -> None:
    number = trip_id_of(pay_trip(client, idempotency_key="charge"))
    refund_trip(client, number, idempotency_key="refund", amount=1)
    (purge_answers if purged else expire_answers)(deps)

    body = told(client, key)
    assert (body["state"], body["payment"]) == ("expired", {"id": number, "path": f"/payments/{number}"})
    assert (body["request_path"] is None) is purged


def test_key_shows_the_payment_id_of_its_channel(app: Flask, client: FlaskClient, gateway: LedgerGateway) -> None:
    booker = Booker(app, "user-1")
    booking = booker.create("in-a-booking").get_json()["payment"]["payment_id"]
    bill = pay_bill(client, "in-a-bill").get_json()["payment_id"]
    charge = {"order_id": 1, "user_id": 2, "amount": 5, "payment_method": "UPI"}
    order = client.post("/v1/payments/charge", json=charge, headers={"Idempotency-Key": "in-an-order"}).get_json()
    transaction = process(client, "in-a-checkout").get_json()["transaction_id"]
    checkout = client.get(f"/api/v1/payments/transaction/{transaction}").get_json()["id"]
    shown = {
        "in-a-booking": told(client, "in-a-booking", headers=booker.headers)["payment"],
        "in-a-bill": told(client, "in-a-bill")["payment"],
        "in-an-order": told(client, "in-an-order")["payment"],
        "in-a-checkout": told(client, "in-a-checkout")["payment"],
    }
    assert {key: payment["id"] for key, payment in shown.items()} == {
        "in-a-booking": booking,
        "in-a-bill": bill,
        "in-an-order": order["payment_id"],
        "in-a-checkout": checkout,
    }
    paths = [payment["path"] for payment in shown.values()]
    assert [client.get(path, headers=booker.headers).status_code for path in paths[:1]] == [200]
    assert [client.get(path).status_code for path in paths[1:]] == [200, 200, 200]


def test_payment_path_of_every_channel_has_a_placeholder() -> None:
    assert [channel.name for channel in CHANNELS if "{" not in channel.payment_path] == []


@pytest.mark.parametrize("purged", [False, True])
def test_key_of_another_subject_answers_404(client: FlaskClient, deps: Dependencies, purged: bool) -> None:
    pay_trip(client, idempotency_key="owned", headers=bearer("user-1"))
    pay_trip(client, idempotency_key="unowned")
    if purged:
        purge_answers(deps)

    assert unknown(client, "owned")
    assert unknown(client, "owned", headers=bearer("user-2"))
    assert unknown(client, "owned", headers=service())
    assert unknown(client, "unowned", headers=bearer("user-1"))
    assert told(client, "owned", headers=bearer("user-1"))["channel"] == "trips"
    assert told(client, "unowned")["channel"] == "trips"


def test_look_up_of_a_key_without_a_token_searches_only_open_channels(make_app: MakeApp) -> None:
    pay_trip(make_app().test_client(), idempotency_key="a-key")
    closed = make_app(auth_open_channels=frozenset({"bills"})).test_client()
    none = make_app(auth_open_channels=frozenset()).test_client()
    assert unknown(closed, "a-key")
    path = "/v1/idempotency-keys/a-key"
    answers = [closed.get(f"{path}?channel=trips"), none.get(path), none.get(f"{path}?channel=bills")]
    refusals = [(answer.status_code, answer.get_json()["code"]) for answer in answers]
    assert refusals == [(401, "TOKEN_MISSING")] * 3


def test_key_of_several_channels_needs_a_channel(client: FlaskClient) -> None:
    pay_trip(client, idempotency_key="twice")
    pay_bill(client, "twice")
    answer = client.get("/v1/idempotency-keys/twice")

    assert answer.status_code == 422
    assert "bills, trips" in answer.get_json()["error"]
    assert told(client, "twice", query_string={"channel": "bills"})["response_status"] == 201
    assert told(client, "twice", query_string={"channel": "trips"})["response_status"] == 200
    assert unknown(client, "twice", query_string={"channel": "orders"})


@pytest.fixture
def strange(client: FlaskClient) -> str:
    key = "a/b//c ?#%2F & ключ"
    trip_id_of(pay_trip(client, idempotency_key=key))
    return key


def test_key_with_any_characters_is_found(client: FlaskClient, strange: str) -> None:
    assert told(client, strange)["state"] == "finished"
    assert told(client, f"  {strange} ")["state"] == "finished"
    assert unknown(client, strange.upper())


@pytest.mark.parametrize("key", ["4111 1111 1111 1111", "a" * 256, "a\x00b", "a\x1bb", " "])
def test_invalid_key_answers_422(client: FlaskClient, key: str) -> None:
    answer = client.get(f"/v1/idempotency-keys/{quote(key, safe='')}")

    assert answer.status_code == 422
    assert "4111" not in answer.text


def test_unknown_channel_and_unknown_key_have_different_errors(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.extend([Declined("NO", "no"), Unknown("?")])
    assert unknown(client, "never-used")
    assert client.get("/v1/idempotency-keys/x?channel=taxis").status_code == 422
    assert client.get("/v1/idempotency-keys/").status_code == 422
    pay_trip(client, idempotency_key="declined")
    assert told(client, "declined")["state"] == "finished"
