"""Bytes that no client library would send: straight to gunicorn as it is deployed, and through nginx in front of it.

Any bytes get at most one answer and never a crash; no request hidden behind them is served as a request of its own,
and the next caller is served as usual.
"""

import json
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.security.test_ways_round import METHODS, spellings
from tests.security.wire_corpus import CORPUS, HIDDEN, POST, SIZED, head
from tests.support.nginx import Nginx
from tests.support.processes import Service, flask
from tests.support.refusals import LEAKS
from tests.support.waiting import wait_until

STATUS = re.compile(rb"(?:^|\r\n\r\n|[}\n>])HTTP/1\.[01] (\d{3}) ")
FINE = {b"200", b"404"}
"""The statuses of a request that only looks strange."""
REFUSED = {
    b"400",
    b"401",
    b"405",
    b"408",
    b"411",
    b"413",
    b"414",
    b"415",
    b"417",
    b"422",
    b"431",
    b"494",
    b"501",
    b"505",
}


@dataclass(frozen=True)
class Entrance:
    """An address that takes bytes: a Unix socket's path, or a port.

    `hangs_up`: the client ends its side after the last byte; nginx takes that for a client that is gone.
    """

    name: str
    family: int
    address: str | tuple[str, int]
    hangs_up: bool

    def send(self, sent: bytes, patience: float = 20) -> bytes:
        """Return all bytes of the answer, until the server closes the connection and no client waits."""
        received = b""
        with closing(socket.socket(self.family)) as connection, suppress(ConnectionError, BrokenPipeError):
            connection.settimeout(patience)
            connection.connect(self.address)
            with suppress(ConnectionError, BrokenPipeError):
                connection.sendall(sent)
                if self.hangs_up:
                    connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        return received


@dataclass(frozen=True)
class Chain:
    """The service with its two addresses."""

    service: Service
    nginx: Nginx
    entrances: tuple[Entrance, Entrance]


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="raw-", dir="/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        nginx = Nginx(f"unix:{home}/socket")
        stack.callback(nginx.close)
        settings = {"BIND": f"unix:{home}/socket", "TMPDIR": str(home), "DATABASE_URL": f"sqlite:///{home}/payments.db"}
        flask("db", "upgrade", settings=settings)
        service = Service.gunicorn(settings)
        stack.callback(service.close)
        nginx.start()
        direct = Entrance("gunicorn", socket.AF_UNIX, f"{home}/socket", hangs_up=True)
        behind = Entrance("nginx", socket.AF_INET, ("127.0.0.1", nginx.port), hangs_up=False)
        wait_until(lambda: is_served(direct) and is_served(behind), service.last_words)
        yield Chain(service, nginx, (direct, behind))


def is_served(entrance: Entrance) -> bool:
    try:
        answer = entrance.send(head(b"Connection: close"))
    except FileNotFoundError:  # not yet listening
        return False
    return answer.startswith(b"HTTP/1.1 200") and b'"healthy"' in answer


@pytest.mark.parametrize("behind", [False, True], ids=["gunicorn", "nginx"])
@pytest.mark.parametrize("name", CORPUS)
def test_strange_request_is_served_at_most_once_and_stops_nothing(chain: Chain, name: str, behind: bool) -> None:
    entrance = chain.entrances[behind]
    answer = entrance.send(CORPUS[name])
    statuses = STATUS.findall(answer)

    # Behind nginx a second request after a whole one is normal; the test below proves that nginx itself parsed it.
    assert len(statuses) <= (2 if behind and CORPUS[name].endswith(HIDDEN) else 1), answer[:2000]
    assert set(statuses) <= FINE | REFUSED, answer[:2000]
    # gunicorn gives its name, nginx its own in its stead; neither may show a version.
    leaks = set(LEAKS.findall(answer.decode("latin-1").replace("Server: gunicorn\r\n", "")))
    assert not leaks, answer[:2000]
    assert is_served(entrance)


INSIDE = ("metrics", "health/ready")
GUARDED = {"/api/payments": b"401", "/api/payments/00000000-0000-4000-8000-000000000000": b"401"}
"""Paths that need a token, and the answer without one."""
INSIDERS = dict.fromkeys(("/ops", "/ops/deliveries", *(f"{v}/{p}" for v in ("", "/v1") for p in INSIDE)), b"403")
"""Paths that the proxy closes to callers from outside, with any token."""


@pytest.fixture(scope="module")
def proxied(chain: Chain) -> Iterator[Entrance]:
    """Start a proxy in front of that service: loopback counts as outside, and many requests are allowed."""
    with closing(Nginx(f"unix:{chain.entrances[0].address}")) as nginx:
        deployed = nginx.home / "conf.d" / "payment-service.conf"
        text = deployed.read_text()
        deployed.write_text(text.replace("allow 127.0.0.0/8;", "").replace("burst=100", "burst=100000"))
        nginx.start()
        yield Entrance("proxied", socket.AF_INET, ("127.0.0.1", nginx.port), hangs_up=False)


def status_of(entrance: Entrance, method: str, path: str) -> bytes:
    first = f"{method} {path} HTTP/1.1".encode()
    statuses: list[bytes] = STATUS.findall(entrance.send(head(b"Connection: close", first=first)))
    assert len(statuses) == 1, (method, path)
    return statuses[0]


@pytest.mark.parametrize(("path", "plain"), {**GUARDED, **INSIDERS}.items())
def test_other_spelling_or_method_of_a_guarded_path_is_refused(proxied: Entrance, path: str, plain: bytes) -> None:
    spelled = (*spellings(path), f"http://localhost{path}", f"{path}.", f"{path}%2e", f"{path}..;/")
    methods = (*METHODS, "TRACK", "post", "HEAD")
    by_path = {each: status_of(proxied, "GET", each) for each in spelled}
    by_method = {method: status_of(proxied, method, path) for method in methods}
    refusals = {b"400", b"401", b"403", b"404"}
    assert status_of(proxied, "GET", path) == plain
    assert {each: status for each, status in by_path.items() if status not in refusals | {b"308"}} == {}
    assert {each: status for each, status in by_method.items() if status not in refusals | {b"405", b"501"}} == {}


def test_service_and_proxy_see_the_same_requests(chain: Chain) -> None:
    for sent in CORPUS.values():
        if sent.endswith(HIDDEN):
            chain.entrances[1].send(sent)

    def known() -> tuple[int, int]:
        passed = [json.loads(line) for line in chain.nginx.lines().splitlines()]
        served = [json.loads(line) for line in chain.service.log().splitlines()]
        by_proxy = sum(line["path"] == "/redoc" and line["upstream_status"] != "" for line in passed)
        return by_proxy, sum(line.get("route") == "/redoc" for line in served)

    def are_equal() -> bool:  # each side writes its lines in its own time
        by_proxy, by_service = known()
        return by_proxy == by_service > 0

    wait_until(are_equal, lambda: str(known()))


def test_strange_requests_are_logged_one_object_a_line_and_pay_nothing(chain: Chain) -> None:
    for text in (
        b"\x1b[31m",
        b'"}\n{"event": "forged"}',
        b"${jndi:ldap://x}",
        b"%0d%0aforged",
        b"\xff\xfe",
        b"a" * 3000,
    ):
        clean = text.replace(b"\n", b" ")
        chain.entrances[1].send(head(b"User-Agent: " + clean, b"X-Request-ID: " + clean, b"Connection: close"))
        chain.entrances[0].send(head(b"X-Correlation-ID: " + clean, b"Connection: close"))
    chain.entrances[1].send(head(b"X-Request-ID: the-last-one", b"Connection: close"))
    wait_until(lambda: "the-last-one" in chain.service.log(), chain.service.last_words)
    lines = [json.loads(line) for line in chain.service.log().splitlines()]

    assert not [line for line in lines if line.get("event") == "forged"]
    assert not [line for line in lines if line.get("event") in {"request.crashed", "process.crashed"}], lines[-20:]
    assert not [line for line in lines if line.get("event") == "movement.decided"]


def test_client_that_sends_a_byte_at_a_time_is_cut_off_and_delays_no_other(chain: Chain) -> None:
    entrance = chain.entrances[1]
    began = time.monotonic()
    received = []
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(socket.create_connection(entrance.address))) for _ in range(15)]  # type: ignore[arg-type]
        for number, connection in enumerate(slow):
            connection.settimeout(30)
            connection.sendall(POST + SIZED + b"\r\n{" if number % 2 else POST[:-1])
        assert is_served(entrance)
        for connection in slow:  # cut off once their time is over: an answer, or the end
            with suppress(ConnectionError):
                received.append(connection.recv(65536))
    assert [each for each in received if each and each.split(b" ")[1] not in REFUSED] == []
    assert time.monotonic() - began < 30
    assert is_served(entrance)
