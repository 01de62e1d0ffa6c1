"""T1: the service finds a published key with any id, and without one."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient

from tests.conftest import Later
from tests.support.auth_app import answer, app_with
from tests.support.issuer import Publisher, by, jwk, token
from tests.support.published_keys import EC, NEW_RSA, RSA

KEY_IDS = (
    "https://auth.test/keys/1",
    "a:b#c+d=e f/g",
    "dGhpcyBpcyBhIGtleQ==",
    "AQIDBAUGBwgJ+/=",
    "arn:aws:kms:eu-1:1:key/2",
    " ",
    "schl\u00fcssel",
    "'; DROP TABLE users --",
    "x" * 200,
)


def without_id(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name != "kid"}


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """Yield an auth service that publishes the test's keys."""
    with Publisher() as published:
        yield published


@pytest.fixture
def client(publisher: Publisher) -> FlaskClient:
    return app_with(jwt_jwks_url=publisher.url)


@pytest.mark.parametrize("kid", KEY_IDS)
def test_t1_any_text_is_accepted_as_a_key_id(client: FlaskClient, publisher: Publisher, kid: str) -> None:
    """Release 1.0.0 answered 401 to an id with another character, or with more than 128."""
    publisher.keys = [jwk(NEW_RSA, "other"), jwk(RSA, kid), jwk(EC, kid)]
    assert answer(client, by(RSA, kid)) == "user-1"
    assert answer(client, by(EC, kid, "ES256")) == "user-1"
    assert answer(client, by(NEW_RSA, kid)) == "TOKEN_INVALID"


def test_t1_token_without_a_key_id_is_verified_by_the_key_that_signed_it(
    client: FlaskClient, publisher: Publisher
) -> None:
    """Release 1.0.0 answered 401."""
    publisher.keys = [jwk(EC, "one"), jwk(NEW_RSA, "two"), jwk(RSA, "three")]
    assert answer(client, token(RSA, "RS256")) == "user-1"
    assert answer(client, token(NEW_RSA, "RS256")) == "user-1"
    assert answer(client, token(EC, "ES256")) == "user-1"
    assert answer(client, token(ec.generate_private_key(ec.SECP256R1()), "ES256")) == "TOKEN_INVALID"
    assert answer(client, token(RSA, "RS256", exp=1)) == "TOKEN_INVALID"


@pytest.mark.parametrize("headers", [None, {"kid": "any"}], ids=["no id in the token", "an id in the token"])
def test_t1_keys_without_an_id_are_tried(
    client: FlaskClient, publisher: Publisher, headers: dict[str, Any] | None
) -> None:
    """Release 1.0.0 took a set of such keys for an empty one, and was unavailable."""
    publisher.keys = [without_id(jwk(key, "")) for key in (NEW_RSA, RSA, EC)]
    assert answer(client, token(RSA, "RS256", headers)) == "user-1"
    assert answer(client, token(EC, "ES256", headers)) == "user-1"
    assert publisher.requests == 1


def test_t1_key_with_an_id_verifies_no_token_of_another_id(client: FlaskClient, publisher: Publisher) -> None:
    """Only keys without an id may stand for any."""
    publisher.keys = [jwk(RSA, "one"), without_id(jwk(NEW_RSA, ""))]
    assert answer(client, by(RSA, "two")) == "TOKEN_INVALID"
    assert answer(client, by(NEW_RSA, "two")) == "user-1"
    assert answer(client, by(NEW_RSA, "one")) == "TOKEN_INVALID"


def test_t1_at_most_ten_keys_are_tried(client: FlaskClient, publisher: Publisher) -> None:
    """A token without an id must not cost a hundred verifications."""
    others = [jwk(NEW_RSA, f"other-{number}") for number in range(9)]
    publisher.keys = [*others, jwk(RSA, "tenth")]
    assert answer(client, token(RSA, "RS256")) == "user-1"
    publisher.keys = [*others, jwk(NEW_RSA, "tenth"), jwk(RSA, "eleventh")]
    late = app_with(jwt_jwks_url=publisher.url)
    assert answer(late, token(RSA, "RS256")) == "TOKEN_INVALID"
    assert answer(late, by(RSA, "eleventh")) == "user-1"


def test_t1_rotated_key_without_an_id_is_accepted(client: FlaskClient, publisher: Publisher, later: Later) -> None:
    """The token that no key has signed lets the set be fetched again, once a cooldown."""
    publisher.keys = [without_id(jwk(RSA, ""))]
    assert answer(client, token(RSA, "RS256")) == "user-1"
    publisher.keys = [without_id(jwk(NEW_RSA, ""))]
    later(31)
    assert answer(client, token(NEW_RSA, "RS256")) == "user-1"
    assert answer(client, token(RSA, "RS256", sub="user-2")) == "TOKEN_INVALID"
    assert publisher.requests == 2


def test_t1_remembered_token_without_a_key_id_is_refused_after_its_key_is_withdrawn(
    client: FlaskClient, publisher: Publisher, later: Later
) -> None:
    """A token that names its key ends in the same way."""
    kept = token(RSA, "RS256")
    publisher.keys = [without_id(jwk(RSA, ""))]
    assert [answer(client, kept) for _ in range(2)] == ["user-1"] * 2
    publisher.keys = [without_id(jwk(NEW_RSA, ""))]
    later(301)
    assert answer(client, kept) == "TOKEN_INVALID"
