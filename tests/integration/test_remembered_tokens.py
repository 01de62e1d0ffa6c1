"""The service does not verify a good token again until it ends, its key is replaced, or another verifier judges."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.web import token_cache
from tests.conftest import Later
from tests.support.auth_app import answer, app_with
from tests.support.issuer import SECRET, Publisher, by, jwk, token

OLD, NEW = (rsa.generate_private_key(65537, 2048) for _ in range(2))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let seconds pass on the clocks of our own; the library that verifies looks at none of them."""
    now, monotonic, passed = clock.now, clock.monotonic, [0.0]
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=passed[0]))
    monkeypatch.setattr(clock, "monotonic", lambda: monotonic() + passed[0])

    def let_pass(seconds: float) -> None:
        passed[0] += seconds

    return let_pass


def judged(client: FlaskClient) -> list[str]:
    """Return the tokens that a client's app verifies from now on."""
    asked: list[str] = []
    manager: Any = client.application.extensions["flask-jwt-extended"]
    plain = manager._decode_key_callback

    def ask(header: Any, payload: Any) -> Any:
        asked.append(payload["sub"])
        return plain(header, payload)

    manager._decode_key_callback = ask
    return asked


def test_valid_token_is_verified_once_and_again_after_its_expiry(later: Later) -> None:
    client = app_with(jwt_secret_key=SECRET)
    asked, good = judged(client), token(exp=int(datetime.now(UTC).timestamp()) + 600)

    assert [answer(client, good) for _ in range(3)] == ["user-1"] * 3
    assert len(asked) == 1
    later(631)
    answer(client, good)
    assert len(asked) == 2


def test_invalid_token_is_verified_each_time() -> None:
    client = app_with(jwt_secret_key=SECRET)
    asked, ended = judged(client), token(exp=1)

    assert [answer(client, ended) for _ in range(2)] == ["TOKEN_INVALID"] * 2
    assert len(asked) == 2


def test_remembered_token_is_refused_once_its_key_is_withdrawn_or_replaced(later: Later) -> None:
    kept = by(OLD, "kept"), by(OLD, "replaced"), by(OLD, "withdrawn")
    with Publisher(*(jwk(OLD, name) for name in ("kept", "replaced", "withdrawn"))) as publisher:
        client = app_with(jwt_jwks_url=publisher.url)
        assert [answer(client, each) for each in kept] == ["user-1"] * 3
        publisher.keys = [jwk(OLD, "kept"), jwk(NEW, "replaced")]
        later(301)

        assert [answer(client, each) for each in kept] == ["user-1", "TOKEN_INVALID", "TOKEN_INVALID"]


def test_apps_share_no_remembered_tokens() -> None:
    good = token()
    assert answer(app_with(jwt_secret_key=SECRET), good) == "user-1"
    assert answer(app_with(jwt_secret_key=SECRET[::-1]), good) == "TOKEN_INVALID"
    assert answer(app_with(jwt_secret_key=SECRET, jwt_audience="others"), good) == "TOKEN_INVALID"


def test_memory_of_tokens_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "MAX_TOKENS", 2)
    client = app_with(jwt_secret_key=SECRET)
    asked, first, *others = judged(client), *(token(sub=f"user-{n}") for n in range(3))
    for each in (first, others[0], first, others[1], first):
        answer(client, each)
    remembered = client.application.extensions["token_cache"]

    assert asked == ["user-0", "user-1", "user-2"], "the one that was used longest ago is forgotten"
    assert len(remembered._tokens) == 2
    assert first not in str(vars(remembered))
