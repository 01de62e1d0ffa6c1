"""The chain of the journal: the columns that each row's hash covers, and the way to make the hash.

A journal row's hash covers the row and the hash of the payment's row before it. `payments.journal_hash` is the last of
them, and `payments.state_hash` covers the payment together with it. Keys, refunds, disputes, operators' actions and
seals have a hash of their own. A hash is written `<id of the key>:<hex>`: HMAC-SHA256 by a key of `JOURNAL_KEY`, or
plain SHA-256 under the id `plain`, which finds clumsy changes only.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any
from uuid import UUID

PLAIN = "plain"
"""The id of hashes that no key protects."""

ERASED = "erased"
"""In place of a move, in a journal row without a version: texts of the payment were emptied."""

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True)
class Covered:
    """A kind of row, with the columns that its hash covers.

    A later release adds a column at the end, and leaves it out while it is NULL: older hashes stay valid.
    """

    name: str
    columns: tuple[str, ...]
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", itemgetter(*self.columns))


CHANGE = Covered(
    "change",
    (
        *("previous_hash", "payment_id", "version", "transaction_type", "move", "from_status", "status", "amount"),
        *("captured_amount", "refunded_amount", "operation_id", "description", "texts_hash", "actor", "request_id"),
        *("event_id", "event_type", "traceparent", "created_at"),
    ),
)
"""A journal row. If it has a `texts_hash`, `description` is NULL here: the hash stands for it and the note."""

TEXTS = Covered("texts", ("previous_hash", "payment_id", "created_at", "description", "caller_note"))
"""The texts of a journal row that erasure may have to empty. Only rows with a caller's note have this hash."""

PAYMENT = Covered(
    "payment",
    (
        *("journal_hash", "payment_id", "public_id", "channel", "subject", "payable_id", "customer_id", "amount"),
        *("currency", "method", "status", "version", "authorized_amount", "captured_amount", "refunded_amount"),
        *("refund_pending_amount", "reference", "transaction_id", "payment_intent_id", "authorization_code"),
        *("gateway_response", "failure_code", "metadata", "caller_reference", "charge_key", "gateway", "created_at"),
        *("updated_at", "completed_at", "authorized_at", "captured_at", "refunded_at", "hold_expires_at"),
        *("charge_reference", "idempotency_hash", "disputed_amount", "charged_back_amount"),
    ),
)

CLAIM = Covered(
    "claim",
    (
        *("channel", "subject", "key_hash", "is_client_key", "request_path", "response_format", "fingerprint"),
        "created_at",
    ),
)
"""A key from its claim on. Its digest is part of the key's hash, and stored nowhere."""

KEY = Covered(
    "key",
    (
        *("claim_digest", "payment_id", "operation_id", "kind", "amount", "currency", "operation_status"),
        *("gateway_key", "parent_key", "gateway_reference", "failure_message", "review_reason", "purpose"),
        *("cancel_asked", "response_status"),
    ),
)
"""A key with its operation. Until it is finished the values of `OPEN_KEY` are NULL here."""

OPEN_KEY = dict.fromkeys(("payment_id", "failure_message", "review_reason", "cancel_asked", "response_status"))
"""Columns that the claim does not know yet, or that change while the operation is open."""

NO_OPERATION = dict.fromkeys(
    (
        *("operation_id", "kind", "amount", "currency", "operation_status", "gateway_key", "parent_key"),
        *("gateway_reference", "failure_message", "review_reason", "purpose", "cancel_asked"),
    )
)
"""The columns of a key without a gateway operation."""

RESPONSE = Covered("response", ("claim_digest", "response_status", "response_data"))

REFUND = Covered(
    "refund",
    (
        *("refund_id", "payment_id", "key_hash", "amount", "status", "reason", "public_reference", "created_at"),
        "updated_at",
    ),
)

DISPUTE = Covered(
    "dispute",
    (
        *("gateway", "reference", "payment_id", "amount", "currency", "reason", "status", "gateway_status"),
        *("evidence_due_at", "created_at", "updated_at"),
    ),
)

ACTION = Covered(
    "action", ("previous_hash", "action", "actor", "payment_id", "delivery_id", "request_id", "created_at")
)

SEAL = Covered("seal", ("previous_hash", "sealed_until", "content", "created_at"))


def _bytes(kind: Covered, row: Mapping[str, Any]) -> bytes:
    """Return one text for one row. No stored text has a NUL, so no two rows of a kind give the same; U+0001 is NULL."""
    texts = [
        "\1"
        if value is None
        else value
        if (its := value.__class__) is str
        else str((value - _EPOCH) // _MICROSECOND)
        if its is datetime
        else f"{value:.3f}"
        if its is Decimal
        else value.hex
        if its is UUID
        else _ENCODER.encode(value)
        if isinstance(value, dict)
        else str(value)
        for value in kind.values(row)
    ]
    return "\0".join((kind.name, *texts)).encode()


def digest(kind: Covered, row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the columns that `kind` covers, in hex."""
    return hashlib.sha256(_bytes(kind, row)).hexdigest()


class _Hmac:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed once: for a short text twice as fast as `hmac.digest`."""

    def __init__(self, secret: str) -> None:
        key = secret.encode()
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self.inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self.outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def of(self, content: bytes) -> str:
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.hexdigest()


class JournalKeys:
    """The keys of the chain: pairs of id and secret. The first signs, all of them verify; none at all means SHA-256."""

    def __init__(self, keys: Sequence[tuple[str, str]] = (), *, accepts_plain: bool = False) -> None:
        self._keys, self._accepts_plain = keys, accepts_plain or not keys
        self._secrets = {name: _Hmac(secret) for name, secret in keys}
        self.first = keys[0][0] if keys else PLAIN
        self._signs = self._secrets.get(self.first)

    def with_plain(self) -> "JournalKeys":
        """Return the same keys, for a time in which rows may still have hashes that no key protects."""
        return JournalKeys(self._keys, accepts_plain=True)

    def sign(self, kind: Covered, row: Mapping[str, Any]) -> str:
        """Return the hash of a row, by the first key."""
        content = _bytes(kind, row)
        if self._signs is None:
            return f"{PLAIN}:{hashlib.sha256(content).hexdigest()}"
        return f"{self.first}:{self._signs.of(content)}"

    def fault(self, kind: Covered, row: Mapping[str, Any], stored: str | None) -> str | None:
        """Return the fault of a stored hash, None if it is the row's own."""
        if stored is None:
            return "has no hash"
        name = stored.partition(":")[0]
        if name == PLAIN:
            if not self._accepts_plain:
                return "has a hash that no key protects: an intruder can make it"
            expected = f"{PLAIN}:{digest(kind, row)}"
        elif (secret := self._secrets.get(name)) is None:
            return f"has a hash by the key {name!r}, which JOURNAL_KEY does not list"
        else:
            expected = f"{name}:{secret.of(_bytes(kind, row))}"
        return None if hmac.compare_digest(expected.encode(), stored.encode()) else "is not what its hash says"

    def fault_after(self, kind: Covered, row: Mapping[str, Any], head: str | None, one: str) -> str | None:
        """Return the fault of a row in a chain, None if it follows the row with the hash `head`; `one` is "a seal"."""
        if row["previous_hash"] != head:
            return f"{one} before it was removed, or it was inserted"
        return self.fault(kind, row, row["row_hash"])
