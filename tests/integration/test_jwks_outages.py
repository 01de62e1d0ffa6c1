import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
from flask.testing import FlaskClient

from tests.conftest import Later
from tests.support.auth_app import answer, app_with
from tests.support.issuer import SECRET, Publisher, by, jwk, token
from tests.support.published_keys import EC, NEW_RSA, RSA


@pytest.fixture
def client(publisher: Publisher) -> FlaskClient:
    return app_with(jwt_jwks_url=publisher.url)


def test_outage_of_the_publisher_keeps_the_last_good_keys(
    client: FlaskClient, publisher: Publisher, later: Later
) -> None:
    assert answer(client, by(RSA, "one")) == "user-1"
    publisher.close()
    later(24 * 3600)
    known, unknown = by(RSA, "one"), by(NEW_RSA, "three")
    assert [answer(client, each) for each in (known, unknown) * 3] == ["user-1", "TOKEN_INVALID"] * 3
    assert answer(client, by(RSA, "one", exp=1)) == "TOKEN_INVALID"


def sends(
    body: bytes, status: int = 200, **headers: str
) -> Callable[[Publisher], Callable[[BaseHTTPRequestHandler], None]]:
    return lambda publisher: lambda request: publisher.send(request, body, status, **headers)


WRONG = {"keys": [jwk(NEW_RSA, "one")]}
SPOILED = {
    "error": sends(json.dumps(WRONG).encode(), 500),
    "not found": sends(json.dumps(WRONG).encode(), 404),
    "page": sends(b"<html>maintenance</html>"),
    "no keys": sends(b'{"keys": []}'),
    "no object": sends(b"[1, 2]"),
    "no list": sends(b'{"keys": 7}'),
    "no JSON": sends(b'{"keys": ['),
    "nested": sends(b'{"keys": ' + b"[" * 50_000),
    "no text": sends(b"\xff\xfe"),
    "too long": sends(json.dumps(WRONG | {"more": " " * 300_000}).encode()),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_unreadable_key_set_keeps_the_known_keys(
    client: FlaskClient, publisher: Publisher, later: Later, spoiled: str
) -> None:
    assert answer(client, by(RSA, "one")) == "user-1"
    publisher.answer = SPOILED[spoiled](publisher)
    later(301)
    assert answer(client, by(RSA, "one")) == "user-1"
    assert publisher.requests == 2


@pytest.mark.parametrize("spoiled", SPOILED)
def test_request_answers_503_until_the_first_keys_arrive(
    client: FlaskClient, publisher: Publisher, later: Later, spoiled: str
) -> None:
    publisher.answer = SPOILED[spoiled](publisher)
    assert answer(client, by(RSA, "one")) == "unavailable"
    assert answer(client, by(RSA, "one")) == "unavailable"
    assert publisher.requests == 1
    publisher.answer = publisher.publish
    later(2)
    assert answer(client, by(RSA, "one")) == "user-1"


def test_unreachable_issuer_causes_no_crash(publisher: Publisher) -> None:
    publisher.close()
    client = app_with(jwt_jwks_url=publisher.url, jwt_secret_key=SECRET)
    assert answer(client, by(RSA, "one")) == "unavailable"
    assert answer(client, token()) == "user-1"


def test_redirect_of_the_publisher_is_not_followed(client: FlaskClient, publisher: Publisher) -> None:
    with Publisher(jwk(NEW_RSA, "one")) as elsewhere:
        publisher.answer = sends(b"", 302, Location=elsewhere.url)(publisher)
        assert answer(client, by(NEW_RSA, "one")) == "unavailable"
        assert elsewhere.requests == 0


def test_slow_issuer_is_given_up_after_2_seconds(client: FlaskClient, publisher: Publisher) -> None:
    ended = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        ended.wait(10)

    publisher.answer = hang
    started = time.monotonic()
    assert answer(client, by(RSA, "one")) == "unavailable"
    assert 1.5 < time.monotonic() - started < 4
    ended.set()


def test_requests_during_a_fetch_use_the_known_keys(client: FlaskClient, publisher: Publisher, later: Later) -> None:
    assert answer(client, by(RSA, "one")) == "user-1"
    asked, ended = threading.Event(), threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        ended.wait(10)
        publisher.publish(request)

    publisher.answer = hang
    later(301)
    fetching = threading.Thread(target=answer, args=(client, by(RSA, "one")))
    fetching.start()
    assert asked.wait(5)
    started = time.monotonic()
    assert answer(client, by(EC, "two", "ES256")) == "user-1"
    assert time.monotonic() - started < 1
    ended.set()
    fetching.join()
    assert publisher.requests == 2
