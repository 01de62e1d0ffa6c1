"""Every route refuses every bad token; a new route is covered automatically."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from tests.security.places import session_of
from tests.support.gateways import LedgerGateway
from tests.support.issuer import SECRET, claims, forged, jwk, pem, signed, token
from tests.support.malformed import Route
from tests.support.refusals import LEAKS, routes, rows

KEY, OTHER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
GOOD: dict[str, Any] = {"aud": "payments", "iss": "https://auth.test"}
NOW = int(time.time())
OPERATORS: dict[str, Any] = {"scope": "payments:service payments:operate"}


def forgeries(good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return tokens without a signature or of an unknown signer: a name, and the token."""
    spellings: list[Any] = ["none", "None", "NONE", "nOnE", "", "null", "HS256 ", "hs256", None, 0, [], {}, True]
    for spelling in spellings:
        yield f"alg {spelling!r}", forged({"alg": spelling, "typ": "JWT"}, good)
        yield f"alg {spelling!r} with a signature", forged({"alg": spelling}, good, b"x" * 32)
    for algorithm in ("HS384", "HS512"):
        yield algorithm, jwt.encode(good, SECRET * 2, algorithm)
    public = KEY.public_key()
    for name, secret in {
        "PEM": pem(KEY).encode(),
        "PEM stripped": pem(KEY).strip().encode(),
        "PKCS1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "JWK": str(jwk(KEY, "1")).encode(),
        "empty": b"",
    }.items():
        yield f"the public key as secret, {name}", signed(good, secret)
        yield f"the same said to be RS256, {name}", signed(good, secret, {"alg": "RS256"})
    yield "another RSA key", token(OTHER, "RS256", **GOOD, **OPERATORS)
    yield "another secret", token("x" * 40, **GOOD, **OPERATORS)
    for kid in ("../../dev/null", "/etc/passwd", "' OR 1=1 --", "k" * 2000, "http://127.0.0.1:1/", ["1"], 7):
        yield f"kid {kid!r:.20}", signed(good, b"x" * 32, {"alg": "HS256", "kid": kid})
    for header in ("jku", "x5u", "jwk", "x5c"):
        yield header, signed(good, b"x" * 32, {"alg": "HS256", header: "http://127.0.0.1:1/"})
    yield "crit", signed(good, header={"alg": "HS256", "crit": ["x"], "x": 1})


def misfits(good: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return tokens with a valid signature and one wrong claim."""
    changes: dict[str, list[object]] = {
        "exp": [None, 1, NOW - 60, str(NOW + 600), 10**18, True, []],
        "nbf": [4_000_000_000, "soon"],
        "iat": [4_000_000_000, {}],
        "aud": [None, "other", ["x"], 7, "payments2"],
        "iss": [None, "https://auth.test.evil", "https://auth", ["https://auth.test"]],
        "sub": [None, "", " ", True, 1.5, ["user-1"], {"id": 1}, "a\x00b", "user-1\n", "us\u0435r-1", "a" * 256],
        "type": ["refresh"],
    }
    for claim, values in changes.items():
        for value in values:
            wrong = {name: each for name, each in {**good, claim: value}.items() if each is not None}
            yield f"{claim} {value!r:.20}", signed(wrong)


def fragments(whole: str) -> Iterator[tuple[str, str]]:
    """Return pieces of a good token."""
    head, body, signature = whole.split(".")
    yield from {
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "half a signature": f"{head}.{body}.{signature[:20]}",
        "padded": f"{whole}=",
        "too long": "A" * 6000,
        "two": f"{whole},{whole}",
        "words": "not a token",
        "deep": forged(b"[" * 3000, b"[" * 3000),
    }.items()


CLAIMS = claims(**GOOD, **OPERATORS)
TOKENS = dict([*forgeries(CLAIMS), *misfits(CLAIMS), *fragments(signed(CLAIMS))])


@pytest.fixture(scope="module")
def guarded(migrated: Callable[[str], str]) -> Iterator[Flask]:
    """Return the service with every kind of key and no open channel. No token reaches a database: one kind will do."""
    settings = Settings(database_url=migrated("sqlite"), log_level="CRITICAL", jwt_secret_key=SECRET)
    settings = replace(settings, jwt_public_key=pem(KEY), jwt_audience=GOOD["aud"], jwt_issuer=GOOD["iss"])
    app = create_app(replace(settings, auth_open_channels=frozenset()), gateway=LedgerGateway())
    yield app
    with app.app_context():
        db.engine.dispose()


def asked(client: FlaskClient, route: Route, value: str) -> TestResponse:
    """Send a token where the path looks for one: in the header, and for pages in the session that it begins."""
    headers = {"Authorization": f"Bearer {value}"}
    if route.rule.startswith("/ops"):
        headers["Cookie"] = session_of(client, value)
    return client.open(route.path(), method=route.method, headers=headers, json={"idempotency_key": "k"})


def guarded_routes(app: Flask) -> list[Route]:
    return [route for route in routes(app) if not route.seldom]


@pytest.mark.parametrize(
    "good",
    [token(**GOOD, **OPERATORS), token(KEY, "RS256", **GOOD, **OPERATORS)],
    ids=["by the secret", "by the key"],
)
def test_valid_token_opens_every_route(guarded: Flask, good: str) -> None:
    client = guarded.test_client(use_cookies=False)
    statuses = {str(route): asked(client, route, good).status_code for route in guarded_routes(guarded)}
    assert {route: status for route, status in statuses.items() if status in {401, 500}} == {}


def test_invalid_token_answers_401_on_every_route(guarded: Flask) -> None:
    client, deps = guarded.test_client(use_cookies=False), guarded.extensions["payment_service"]
    before = rows(deps)
    assert len(guarded_routes(guarded)) > 30
    assert len(TOKENS) > 80
    wrong = []
    for route, (name, value) in product(guarded_routes(guarded), TOKENS.items()):
        answer = asked(client, route, value)
        leaked = "Idempotent-Replayed" in answer.headers or LEAKS.findall(answer.text)
        if answer.status_code != 401 or leaked:
            wrong.append((name, str(route), answer.status, leaked))
    assert wrong == []
    assert rows(deps) == before


@pytest.mark.parametrize("scope", [None, "payments", "payments:service", "payments:operate2", "PAYMENTS:OPERATE"])
def test_pages_for_operators_are_closed_to_customers(guarded: Flask, scope: str | None) -> None:
    client = guarded.test_client(use_cookies=False)
    access = guarded.extensions["access"]
    rules = guarded.url_map.iter_rules()
    pages = {rule.rule for rule in rules if access[rule.endpoint.rpartition(".")[0]].for_operators}
    customer = token(**GOOD, scope=scope)
    closed = {
        str(route): asked(client, route, customer).status_code
        for route in guarded_routes(guarded)
        if route.rule in pages
    }
    assert pages
    assert client.post("/ops/login", data={"token": customer}).status_code == 403
    assert closed == dict.fromkeys(closed, 401)
