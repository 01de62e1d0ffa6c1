"""S3: the operations pages open to `payments:operate`, and to no scope of callers.

Release 1.0.0 opened them to `payments:service`, which every service has.
"""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import MakeApp
from tests.support.callers import pay_trip
from tests.support.operators import sign_in
from tests.support.tokens import bearer, token

REFUSED = [
    "payments:service",
    "payments:service:trips",
    "payments:charge payments:refund payments:read payments:service",
    "payments:operate:trips",
    "payments:operate:",
    "Payments:Operate",
    "payments:operate\tx",
    "",
]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service as production runs it."""
    return make_app(environment="production", auth_open_channels=frozenset())


@pytest.mark.parametrize("scopes", REFUSED)
def test_s3_sign_in_with_another_scope_answers_403(client: FlaskClient, scopes: str) -> None:
    """Release 1.0.0 opened them to `payments:service`, the scope of every service that calls."""
    other = token("trip-service", scope=scopes)
    refusal = sign_in(client, other)
    assert refusal.status_code == 403
    assert "do not have the scope payments:operate" in refusal.text
    assert "Set-Cookie" not in refusal.headers
    headers = {"Authorization": f"Bearer {other}", "Cookie": f"ops={other}; __Host-ops={other}; ops_token={other}"}
    paths = ("", "/search?q=1", "/payments/1", "/deliveries")
    assert [client.get(f"/ops{path}", headers=headers).status_code for path in paths] == [401] * 4
    assert client.post("/ops/deliveries/1/replay", headers=headers).status_code == 401


@pytest.mark.parametrize("claims", [{"scope": "email payments:operate"}, {"scp": ["payments:operate"]}])
def test_s3_operator_opens_the_pages_and_no_route_of_callers(client: FlaskClient, claims: dict[str, Any]) -> None:
    """Release 1.0.0 had no scope of operators."""
    assert sign_in(client, token("maria", **claims)).status_code == 303
    assert [client.get(f"/ops{path}").status_code for path in ("", "/search?q=1", "/deliveries")] == [200] * 3
    operator = bearer("maria", **claims)
    assert pay_trip(client, headers=operator).get_json()["code"] == "scope_missing"
    paths = ("/payments", "/v1/payments", "/v1/idempotency-keys/k", "/api/payments", "/api/v1/payments/order/1")
    answers = [client.get(path, headers=operator) for path in paths]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in answers] == [(403, "scope_missing")] * 5
