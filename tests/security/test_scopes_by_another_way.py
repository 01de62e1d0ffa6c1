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
def test_a_header_that_names_another_method_changes_no_need(make_app: MakeApp, header: str) -> None:
    client = make_app(**PRODUCTION).test_client()
    for path in (*PATHS, *(f"{path}?_method=GET" for path in PATHS)):
        answer = client.post(path, json=ORDER, headers={**READING, header: "GET", "Idempotency-Key": path})
        assert (answer.status_code, answer.get_json()["code"]) == (403, "scope_missing"), path


def test_head_needs_what_get_needs_and_options_nothing(make_app: MakeApp) -> None:
    client = make_app(**PRODUCTION).test_client()
    for path in ("/v1/payments", "/own/payments", "/payments/"):
        assert client.head(path, headers=bearer()).status_code == 403, path
        assert client.head(path, headers=bearer(scope="payments:charge")).status_code == 403, path
        assert client.head(path, headers=READING).status_code == 200, path
        assert client.options(path, headers=bearer(scope="payments:refund")).status_code == 200, path
