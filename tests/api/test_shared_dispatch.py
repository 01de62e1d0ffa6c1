from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.web.listing import cursor_after
from tests.conftest import MakeApp
from tests.support.callers import BILL, TRIP, pay_bill, pay_trip, refund_trip
from tests.support.gateways import LedgerGateway
from tests.support.orders import (
    ORDER,
    cancel_order,
    change_order,
    create_order,
    detail,
    faults,
    paid,
    refund_order,
)
from tests.support.tokens import bearer

KEY = {"Idempotency-Key": "a key"}
BODIES: Mapping[str, Mapping[str, Any]] = {"trip_id": TRIP, "bill_id": BILL, "order_id": ORDER}
PAIRS, ALL_THREE = list(combinations(BODIES, 2)), tuple(BODIES)

OF_BILLS = {"skip": "0", "limit": "5", "bill_id": "1"}
OF_ORDERS = {
    "page": "1",
    "page_size": "5",
    "before": "cDk",
    "status": "PENDING",
    "payment_method": "UPI",
    "user_id": "601",
}
OF_TRIPS = {"trip_id": "101", "cursor": cursor_after(10**6)}
ALSO_OF_TRIPS = {"limit", "status"}
"""Parameters that trips share with other channels' lists, once a parameter of trips is present."""
ALL = OF_BILLS | OF_ORDERS | OF_TRIPS


def owner(names: AbstractSet[str]) -> str | None:
    """Return the channel that these parameters choose, None where they are mixed."""
    if names <= set(OF_BILLS):
        return "bills"
    if names <= set(OF_ORDERS):
        return "orders"
    return "trips" if names & set(OF_TRIPS) and names <= set(OF_TRIPS) | ALSO_OF_TRIPS else None


def listed_by(client: FlaskClient, names: Iterable[str]) -> TestResponse:
    """Return the answer to a list with these parameters."""
    return client.get("/v1/payments", query_string={name: ALL[name] for name in names})


def answered_by(answer: TestResponse) -> str:
    """Return the channel of a list by its shape."""
    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    if isinstance(body, list):
        return "bills"
    return "orders" if "total" in body else "trips"


def merged(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for payable in names for name, value in BODIES[payable].items()}


def count(deps: Dependencies) -> int:
    with deps.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(payments)).scalar_one())


@pytest.fixture
def of_each(client: FlaskClient) -> dict[str, int]:
    """Return the numbers of a trip's, a bill's and an order's payment; the last one waits."""
    return {
        "trip_id": pay_trip(client, "/v1/payments").get_json()["payment_id"],
        "bill_id": pay_bill(client).get_json()["payment_id"],
        "order_id": paid(create_order(client))["payment_id"],
    }


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/", "/payments"])
def test_body_with_order_id_creates_a_payment_of_orders(client: FlaskClient, path: str) -> None:
    body = paid(create_order(client, path=path))
    assert (body["order_id"], body["status"]) == (3001, "PENDING")


@pytest.mark.parametrize("default", ["bills", "orders", "trips"])
def test_body_without_a_payable_is_refused_for_every_default_channel(
    make_app: MakeApp, deps: Dependencies, default: str
) -> None:
    client = make_app(v1_default_channel=default).test_client()
    answer = client.post("/v1/payments", json={"user_id": 601, "amount": 5, "payment_method": "UPI"}, headers=KEY)
    assert answer.status_code == (400 if default == "trips" else 422)
    assert all(field in answer.text for field in ("bill_id", "order_id", "trip_id"))
    assert count(deps) == 0


@pytest.mark.parametrize("names", [*PAIRS, ALL_THREE], ids="+".join)
def test_body_with_several_payables_is_refused(client: FlaskClient, deps: Dependencies, names: tuple[str, ...]) -> None:
    answer = client.post("/v1/payments", json=merged(names), headers=KEY)
    assert {loc[-1] for loc, _ in faults(answer)} == {"bill_id", "order_id", "trip_id"}
    assert all(kind == "value_error" for _, kind in faults(answer))
    assert count(deps) == 0


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_null_payable_counts_as_absent(client: FlaskClient, names: tuple[str, str]) -> None:
    other, meant = names
    body = {**merged(names), other: None}
    if "trip_id" in names and meant != "trip_id":
        body.pop("idempotency_key")
    assert client.post("/v1/payments", json=body, headers=KEY).get_json()[meant] == BODIES[meant][meant]


def test_body_with_only_null_payables_is_refused(client: FlaskClient) -> None:
    answer = client.post("/v1/payments", json=dict.fromkeys(BODIES), headers=KEY)
    assert faults(answer) == [(["body", name], "missing") for name in ("trip_id", "bill_id", "order_id")]


def test_invalid_payable_is_refused_by_its_own_channel(client: FlaskClient) -> None:
    assert faults(create_order(client, order_id="abc")) == [(["body", "order_id"], "int_parsing")]
    assert faults(create_order(client, order_id=0)) == [(["body", "order_id"], "int_range")]
    assert [loc for loc, _ in faults(create_order(client, order_id=False))] == [["body", "order_id"]]


@pytest.mark.parametrize("names", [{name} for name in ALL], ids="".join)
def test_list_with_one_parameter_is_of_its_channel(client: FlaskClient, names: set[str]) -> None:
    answer = client.get("/v1/payments", query_string={name: ALL[name] for name in names})
    assert answered_by(answer) == owner(names)


def test_list_with_two_parameters_has_their_channel_or_answers_422(client: FlaskClient) -> None:
    pairs = [frozenset(names) for names in combinations(ALL, 2)]
    answers = {names: listed_by(client, names) for names in pairs}
    mixed = [names for names in pairs if owner(names) is None]
    assert {names: answered_by(answers[names]) for names in pairs if owner(names)} == {
        names: owner(names) for names in pairs if owner(names)
    }
    assert {names: [loc for loc, _ in faults(answers[names])] for names in mixed} == {
        names: [["query", name] for name in sorted(names)] for names in mixed
    }


def test_list_with_three_parameters_has_their_channel_or_answers_422(client: FlaskClient) -> None:
    triples = [frozenset(names) for names in combinations(ALL, 3)]
    answers = {names: listed_by(client, names) for names in triples}
    found = {names: None if answer.status_code == 422 else answered_by(answer) for names, answer in answers.items()}
    assert found == {names: owner(names) for names in triples}


def test_list_with_all_parameters_of_a_channel_is_of_that_channel(client: FlaskClient) -> None:
    of_channel = {"bills": OF_BILLS, "orders": OF_ORDERS, "trips": OF_TRIPS}
    found = {name: answered_by(listed_by(client, parameters)) for name, parameters in of_channel.items()}
    assert found == {name: name for name in of_channel}
    assert listed_by(client, ALL).status_code == 422


@pytest.mark.parametrize("default", ["bills", "orders", "trips"])
def test_list_without_parameters_is_of_the_default_channel(make_app: MakeApp, default: str) -> None:
    client = make_app(v1_default_channel=default).test_client()
    paths = [f"/v1/payments{query}" for query in ("", "/", "?unknown=1", "?PAGE=1", "?Skip=0")]
    assert {path: answered_by(client.get(path)) for path in paths} == dict.fromkeys(paths, default)
    names = ("skip", "page", "trip_id")
    assert {name: answered_by(listed_by(client, {name})) for name in names} == {name: owner({name}) for name in names}


def test_list_has_only_payments_of_its_channel(client: FlaskClient, of_each: dict[str, int]) -> None:
    bills = client.get("/v1/payments?skip=0").get_json()
    orders = client.get("/v1/payments?page=1").get_json()["payments"]
    trips = client.get(f"/v1/payments?cursor={OF_TRIPS['cursor']}").get_json()["payments"]
    assert [row["payment_id"] for row in bills] == [of_each["bill_id"]]
    assert [row["payment_id"] for row in orders] == [of_each["order_id"]]
    assert [row["payment_id"] for row in trips] == [of_each["trip_id"]]


def test_payment_is_shown_in_the_shape_of_its_channel(client: FlaskClient, of_each: dict[str, int]) -> None:
    paths = ("/v1/payments/{}", "/payments/{}", "/v1/payments/{}/")
    shown = {
        (path, name): client.get(path.format(number)).get_json() for path in paths for name, number in of_each.items()
    }
    assert {(path, name): (body["payment_id"], body[name]) for (path, name), body in shown.items()} == {
        (path, name): (of_each[name], BODIES[name][name]) for path, name in shown
    }


@pytest.mark.parametrize(("default", "text"), [("bills", "Payment not found"), ("orders", "Payment 4711 not found")])
def test_unknown_payment_answers_404_in_the_shape_of_the_default_channel(
    make_app: MakeApp, default: str, text: str
) -> None:
    client = make_app(v1_default_channel=default).test_client()
    assert detail(client.get("/v1/payments/4711"), 404) == text
    assert faults(client.get("/v1/payments/abc")) == [(["path", "payment_id"], "int_parsing")]
    assert detail(client.put("/v1/payments/4711"), 405) == "Method Not Allowed"


@pytest.mark.parametrize("name", ["trip_id", "bill_id"])
def test_action_of_orders_on_a_payment_of_another_channel_answers_404(
    client: FlaskClient, of_each: dict[str, int], gateway: LedgerGateway, name: str
) -> None:
    sent, number = len(gateway.sent), of_each[name]
    before = client.get(f"/v1/payments/{number}").data
    answers = [
        refund_order(client, number, "k"),
        change_order(client, number, "CANCELLED"),
        change_order(client, number, "REFUNDED"),
        cancel_order(client, number),
    ]
    assert [detail(answer, 404) for answer in answers] == [f"Payment {number} not found"] * 4
    assert client.get(f"/v1/payments/{number}").data == before
    assert len(gateway.sent) == sent


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_refund_of_an_order_by_the_path_of_trips_is_refused(
    client: FlaskClient, of_each: dict[str, int], prefix: str
) -> None:
    number = of_each["order_id"]
    paid(change_order(client, number, "COMPLETED"), 200)
    assert refund_trip(client, number, prefix=prefix).status_code == 400
    assert client.get(f"{prefix}/payments/{number}/refunds").status_code == 404
    assert paid(client.get(f"/v1/payments/{number}"), 200)["refunded_amount"] == 0.0


def test_payment_of_a_booking_answers_404_on_the_shared_path(client: FlaskClient, deps: Dependencies) -> None:
    body = {"booking_id": "BOOK-001", "amount": 5}
    assert client.post("/api/payments", json=body, headers=bearer()).status_code == 201
    with deps.database.reading() as connection:
        number = connection.execute(select(payments.c.payment_id)).scalar_one()
    assert client.get(f"/v1/payments/{number}", headers=bearer()).status_code == 404
    assert client.get(f"/payments/{number}", headers=bearer()).status_code == 404
    assert cancel_order(client, number, headers=bearer()).status_code == 404
