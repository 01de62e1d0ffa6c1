"""S4: behind a proxy that ends TLS, rules and limits are about the client.

Those of release 1.0.0 saw the address of the other proxy: inner pages were public, and one client used up the limit.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Certificate, certificate
from tests.support.nginx import Nginx
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.terminator import ADDRESS, FLOODER, INSIDER, STRANGER, Terminator, admit, client
from tests.support.waiting import wait_until

SERVED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
INSIDE = [
    *(
        prefix + path
        for prefix in ("", "/v1")
        for path in ("/metrics", "/metrics/", "/health/ready", "/docs", "/redoc")
    ),
    "/openapi.json",
    "/docs/assets/ops.css",
    "/ops",
    "/ops/login",
    "/ops/payments/1",
]
OUTSIDE = ["/health", "/health/live", "/payments", "/v1/payments/7"]
MANY = 400
"""More requests than are served in one breath."""


@dataclass(frozen=True)
class Chain:
    """The terminator, the deployed proxy that trusts it, and what the service behind has received."""

    certificate: Certificate
    service: ScriptedServer
    nginx: Nginx
    terminator: Terminator

    @property
    def through(self) -> str:
        return f"https://127.0.0.1:{self.terminator.tls_port}"

    @property
    def direct(self) -> str:
        return f"http://127.0.0.1:{self.nginx.port}"

    def status(self, address: str, url: str, **headers: str) -> int:
        with client(address, self.certificate) as session:
            return session.get(url, headers=headers, timeout=20, allow_redirects=False).status_code


def chain(stack: ExitStack, home: Path, trusted: str) -> Chain:
    made = certificate(home)
    service = stack.enter_context(scripted_server(SERVED))
    nginx = stack.enter_context(closing(Nginx(service.url.removeprefix("http://"), trusted=trusted)))
    admit(nginx).start()
    return Chain(made, service, nginx, stack.enter_context(closing(Terminator(nginx, made))))


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Chain]:
    """NGINX_TRUSTED_PROXIES names the terminator."""
    with ExitStack() as stack:
        yield chain(stack, tmp_path, ADDRESS)


@pytest.fixture
def unnamed(tmp_path: Path) -> Iterator[Chain]:
    """Nothing is named."""
    with ExitStack() as stack:
        yield chain(stack, tmp_path, "")


def test_s4_stranger_behind_a_terminator_gets_403_on_inner_paths(named: Chain) -> None:
    """In release 1.0.0 metrics, readiness and the operators' login were public."""
    assert {path: named.status(STRANGER, named.through + path) for path in INSIDE} == dict.fromkeys(INSIDE, 403)
    assert {path: named.status(INSIDER, named.through + path) for path in INSIDE} == dict.fromkeys(INSIDE, 200)
    assert [named.status(STRANGER, named.through + path) for path in OUTSIDE] == [200] * len(OUTSIDE)


def test_s4_terminator_that_is_not_named_opens_no_inner_path(unnamed: Chain) -> None:
    """In release 1.0.0 its own address opened everything to everybody."""
    assert {unnamed.status(STRANGER, unnamed.through + path) for path in INSIDE} == {403}
    assert {unnamed.status(INSIDER, unnamed.through + path) for path in INSIDE} == {403}
    assert unnamed.status(INSIDER, f"{unnamed.direct}/metrics") == 200
    assert unnamed.status(STRANGER, f"{unnamed.through}/payments") == 200


def test_s4_terminator_itself_gets_403_on_inner_paths(named: Chain) -> None:
    """In release 1.0.0 a terminator that forwards no client's address opened everything."""
    assert named.status(ADDRESS, f"{named.direct}/metrics") == 403


@pytest.mark.parametrize("claimed", [INSIDER, ADDRESS, "10.0.0.1", f"{INSIDER}, {ADDRESS}"])
def test_s4_address_that_a_client_claims_changes_nothing(named: Chain, claimed: str) -> None:
    """In release 1.0.0 they changed nothing either; with trusted proxies they must not begin to."""
    claims = {"X-Forwarded-For": claimed, "X-Real-IP": claimed, "Forwarded": f"for={INSIDER}"}
    bases = (named.through, named.direct)
    assert [named.status(STRANGER, f"{base}/metrics", **claims) for base in bases] == [403, 403]
    assert [named.status(STRANGER, f"{base}/payments", **claims) for base in bases] == [200, 200]
    assert f'"{claimed}"' not in named.nginx.lines()
    true = {f"\r\nX-Forwarded-For: {STRANGER}\r\n".encode(), f"\r\nX-Real-IP: {STRANGER}\r\n".encode()}
    assert [received for received in named.service.received if any(each not in received for each in true)] == []
    assert [received for received in named.service.received if b"\r\nForwarded" in received] == []


def test_s4_scheme_is_accepted_only_from_a_named_proxy(named: Chain) -> None:
    """In release 1.0.0 the service took every client's scheme for plain HTTP."""
    named.status(STRANGER, f"{named.through}/payments", **{"X-Forwarded-Proto": "http"})
    named.status(STRANGER, f"{named.direct}/payments", **{"X-Forwarded-Proto": "https"})

    schemes = [re.findall(rb"\r\nX-Forwarded-Proto: (\w+)\r\n", received) for received in named.service.received]
    assert schemes == [[b"https"], [b"http"]]


def flood(port: int, certificate: Certificate | None, address: str, claim: str = "") -> list[int]:
    """Return the statuses of many requests of one client, sent in one breath."""
    asked = b"".join(
        b"GET /payments HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
        % (f"X-Forwarded-For: {claim}{number}\r\n".encode() if claim else b"")
        for number in range(MANY)
    )
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = b""
    with ExitStack() as stack:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
        connection = stack.enter_context(plain)
        if certificate:
            context = ssl.create_default_context(cafile=str(certificate.authority))
            connection = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        connection.sendall(asked + last)
        while part := connection.recv(1 << 16):
            received += part
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("claim", ["", "127.0.0."])
def test_s4_flood_of_one_client_throttles_no_other(named: Chain, claim: str) -> None:
    """In release 1.0.0 all clients of a terminator had one limit."""
    statuses, others = list[int](), list[int]()
    for _ in range(5):  # a busy machine sends no more than is served
        statuses += [] if 429 in statuses else flood(named.terminator.tls_port, named.certificate, FLOODER, claim)
        others += [named.status(STRANGER, f"{named.through}/payments") for _ in range(3)]
    assert others == [200] * 15
    assert 429 in statuses, "an address that a client claims is no way round its limit"


def test_s4_flood_with_claimed_addresses_is_limited(named: Chain) -> None:
    """In release 1.0.0 it was."""
    floods = (flood(named.nginx.port, None, FLOODER, "127.0.0.") for _ in range(5))
    assert any(429 in statuses for statuses in floods)


def test_s4_log_has_the_address_of_the_client(named: Chain) -> None:
    """In release 1.0.0 it had the terminator's."""
    named.status(STRANGER, f"{named.through}/payments")
    wait_until(lambda: f'"remote_addr": "{STRANGER}"' in named.nginx.lines(), named.nginx.lines)


def test_s4_plain_request_behind_a_terminator_is_redirected_to_https(named: Chain) -> None:
    """Release 1.0.0 served them."""
    with client(STRANGER, named.certificate) as session:
        plain = f"http://127.0.0.1:{named.terminator.port}/payments?a=b"
        answer = session.post(plain, data=b"{}", timeout=20, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (308, "https://127.0.0.1/payments?a=b")
        encrypted = session.get(f"{named.through}/payments", timeout=20)
        inside = session.get(f"{named.direct}/payments", timeout=20)
    assert encrypted.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in inside.headers
    assert len(named.service.received) == 2
