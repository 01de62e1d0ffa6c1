from collections.abc import Callable, Mapping

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from tests.conftest import MakeApp
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.gateways import LedgerGateway
from tests.support.tokens import bearer, service

ANN, BEN, SERVICE = bearer("ann"), bearer("ben"), service()
NOBODYS = 4711


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service where every channel needs a token."""
    return make_app(auth_open_channels=frozenset()).test_client()


@pytest.fixture
def trip(client: FlaskClient) -> int:
    """Return Ann's payment for a trip."""
    number = pay_trip(client, headers=ANN).get_json()["payment_id"]
    assert isinstance(number, int)
    return number


@pytest.fixture
def bill(client: FlaskClient) -> int:
    """Return Ann's payment of a bill."""
    number = pay_bill(client, headers=ANN).get_json()["payment_id"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_owner_reads_the_own_payments(client: FlaskClient, trip: int, bill: int, prefix: str) -> None:
    assert client.get(f"{prefix}/payments/{trip}", headers=ANN).get_json()["trip_id"] == 101
    assert client.get(f"{prefix}/payments/{bill}", headers=ANN).get_json()["bill_id"] == 1
    assert client.get(f"{prefix}/payments/{trip}/refunds", headers=ANN).get_json() == {"refunds": []}


def test_owner_refunds_the_own_payment(client: FlaskClient, trip: int) -> None:
    assert refund_trip(client, trip, headers=ANN).status_code == 200


@pytest.mark.parametrize("path", ["/payments/{}", "/payments/{}/refunds", "/v1/payments/{}", "/v1/payments/{}/refunds"])
def test_payment_of_another_user_answers_404_like_an_unknown_one(
    client: FlaskClient, trip: int, bill: int, path: str
) -> None:
    none = client.get(path.format(NOBODYS), headers=BEN)
    others = [client.get(path.format(number), headers=BEN) for number in (trip, bill)]
    assert [(other.status_code, other.data) for other in others] == [(404, none.data)] * 2


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_refund_of_a_payment_of_another_user_is_refused(
    client: FlaskClient, trip: int, gateway: LedgerGateway, prefix: str
) -> None:
    other = refund_trip(client, trip, headers=BEN, prefix=prefix)
    none = refund_trip(client, NOBODYS, headers=BEN, prefix=prefix)
    assert (other.status_code, other.data) == (none.status_code, none.data)
    assert other.status_code == 400
    assert gateway.count(Kind.REFUND) == 0
    assert client.get(f"/payments/{trip}/refunds", headers=ANN).get_json() == {"refunds": []}


@pytest.mark.parametrize(
    "query", ["/payments", "/payments?trip_id=101", "/v1/payments?trip_id=101", "/payments?status=SUCCESS&limit=100"]
)
def test_list_of_trips_leaves_out_payments_of_other_users(
    client: FlaskClient, trip: int, bill: int, query: str
) -> None:
    assert client.get(query, headers=BEN).get_json() == {"payments": [], "next_cursor": None}
    assert len(client.get(query, headers=ANN).get_json()["payments"]) == 1


@pytest.mark.parametrize("query", ["/v1/payments", "/v1/payments?bill_id=1", "/v1/payments?skip=0&limit=100"])
def test_list_of_bills_leaves_out_payments_of_other_users(
    client: FlaskClient, trip: int, bill: int, query: str
) -> None:
    assert client.get(query, headers=BEN).get_json() == []
    assert len(client.get(query, headers=ANN).get_json()) == 1


def test_cursor_of_another_user_shows_no_foreign_payments(client: FlaskClient, trip: int) -> None:
    pay_trip(client, headers=ANN, idempotency_key="newer")
    cursor = client.get("/payments?limit=1", headers=ANN).get_json()["next_cursor"]
    assert client.get("/payments", query_string={"cursor": cursor}, headers=BEN).get_json()["payments"] == []


@pytest.mark.parametrize("pay", [pay_trip, pay_bill])
def test_same_key_of_two_subjects_charges_twice(
    client: FlaskClient, gateway: LedgerGateway, pay: Callable[..., TestResponse]
) -> None:
    anns, bens = pay(client, headers=ANN), pay(client, headers=BEN)
    assert anns.status_code == bens.status_code
    assert "Idempotent-Replayed" not in bens.headers
    assert anns.get_json()["payment_id"] != bens.get_json()["payment_id"]
    assert pay(client, headers=ANN).data == anns.data
    assert pay(client, headers=BEN).data == bens.data
    assert gateway.count(Kind.CHARGE) == 2


def test_key_of_another_user_reveals_nothing(client: FlaskClient) -> None:
    pay_trip(client, headers=ANN)
    answer = pay_trip(client, headers=BEN, amount=151)
    assert answer.status_code == 200


def test_request_without_a_token_sees_only_payments_without_an_owner(make_app: MakeApp) -> None:
    client = make_app().test_client()
    anns = pay_trip(client, headers=ANN).get_json()["payment_id"]
    nobodys = pay_trip(client).get_json()["payment_id"]
    assert anns != nobodys
    assert client.get(f"/payments/{anns}").status_code == 404
    assert [each["payment_id"] for each in client.get("/payments").get_json()["payments"]] == [nobodys]
    assert client.get(f"/payments/{nobodys}", headers=ANN).status_code == 404


def test_service_reads_and_refunds_payments_of_every_user(client: FlaskClient, trip: int, bill: int) -> None:
    bens = pay_trip(client, headers=BEN).get_json()["payment_id"]
    listed = client.get("/payments", headers=SERVICE).get_json()["payments"]
    assert {each["payment_id"] for each in listed} == {trip, bens}
    assert [each["payment_id"] for each in client.get("/v1/payments", headers=SERVICE).get_json()] == [bill]
    assert client.get(f"/v1/payments/{bill}", headers=SERVICE).status_code == 200
    assert refund_trip(client, bens, headers=SERVICE, amount=10).status_code == 200
    assert client.get(f"/payments/{bens}", headers=BEN).get_json()["refunded_amount"] == 10.0
    assert len(client.get(f"/payments/{bens}/refunds", headers=BEN).get_json()["refunds"]) == 1


@pytest.mark.parametrize(
    "scopes",
    [
        {"scope": "payments:service other"},
        {"scope": ["payments:service"]},
        {"scp": "payments:service"},
        {"scopes": ["payments:service"]},
    ],
)
def test_scope_is_read_in_every_form_of_issuers(client: FlaskClient, trip: int, scopes: Mapping[str, object]) -> None:
    assert client.get(f"/payments/{trip}", headers=bearer("s", **scopes)).status_code == 200


@pytest.mark.parametrize("subject", ["s", "ann"])
def test_token_with_an_unknown_scope_of_this_service_answers_403(client: FlaskClient, trip: int, subject: str) -> None:
    answer = client.get(f"/payments/{trip}", headers=bearer(subject, scope="payments:servic"))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize("scope", ["PAYMENTS:SERVICE", "payments", "xpayments:service", {"payments:service": 1}])
def test_other_scope_gives_no_access(client: FlaskClient, trip: int, scope: object) -> None:
    assert client.get(f"/payments/{trip}", headers=bearer("s", scope=scope)).status_code == 404


def test_service_and_a_subject_may_refund_under_the_same_key(
    client: FlaskClient, trip: int, gateway: LedgerGateway
) -> None:
    anns = refund_trip(client, trip, headers=ANN, amount=10)
    services = refund_trip(client, trip, headers=SERVICE, amount=10)
    assert anns.status_code == services.status_code == 200, services.text
    assert anns.get_json()["refund_id"] != services.get_json()["refund_id"]
    assert refund_trip(client, trip, headers=ANN, amount=10).data == anns.data
    assert refund_trip(client, trip, headers=SERVICE, amount=10).data == services.data
    assert gateway.count(Kind.REFUND) == 2
