from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.conftest import MakeApp
from tests.support.callers import BILL, TRIP, pay_bill, pay_trip
from tests.support.tokens import SECRET, bearer, token

PUBLIC = ("/health", "/metrics", "/docs", "/redoc", "/openapi.json", "/ops/login", "/ops/logout", "/webhooks")
"""Paths that need no token, bare or below a prefix; all others need one."""

BAD_TOKENS = {
    "nonsense": "Bearer nonsense",
    "nothing": "Bearer",
    "empty": "Bearer ",
    "not signed": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyLTEifQ.",
    "another scheme": "Basic dXNlcjpwYXNz",
    "another secret": bearer(secret="another-secret-of-32-bytes-or-more")["Authorization"],
    "expired": bearer(expires_in=-120)["Authorization"],
    "not yet valid": bearer(nbf=4_000_000_000)["Authorization"],
    "a character too many": f"Bearer {token()}x",
    "no subject": bearer(None)["Authorization"],
    "an empty subject": bearer("")["Authorization"],
    "a list for a subject": bearer(["user-1"])["Authorization"],
    "a control character": bearer("user\x00")["Authorization"],
    "a refresh token": bearer(type="refresh")["Authorization"],
    "two tokens": f"Bearer {token()},Bearer {token()}",
}


def routes(app: Flask) -> Iterator[tuple[str, str, Rule]]:
    """Return method, path and rule of every route; every variable of a path is 1."""
    for rule in app.url_map.iter_rules():
        path = rule.build({name: _value(rule, name) for name in rule.arguments}, append_unknown=False)
        assert path is not None, rule
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, path[1], rule


def _value(rule: Rule, name: str) -> object:
    kind = type(rule._converters[name]).__name__
    return "00000000-0000-4000-8000-000000000001" if kind == "UUIDConverter" else 1


def is_public(path: str) -> bool:
    return any(path.startswith((prefix, f"/v1{prefix}")) for prefix in PUBLIC)


def code_of(refusal: TestResponse) -> str:
    """Return the code of an error; a page answers without JSON, and asks for the missing token."""
    if refusal.is_json:
        return str(refusal.get_json()["code"])
    return "TOKEN_MISSING" if 'name="token"' in refusal.text else ""


@pytest.fixture
def strict(make_app: MakeApp) -> FlaskClient:
    """Return a caller of a service as production runs it: no channel is open."""
    return make_app(auth_open_channels=frozenset()).test_client()


def test_every_route_declares_its_access(app: Flask) -> None:
    declared = app.extensions["access"]
    found = {(method, path): declared[rule.endpoint.rpartition(".")[0]].is_public for method, path, rule in routes(app)}
    assert found == {(method, path): is_public(path) for method, path in found}


def test_request_without_a_token_answers_401_unless_the_route_is_public(strict: FlaskClient) -> None:
    answers = {(method, path): strict.open(path, method=method) for method, path, _ in routes(strict.application)}
    guarded = {route: answer for route, answer in answers.items() if not is_public(route[1])}
    refused = {route for route, answer in answers.items() if answer.status_code == 401}

    assert len(guarded) >= 10
    assert {code_of(answer) for answer in guarded.values()} == {"TOKEN_MISSING"}
    assert guarded.keys() - refused == set()
    # Without a provider no operator can sign in there.
    assert {route for route in refused - guarded.keys() if not route[1].startswith("/ops/login/")} == set()


@pytest.mark.parametrize("authorization", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_bad_token_answers_401_also_where_none_is_needed(client: FlaskClient, authorization: str) -> None:
    headers = {"Authorization": authorization}
    guarded = [(method, path) for method, path, _ in routes(client.application) if not is_public(path)]
    answers = {(method, path): client.open(path, method=method, headers=headers) for method, path in guarded}

    assert {route: answer.status_code for route, answer in answers.items()} == dict.fromkeys(guarded, 401)
    assert {code_of(answer) for answer in answers.values()} <= {"TOKEN_INVALID", "TOKEN_MISSING", "USER_NOT_FOUND"}


def test_request_without_a_token_stores_nothing(strict: FlaskClient) -> None:
    assert pay_trip(strict).status_code == pay_bill(strict).status_code == 401
    assert strict.get("/payments", headers=bearer()).get_json()["payments"] == []
    assert strict.get("/v1/payments", headers=bearer()).get_json() == []


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("TOKEN_MISSING", {}),
        ("TOKEN_INVALID", {"Authorization": f"Bearer {token(secret='x' * 40)}"}),
        ("USER_NOT_FOUND", bearer(None)),
    ],
)
def test_each_refusal_of_a_token_has_its_own_code(strict: FlaskClient, code: str, headers: dict[str, str]) -> None:
    answer = strict.get("/payments", headers=headers)

    assert (answer.status_code, answer.get_json()["code"]) == (401, code)
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": None}


def test_refusal_of_a_token_has_the_shape_of_its_path(strict: FlaskClient) -> None:
    assert "error" in strict.get("/payments").get_json()
    assert "detail" in strict.get("/v1/payments").get_json()


def test_request_with_a_valid_token_is_served(strict: FlaskClient) -> None:
    assert pay_trip(strict, headers=bearer()).status_code == 200
    assert pay_bill(strict, headers=bearer()).status_code == 201
    assert pay_trip(strict, headers=bearer(7), idempotency_key="a subject that is a number").status_code == 200


def test_channel_that_is_not_open_needs_a_token(make_app: MakeApp) -> None:
    client = make_app(auth_open_channels=frozenset({"trips"})).test_client()
    paths, key = ("/payments", "/v1/payments"), {"Idempotency-Key": "k"}
    bills = [client.post(path, json=dict(BILL), headers=key) for path in paths]

    assert [client.post(path, json=dict(TRIP)).status_code for path in paths] == [200, 200]
    assert [(bill.status_code, bill.get_json()["code"]) for bill in bills] == [(401, "TOKEN_MISSING")] * 2
    assert client.get("/payments").status_code == 200
    assert client.get("/v1/payments").status_code == client.get("/v1/payments?skip=0").status_code == 401
    assert client.get("/v1/payments?trip_id=101").status_code == 200
    bill = pay_bill(client, headers=bearer()).get_json()["payment_id"]
    assert client.get(f"/payments/{bill}").status_code == 404  # as any number without a payment of trips
    assert client.get(f"/v1/payments/{bill}").status_code == 401


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_missing_token_on_a_path_of_one_channel_has_the_shape_of_that_channel(strict: FlaskClient, prefix: str) -> None:
    answer = strict.post(f"{prefix}/payments/1/refunds", json={})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "Authorization token is missing")


def test_token_needs_the_issuer_and_audience_of_the_settings(make_app: MakeApp) -> None:
    client = make_app(jwt_issuer="https://auth.example", jwt_audience="payments").test_client()
    good = {"iss": "https://auth.example", "aud": "payments"}
    wrong: tuple[dict[str, str], ...] = (
        {},
        {**good, "iss": "https://auth.example.evil"},
        {**good, "aud": "orders"},
        {"aud": "payments"},
    )

    assert client.get("/payments", headers=bearer(**good)).status_code == 200
    assert [client.get("/payments", headers=bearer(**claims)).status_code for claims in wrong] == [401] * len(wrong)


def test_token_in_the_query_or_a_cookie_is_ignored(strict: FlaskClient) -> None:
    assert strict.get(f"/payments?access_token={token()}&jwt={token()}").status_code == 401
    strict.set_cookie("access_token_cookie", token())
    assert strict.get("/payments").status_code == 401


def test_caller_is_named_only_by_the_token(strict: FlaskClient) -> None:
    claimed = {"X-User-ID": "user-2", "X-Forwarded-User": "user-2", "X-Subject": "user-2"}
    number = pay_trip(strict, headers={**bearer("user-1"), **claimed}).get_json()["payment_id"]
    assert strict.get(f"/payments/{number}", headers=bearer("user-1")).status_code == 200
    assert strict.get(f"/payments/{number}", headers=bearer("user-2")).status_code == 404


def test_preflight_without_a_token_is_answered(strict: FlaskClient) -> None:
    assert strict.options("/payments").status_code == 200
    assert SECRET not in strict.options("/payments").text
