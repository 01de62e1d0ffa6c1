from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.models import users
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.bookers import PAYMENTS, Booker, error_of, payment_of
from tests.support.database import count, rows
from tests.support.tokens import bearer, token

ROUTES = [
    ("POST", ""),
    ("GET", ""),
    ("GET", "/{id}"),
    ("GET", "/booking/BOOK-001"),
    ("POST", "/{id}/process"),
    ("POST", "/{id}/refund"),
    ("PATCH", "/{id}/status"),
]
MISSING = {"error": "Authorization token is missing", "code": "TOKEN_MISSING"}
INVALID = {"error": "Invalid or expired token", "code": "TOKEN_INVALID"}
NOT_FOUND = {"error": "User not found in token", "code": "USER_NOT_FOUND"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_path_without_a_token_answers_401(ada: Booker, client: FlaskClient, method: str, path: str) -> None:
    url = PAYMENTS + path.format(id=ada.made())
    answer = client.open(url, method=method, json={"status": "failed", "booking_id": "B", "amount": 1})
    assert answer.status_code == 401
    assert answer.get_json() == {**MISSING, "retry": {"safe": True, "key": "same", "after": None}}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, MISSING),
        ({"Authorization": token("ada")}, MISSING),
        ({"Authorization": f"Token {token('ada')}"}, MISSING),
        ({"Authorization": "Bearer"}, INVALID),
        ({"Authorization": "Bearer x.y.z"}, INVALID),
        (bearer("ada", expires_in=-60), INVALID),
        (bearer("ada", secret="another-secret-of-32-bytes-or-more!"), INVALID),
        (bearer(None), NOT_FOUND),
        (bearer(""), NOT_FOUND),
    ],
)
def test_bad_token_answers_401_with_its_fault(
    client: FlaskClient, header: dict[str, str], body: dict[str, Any]
) -> None:
    answer = client.get(PAYMENTS, headers=header)
    assert answer.status_code == 401
    assert answer.get_json().items() >= body.items()


def test_bookings_need_a_token_whichever_channels_are_open(make_app: MakeApp) -> None:
    app = make_app(auth_open_channels=frozenset({"trips", "bills", "orders", "checkout"}))
    assert app.test_client().get(PAYMENTS).status_code == 401


def test_numeric_subject_is_accepted_as_a_user(app: Any) -> None:
    seven = Booker(app, 7)  # type: ignore[arg-type]
    assert payment_of(seven.create(), 201)["user_id"] == "7"


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{id}" in route[1]])
def test_request_for_a_payment_of_another_user_answers_403_and_changes_nothing(
    ada: Booker, bob: Booker, method: str, path: str
) -> None:
    payment_id = ada.made()
    answer = bob(method, path.format(id=payment_id), json={"status": "failed"})
    assert error_of(answer, 403) == "Unauthorized"
    assert answer.get_json()["code"] == "forbidden"
    assert ada.status(payment_id) == "pending"


def test_service_acts_on_payments_of_every_user(ada: Booker, desk: Booker) -> None:
    payment_id = ada.made()
    assert payment_of(desk.show(payment_id))["user_id"] == "ada"
    assert payment_of(desk.process(payment_id))["status"] == "completed"
    assert payment_of(desk.refund(payment_id))["user_id"] == "ada"


def test_first_request_of_a_user_stores_the_user(ada: Booker, deps: Dependencies) -> None:
    ada.page()
    ada.made()
    (row,) = rows(deps, users)
    assert (row["auth_user_id"], row["email"], row["is_verified"]) == ("ada", "ada@example.com", True)
    assert row["created_at"] == row["updated_at"]


def test_user_is_updated_when_the_claims_of_the_token_change(app: Any, ada: Booker, deps: Dependencies) -> None:
    ada.page()
    Booker(app, "ada", email="ada@example.org", is_verified=False).page()
    (row,) = rows(deps, users)
    assert (row["email"], row["is_verified"]) == ("ada@example.org", False)
    assert row["updated_at"] > row["created_at"]


def test_unverified_user_may_pay(bob: Booker) -> None:
    assert bob.status(bob.paid()) == "completed"


def test_refused_request_or_preflight_stores_no_user(client: FlaskClient, deps: Dependencies) -> None:
    client.get(PAYMENTS)
    client.get(PAYMENTS, headers=bearer("eve", expires_in=-60))
    preflight = client.options(PAYMENTS)
    assert preflight.status_code == 200
    assert count(deps, users) == 0
