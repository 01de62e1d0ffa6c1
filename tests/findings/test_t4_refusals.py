"""T4: a refusal leaves a line with the subject, the request, the address and the reason.

The lines of release 1.0.0 named neither subject nor reason, and failed sign-ins left none.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.principals import TokenScope
from payment_service.domain.refusals import Reason
from payment_service.web.operators import COOKIE
from tests.conftest import Lines, MakeApp
from tests.support.issuer import SECRET, Publisher, by, claims, forged, jwk, signed, token
from tests.support.malformed import Route
from tests.support.refusals import routes

KEY, OTHER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
OPERATE = TokenScope.OPERATE.value
GOOD: dict[str, Any] = {"aud": "payments", "iss": "https://auth.test"}
ELSEWHERE = "203.0.113.9"
Refused = dict[str, Any]

REFUSED: dict[str, tuple[str, str, str | None]] = {
    "words": ("not-a-token", "malformed", None),
    "payload that is no object": (forged({"alg": "HS256"}, b"[]", b"x" * 32), "malformed", None),
    "no algorithm": (forged({"alg": "none"}, claims(**GOOD, sub="canary"), b"x" * 32), "wrong_algorithm", None),
    "another secret": (token("x" * 40, **GOOD, sub="canary"), "wrong_signature", None),
    "another secret, ended": (token("x" * 40, **GOOD, sub="canary", exp=1), "wrong_signature", None),
    "unknown key": (by(OTHER, "unknown", **GOOD, sub="canary"), "unknown_key", None),
    "forged with a known key id": (by(OTHER, "known", **GOOD, sub="canary"), "wrong_signature", None),
    "ended": (token(**GOOD, exp=1), "expired", "user-1"),
    "ended, by a published key": (by(KEY, "known", **GOOD, exp=1), "expired", "user-1"),
    "begins later": (token(**GOOD, nbf=4_000_000_000), "not_yet_valid", "user-1"),
    "another audience": (token(iss=GOOD["iss"], aud="other"), "wrong_audience", "user-1"),
    "no audience": (token(iss=GOOD["iss"]), "wrong_audience", "user-1"),
    "another issuer": (token(aud=GOOD["aud"], iss="https://evil.test"), "wrong_issuer", "user-1"),
    "no issuer": (token(aud=GOOD["aud"]), "wrong_issuer", "user-1"),
    "no end": (token(**GOOD, exp=None), "wrong_claim", "user-1"),
    "refresh token": (token(**GOOD, type="refresh"), "wrong_claim", "user-1"),
    "no subject": (token(**GOOD, sub=None), "no_subject", None),
    "subject that is a list": (signed(claims(**GOOD, sub=["canary"])), "wrong_claim", None),
}
"""A token, the reason for its refusal, and the subject that the line may name: one with a verified signature."""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Yield an auth service that publishes one key."""
    with Publisher(jwk(KEY, "known")) as published:
        yield published


@pytest.fixture
def closed(make_app: MakeApp, publisher: Publisher) -> Flask:
    """Return the service with every kind of key, in which every channel needs a token."""
    secrets = {"jwt_secret_key": SECRET, "jwt_jwks_url": publisher.url}
    named = {"jwt_audience": GOOD["aud"], "jwt_issuer": GOOD["iss"]}
    return make_app(log_level="INFO", auth_open_channels=frozenset(), **secrets, **named)


def refused(lines: Lines) -> list[Refused]:
    return [line for line in lines() if line["event"] == "auth.refused"]


def ask(client: FlaskClient, path: str, value: str | None, **environ: str) -> TestResponse:
    headers = {} if value is None else {"Authorization": f"Bearer {value}"}
    return client.get(path, headers=headers, environ_overrides=environ)


@pytest.mark.parametrize("name", REFUSED)
def test_t4_refused_token_is_logged_with_the_reason(closed: Flask, lines: Lines, name: str) -> None:
    """Release 1.0.0 logged only the route and the status 401."""
    value, reason, subject = REFUSED[name]
    lines()
    answer = ask(FlaskClient(closed, use_cookies=False), "/payments/7", value, REMOTE_ADDR=ELSEWHERE)
    (line,) = refused(lines)

    assert answer.status_code == 401
    assert (line["reason"], line["subject"], line["address"]) == (reason, subject, ELSEWHERE)
    assert (line["method"], line["route"], line["status"]) == ("GET", "/payments/<payment_id>", 401)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["level"] == ("info" if reason == "expired" else "warning")
    assert line["reason"] in set(Reason)
    assert "canary" not in json.dumps(line)
    assert value not in json.dumps(line)


def test_t4_request_without_a_token_is_logged(closed: Flask, lines: Lines) -> None:
    """Release 1.0.0 logged only the route and the status 401."""
    lines()
    ask(FlaskClient(closed, use_cookies=False), "/payments/7", None)
    FlaskClient(closed, use_cookies=False).get("/payments/7", headers={"Authorization": "Basic Y2FuYXJ5OmNhbmFyeQ=="})
    found = refused(lines)

    assert [(line["reason"], line["level"], line["subject"]) for line in found] == [("missing", "info", None)] * 2
    assert "Y2FuYXJ5" not in json.dumps(found)


def test_t4_refusal_of_a_closed_channel_beside_an_open_one_is_logged_with_the_channel(
    make_app: MakeApp, lines: Lines
) -> None:
    """Release 1.0.0 logged only the route and the status 401."""
    client = make_app(log_level="INFO", auth_open_channels=frozenset({"trips"})).test_client()
    lines()
    answer = client.post("/payments", json={"bill_id": 7, "amount": 1, "method": "UPI"})
    (line,) = refused(lines)

    assert answer.status_code == 401
    assert (line["reason"], line["subject"]) == ("open_channel_only", None)


@pytest.mark.parametrize("path", ["/ops", "/ops/payments/7", "/ops/search?q=canary"])
def test_t4_operator_without_the_scope_is_logged_with_name_and_scope(closed: Flask, lines: Lines, path: str) -> None:
    """Release 1.0.0 logged only the route and the status 403."""
    client = FlaskClient(closed, use_cookies=False)
    lines()
    answer = client.post("/ops/login", data={"token": token(**GOOD), "then": path})
    (line,) = refused(lines)

    assert answer.status_code == 403
    assert (line["reason"], line["subject"], line["scope_needed"]) == ("scope_missing", "user-1", OPERATE)
    assert "canary" not in json.dumps(line)


def test_t4_form_of_another_site_is_logged(closed: Flask, lines: Lines) -> None:
    """Release 1.0.0 logged only the route and the status 403."""
    client = FlaskClient(closed, use_cookies=False)
    lines()
    answer = client.post("/ops/login", data={"token": "canary"}, headers={"Origin": "https://canary.test"})
    (line,) = refused(lines)

    assert (answer.status_code, line["reason"]) == (403, "foreign_form")
    assert "canary" not in json.dumps(line)


@pytest.mark.parametrize(
    ("peer", "stated", "address"),
    [
        ("127.0.0.1", ELSEWHERE, ELSEWHERE),
        ("10.1.2.3", f"1.2.3.4, {ELSEWHERE}", ELSEWHERE),
        ("10.1.2.3", "2001:db8::7", "2001:db8::7"),
        ("10.1.2.3", None, "10.1.2.3"),
        ("10.1.2.3", "canary", "10.1.2.3"),
        ("8.8.4.4", ELSEWHERE, "8.8.4.4"),
        ("", ELSEWHERE, ELSEWHERE),
        ("", None, None),
    ],
)
def test_t4_logged_address_is_that_of_the_client_behind_the_proxy(
    closed: Flask, lines: Lines, peer: str, stated: str | None, address: str | None
) -> None:
    """Release 1.0.0 logged no address."""
    headers = {} if stated is None else {"X-Forwarded-For": stated}
    lines()
    FlaskClient(closed, use_cookies=False).get("/payments/7", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    (line,) = refused(lines)

    assert line["address"] == address


def test_t4_every_refusal_of_every_route_is_logged_once(closed: Flask, lines: Lines) -> None:
    """Release 1.0.0 had no such line on any route. The test sends a request to every new route."""
    client = FlaskClient(closed, use_cookies=False)
    tokens = [None, *(value for value, _, _ in REFUSED.values()), token(**GOOD)]
    secrets = ["canary", *filter(None, tokens)]
    found: dict[str, object] = {}
    for route in routes(closed):
        lines()
        answers = [at(client, route, value) for value in tokens]
        written = lines()
        refused = {answer.headers["X-Request-ID"] for answer in answers if answer.status_code in {401, 403}}
        logged = Counter(line["request_id"] for line in written if line["event"] == "auth.refused")
        found[str(route)] = (
            refused - logged.keys(),
            [each for each, times in logged.items() if times > 1],
            [secret for secret in secrets if secret in json.dumps(written)],
        )
    assert found == {route: (set(), [], []) for route in found}


def at(client: FlaskClient, route: Route, value: str | None) -> TestResponse:
    headers = {} if value is None else {"Authorization": f"Bearer {value}", "Cookie": f"{COOKIE}={value}"}
    return client.open(route.path(), method=route.method, headers=headers, json={"idempotency_key": "k"})
