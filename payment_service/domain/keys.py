"""Values derived from an idempotency key and its request: hash, fingerprint, gateway key, ids.

A request's fingerprint is a line of `name:digest` pairs, one for the route with its path ids and one for each field of
the validated, normalised body, without the key and the caller's `metadata`, which decide nothing. A digest is the first
64 bits of the SHA-256 of the field's canonical JSON: a mismatch can name the fields that differ, and nothing of the
body is stored.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payment_service.domain.cards import contains_card_number
from payment_service.domain.operations import Kind

ROUTE = "route"
NOT_COMPARED = frozenset({"idempotency_key", "metadata"})
"""Fields that do not decide what happens to money. Fingerprints of release 1.0.0 have `metadata`."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def hash_key(key: str) -> str:
    """Return the SHA-256, in hex, of exactly the bytes of the (trimmed) key."""
    return hashlib.sha256(key.encode()).hexdigest()


def gateway_key(channel: str, subject: str, key_hash: str, kind: Kind) -> str:
    """Derive the key *we* send to the gateway: the same for every resend of one operation, shared by no two.

    Derived and not random, so that a claim lost with a restored backup still finds its old charge when the client
    repeats its key. Every part carries its length: no two different quadruples give the same text.
    """
    what = kind.value
    text = f"{len(channel)}:{channel}|{len(subject)}:{subject}|{len(key_hash)}:{key_hash}|{len(what)}:{what}"
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:48]


def derived_digits(gateway_key: str, purpose: str, digits: int) -> str:
    """Return up to 48 hexadecimal digits for an id of this gateway key's result, the same at every call.

    They are the first of the digest that do not look like a card number, which callers could not send back.
    """
    digest = hashlib.sha256(f"{purpose}:{gateway_key}".encode()).hexdigest()
    windows = [digest[start : start + digits] for start in range(len(digest) - digits + 1)]
    return next((each for each in windows if not contains_card_number(each)), windows[0])


def fingerprint(route: str, fields: Mapping[str, Any]) -> str:
    """Return the fingerprint of a request: `route` is method, path and path ids (`POST:/payments/7/refunds`).

    The key itself and `metadata` are no part of it, nor are absent fields. `150`, `150.0` and `"150.00"` are one amount
    once parsed.
    """
    pairs = []
    for name, value in sorted({ROUTE: route, **fields}.items()):
        if value is not None and name not in NOT_COMPARED:
            pairs.append(f"{name}:{_digest(value)}")
    return " ".join(pairs)


def differing(one: str, other: str) -> list[str]:
    """Return the names of the fields in which two fingerprints differ, sorted, without a stored one's `metadata`."""
    left, right = _parse(one), _parse(other)
    names = left.keys() | right.keys()
    return sorted(name for name in names - NOT_COMPARED if left.get(name) != right.get(name))


def _digest(value: Any) -> str:
    text = format(value.normalize(), "f") if isinstance(value, Decimal) else value
    return hashlib.sha256(_ENCODER.encode(text).encode()).hexdigest()[:16]


def _parse(text: str) -> dict[str, str]:
    return dict(pair.rsplit(":", 1) for pair in text.split())
