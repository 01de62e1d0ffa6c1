"""The hashes of the journal chain cover every column that matters, and show which key signed them."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from payment_service.config_contents import PLAIN
from payment_service.domain import chain
from payment_service.domain.chain import REFUND, JournalKeys
from payment_service.models import disputes, idempotency_keys, operator_actions, payment_refunds, payments, transactions
from tests.support.manipulations import TELLS_NOTHING

AT = datetime(2026, 11, 30, 8, 15, 0, 123456, tzinfo=UTC)
ROW = {
    "refund_id": 1,
    "payment_id": 2,
    "key_hash": "ab",
    "amount": Decimal("10.50"),
    "status": "PENDING",
    "reason": None,
    "public_reference": "re_1",
    "created_at": AT,
    "updated_at": AT,
}
KEYS = JournalKeys((("new", "secret of the year"), ("old", "secret of last year")))


def test_hash_is_an_hmac_by_the_standard_library() -> None:
    micros = str((AT - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    fields = ["refund", "1", "2", "ab", "10.500", "PENDING", "\1", "re_1", micros, micros]
    text = "\0".join(fields)

    expected = hmac.new(b"secret of the year", text.encode(), hashlib.sha256).hexdigest()
    assert KEYS.sign(REFUND, ROW) == f"new:{expected}"
    assert JournalKeys().sign(REFUND, ROW) == f"plain:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize(
    "same",
    [
        {"amount": Decimal("10.5")},
        {"amount": Decimal("10.500")},
        {"created_at": AT.astimezone(timezone(timedelta(hours=2)))},
    ],
)
def test_hash_is_equal_for_every_spelling_of_a_value(same: dict[str, object]) -> None:
    assert KEYS.sign(REFUND, ROW | same) == KEYS.sign(REFUND, ROW)


@pytest.mark.parametrize("other", [{"reason": ""}, {"reason": "None"}, {"status": "PENDING\0"}, {"key_hash": "a"}])
def test_another_value_has_another_hash(other: dict[str, object]) -> None:
    assert KEYS.sign(REFUND, ROW | other) != KEYS.sign(REFUND, ROW)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_key_of_any_length_signs_like_hmac(length: int) -> None:
    secret = "s" * length
    content = chain._bytes(REFUND, ROW)

    expected = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    assert JournalKeys((("a", secret),)).sign(REFUND, ROW) == f"a:{expected}"


def test_every_listed_key_verifies_and_no_other_one_does() -> None:
    by_old = JournalKeys((("old", "secret of last year"),)).sign(REFUND, ROW)

    assert KEYS.fault(REFUND, ROW, by_old) is None
    assert KEYS.fault(REFUND, ROW, JournalKeys((("new", "a guess"),)).sign(REFUND, ROW)) == "is not what its hash says"
    assert "does not list" in str(JournalKeys((("new", "x"),)).fault(REFUND, ROW, by_old))
    assert KEYS.fault(REFUND, ROW, None) == "has no hash"


def test_plain_hash_is_a_fault_once_there_is_a_key() -> None:
    plain = JournalKeys().sign(REFUND, ROW)

    assert JournalKeys().fault(REFUND, ROW, plain) is None
    assert "no key protects" in str(KEYS.fault(REFUND, ROW, plain))
    assert KEYS.with_plain().fault(REFUND, ROW, plain) is None
    assert chain.PLAIN == PLAIN


COVERED = {
    payments: {*chain.PAYMENT.columns},
    payment_refunds: {*chain.REFUND.columns, "channel", "subject"},  # those of its key
    idempotency_keys: {*chain.CLAIM.columns, *chain.KEY.columns, *chain.RESPONSE.columns} - {"claim_digest"},
    transactions: {*chain.CHANGE.columns, *chain.TEXTS.columns},
    operator_actions: {*chain.ACTION.columns},
    disputes: {*chain.DISPUTE.columns},
}
NUMBERS = {"transaction_log_id", "key_id", "action_id", "dispute_id"}
"""Numbers of rows, which the seals count."""
HASHES = {"row_hash", "state_hash", "response_hash"}


@pytest.mark.parametrize("table", COVERED, ids=str)
def test_every_column_is_hashed_or_excepted(table: object) -> None:
    columns = set(table.c.keys())  # type: ignore[attr-defined]
    free = set(TELLS_NOTHING.get(table, {}))  # type: ignore[call-overload]

    assert columns - COVERED[table] - NUMBERS - HASHES == free  # type: ignore[index]
    assert not COVERED[table] & free  # type: ignore[index]


def test_value_of_another_type_with_the_same_text_has_the_same_hash() -> None:
    kind = chain.Covered("any", ("a", "a"))
    id_, text = UUID(int=1), UUID(int=1).hex
    assert chain.digest(kind, {"a": id_}) == chain.digest(kind, {"a": text})
    assert chain.digest(kind, {"a": {"b": 1}}) == chain.digest(kind, {"a": '{"b":1}'})
    assert chain.digest(kind, {"a": None}) != chain.digest(kind, {"a": ""})
