import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.auth_app import answer, app_with
from tests.support.issuer import SECRET, claims, signed, token


@pytest.fixture
def client() -> FlaskClient:
    return app_with(jwt_secret_key=SECRET)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("exp", None, "TOKEN_INVALID"),
        ("exp", 1, "TOKEN_INVALID"),
        ("exp", "1795159748", "TOKEN_INVALID"),
        ("exp", 4_000_000_000.5, "user-1"),
        ("exp", 10**18, "TOKEN_INVALID"),
        ("exp", True, "TOKEN_INVALID"),
        ("exp", float("inf"), "TOKEN_INVALID"),
        ("exp", float("nan"), "TOKEN_INVALID"),
        ("exp", [], "TOKEN_INVALID"),
        ("exp", {}, "TOKEN_INVALID"),
        ("nbf", 4_000_000_000, "TOKEN_INVALID"),
        ("nbf", "soon", "TOKEN_INVALID"),
        ("nbf", [], "TOKEN_INVALID"),
        ("nbf", float("inf"), "TOKEN_INVALID"),
        ("iat", 4_000_000_000, "TOKEN_INVALID"),
        ("iat", {}, "TOKEN_INVALID"),
        ("type", "refresh", "TOKEN_INVALID"),
        ("sub", None, "USER_NOT_FOUND"),
        ("sub", "", "USER_NOT_FOUND"),
        ("sub", " ", "TOKEN_INVALID"),
        ("sub", True, "TOKEN_INVALID"),
        ("sub", 1.5, "TOKEN_INVALID"),
        ("sub", ["user-1"], "TOKEN_INVALID"),
        ("sub", {"id": 1}, "TOKEN_INVALID"),
        ("sub", "a\x00b", "TOKEN_INVALID"),
        ("sub", "a\nb", "TOKEN_INVALID"),
        ("sub", "user-1\n", "TOKEN_INVALID"),
        ("sub", " user-1", "TOKEN_INVALID"),
        ("sub", "us\u0435r-1", "TOKEN_INVALID"),
        ("sub", "a" * 256, "TOKEN_INVALID"),
        ("sub", "a" * 255, "a" * 255),
        ("sub", 42, "42"),
        ("sub", "auth0|5f7c8ec7", "auth0|5f7c8ec7"),
        ("jti", 7, "TOKEN_INVALID"),
        ("aud", "anyone", "user-1"),
    ],
    ids=repr,
)
def test_claims_are_judged_by_value_and_type(client: FlaskClient, name: str, value: Any, code: str) -> None:
    payload = claims() | {name: value}
    if value is None:
        del payload[name]
    assert answer(client, signed(payload)) == code


def test_clock_difference_of_30_seconds_is_tolerated(client: FlaskClient) -> None:
    now = int(time.time())
    assert answer(client, token(exp=now - 20, nbf=now + 20)) == "user-1"
    assert answer(client, token(exp=now - 40)) == "TOKEN_INVALID"
    assert answer(client, token(nbf=now + 40)) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aud", None),
        ("aud", "other"),
        ("aud", ["x", "y"]),
        ("aud", 7),
        ("aud", "payments2"),
        ("iss", None),
        ("iss", "https://auth.test.evil"),
        ("iss", "https://auth"),
        ("iss", ["https://auth.test"]),
    ],
    ids=repr,
)
def test_audience_and_issuer_are_enforced_once_configured(name: str, value: Any) -> None:
    client = app_with(jwt_secret_key=SECRET, jwt_audience="payments", jwt_issuer="https://auth.test")
    right = claims(aud=["shop", "payments"], iss="https://auth.test")
    assert answer(client, signed(right)) == "user-1"
    wrong = right | {name: value}
    if value is None:
        del wrong[name]
    assert answer(client, signed(wrong)) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("changes", "is_service"),
    [
        ({"scope": "a payments:service"}, True),
        ({"scp": ["payments:service"]}, True),
        ({"scopes": ["payments:service", 7]}, True),
        ({"scope": "payments:service2"}, False),
        ({"scope": {"payments:service": 1}}, False),
        ({"scp": 7}, False),
        ({"role": "payments:service"}, False),
        ({"scp": "payments:read", "scopes": ["payments:service"] * 500, "scope": ""}, True),
        ({"scope": "x " * 1500 + "payments:service"}, True),
        ({"scope": "payments:service:trips"}, True),
        ({"scope": "payments:service:trips:extra"}, False),
        ({"scope": "payments:service:bills"}, False),
        ({"scope": "Payments:Service"}, False),
        ({"scope": "payments:read\tpayments:service"}, False),
        ({"scope": "payments:read,payments:service"}, False),
        ({"scope": "\ufeffpayments:service"}, False),
        ({"scope": "payments\uff1aservice"}, False),
        ({"scopes": [["payments:service"]]}, False),
        ({"scopes": ["payments:read payments:service"]}, False),
        ({"scopes": {"payments:service": ["payments:service"]}}, False),
    ],
)
def test_scopes_are_read_in_every_form_of_issuers(
    client: FlaskClient, changes: dict[str, Any], is_service: bool
) -> None:
    response = client.get("/closed", headers={"Authorization": f"Bearer {token(**changes)}"})
    assert response.json["is_service"] is is_service  # type: ignore[index]


@pytest.mark.parametrize("email", [7, "no address", "a@b\nc", "x" * 300 + "@b", "\ud83d@b", "a@\udc00", None])
def test_implausible_email_is_ignored(client: FlaskClient, email: Any) -> None:
    response = client.get("/closed", headers={"Authorization": f"Bearer {token(email=email, is_verified='yes')}"})
    assert response.json["email"] is None  # type: ignore[index]
    assert response.json["is_verified"] is False  # type: ignore[index]
