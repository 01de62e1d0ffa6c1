import re
from datetime import datetime

import pytest
from flask.testing import FlaskClient

from payment_service.gateways.base import Approved, Declined, GatewayRequest
from tests.conftest import MakeApp
from tests.support.checkouts import PAYMENTS, body_of, detail_of, faults_of, paid, post, process, refund, shown
from tests.support.gateways import LedgerGateway
from tests.support.tokens import bearer, service

FIELDS = [
    "id", "order_id", "amount", "currency", "payment_method", "status", "transaction_id", "payment_intent_id",
    "provider_response", "error_message", "created_at", "updated_at", "authorized_at", "captured_at", "refunded_at",
]  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
DECLINED = Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account")


def order(client: FlaskClient, order_id: str) -> str:
    """Return the id of the payment that an order shows."""
    return str(body_of(client.get(f"{PAYMENTS}/order/{order_id}"))["id"])


def failed(client: FlaskClient, gateway: LedgerGateway, **fields: str) -> str:
    gateway.script.append(DECLINED)
    return str(body_of(process(client, **fields))["payment_id"])


def test_payment_is_shown_with_every_documented_field(client: FlaskClient) -> None:
    made = body_of(process(client))
    answer = client.get(f"{PAYMENTS}/payment/{made['payment_id']}")
    payment = body_of(answer)
    assert list(payment) == [*FIELDS, "captured_amount", "refunded_amount"]
    assert payment["id"] == made["payment_id"]
    assert (payment["order_id"], payment["amount"], payment["currency"]) == ("ORD-1", 100.0, "USD")
    assert '"amount":100.0,' in answer.text
    assert (payment["payment_method"], payment["status"]) == ("credit_card", "captured")
    assert payment["transaction_id"] == made["transaction_id"]
    assert payment["payment_intent_id"] == made["payment_intent_id"]
    assert (payment["error_message"], payment["refunded_at"]) == (None, None)
    moments = {name: payment[name] for name in ("created_at", "updated_at", "authorized_at", "captured_at")}
    assert {name for name, moment in moments.items() if not MOMENT.fullmatch(moment)} == set()
    assert {datetime.fromisoformat(moment).tzinfo for moment in moments.values()} == {None}
    assert (payment["captured_amount"], payment["refunded_amount"]) == (100.0, 0.0)


def test_three_paths_show_the_same_payment(client: FlaskClient) -> None:
    made = body_of(process(client))
    ways = (f"payment/{made['payment_id']}", f"order/{'ORD-1'}", f"transaction/{made['transaction_id']}")
    first, *others = (client.get(f"{PAYMENTS}/{way}").data for way in ways)
    assert others == [first, first]
    assert client.get(f"{PAYMENTS}/payment/{made['payment_id'].upper()}").data == first


def test_look_up_of_a_failed_payment_shows_the_reason(client: FlaskClient, gateway: LedgerGateway) -> None:
    payment = body_of(client.get(f"{PAYMENTS}/payment/{failed(client, gateway)}"))
    assert (payment["status"], payment["error_message"]) == ("failed", "Insufficient funds in account")
    assert payment["provider_response"] == {
        "message": "Insufficient funds in account",
        "code": "INSUFFICIENT_FUNDS",
        "authorization_code": None,
    }
    unset = ("transaction_id", "payment_intent_id", "authorized_at", "captured_at", "refunded_at")
    assert [payment[name] for name in unset] == [None] * 5


def test_look_up_shows_the_authorization_code(client: FlaskClient, gateway: LedgerGateway) -> None:
    def approve(asked: GatewayRequest) -> Approved:
        return Approved(asked.amount, asked.currency, reference="G-1", authorization_code="A1B2C3")

    gateway.script.append(approve)
    assert shown(client, paid(client))["provider_response"]["authorization_code"] == "A1B2C3"


@pytest.mark.parametrize(
    "way",
    [
        "payment/1",
        "payment/00000000-0000-4000-8000-000000000000",
        "payment/%00",
        "order/none",
        "order/%25",
        f"order/{'x' * 300}",
        "transaction/txn_0000000000000000",
        f"transaction/{'t' * 300}",
    ],
)
def test_unknown_payment_answers_404(client: FlaskClient, way: str) -> None:
    process(client)
    answer = client.get(f"{PAYMENTS}/{way}")
    assert detail_of(answer, 404) == "Payment not found"
    assert answer.get_json()["code"] == "payment_not_found"


@pytest.mark.parametrize("way", ["order", "transaction"])
def test_invalid_id_answers_422(client: FlaskClient, way: str) -> None:
    assert [field for field, _ in faults_of(client.get(f"{PAYMENTS}/{way}/a%00b"))] == [f"{way}_id"]
    assert faults_of(client.get(f"{PAYMENTS}/{way}/4111111111111111")) == [(f"{way}_id", "card_data_not_accepted")]


def test_look_up_by_order_shows_the_successful_payment(client: FlaskClient, gateway: LedgerGateway) -> None:
    first = failed(client, gateway)
    assert order(client, "ORD-1") == first
    second = failed(client, gateway)
    assert order(client, "ORD-1") == second
    transaction = paid(client)
    capturing = shown(client, transaction)["id"]
    assert order(client, "ORD-1") == capturing
    third = failed(client, gateway)
    assert order(client, "ORD-1") == capturing
    body_of(refund(client, transaction, 40))
    assert order(client, "ORD-1") == capturing
    body_of(refund(client, transaction, 60))
    assert order(client, "ORD-1") == third
    failed(client, gateway, order_id="ORD-2")
    assert order(client, "ORD-1") == third


def test_payment_is_found_by_an_order_id_with_any_characters(client: FlaskClient) -> None:
    names = ["a/b", "a//b", "gr\u00fcn 7", "100%"]
    for name in names:
        process(client, order_id=name)
    answers = [client.get(f"{PAYMENTS}/order/{name.replace('%', '%25')}") for name in names]
    assert [body_of(answer)["order_id"] for answer in answers] == names


def test_caller_in_production_needs_a_token_and_sees_only_own_payments(make_app: MakeApp) -> None:
    client = make_app(auth_open_channels=frozenset()).test_client()
    assert detail_of(process(client), 401) == "Authorization token is missing"
    body = {"order_id": "ORD-1", "amount": 100, "payment_method": "stripe"}
    made = body_of(client.post(f"{PAYMENTS}/process", json=body, headers=bearer("shop-a")))
    ways = (f"payment/{made['payment_id']}", "order/ORD-1", f"transaction/{made['transaction_id']}")
    strangers = [client.get(f"{PAYMENTS}/{way}", headers=bearer("shop-b")) for way in ways]

    assert [client.get(f"{PAYMENTS}/{way}", headers=bearer("shop-a")).status_code for way in ways] == [200] * 3
    assert [client.get(f"{PAYMENTS}/{way}", headers=service()).status_code for way in ways] == [200] * 3
    assert [detail_of(answer, 404) for answer in strangers] == ["Payment not found"] * 3
    stolen = {"transaction_id": made["transaction_id"], "amount": 1}
    answer = client.post(f"{PAYMENTS}/refund", json=stolen, headers=bearer("shop-b"))
    assert detail_of(answer) == "Payment not found"


def test_payment_of_another_channel_answers_404(client: FlaskClient) -> None:
    trip = {"idempotency_key": "k", "trip_id": 1, "method": "CARD", "amount": 5}
    assert client.post("/payments", json=trip).status_code == 200
    assert client.get(f"{PAYMENTS}/order/1").status_code == 404
    assert post(client, "void", transaction_id="1").status_code == 400
