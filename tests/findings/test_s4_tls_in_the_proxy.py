"""S4: the deployed proxy ends TLS itself, and every variant of its template is one that nginx accepts.

The proxy of release 1.0.0 could not: each installation put another proxy before it.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.certificates import Certificate, certificate
from tests.support.nginx import Nginx, rendered
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.terminator import STRANGER, admit, client, handshake

SERVED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def ending(tmp_path: Path) -> Iterator[tuple[Nginx, Certificate, ScriptedServer]]:
    """Yield the deployed proxy with a certificate."""
    made = certificate(tmp_path)
    with ExitStack() as stack:
        service = stack.enter_context(scripted_server(SERVED))
        nginx = stack.enter_context(closing(Nginx(service.url.removeprefix("http://"), certificate=made)))
        admit(nginx).start()
        yield nginx, made, service


def test_s4_proxy_with_a_certificate_ends_tls(ending: tuple[Nginx, Certificate, ScriptedServer]) -> None:
    """Release 1.0.0 could not."""
    nginx, made, service = ending
    base = f"https://127.0.0.1:{nginx.tls_port}"
    statuses = {"/payments": 200, "/health": 200, "/metrics": 403, "/ops": 403}
    with client(STRANGER, made) as session:
        answers = {path: session.get(base + path, timeout=20) for path in statuses}
        assert {path: answer.status_code for path, answer in answers.items()} == statuses
        assert {answer.headers["Strict-Transport-Security"] for answer in answers.values()} == {"max-age=31536000"}
        unknown = {"Host": "evil.example"}
        with pytest.raises(OSError, match="Connection"):
            session.get(base + "/payments", headers=unknown, timeout=20)
    assert b"\r\nX-Forwarded-Proto: https\r\n" in service.received[0]
    assert f"\r\nX-Forwarded-For: {STRANGER}\r\n".encode() in service.received[0]


def test_s4_proxy_with_a_certificate_redirects_plain_requests_to_https(
    ending: tuple[Nginx, Certificate, ScriptedServer],
) -> None:
    """Release 1.0.0 served them."""
    nginx, made, service = ending
    plain, secure = f"http://127.0.0.1:{nginx.port}", f"https://127.0.0.1:{nginx.tls_port}"
    lie, paths = {"X-Forwarded-Proto": "https"}, ("/payments?a=b", "/metrics", "/ops/login", "/health/ready")
    with client(STRANGER, made) as session:
        answers = [session.post(plain + path, headers=lie, timeout=20, allow_redirects=False) for path in paths]
        assert [answer.status_code for answer in answers] == [308] * 4
        assert [answer.headers["Location"] for answer in answers] == [secure + path for path in paths]
        assert [answer for answer in answers if "Strict-Transport-Security" in answer.headers] == []
        assert not service.received
        # A client that checks the proxy's health may have no certificate to verify it with.
        assert session.get(f"{plain}/health", timeout=20).status_code == 200


def test_s4_plain_request_on_the_tls_port_is_redirected_to_https(
    ending: tuple[Nginx, Certificate, ScriptedServer],
) -> None:
    """Release 1.0.0 had no such port."""
    nginx, made, service = ending
    url = f"127.0.0.1:{nginx.tls_port}/payments?a=b"
    with client(STRANGER, made) as session:
        answer = session.get(f"http://{url}", timeout=20, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{url}")
    assert not service.received


def test_s4_malformed_plain_request_is_refused_and_not_passed_on(
    ending: tuple[Nginx, Certificate, ScriptedServer],
) -> None:
    nginx, _, service = ending
    with closing(socket.create_connection(("127.0.0.1", nginx.port), timeout=10)) as connection:
        connection.sendall(b"GET /payments HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert not service.received


def test_s4_old_versions_of_tls_are_refused(ending: tuple[Nginx, Certificate, ScriptedServer]) -> None:
    """Release 1.0.0 had none at all."""
    nginx, made, _ = ending

    assert handshake(nginx.tls_port, made, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert handshake(nginx.tls_port, made, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    # The server's own word, not a failure of this side.
    assert handshake(nginx.tls_port, made, ssl.TLSVersion.TLSv1_1) == "TLSV1_ALERT_PROTOCOL_VERSION"


VARIANTS = {
    "plain": (False, ""),
    "TLS": (True, ""),
    "behind a terminator": (False, "10.0.0.5,192.168.7.0/24 fd00::/8"),
    "both": (True, "10.0.0.5"),
}


@pytest.mark.parametrize(("ends_tls", "trusted"), VARIANTS.values(), ids=VARIANTS)
def test_s4_nginx_accepts_every_variant_of_the_template(tmp_path: Path, ends_tls: bool, trusted: str) -> None:
    """Release 1.0.0 had one."""
    made = certificate(tmp_path) if ends_tls else None
    with closing(Nginx("127.0.0.1:9", certificate=made, trusted=trusted)) as nginx:
        said = nginx.check()
        text = (nginx.home / "conf.d" / "payment-service.conf").read_text()
    assert "test is successful" in said
    assert "warn" not in said
    assert "${" not in text


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"TLS_CERTIFICATE": "/a.pem"}, "TLS_CERTIFICATE_KEY"),
        ({"TLS_CERTIFICATE_KEY": "/a.pem"}, "TLS_CERTIFICATE"),
        ({"NGINX_TRUSTED_PROXIES": "0.0.0.0/0"}, "0.0.0.0/0"),
        ({"NGINX_TRUSTED_PROXIES": "10.0.0.1, ::/0"}, "::/0"),
        ({"NGINX_TRUSTED_PROXIES": "proxy.example"}, "proxy.example"),
        ({"NGINX_TRUSTED_PROXIES": "10.0.0.1; allow all"}, "10.0.0.1;"),
    ],
)
def test_s4_contradictory_variant_is_refused_by_name(given: dict[str, str], named: str) -> None:
    """Release 1.0.0 knew none of these variables."""
    with pytest.raises(AssertionError, match=re.escape(named)):
        rendered({"LISTEN": "listen 8082", **given})
