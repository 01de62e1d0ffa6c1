"""Tokens as the auth service would issue them, good and bad, for tests to send."""

import time
from typing import Any

import jwt

SECRET = "a-test-secret-of-32-bytes-or-more!!"
"""The secret that the tests' settings verify with."""


def token(subject: object = "user-1", *, secret: str = SECRET, expires_in: int = 7200, **claims: Any) -> str:
    """Return a token of `subject` (None: without one) that ends in `expires_in` seconds, with more or other claims."""
    content = {"sub": subject, "exp": int(time.time()) + expires_in, **claims}
    if subject is None:
        del content["sub"]
    return jwt.encode(content, secret, algorithm="HS256")


def bearer(subject: object = "user-1", **options: Any) -> dict[str, str]:
    """Return the header that carries a token; `options` as for `token`."""
    return {"Authorization": f"Bearer {token(subject, **options)}"}


def service(subject: str = "trip-service") -> dict[str, str]:
    """Return the header of a service that acts for all subjects."""
    return bearer(subject, scope="payments:service")
