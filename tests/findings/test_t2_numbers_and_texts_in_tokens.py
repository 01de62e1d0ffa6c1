"""T2: numbers in a token are numbers, and a claim that cannot be stored is left out."""

import json
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.models import users
from payment_service.services.dependencies import Dependencies
from tests.support.auth_app import answer, app_with
from tests.support.database import rows
from tests.support.issuer import SECRET, claims, signed

OURS = "a-test-secret-of-32-bytes-or-more!!"
"""The secret of the app under test."""


@pytest.fixture
def judge() -> FlaskClient:
    return app_with(jwt_secret_key=SECRET)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("form", ["{}.25", "{}.999999", "{}.0", "{}e0"])
def test_t2_time_with_a_fraction_is_accepted(judge: FlaskClient, name: str, form: str) -> None:
    """Release 1.0.0 answered 401 to an `exp` with a fraction."""
    at = int(time.time()) + (600 if name == "exp" else -600)
    payload = json.dumps({key: value for key, value in claims().items() if key != name})
    text = payload[:-1] + f', "{name}": {form.format(at)}}}'
    assert answer(judge, signed(text.encode())) == "user-1"


@pytest.mark.parametrize("exp", [1.5, 1e300, -0.5, True, "1795159748.5", [1.5]], ids=repr)
def test_t2_invalid_or_past_time_is_refused(judge: FlaskClient, exp: Any) -> None:
    """A fraction makes no ended token valid."""
    assert answer(judge, signed(claims() | {"exp": exp})) == "TOKEN_INVALID"


UNSTORABLE = {
    "half a pair before": "\ud83d@example.com",
    "half a pair behind": "ada@example\udc00.com",
    "a NUL": "a\x00da@example.com",
    "too long": "a" * 300 + "@example.com",
    "a number": 7,
    "an object": {"address": "ada@example.com"},
}


@pytest.mark.parametrize("email", UNSTORABLE.values(), ids=UNSTORABLE)
def test_t2_email_that_cannot_be_stored_is_ignored(app: Flask, deps: Dependencies, email: Any) -> None:
    """Release 1.0.0 answered 500 to half a surrogate pair."""
    bearer = signed(claims(sub="ada") | {"email": email}, OURS.encode())
    made = app.test_client().get("/api/payments", headers={"Authorization": f"Bearer {bearer}"})
    assert made.status_code == 200, made.text
    assert [(row["auth_user_id"], row["email"]) for row in rows(deps, users)] == [("ada", None)]


@pytest.mark.parametrize("name", ["name", "scope", "scopes", "scp", "is_verified", "type", "jti", "iss"])
def test_t2_lone_surrogate_in_another_claim_causes_no_500(app: Flask, name: str) -> None:
    """The service checks only the claims that it stores."""
    value: Any = ["\ud83d"] if name == "scopes" else "\ud83d"
    bearer = signed(claims(sub="ada") | {name: value}, OURS.encode())
    answered = app.test_client().get("/api/payments", headers={"Authorization": f"Bearer {bearer}"})
    assert answered.status_code == 200, answered.text
