import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from tests.conftest import MakeApp
from tests.support.callers import BILL, TRIP, pay_bill, pay_trip, trip_id_of
from tests.support.gateways import LedgerGateway

KEY = {"Idempotency-Key": "a key"}
ORDER = {"order_id": 5, "user_id": 9, "amount": 75.5, "payment_method": "UPI"}


@pytest.fixture
def trip(client: FlaskClient) -> int:
    """Return the number of a trip's payment."""
    return trip_id_of(pay_trip(client))


@pytest.fixture
def bill(client: FlaskClient) -> int:
    """Return the number of a bill's payment."""
    number = pay_bill(client).get_json()["payment_id"]
    assert isinstance(number, int)
    return number


@pytest.fixture
def order(client: FlaskClient) -> int:
    """Return the number of an order's payment."""
    number = client.post("/v1/payments/charge", json=ORDER, headers=KEY).get_json()["payment_id"]
    assert isinstance(number, int)
    return number


def test_payable_field_chooses_the_channel_of_a_new_payment(client: FlaskClient) -> None:
    trip = client.post("/v1/payments", json=dict(TRIP))
    bill = client.post("/v1/payments", json=dict(BILL), headers=KEY)
    assert (trip.status_code, trip.get_json()["trip_id"], trip.get_json()["amount"]) == (200, 101, 150.0)
    order = client.post("/v1/payments", json=ORDER)
    assert (bill.status_code, bill.get_json()["bill_id"], bill.get_json()["amount"]) == (201, 1, "525.00")
    assert (order.status_code, order.get_json()["order_id"], order.get_json()["status"]) == (201, 5, "PENDING")


def test_bare_path_accepts_payments_of_every_channel(client: FlaskClient) -> None:
    assert client.post("/payments", json=dict(TRIP)).get_json()["trip_id"] == 101
    assert client.post("/payments", json=dict(BILL), headers=KEY).get_json()["bill_id"] == 1


def test_same_key_on_two_paths_of_a_channel_charges_once(client: FlaskClient, gateway: LedgerGateway) -> None:
    first, second = (client.post(path, json=dict(TRIP)) for path in ("/payments", "/v1/payments"))
    assert (first.data, second.headers["Idempotent-Replayed"]) == (second.data, "true")
    number = trip_id_of(first)
    back, again = (
        client.post(f"{prefix}/payments/{number}/refunds", json={"idempotency_key": "r"}) for prefix in ("", "/v1")
    )
    assert (back.data, again.headers["Idempotent-Replayed"]) == (again.data, "true")
    assert len(gateway.ledger) == 2


def test_body_with_two_payables_is_refused(client: FlaskClient) -> None:
    answer = client.post("/v1/payments", json={**TRIP, **BILL}, headers=KEY)
    assert answer.status_code == 422
    assert {"trip_id", "bill_id"} <= {fault["loc"][1] for fault in answer.get_json()["detail"]}
    assert client.post("/payments", json={**TRIP, **BILL}, headers=KEY).status_code == 400
    bodies = ({**TRIP, **ORDER}, {**BILL, **ORDER}, {**TRIP, **BILL, **ORDER})
    assert [client.post("/v1/payments", json=body, headers=KEY).status_code for body in bodies] == [422, 422, 422]
    assert client.get("/v1/payments").get_json() == []
    assert client.get("/payments").get_json()["payments"] == []


@pytest.mark.parametrize("body", [{}, {"amount": 5, "method": "CARD"}, {"booking_id": 5}])
def test_body_without_a_payable_answers_422(client: FlaskClient, body: dict[str, object]) -> None:
    answer = client.post("/v1/payments", json=body, headers=KEY)
    assert answer.status_code == 422
    assert isinstance(answer.get_json()["detail"], list)


def test_error_on_the_shared_path_has_the_shape_of_its_channel(client: FlaskClient) -> None:
    trip = client.post("/v1/payments", json={**TRIP, "amount": -1})
    bill = client.post("/v1/payments", json={**BILL, "amount": -1}, headers=KEY)
    assert (trip.status_code, next(iter(trip.get_json()))) == (400, "error")
    assert (bill.status_code, next(iter(bill.get_json()))) == (422, "detail")


@pytest.mark.parametrize(("path", "status", "name"), [("/payments", 400, "error"), ("/v1/payments", 422, "detail")])
def test_broken_body_gets_the_error_shape_of_its_path(client: FlaskClient, path: str, status: int, name: str) -> None:
    answer = client.post(path, data="{", content_type="application/json")
    assert (answer.status_code, next(iter(answer.get_json()))) == (status, name)


def test_null_field_counts_as_absent(client: FlaskClient) -> None:
    assert client.post("/v1/payments", json={**TRIP, "bill_id": None}).status_code == 200
    assert client.post("/v1/payments", json={**BILL, "trip_id": None}, headers=KEY).status_code == 201


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_payment_of_every_channel_is_found_on_the_shared_path(
    client: FlaskClient, trip: int, bill: int, order: int, prefix: str
) -> None:
    assert client.get(f"{prefix}/payments/{order}").get_json()["order_id"] == 5
    assert client.get(f"{prefix}/payments/{trip}").get_json()["trip_id"] == 101
    assert client.get(f"{prefix}/payments/{bill}").get_json()["bill_id"] == 1


def test_unknown_payment_answers_404_in_the_shape_of_the_path(client: FlaskClient) -> None:
    bare, shared = client.get("/payments/4711"), client.get("/v1/payments/4711")
    assert (bare.status_code, bare.get_json()["error"]) == (404, "Payment not found")
    assert (shared.status_code, shared.get_json()["detail"]) == (404, "Payment not found")


@pytest.mark.parametrize("query", ["skip=0", "limit=5", "bill_id=1", "skip=0&limit=5&bill_id=1", "", "unknown=1"])
def test_list_with_parameters_of_bills_or_none_is_of_bills(
    client: FlaskClient, trip: int, bill: int, query: str
) -> None:
    answer = client.get(f"/v1/payments?{query}")
    assert [each["payment_id"] for each in answer.get_json()] == [bill]


@pytest.mark.parametrize("query", ["trip_id=101", "trip_id=101&limit=5", "trip_id=101&status=SUCCESS&method=CARD"])
def test_list_with_parameters_of_trips_is_of_trips(client: FlaskClient, trip: int, bill: int, query: str) -> None:
    answer = client.get(f"/v1/payments?{query}")
    assert [each["payment_id"] for each in answer.get_json()["payments"]] == [trip]


def test_list_with_a_cursor_is_of_trips(client: FlaskClient, trip: int, bill: int) -> None:
    newer = trip_id_of(pay_trip(client, idempotency_key="newer"))
    page = client.get("/v1/payments?trip_id=101&limit=1").get_json()
    assert [each["payment_id"] for each in page["payments"]] == [newer]
    rest = client.get("/v1/payments", query_string={"cursor": page["next_cursor"]}).get_json()
    assert [each["payment_id"] for each in rest["payments"]] == [trip]


@pytest.mark.parametrize("query", ["page=1", "page_size=5&status=COMPLETED", "payment_method=UPI", "user_id=9"])
def test_list_with_parameters_of_orders_is_of_orders(
    client: FlaskClient, trip: int, bill: int, order: int, query: str
) -> None:
    body = client.get(f"/v1/payments?{query}").get_json()
    assert (body["total"], [each["payment_id"] for each in body["payments"]]) == (1, [order])


def test_list_with_only_a_status_is_of_orders(client: FlaskClient, trip: int, order: int) -> None:
    assert client.get("/v1/payments?status=COMPLETED").get_json()["total"] == 1


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("PATCH", "/status", {"status": "CANCELLED"}),
        ("POST", "/refund", {"reason": "not wanted any more"}),
        ("DELETE", "", None),
    ],
)
def test_action_of_orders_on_a_trip_or_bill_answers_404(
    client: FlaskClient, trip: int, bill: int, method: str, action: str, body: dict[str, str] | None
) -> None:
    answers = [client.open(f"/v1/payments/{number}{action}", method=method, json=body) for number in (trip, bill)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert [answer.get_json()["detail"] for answer in answers] == [f"Payment {each} not found" for each in (trip, bill)]
    assert client.get(f"/payments/{trip}").get_json()["status"] == "SUCCESS"


def test_order_look_up_finds_no_trip_or_bill(client: FlaskClient, trip: int, bill: int, order: int) -> None:
    assert client.get("/v1/payments/order/1").status_code == client.get("/v1/payments/order/101").status_code == 404
    assert client.get("/v1/payments/order/5").get_json()["payment_id"] == order


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_refund_of_an_order_as_a_trip_answers_400(
    client: FlaskClient, order: int, gateway: LedgerGateway, prefix: str
) -> None:
    answer = client.post(f"{prefix}/payments/{order}/refunds", json={"idempotency_key": "r"})
    assert answer.status_code == 400
    assert client.get(f"{prefix}/payments/{order}/refunds").status_code == 404
    assert gateway.count(Kind.REFUND) == 0


@pytest.mark.parametrize(
    "query",
    [
        "skip=0&trip_id=1", "bill_id=1&trip_id=1", "cursor=cDE&bill_id=1", "bill_id=1&status=X", "page=1&skip=0",
        "page=1&trip_id=1", "user_id=1&bill_id=1", "payment_method=UPI&cursor=cDE", "page_size=5&limit=5",
    ],
)  # fmt: skip
def test_list_with_parameters_of_two_channels_answers_422(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/v1/payments?{query}")
    assert answer.status_code == 422
    named = {pair.split("=")[0] for pair in query.split("&")}
    assert {fault["loc"][1] for fault in answer.get_json()["detail"]} == named


def test_bare_path_lists_trips_only(client: FlaskClient, trip: int, bill: int) -> None:
    assert [each["payment_id"] for each in client.get("/payments").get_json()["payments"]] == [trip]


def test_setting_chooses_the_default_channel(make_app: MakeApp) -> None:
    client = make_app(v1_default_channel="trips").test_client()
    number = trip_id_of(pay_trip(client))
    assert [each["payment_id"] for each in client.get("/v1/payments").get_json()["payments"]] == [number]
    assert client.get("/v1/payments/4711").get_json()["error"] == "Payment not found"
    assert client.get("/v1/payments?skip=0").get_json() == []
    assert client.get("/v1/payments/abc").status_code == 400


def test_slash_at_the_end_of_a_path_changes_nothing(client: FlaskClient, trip: int) -> None:
    assert client.get(f"/payments/{trip}/").get_json()["payment_id"] == trip
    assert client.get("/v1/payments/").status_code == 200
    assert client.post("/payments/", json={**TRIP, "idempotency_key": "slash"}).status_code == 200
