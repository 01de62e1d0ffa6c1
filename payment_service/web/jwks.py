"""The token issuer's public keys, fetched from its JWKS address, kept, and fetched again when they seem to change.

Written by hand round PyJWT's key parsing, because PyJWT's own client holds every request behind one lock while it
fetches, and asks a dead issuer anew for each of them. Here one thread fetches while the others go on with the keys
they have, and no more than one fetch begins per cooldown, whatever tokens arrive.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKSet, PyJWTError
from requests import codes

from payment_service import clock
from payment_service.http_client import HttpClient, NoReply

log = structlog.get_logger(__name__)

# Seconds. Issuers announce a new key long before they use it and keep the old one as long as its tokens live.
_LIFESPAN = 300.0
_COOLDOWN = 30.0
_COOLDOWN_WITHOUT_KEYS = 1.0
_TIMEOUT = 2.0
_MOST_BYTES = 256 * 1024
_SHORTEST_RSA_KEY = 2048


class KeysUnreachable(Exception):
    """The issuer's keys were never fetched, and cannot be now."""


class Jwks:
    """The keys of one issuer, by key id. Safe for threads; nothing is fetched before the first token asks."""

    def __init__(self, url: str, *, cooldown: float = _COOLDOWN, lifespan: float = _LIFESPAN) -> None:
        self._url = url
        self._client = HttpClient((_TIMEOUT, _TIMEOUT), 1)
        self._cooldown = cooldown
        self._lifespan = lifespan
        self._keys: Mapping[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = threading.Lock()

    def find(self, kid: str) -> PyJWK | None:
        """The key of this id, None where the issuer has none. Raises KeysUnreachable.

        An outage is bridged with the last good keys, however old: their tokens still end by their own `exp`.
        """
        known = self._keys.get(kid)
        if known is None:
            with self._fetching:  # whoever is fetching now may be bringing this very key
                self._refresh()
        elif clock.monotonic() - self._fetched > self._lifespan and self._fetching.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._fetching.release()
        if not self._keys:
            raise KeysUnreachable
        return self._keys.get(kid)

    def _refresh(self) -> None:
        now = clock.monotonic()
        if now - self._tried < (self._cooldown if self._keys else min(self._cooldown, _COOLDOWN_WITHOUT_KEYS)):
            return
        self._tried = now
        try:
            status, body = self._client.get(self._url, _MOST_BYTES)
            self._keys, self._fetched = _usable(json.loads(body) if status == codes.ok else None), now
        except (NoReply, ValueError, RecursionError, PyJWTError) as error:
            log.warning("jwks.unreachable", error=type(error).__name__, keys_kept=len(self._keys))


def _usable(document: Any) -> dict[str, PyJWK]:
    """Signing keys with an id; symmetric ones and short RSA keys are none. A set without any is no set."""
    if not isinstance(document, dict):
        raise ValueError("the key set is no JSON object")  # noqa: TRY004 - the issuer's value, not a caller's type
    keys = {
        key.key_id: key
        for key in PyJWKSet.from_dict(document).keys
        if key.key_id and key.public_key_use in (None, "sig") and _is_strong(key)
    }
    if not keys:
        raise ValueError("the key set has no usable key")
    return keys


def _is_strong(key: PyJWK) -> bool:
    if key.key_type == "RSA":
        return isinstance(key.key, RSAPublicKey) and key.key.key_size >= _SHORTEST_RSA_KEY
    return key.algorithm_name == "ES256"
