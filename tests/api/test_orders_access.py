import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from tests.conftest import MakeApp
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    cancel_order,
    change_order,
    charge_order,
    create_order,
    detail,
    paid,
    refund_order,
)
from tests.support.tokens import bearer, service

ANN, BEN, SERVICE = bearer("ann"), bearer("ben"), service("order-service")


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service where every channel needs a token."""
    return make_app(auth_open_channels=frozenset()).test_client()


@pytest.fixture
def anns(client: FlaskClient) -> dict[str, object]:
    """Return Ann's completed payment of order 3001."""
    return paid(charge_order(client, headers=ANN))


def every_action(client: FlaskClient, number: object, headers: dict[str, str]) -> list[TestResponse]:
    """Send each action on a payment by its number; return the answers."""
    return [
        refund_order(client, number, headers=headers),
        change_order(client, number, "FAILED", headers=headers),
        cancel_order(client, number, headers=headers),
    ]


def test_request_without_a_token_answers_401(client: FlaskClient, gateway: LedgerGateway) -> None:
    answers = [charge_order(client), create_order(client), *every_action(client, 1, {})]
    answers += [client.get(f"/v1/payments{path}") for path in ("/1", "/order/1", "/transaction/TXN1", "?page=1")]
    errors = [(detail(answer, 401), answer.get_json()["code"]) for answer in answers]
    assert errors == [("Authorization token is missing", "TOKEN_MISSING")] * len(answers)
    assert not gateway.sent


def test_payment_of_another_user_answers_404_like_an_unknown_one(
    client: FlaskClient, anns: dict[str, object], gateway: LedgerGateway
) -> None:
    number = anns["payment_id"]
    none = [detail(answer, 404) for answer in every_action(client, 4711, BEN)]
    others = [detail(answer, 404).replace(str(number), "4711") for answer in every_action(client, number, BEN)]
    assert others == none == ["Payment 4711 not found"] * 3
    assert client.get(f"/v1/payments/{number}", headers=BEN).data == client.get("/v1/payments/4711", headers=BEN).data
    assert client.get("/v1/payments/order/3001", headers=BEN).status_code == 404
    assert client.get(f"/v1/payments/transaction/{anns['transaction_id']}", headers=BEN).status_code == 404
    assert client.get("/v1/payments?page=1", headers=BEN).get_json()["total"] == 0
    assert paid(client.get(f"/v1/payments/{number}", headers=ANN), 200) == anns
    assert gateway.count(Kind.REFUND) == 0


def test_owner_reads_and_refunds_the_own_payment(client: FlaskClient, anns: dict[str, object]) -> None:
    paths = (anns["payment_id"], "order/3001", f"transaction/{anns['transaction_id']}")
    assert [paid(client.get(f"/v1/payments/{path}", headers=ANN), 200) for path in paths] == [anns] * 3
    assert client.get("/v1/payments?page=1", headers=ANN).get_json()["total"] == 1
    assert paid(refund_order(client, anns["payment_id"], headers=ANN), 200)["status"] == "REFUNDED"


def test_service_reads_and_changes_payments_of_every_user(client: FlaskClient, anns: dict[str, object]) -> None:
    bens = paid(create_order(client, headers=BEN, order_id=2))["payment_id"]
    assert client.get("/v1/payments?page=1", headers=SERVICE).get_json()["total"] == 2
    assert paid(client.get("/v1/payments/order/3001", headers=SERVICE), 200) == anns
    assert paid(change_order(client, bens, "COMPLETED", headers=SERVICE), 200)["status"] == "COMPLETED"
    assert paid(refund_order(client, bens, headers=SERVICE), 200)["status"] == "REFUNDED"
    assert paid(client.get(f"/v1/payments/{bens}", headers=BEN), 200)["status"] == "REFUNDED"


def test_order_has_one_live_payment_for_all_users(client: FlaskClient, anns: dict[str, object]) -> None:
    assert detail(charge_order(client, headers=BEN)) == "Payment for order_id 3001 already exists"


def test_same_key_of_two_subjects_pays_twice(client: FlaskClient) -> None:
    anns, bens = (paid(charge_order(client, "k", headers=who, order_id=n)) for n, who in ((1, ANN), (2, BEN)))
    assert anns["payment_id"] != bens["payment_id"]
