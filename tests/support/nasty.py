"""Values, bodies and fields that no caller's document knows, and good bodies to put them into."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.tokens import token

NOWHERE = 9_007_199_254_740_993
"""The number of no payment."""

CARDS = ("4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "\uff14" + "\uff11" * 15)
NASTY = (
    "", " ", "\x00", "a\x00b", "\x1b[31m", "\u202e", "\u0661\u0662\u0663", "\uff11", "\u00b2", "1_000", "+12",
    "0x10", "1,000", "' OR 1=1 --", "1; DROP TABLE payments", "%' UNION SELECT 1 --", "${jndi:ldap://x/a}",
    "{{7*7}}", "<script>", "../..", "%00", "-0", "1e999", "NaN", "Infinity", "null", "9" * 19, "9" * 400,
    "\U0001f4b8" * 300, "__proto__", "\x7f", "\x85",
)  # fmt: skip
AMOUNTS = (
    "-1", "-0", "-0.01", "1e5", "1e400", "1e2000000", '"1e2000000"', "NaN", "Infinity", "-Infinity", '"NaN"', "true",
    "[]", "{}", '""', '" 1"', '"+1"', '"1_000"', '"0x10"', '"1,5"', '"\u0661"', "1000000000000", "9" * 4000,
    "9" * 5000, '"abc"', '"."',
)  # fmt: skip
NUMBERS = (
    "0",
    "-1",
    "1.5",
    "true",
    "[]",
    "{}",
    '""',
    '"x"',
    "1e3",
    str(2**63),
    "1" * 40,
    "9" * 5000,
    '"\u0661"',
    '"1_0"',
)
TEXTS = ("[]", "{}", "true", '""', '"a\\u0000b"', '"\\ud800"', json.dumps("x" * 5000), '"\\u001b[31m"')
WORDS = (*TEXTS, "5", '"CHEQUE\'--"')
OBJECTS = (*(json.dumps({"note": card}) for card in CARDS), json.dumps(dict.fromkeys(map(str, range(21)), 1)))
KEYS = ("[]", "{}", "true", '""', '"  "', '"a\\u0000b"', '"a\\nb"', json.dumps("k" * 256), json.dumps(CARDS[1]), "1.5")

Bad = Mapping[str, Sequence[str]]
_REFUND = {"transaction_id": "txn_0123456789abcdef", "amount": 5}
BODIES: Mapping[str, Sequence[tuple[Mapping[str, Any], Bad]]] = {
    "/payments": (
        (
            {"idempotency_key": "k", "trip_id": 1, "method": "CARD", "amount": 5},
            {"idempotency_key": KEYS, "trip_id": NUMBERS, "method": WORDS, "amount": AMOUNTS, "metadata": OBJECTS},
        ),
    ),
    "/v1/payments": (
        ({"bill_id": 1, "amount": 5, "method": "UPI"}, {"bill_id": NUMBERS, "amount": AMOUNTS, "method": TEXTS}),
        (
            {"order_id": 1, "user_id": 1, "amount": 5, "payment_method": "UPI"},
            {"order_id": NUMBERS, "user_id": NUMBERS, "amount": AMOUNTS, "payment_method": WORDS},
        ),
    ),
    "/v1/payments/charge": (
        (
            {"order_id": 1, "user_id": 1, "amount": 5, "payment_method": "UPI"},
            {"order_id": NUMBERS, "user_id": NUMBERS, "amount": AMOUNTS, "payment_method": WORDS},
        ),
    ),
    "/api/payments": (
        (
            {"booking_id": "b", "amount": 5},
            {"amount": AMOUNTS, "booking_id": ('""', '"a\\u0000b"', json.dumps(CARDS[0])), "currency": ('"XXX"', "[]")},
        ),
    ),
    "/api/v1/payments/process": (
        (
            {"order_id": "o", "amount": 5, "currency": "USD", "payment_method": "credit_card"},
            {"order_id": TEXTS, "amount": AMOUNTS, "currency": ('"INR"', "[]"), "payment_method": WORDS},
        ),
    ),
    "/api/v1/payments/refund": ((_REFUND, {"transaction_id": TEXTS, "amount": AMOUNTS}),),
    "/api/v1/payments/capture": ((_REFUND, {"transaction_id": TEXTS, "amount": AMOUNTS}),),
    "/api/v1/payments/void": ((_REFUND, {"transaction_id": TEXTS}),),
}
"""Bodies that would do, by path, and for each field what makes them not do."""

MORE = {"idempotency_key": "k", "amount": 5, "reason": "a long reason", "status": "COMPLETED"}
"""A body for paths with an id: that of no payment."""

BROKEN: tuple[bytes, ...] = (
    b"{", b"}", b"[]", b"5", b"null", b'"text"', b"{'a':1}", b'{"amount":1,"amount":2}', b"[" * 5000,
    b'{"a":' * 17 + b"1" + b"}" * 17, b"[" * 60000, b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":-Infinity}',
    b'{"a":1e}', b'{"a":' + b"9" * 60000 + b"}x", b"\x00", b'{"a":"\\ud83d"}', b'{"a":"\\u0000"}',
    b"{" + b",".join(b'"f%d":1' % at for at in range(300)) + b"}", b" " * 65537, b"a=1&b=2", b"<xml/>",
    b"{}" + b" " * 65536,
)  # fmt: skip

PARAMETERS = (
    "trip_id", "status", "method", "from", "to", "limit", "cursor", "skip", "bill_id", "page", "page_size", "before",
    "per_page", "user_id", "payment_method", "order_id", "sort", "unknown",
)  # fmt: skip
METHODS = ("TRACE", "PROPFIND", "CONNECT", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "LINK", "post", "G\u00cbT")
DETOURS = (
    "/./payments",
    "/payments/../payments",
    "//payments",
    "/payments;a=1",
    "/payments%2f",
    "/payments/%2e%2e",
    "/%00",
)
SIGNED_BADLY = (
    f"{token()}x", f"{token()}=", token(secret="x" * 40), token(expires_in=-100), token(None), token([1]),
    token("a" * 300), token("a\x00b"), f"{token()},Bearer {token()}", "A" * 9000,
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", token(exp=10**18), token(exp=1e300), "", "x", "a.b.c",
)  # fmt: skip
TOKENS = (*(f"Bearer {text}" for text in SIGNED_BADLY), "Bearer", "bearer x", "Basic eDp5", "Token x")
REQUEST_IDS = ("", "x" * 65, "a b", "<b>", "\x1b[31m", "${jndi:x}", '"', "\u0661", "x" * 10000, CARDS[0])
