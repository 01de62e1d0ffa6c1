"""No other spelling of a path, other method or forged header opens a guarded route."""

from collections.abc import Iterator
from itertools import product

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import MakeApp
from tests.support.malformed import Route
from tests.support.refusals import LEAKS, routes, rows
from tests.support.tokens import token

METHODS = ("TRACE", "PROPFIND", "CONNECT", "LINK", "DEBUG", "GE", "X" * 30)
CLAIMS = {
    "X-User-ID": "user-1",
    "X-User": "user-1",
    "X-Forwarded-User": "user-1",
    "X-Authenticated-User": "user-1",
    "Remote-User": "user-1",
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/docs",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "X-Original-URL": "/health",
    "X-Rewrite-URL": "/health",
    "X-HTTP-Method-Override": "GET",
    "X-Method-Override": "OPTIONS",
    "X-Api-Key": "user-1",
    "Proxy-Authorization": f"Bearer {token()}",
    "X-Authorization": f"Bearer {token()}",
    "Cookie": f"access_token_cookie={token()}; token={token()}; session={token()}",
}
ORIGINS = [
    f"{scheme}{host}{port}"
    for scheme in ("https://", "http://", "")
    for host in (
        "null", "evil.example", "shop.example.com.evil.example", "evil-shop.example.com", "shopxexample.com",
        "shop.example.com%00.evil.example", "shop.example.com@evil.example", "sub.shop.example.com", "SHOP.example.co",
        "shop.example.com.", "[::1]", "127.0.0.1", "*", "shop.example.com\\.evil.example",
        "evil.example/shop.example.com", "shop.example.com_.evil.example",
    )
    for port in ("", ":443", ":80", "#", "/")
]  # fmt: skip


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service as in production: no open channel, one origin named."""
    return make_app(auth_open_channels=frozenset(), cors_origins=("https://shop.example.com",))


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """Return a caller without a token."""
    return FlaskClient(app, use_cookies=False)


def guarded_routes(app: Flask) -> list[Route]:
    return [route for route in routes(app) if not route.seldom]


def spellings(path: str) -> Iterator[str]:
    """Return the same path in other spellings that a server might accept."""
    first, rest = path[1], path[2:]
    yield f"/{path}"
    yield f"//{path}"
    yield f"/.{path}"
    yield f"/x/..{path}"
    yield f"/health/..{path}"
    yield f"/docs/%2e%2e{path}"
    yield f"/%{ord(first):02x}{rest}"
    yield f"/%25{ord(first):02x}{rest}"
    yield f"{path}/"
    yield f"{path}/."
    yield f"{path};a=1"
    yield f"{path}%2f"
    yield f"{path}%00"
    yield f"{path}%20"
    yield f"{path}?/health"
    yield path.upper()
    yield path.replace("/", "\\")
    yield path.replace("/", "%2f")


def test_other_spelling_of_a_path_opens_nothing(app: Flask, stranger: FlaskClient) -> None:
    wrong = []
    for route, path in [(each, path) for each in guarded_routes(app) for path in spellings(each.path())]:
        answer = stranger.open(path, method=route.method, json={"idempotency_key": "k"})
        leaked = LEAKS.findall(answer.text.replace(path, ""))
        if answer.status_code not in {401, 404, 405, 308} or leaked:
            wrong.append((route, path, answer.status, leaked))
    assert wrong == []


def test_other_method_of_a_route_does_nothing(app: Flask, stranger: FlaskClient) -> None:
    before = rows(app.extensions["payment_service"])
    wrong = []
    for route, method in product(routes(app), (*METHODS, "HEAD", "OPTIONS")):
        answer = stranger.open(
            route.path(), method=method, json={"idempotency_key": "k"} if method in METHODS else None
        )
        if method == "HEAD":
            fits = not answer.data and answer.status_code < 500
        elif method == "OPTIONS":
            fits = answer.status_code in {200, 401, 404}
        else:
            fits = answer.status_code in {401, 404, 405} and "TRACE" not in answer.headers.get("Allow", "")
        wrong += [] if fits else [(route, method, answer.status)]
    assert wrong == []
    assert rows(app.extensions["payment_service"]) == before


@pytest.mark.parametrize("name", CLAIMS)
def test_header_that_claims_a_caller_answers_401(app: Flask, stranger: FlaskClient, name: str) -> None:
    headers, body = {name: CLAIMS[name]}, {"trip_id": 1}
    answers = [
        stranger.open(route.path(), method=route.method, headers=headers, json=body) for route in guarded_routes(app)
    ]
    assert {answer.status_code for answer in answers} == {401}


def test_foreign_origin_gets_no_permission_to_read_any_route(app: Flask, stranger: FlaskClient) -> None:
    served = guarded_routes(app)
    assert len(ORIGINS) >= 200
    foreign = [(number, origin) for number, origin in enumerate(ORIGINS) if origin != "https://shop.example.com"]
    asked = [(origin, route) for number, origin in foreign for route in served[number % 19 :: 19]]
    permitted = []
    for (origin, route), preflight in product(asked, (False, True)):
        headers = {"Origin": origin, "Access-Control-Request-Method": route.method}
        answer = stranger.open(route.path(), method="OPTIONS" if preflight else route.method, headers=headers)
        allowed = [header for header, _ in answer.headers if header.startswith("Access-Control-Allow")]
        permitted += [(origin, route, preflight, allowed)] if allowed else []
    assert permitted == []
