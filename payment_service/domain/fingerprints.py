"""A request's fingerprint: SHA-256 field by field, so that a mismatch can name what differs without storing it.

A fingerprint is a line of `name:digest` pairs, one for the route with its path ids and one for each field of the
validated, normalised body without the key. A digest is the first 64 bits of the SHA-256 of the field's canonical JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

ROUTE = "route"


def fingerprint(route: str, fields: Mapping[str, Any]) -> str:
    """The fingerprint of a request: `route` is method, path and path ids (`POST:/payments/7/refunds`).

    `150`, `150.0` and `"150.00"` are one amount once parsed, and absent fields are left out: spelling does not matter.
    """
    digests = {ROUTE: _digest(route)}
    digests.update((name, _digest(value)) for name, value in fields.items() if value is not None)
    return " ".join(f"{name}:{digest}" for name, digest in sorted(digests.items()))


def differing(one: str, other: str) -> list[str]:
    """The names of the fields in which two fingerprints differ, sorted."""
    left, right = _parse(one), _parse(other)
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def _digest(value: Any) -> str:
    # The encoder is quick with texts, and sets itself up anew for everything else.
    plain = _plain(value) if isinstance(value, Decimal) else value
    text = str(plain) if type(plain) is int else _ENCODER.encode(plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    raise TypeError(f"a fingerprint cannot hold a {type(value).__name__}")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)


def _parse(text: str) -> dict[str, str]:
    return dict(pair.rsplit(":", 1) for pair in text.split())
