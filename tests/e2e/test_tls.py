"""Whole chains on PostgreSQL: TLS that ends in front of nginx, TLS that ends in nginx, and gunicorn alone."""

import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.support.certificates import Certificate, certificate
from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service, flask
from tests.support.slow_clients import slow_clients
from tests.support.terminator import ADDRESS, INSIDER, STRANGER, Terminator, admit, client, handshake
from tests.support.tokens import token
from tests.support.waiting import wait_until

DATABASE = "payments_behind_tls"
DEVELOPERS_SECRET = "jwt-secret-key".ljust(32, "\0")
SCOPES = "payments:service payments:operate"
LONG = "x" * 2600
"""A filler that makes a token some 3,700 characters long."""


@dataclass(frozen=True)
class Chains:
    """One gunicorn with three addresses; `terminated` and `ended` are base URLs with TLS, `alone` is without."""

    certificate: Certificate
    service: Service
    terminator: Terminator
    trusting: Nginx
    ending: Nginx
    alone: tuple[str, int]

    @property
    def terminated(self) -> str:
        return f"https://127.0.0.1:{self.terminator.tls_port}"

    @property
    def ended(self) -> str:
        return f"https://127.0.0.1:{self.ending.tls_port}"


@pytest.fixture(scope="module")
def chains(postgres: Postgres) -> Iterator[Chains]:
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="tls-", dir="/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        made, port = certificate(home), free_port()
        settings = {"BIND": f"127.0.0.1:{port},unix:{home}/socket", "TMPDIR": str(home), "DOTENV_READ": "1"}
        settings["DATABASE_URL"] = postgres.create_database(DATABASE)
        stack.callback(postgres.drop_database, DATABASE)
        flask("db", "upgrade", settings=settings)
        service = stack.enter_context(closing(Service.gunicorn(settings)))
        trusting = stack.enter_context(closing(Nginx(f"unix:{home}/socket", trusted=ADDRESS)))
        ending = stack.enter_context(closing(Nginx(f"unix:{home}/socket", certificate=made)))
        for nginx in (trusting, ending):
            admit(nginx).start()
        terminator = stack.enter_context(closing(Terminator(trusting, made)))
        wait_until(lambda: is_ready(service, port), service.last_words)
        yield Chains(made, service, terminator, trusting, ending, ("127.0.0.1", port))


def is_ready(service: Service, port: int) -> bool:
    assert service.process.poll() is None, service.last_words()
    with suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).status_code == 200
    return False


@pytest.fixture(params=["terminated", "ended"])
def base(request: pytest.FixtureRequest, chains: Chains) -> str:
    """Return both addresses with TLS, one after the other."""
    url: str = getattr(chains, request.param)
    return url


def charge(session: requests.Session, base: str, key: str) -> requests.Response:
    body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 150.0}
    return session.post(f"{base}/payments", json=body, timeout=20)


def test_repeat_of_a_charge_by_tls_charges_once_and_gets_the_same_bytes(chains: Chains, base: str) -> None:
    with client(STRANGER, chains.certificate) as session:
        first, second = charge(session, base, f"once {base}"), charge(session, base, f"once {base}")

    assert (first.status_code, first.json()["status"]) == (200, "SUCCESS")
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics", "/health/ready", "/ops", "/ops/login", "/docs", "/redoc"])
def test_stranger_gets_403_on_paths_that_serve_an_insider(chains: Chains, base: str, path: str) -> None:
    with client(STRANGER, chains.certificate) as stranger, client(INSIDER, chains.certificate) as insider:
        assert stranger.get(base + path, timeout=20).status_code == 403
        assert insider.get(base + path, timeout=20).status_code in {200, 401, 405}


def test_sign_in_by_tls_sets_a_secure_cookie_and_accepts_a_long_token(chains: Chains, base: str) -> None:
    pasted = token("maria", secret=DEVELOPERS_SECRET, scope=SCOPES, note=LONG)
    assert 3600 < len(pasted) <= 3800
    with client(INSIDER, chains.certificate) as operator:
        origin = {"Origin": base}
        answer = operator.post(
            f"{base}/ops/login", data={"token": pasted}, headers=origin, timeout=20, allow_redirects=False
        )
        assert answer.status_code in {302, 303}, answer.text
        assert "; Secure" in answer.headers["Set-Cookie"]
        assert operator.get(f"{base}/ops", timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("version", "agreed"),
    [
        (ssl.TLSVersion.TLSv1_1, "TLSV1_ALERT_PROTOCOL_VERSION"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
def test_tls_below_version_1_2_is_refused(chains: Chains, version: ssl.TLSVersion, agreed: str) -> None:
    assert handshake(chains.ending.tls_port, chains.certificate, version) == agreed


def test_plain_charge_is_redirected_to_https_and_made_there(chains: Chains) -> None:
    with client(STRANGER, chains.certificate) as session:
        plain = session.post(f"http://127.0.0.1:{chains.ending.port}/payments", timeout=20, allow_redirects=False)
        assert (plain.status_code, plain.headers["Location"]) == (308, f"{chains.ended}/payments")
        told = charge(session, f"http://127.0.0.1:{chains.ending.port}", "by way of http")
    assert (told.status_code, told.url) == (200, f"{chains.ended}/payments")
    assert told.history[0].status_code == 308


def test_slow_clients_at_every_entrance_delay_no_other(chains: Chains) -> None:
    doors = (("127.0.0.1", chains.trusting.port), ("127.0.0.1", chains.terminator.port), chains.alone)
    urls = {"t": chains.terminated, "e": chains.ended, "a": f"http://127.0.0.1:{chains.alone[1]}"}
    with ExitStack() as stack:
        for door in doors[:2]:
            stack.enter_context(slow_clients(door, 15, "head", "body"))
        stack.enter_context(slow_clients(doors[2], 200, again=True))
        with client(STRANGER, chains.certificate) as session:
            statuses = [
                (
                    session.get(f"{url}/health", timeout=15).status_code,
                    charge(session, url, f"besieged {name} {number}").status_code,
                )
                for number in range(10)
                for name, url in urls.items()
            ]
    assert statuses == [(200, 200)] * 30
    assert chains.service.process.poll() is None
