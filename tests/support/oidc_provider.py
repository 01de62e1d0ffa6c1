"""An OpenID provider for tests in Python: it answers as well or as badly as a test wants."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.issuer import jwk

CLIENT_ID, CLIENT_SECRET = "payment-service", "a-client-secret-of-the-tests"
CALLBACK = "/ops/login/callback"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class OidcProvider:
    """A provider at loopback. `claims` change the ID token (None takes one out), `response` the token response.

    `document` changes the discovery document; `key`, `algorithm`, `kid` sign. `asked` has every path, `exchanged` the
    parameters of the last exchange. `silent` paths get no reply until the provider closes.
    """

    def __init__(self) -> None:
        self.key: Any = _KEY
        self.algorithm, self.kid = "RS256", "k1"
        self.claims: dict[str, Any] = {}
        self.response: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.asked: list[str] = []
        self.exchanged: dict[str, str] = {}
        self.silent: set[str] = set()
        self.status = 200
        self._codes: dict[str, dict[str, str]] = {}
        self._closing = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self)

            do_POST = do_GET  # noqa: N815 - the name that the server calls

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a service that signs its operators in here."""
        return {
            "ops_oidc_issuer": self.issuer,
            "ops_oidc_client_id": CLIENT_ID,
            "ops_oidc_client_secret": CLIENT_SECRET,
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = urlsplit(request.path).path
        self.asked.append(path)
        if path in self.silent:
            self._closing.wait(30)
            return
        length = int(request.headers.get("Content-Length") or 0)
        body = {name: values[0] for name, values in parse_qs(request.rfile.read(length).decode()).items()}
        status, document = self.status, self._document(path, body, request.headers.get("Authorization", ""))
        if "error" in document:
            status = 400
        content = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _document(self, path: str, body: dict[str, str], authorization: str) -> dict[str, Any]:
        if path == "/token":
            return self._exchange(body, authorization)
        if path == "/jwks":
            return {"keys": [jwk(_KEY, "k1")]}
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": True,
            **self.document,
        }

    def approve(self, address: str, code: str = "code-1") -> dict[str, str]:
        """Return the provider's redirect after a person has signed in at this address of its authorization endpoint."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?"), address
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert len(asked["state"]) >= 32
        assert len(asked["nonce"]) >= 32
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def _exchange(self, body: dict[str, str], authorization: str) -> dict[str, Any]:
        self.exchanged = body
        asked = self._codes.pop(body.get("code", ""), None)  # a code is good once
        digest = hashlib.sha256(body.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {basic}":
            return {"error": "invalid_client"}
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != body.get("redirect_uri"):
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "maria", "aud": CLIENT_ID, "iat": now, "exp": now + 600}
        claims = {**claims, "nonce": asked["nonce"], **self.claims}
        present = {name: value for name, value in claims.items() if value is not None}
        id_token = jwt.encode(present, self.key, self.algorithm, {"kid": self.kid})
        response = {"access_token": "opaque", "token_type": "Bearer", "id_token": id_token, "scope": asked["scope"]}
        return {name: value for name, value in {**response, **self.response}.items() if value is not None}

    def close(self) -> None:
        """Begin the outage: from now on connections are refused."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def leave_for(client: FlaskClient, then: str = "/ops") -> str:
    """Follow the button of the sign-in page: the provider's address."""
    answer = client.get("/ops/login/provider", query_string={"then": then})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def come_back(client: FlaskClient, reply: dict[str, str]) -> TestResponse:
    """Follow the provider's redirection back."""
    return client.get(CALLBACK, query_string=reply)


def sign_in_at(client: FlaskClient, provider: OidcProvider, then: str = "/ops") -> TestResponse:
    """Sign a person in, by the whole way."""
    return come_back(client, provider.approve(leave_for(client, then)))
