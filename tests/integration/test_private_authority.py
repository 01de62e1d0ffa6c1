"""Outgoing HTTPS trusts the authorities of REQUESTS_CA_BUNDLE, and with them no others."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from payment_service.config import ConfigurationError, Settings
from payment_service.gateways.base import Unknown
from payment_service.gateways.transport import Transport
from payment_service.http_client import HttpClient, NoReply
from payment_service.web.oidc import OpenIdProvider
from payment_service.web.sign_in_provider import SignInFailed
from tests.support.certificates import Certificate, certificate


class _Answering(BaseHTTPRequestHandler):
    """A provider that signs nobody in."""

    def do_GET(self) -> None:
        address = f"https://{self.headers['Host']}"
        names = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        self._answer(200, {"issuer": address, **{name: address + path for name, path in names.items()}})

    def do_POST(self) -> None:
        self._answer(400, {"error": "invalid_grant"})

    def _answer(self, status: int, document: dict[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line to standard error."""


@pytest.fixture
def inside(tmp_path: Path) -> Certificate:
    """A server's certificate by a private authority."""
    return certificate(tmp_path)


@pytest.fixture
def address(inside: Certificate) -> Iterator[str]:
    """A server that answers over TLS with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(inside.chain, inside.key)
    with HTTPServer(("127.0.0.1", 0), _Answering) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def _status(address: str) -> int:
    return HttpClient((2.0, 5.0), 1).get(address, 1000)[0]


def test_a_service_of_a_private_authority_is_trusted_where_the_bundle_names_it(
    inside: Certificate, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoReply):
        _status(address)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(inside.authority))

    assert _status(address) == 200


def test_a_service_of_another_authority_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path / "other").authority))

    with pytest.raises(NoReply):
        _status(address)


def test_gateways_trust_the_bundle(inside: Certificate, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer() -> object:
        return Transport(address, connect_timeout=2.0, read_timeout=5.0).get("/charges")

    assert isinstance(answer(), Unknown)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(inside.authority))
    assert not isinstance(answer(), Unknown)


def test_a_sign_in_trusts_the_bundle(inside: Certificate, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(inside.authority))
    names = ("CLIENT_ID", "CLIENT_SECRET", "CLAIM", "VALUE", "SCOPE")
    provider = OpenIdProvider({"OPS_OIDC_ISSUER": address} | {f"OPS_OIDC_{name}": None for name in names})
    here = "https://payments.example/ops/login/callback"
    _, flow = provider.begin(here, "/ops/")

    with pytest.raises(SignInFailed):  # of the token endpoint; a stranger there would be an outage
        provider.finish(flow, {"state": flow.state, "code": "abc"}, here)


def test_a_bundle_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE: must be a file that can be read"):
        Settings.from_env({"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")})
