import io
import random
import time

from tests.support.parsing_app import app, chunked

NASTY: tuple[bytes, ...] = (
    b"[" * 20_000, b'{"a":' * 10_000, b'"' + b'\\"' * 30_000, b"\x00", b"\xff", b"NaN", b"1e400", b"1e2000000",
    b"9" * 50_000, b'"\\ud800"', b'"\\u0000"', b"null", b"true", b"[]", b"{}", b"-0", b'"4111111111111111"',
    b'"' + b"x" * 60_000 + b'"', b'{"a":1,"a":2}', "\ufdfa".encode() * 2_000, b'"\\', b",", b":", b"}", b"]",
    b'"\xd9\xa1"', b"0.1", b'"1e5"', b"-5",
)  # fmt: skip
NAMES = ("order_id", "amount", "currency", "method", "reference", "metadata", "x")
TYPES = ("application/json", "application/json; charset=utf-8", "text/plain", "", "application/json; charset=")


def mangled(rng: random.Random) -> bytes:
    """Return a body made of nasty parts, then cut, doubled or flipped somewhere."""
    fields = [b'"%s": %s' % (rng.choice(NAMES).encode(), rng.choice(NASTY)) for _ in range(rng.randrange(4))]
    body = rng.choice(NASTY) if rng.random() < 0.2 else b"{" + b", ".join(fields) + b"}"
    at = rng.randrange(len(body) + 1)
    mangle = rng.randrange(5)
    if mangle == 0:
        return body[:at]
    if mangle == 1:
        return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
    if mangle == 2:
        return body[:at] + rng.choice(NASTY) + body[at:]
    return body


def test_malformed_body_brings_no_crash_and_no_delay() -> None:
    client = app.test_client()
    rng = random.Random(20251120)
    seen, wrong = set(), []
    for number in range(5_000):
        body, content_type = mangled(rng), rng.choices(TYPES, (90, 5, 3, 1, 1))[0]
        send = chunked if rng.random() < 0.1 else None
        started = time.thread_time()  # not the clock's: a busy machine takes its time, too
        if send:
            response = chunked(client, io.BytesIO(body), "/payments")
        else:
            response = client.post("/payments", data=body, content_type=content_type)
        elapsed = time.thread_time() - started
        if response.status_code not in {200, 413, 415, 422} or elapsed >= 1:
            wrong.append((number, response.status_code, elapsed, body[:100]))
        seen.add(response.status_code)
    assert wrong == []
    assert {413, 415, 422} <= seen
