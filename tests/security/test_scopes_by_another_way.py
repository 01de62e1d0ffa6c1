"""No other spelling, method or header of a request needs a lesser scope."""

from typing import Any

import pytest

from tests.conftest import MakeApp
from tests.support.tokens import bearer

PRODUCTION: dict[str, Any] = {"environment": "production", "auth_open_channels": frozenset(), "api_prefix": "/own"}
READING = bearer(scope="payments:read")
ORDER = {"order_id": 1, "user_id": 1, "amount": 1, "payment_method": "UPI"}
PATHS = ("/v1/payments/charge", "/v1/payments/charge/", "/v1/payments", "/v1/payments/", "/own/payments", "/payments")


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_header_that_names_another_method_changes_no_required_scope(make_app: MakeApp, header: str) -> None:
    client = make_app(**PRODUCTION).test_client()
    paths = (*PATHS, *(f"{path}?_method=GET" for path in PATHS))
    reading = {**READING, header: "GET"}
    answers = {path: client.post(path, json=ORDER, headers={**reading, "Idempotency-Key": path}) for path in paths}
    found = {path: (answer.status_code, answer.get_json()["code"]) for path, answer in answers.items()}
    assert found == dict.fromkeys(paths, (403, "scope_missing"))


@pytest.mark.parametrize("path", ["/v1/payments", "/own/payments", "/payments/"])
def test_head_needs_the_scope_of_get_and_options_none(make_app: MakeApp, path: str) -> None:
    client = make_app(**PRODUCTION).test_client()
    assert client.head(path, headers=bearer()).status_code == 403
    assert client.head(path, headers=bearer(scope="payments:charge")).status_code == 403
    assert client.head(path, headers=READING).status_code == 200
    assert client.options(path, headers=bearer(scope="payments:refund")).status_code == 200
