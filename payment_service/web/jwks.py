"""The token issuer's public keys: fetched from its JWKS address, cached, and fetched again when they seem to change.

Written by hand around PyJWT's key parsing: PyJWT's own client blocks every request with one lock while it fetches,
and calls a dead issuer again for each request. Here one thread fetches while the others use the known keys, and at
most one fetch begins per cooldown, for any number of tokens.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKSet, PyJWTError
from requests import codes

from payment_service import clock
from payment_service.http_client import HttpClient, NoReply

log = structlog.get_logger(__name__)

# Seconds. Issuers publish a new key long before they use it and keep the old one as long as its tokens are valid.
_LIFESPAN = 300.0
_COOLDOWN = 30.0
_COOLDOWN_WITHOUT_KEYS = 1.0
_TIMEOUT = 2.0
_MOST_BYTES = 256 * 1024
_SHORTEST_RSA_KEY = 2048
MOST_TRIED = 10
"""Keys tried for a token that names none: each costs a verification."""


class KeysUnreachable(Exception):
    """The issuer's keys were never fetched, and cannot be fetched now."""


class Jwks:
    """The keys of one issuer. Safe for threads; nothing is fetched before the first token asks."""

    def __init__(self, url: str, *, cooldown: float = _COOLDOWN, lifespan: float = _LIFESPAN) -> None:
        self._url = url
        self._client = HttpClient((_TIMEOUT, _TIMEOUT), 1)
        self._cooldown = cooldown
        self._lifespan = lifespan
        self._keys: tuple[PyJWK, ...] = ()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = threading.Lock()

    def find(self, kid: str | None, algorithm: str, has_signed: Callable[[PyJWK], bool]) -> PyJWK | None:
        """Return the key of this id and algorithm, None if the issuer has none. Raises KeysUnreachable.

        If the token names no key, or the issuer's keys have no ids, return the key that signed the token.
        During an outage the last good keys stay in use, however old: their tokens still end by their own `exp`.
        """
        known = _choose(self._keys, kid, algorithm, has_signed)
        if known is not None:
            self._refresh_when_old()
        else:
            with self._fetching:  # a fetch that runs now may bring this key
                self._refresh()
        if not self._keys:
            raise KeysUnreachable
        return _choose(self._keys, kid, algorithm, has_signed)

    def publishes(self, key: PyJWK) -> bool:
        """Return True if this very key is in the set that was fetched last."""
        self._refresh_when_old()
        return any(known is key for known in self._keys)

    def _refresh_when_old(self) -> None:
        if clock.monotonic() - self._fetched > self._lifespan and self._fetching.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._fetching.release()

    def _refresh(self) -> None:
        now = clock.monotonic()
        if now - self._tried < (self._cooldown if self._keys else min(self._cooldown, _COOLDOWN_WITHOUT_KEYS)):
            return
        try:
            status, body = self._client.get(self._url, _MOST_BYTES)
            self._keys, self._fetched = _usable(json.loads(body) if status == codes.ok else None), now
        except (NoReply, ValueError, RecursionError, PyJWTError) as error:
            log.warning("jwks.unreachable", error=type(error).__name__, keys_kept=len(self._keys))
        finally:
            self._tried = clock.monotonic()  # threads that waited for this fetch start none


def _choose(
    keys: tuple[PyJWK, ...], kid: str | None, algorithm: str, has_signed: Callable[[PyJWK], bool]
) -> PyJWK | None:
    """Return the key that the token names, or the first of at most `MOST_TRIED` fitting keys that signed it."""
    fitting = [key for key in keys if key.algorithm_name == algorithm]
    if kid is not None:
        fitting = [key for key in fitting if key.key_id == kid] or [key for key in fitting if not key.key_id]
        if len(fitting) == 1:  # the caller verifies its signature with the claims
            return fitting[0]
    return next(filter(has_signed, fitting[:MOST_TRIED]), None)


def _usable(document: Any) -> tuple[PyJWK, ...]:
    """Return the signing keys, without symmetric and short RSA keys. Raises ValueError if none is left."""
    if not isinstance(document, dict):
        raise ValueError("the key set is no JSON object")  # noqa: TRY004 - the issuer's value, not a caller's type
    keys = tuple(
        key for key in PyJWKSet.from_dict(document).keys if key.public_key_use in (None, "sig") and _is_strong(key)
    )
    if not keys:
        raise ValueError("the key set has no usable key")
    return keys


def _is_strong(key: PyJWK) -> bool:
    if key.key_type == "RSA":
        return isinstance(key.key, RSAPublicKey) and key.key.key_size >= _SHORTEST_RSA_KEY
    return key.algorithm_name == "ES256"
