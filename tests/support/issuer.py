"""An auth service for tests: signs tokens, and publishes its keys on loopback as well or as badly as a test orders."""

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

SECRET = "a-secret-of-the-tests-with-40-characters"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token, changed; None takes one out."""
    good = {"sub": "user-1", "exp": int(time.time()) + 3600, "email": "u@example.com", "is_verified": True}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a signed token; `changes` as for `claims`."""
    return jwt.encode(claims(**changes), key, algorithm, headers)


def by(key: Any, kid: Any, algorithm: str = "RS256", **changes: Any) -> str:
    """Return a token signed with a published key, which it names."""
    return token(key, algorithm, {"kid": kid}, **changes)


def forged(header: Any, payload: Any, signature: bytes = b"") -> str:
    """Return a token of any bytes: other values become JSON."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


def signed(payload: Any, secret: bytes = SECRET.encode(), header: Any = None) -> str:
    """Return a token of any payload, signed with any bytes as HS256, under any header."""
    unsigned = forged({"alg": "HS256", "typ": "JWT"} if header is None else header, payload).rstrip(".")
    signature = HMACAlgorithm(HMACAlgorithm.SHA256).sign(unsigned.encode(), secret)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def pem(key: PrivateKey) -> str:
    """Return the public half, as text."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    """Return the public half, as issuers publish it."""
    if isinstance(key, rsa.RSAPrivateKey):
        return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


class Publisher:
    """A JWKS address; `keys` are published, `requests` counts who asked, `answer` replaces the whole answer."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.requests = 0
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self.publish
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.requests += 1
                publisher.answer(self)

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def publish(self, request: BaseHTTPRequestHandler) -> None:
        """Send the proper answer."""
        self.send(request, json.dumps({"keys": self.keys}).encode())

    def send(self, request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
        """Send any answer."""
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def close(self) -> None:
        """Begin the outage: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
