"""Requests that no client library would send, by name: servers read them differently, or not at all."""

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close"
BODY = b'{"idempotency_key": "raw", "trip_id": 1, "method": "CARD", "amount": 1}'
POST = b"POST /payments HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
HIDDEN = b"GET /redoc HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
"""A second request, hidden where only some servers would find it."""
CHUNKS = b"0\r\n\r\n" + HIDDEN
SIZED = b"Content-Length: %d\r\n" % len(BODY)


def head(*lines: bytes, first: bytes = b"GET /health HTTP/1.1") -> bytes:
    return first + b"\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def smuggling(*lines: bytes, body: bytes = CHUNKS) -> bytes:
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


CORPUS = {
    "CL and TE": smuggling(b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "TE and CL": smuggling(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "TE twice": smuggling(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "TE list": smuggling(b"Transfer-Encoding: chunked, identity", b"Content-Length: 5"),
    "TE xchunked": smuggling(b"Transfer-Encoding: xchunked", b"Content-Length: 5"),
    "TE tab": smuggling(b"Transfer-Encoding:\tchunked", b"Content-Length: 5"),
    "TE vertical tab": smuggling(b"Transfer-Encoding: \x0bchunked", b"Content-Length: 5"),
    "TE quoted": smuggling(b'Transfer-Encoding: "chunked"', b"Content-Length: 5"),
    "TE blank before colon": smuggling(b"Transfer-Encoding : chunked", b"Content-Length: 5"),
    "TE folded": smuggling(b"Transfer-Encoding:\r\n chunked", b"Content-Length: 5"),
    "TE with bare LF": smuggling(b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 5"),
    "TE with bare CR": smuggling(b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 5"),
    "TE in HTTP/1.0": smuggling(b"Transfer-Encoding: chunked", b"Content-Length: 5").replace(b"1.1", b"1.0", 1),
    "TE underscored": smuggling(b"Transfer_Encoding: chunked", b"Content-Length: 5", CLOSE, body=CHUNKS[:5]),
    "two CL": smuggling(b"Content-Length: 5", b"Content-Length: 45"),
    "CL list": smuggling(b"Content-Length: 5, 45"),
    **{
        f"CL {bad.decode('latin-1')!r}": smuggling(b"Content-Length: " + bad)
        for bad in (b"+5", b"-5", b"0x5", b"5_0", b"5 5", b"5.0", b"\xb2", b"9" * 30, b"5;5", b"")
    },
    **{
        f"chunk {bad[:12].decode('latin-1')!r}": smuggling(b"Transfer-Encoding: chunked", body=bad)
        for bad in (
            b"zz\r\n{}\r\n" + CHUNKS, b"-1\r\n{}\r\n" + CHUNKS, b"0x2\r\n{}\r\n" + CHUNKS, b"+2\r\n{}\r\n" + CHUNKS,
            b"2 \r\n{}\r\n" + CHUNKS, b"2\r\n{}XX" + CHUNKS, b"2\n{}\n0\n\n" + HIDDEN,
            b"f" * 17 + b"\r\n{}\r\n" + CHUNKS,
            b"2;a=\x00\r\n{}\r\n" + CHUNKS, b"1_0\r\n{}\r\n" + CHUNKS, b"\r\n\r\n" + HIDDEN,
            b"2;" + b"a" * 20000 + b"\r\n{}\r\n" + CHUNKS,
        )
    },
    "name with a blank": head(b"X Y: z") + HIDDEN,
    "no name": head(b": z") + HIDDEN,
    "no colon": head(b"XYZ") + HIDDEN,
    "NUL in a value": head(b"X: a\x00b") + HIDDEN,
    "NUL in a name": head(b"X\x00Y: a") + HIDDEN,
    "CR in a value": head(b"X: a\rSet-Cookie: b") + HIDDEN,
    "folded": head(b"X: a", b" b") + HIDDEN,
    "first line folded": head(first=b" GET /health HTTP/1.1") + HIDDEN,
    "no host": b"GET /health HTTP/1.1\r\nX: y\r\n\r\n",
    "two hosts": head(b"Host: evil.example") + HIDDEN,
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/1.2.3": head(first=b"GET /health HTTP/1.2.3") + HIDDEN,
    "HTTP/9": head(first=b"GET /health HTTP/9.9") + HIDDEN,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9,
    "lower-case method": head(first=b"get /health HTTP/1.1") + HIDDEN,
    "method with a NUL": head(first=b"G\x00T /health HTTP/1.1") + HIDDEN,
    "long method": head(first=b"G" * 300 + b" /health HTTP/1.1") + HIDDEN,
    "NUL in the path": head(first=b"GET /health\x00 HTTP/1.1") + HIDDEN,
    "blank in the path": head(first=b"GET /health two HTTP/1.1") + HIDDEN,
    "raw bytes in the path": head(b"Connection: close", first=b"GET /\xff\xfe HTTP/1.1"),
    "CONNECT": head(b"Connection: close", first=b"CONNECT 127.0.0.1:5432 HTTP/1.1"),
    "absolute address": head(b"Connection: close", first=b"GET http://127.0.0.1:5432/ HTTP/1.1"),
    "5 kB address": head(first=b"GET /" + b"a" * 5000 + b" HTTP/1.1") + HIDDEN,
    "40 kB address": head(first=b"GET /" + b"a" * 40000 + b" HTTP/1.1") + HIDDEN,
    "9 kB header": head(b"X: " + b"a" * 9000) + HIDDEN,
    "9 kB token": head(b"Authorization: Bearer " + b"a" * 9000) + HIDDEN,
    "101 headers": head(*(b"X-%d: y" % number for number in range(101))) + HIDDEN,
    "10 GB announced": POST + b"Content-Length: 10000000000\r\n\r\n" + BODY,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
    "nothing but ends of lines": b"\r\n" * 2000,
    "noise": bytes(range(256)) * 8,
    "upgrade to h2c": head(b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    "expectation": POST + SIZED + b"Expect: something else\r\nConnection: close\r\n\r\n" + BODY[:0],
    "compressed": POST + SIZED + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + BODY,
}  # fmt: skip
