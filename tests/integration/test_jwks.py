from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask.testing import FlaskClient

from tests.conftest import Later
from tests.support.auth_app import answer, app_with
from tests.support.issuer import SECRET, Publisher, by, claims, jwk, pem, signed, token
from tests.support.published_keys import EC, NEW_RSA, RSA

SHORT_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def client(publisher: Publisher) -> FlaskClient:
    return app_with(jwt_jwks_url=publisher.url)


def test_published_keys_are_fetched_once_by_the_first_token(client: FlaskClient, publisher: Publisher) -> None:
    assert publisher.requests == 0
    tokens = [by(RSA, "one"), by(EC, "two", "ES256")] * 10
    assert [answer(client, each) for each in tokens] == ["user-1"] * 20
    assert publisher.requests == 1


@pytest.mark.parametrize(
    "wrong",
    [
        by(RSA, "two"),
        by(EC, "one", "ES256"),
        by(NEW_RSA, "one"),
        by(RSA, "one", "RS512"),
        by(RSA, "one", "PS256"),
    ],
    ids=["key of another id", "algorithm of another id", "another key", "RS512", "PS256"],
)
def test_token_with_the_id_or_algorithm_of_another_key_is_refused(client: FlaskClient, wrong: str) -> None:
    assert answer(client, wrong) == "TOKEN_INVALID"


@pytest.mark.parametrize("secret", [pem(RSA).encode(), str(jwk(RSA, "one")).encode(), b"one"])
def test_published_key_is_never_used_as_a_secret(publisher: Publisher, secret: bytes) -> None:
    client = app_with(jwt_jwks_url=publisher.url, jwt_secret_key=SECRET)
    assert answer(client, signed(claims(), secret, {"alg": "HS256", "kid": "one"})) == "TOKEN_INVALID"
    assert answer(client, token()) == "user-1"


STRANGE = (
    "../../etc/passwd",
    "/etc/passwd",
    "' OR 1=1 --",
    "x" * 200,
    "a\x00b",
    "one\n",
    "http://h/k",
    "\u043ene",
)


@pytest.mark.parametrize("kid", STRANGE, ids=repr)
def test_unknown_key_id_is_searched_only_in_the_key_set(client: FlaskClient, publisher: Publisher, kid: str) -> None:
    assert answer(client, by(RSA, kid)) == "TOKEN_INVALID"
    assert publisher.requests == 1


@pytest.mark.parametrize("kid", ["", "x" * 201, "x" * 5_000], ids=len)
def test_key_id_of_an_unfit_length_causes_no_fetch(client: FlaskClient, publisher: Publisher, kid: str) -> None:
    assert answer(client, by(RSA, kid)) == "TOKEN_INVALID"
    assert publisher.requests == 0


@pytest.mark.parametrize("kid", [None, 1, ["one"], {"one": 1}, True], ids=repr)
def test_key_id_that_is_no_text_causes_no_fetch(client: FlaskClient, publisher: Publisher, kid: Any) -> None:
    assert answer(client, signed(claims(), header={"alg": "RS256", "kid": kid})) == "TOKEN_INVALID"
    assert publisher.requests == 0


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_keys_and_urls_inside_a_token_are_ignored(client: FlaskClient, publisher: Publisher, name: str) -> None:
    with Publisher(jwk(NEW_RSA, "one")) as evil:
        value: Any = jwk(NEW_RSA, "one") if name == "jwk" else evil.url
        assert answer(client, token(NEW_RSA, "RS256", {"kid": "one", name: value})) == "TOKEN_INVALID"
        assert evil.requests == 0
    assert publisher.requests == 1


def test_rotated_key_is_accepted_and_the_old_one_refused(
    client: FlaskClient, publisher: Publisher, later: Later
) -> None:
    assert answer(client, by(RSA, "one")) == "user-1"
    publisher.keys = [jwk(NEW_RSA, "three")]
    later(31)
    assert answer(client, by(NEW_RSA, "three")) == "user-1"
    assert answer(client, by(RSA, "one")) == "TOKEN_INVALID"
    assert publisher.requests == 2


def test_withdrawn_key_is_refused_in_time(client: FlaskClient, publisher: Publisher, later: Later) -> None:
    assert answer(client, by(RSA, "one")) == "user-1"
    publisher.keys.pop(0)
    later(301)
    assert answer(client, by(RSA, "one")) == "TOKEN_INVALID"


def test_many_unknown_keys_bring_one_fetch_per_cooldown(
    client: FlaskClient, publisher: Publisher, later: Later
) -> None:
    answers, fetches = set(), []
    for _ in range(3):
        answers |= {answer(client, by(NEW_RSA, f"unknown-{at}")) for at in range(50)}
        fetches.append(publisher.requests)
        later(31)
    assert answers == {"TOKEN_INVALID"}
    assert fetches == [1, 2, 3]


def test_unfit_keys_of_a_set_are_ignored(publisher: Publisher) -> None:
    octets = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256"}
    publisher.keys = [
        octets, jwk(SHORT_RSA, "short"), jwk(OTHER_CURVE, "curve"), jwk(NEW_RSA, "encryption", use="enc"),
        {"kty": "unheard of", "kid": "x"}, jwk(RSA, "one"),
    ]  # fmt: skip
    client = app_with(jwt_jwks_url=publisher.url, jwt_secret_key=SECRET)
    wrong = [
        by(NEW_RSA, "encryption"),
        by(OTHER_CURVE, "curve", "ES384"),
        signed(claims(), b"secret-" * 5, {"alg": "HS256", "kid": "secret"}),
    ]
    assert answer(client, by(RSA, "one")) == "user-1"
    assert [answer(client, each) for each in wrong] == ["TOKEN_INVALID"] * 3
    with pytest.warns(match="RSA key is 1024 bits"):
        short = by(SHORT_RSA, "short")
    assert answer(client, short) == "TOKEN_INVALID"
