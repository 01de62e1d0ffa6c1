"""The whole chain as it is deployed: nginx, gunicorn's processes, PostgreSQL; each real, on loopback, unprivileged."""

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service, flask
from tests.support.scripted_server import scripted_server
from tests.support.tokens import token
from tests.support.waiting import wait_until

DATABASE = "payments_end_to_end"
BODY_LIMIT = 64 * 1024


@dataclass
class Chain:
    """A running chain; `url` is a client's base URL."""

    nginx: Nginx
    service: Service
    postgres: Postgres

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.nginx.port}"

    def pay(self, key: str, **headers: str) -> requests.Response:
        body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 150.0}
        return requests.post(f"{self.url}/payments", json=body, headers=headers, timeout=10)

    def count(self, table: str) -> int:
        with closing(self.postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - the tests' own words
            (number,) = cursor.fetchone() or (0,)
            return int(number)


@pytest.fixture(scope="module")
def chain(postgres: Postgres) -> Iterator[Chain]:
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="chain-", dir="/tmp"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        nginx = Nginx(f"unix:{home}/gunicorn.sock")
        stack.callback(nginx.close)
        postgres.drop_database(DATABASE)
        settings = {"BIND": f"unix:{home}/gunicorn.sock", "TMPDIR": str(home)}
        settings["DATABASE_URL"] = postgres.create_database(DATABASE)
        stack.callback(postgres.drop_database, DATABASE)
        flask("db", "upgrade", settings=settings)
        service = Service.gunicorn(settings)
        stack.callback(service.close)
        nginx.start()
        chain = Chain(nginx, service, postgres)
        wait_until(lambda: is_ready(chain), service.last_words)
        yield chain


def is_ready(chain: Chain) -> bool:
    assert chain.service.process.poll() is None, chain.service.last_words()
    return requests.get(f"{chain.url}/health/ready", timeout=5).status_code == 200


def half_open(chain: Chain, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", chain.nginx.port), timeout=10)
    connection.sendall(sent)
    return connection


def test_repeat_of_a_trip_charges_once_and_gets_the_same_bytes(chain: Chain) -> None:
    first, second = chain.pay("chain-once"), chain.pay("chain-once")

    assert first.status_code == 200, first.text
    assert first.json()["status"] == "SUCCESS"
    assert "Idempotent-Replayed" not in first.headers
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_8_requests_at_once_with_one_key_charge_once(chain: Chain) -> None:
    before = chain.count("payments")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: chain.pay("chain-eight"), range(8)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["payment_id"] for answer in answers if answer.status_code == 200}) == 1
    assert chain.count("payments") == before + 1


def test_body_above_the_limit_is_refused_by_the_proxy_in_the_shape_of_every_channel(chain: Chain) -> None:
    answer = requests.post(
        f"{chain.url}/payments", data=b"a" * (BODY_LIMIT + 1), headers={"X-Request-ID": "too-big"}, timeout=10
    )
    body: dict[str, Any] = answer.json()

    assert answer.status_code == 413
    assert (body["code"], body["retry"]["safe"], body["error"]) == ("body_too_large", True, body["detail"])
    assert answer.headers["X-Request-ID"] == "too-big"


def test_request_id_of_the_caller_is_returned_and_in_both_logs(chain: Chain) -> None:
    answer = chain.pay("chain-request-id", **{"X-Request-ID": "caller-chose-this"})

    assert answer.headers["X-Request-ID"] == answer.headers["X-Correlation-ID"] == "caller-chose-this"
    wait_until(lambda: "caller-chose-this" in chain.service.log(), chain.service.last_words)
    wait_until(lambda: "caller-chose-this" in chain.nginx.lines(), chain.nginx.lines, patience=5)


def test_request_without_an_id_gets_one_or_keeps_its_correlation_id(chain: Chain) -> None:
    given = requests.get(f"{chain.url}/health", timeout=10).headers["X-Request-ID"]
    correlated = requests.get(f"{chain.url}/health", headers={"X-Correlation-ID": "theirs"}, timeout=10)

    assert len(given) == 32
    assert correlated.headers["X-Request-ID"] == "theirs"


def test_half_open_sockets_block_neither_health_nor_payments(chain: Chain) -> None:
    head = b"POST /payments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(half_open(chain, head))
        for _ in range(15):
            stack.enter_context(half_open(chain, head + b"\r\n{"))
        took, statuses = [], []
        for number in range(10):
            began = time.monotonic()
            statuses.append(requests.get(f"{chain.url}/health", timeout=10).status_code)
            statuses.append(chain.pay(f"chain-besieged-{number}").status_code)
            took.append(time.monotonic() - began)
    assert statuses == [200] * 20
    assert sorted(took)[len(took) // 2] < 0.5


def test_request_to_an_unknown_host_gets_no_answer(chain: Chain) -> None:
    asked = b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    with half_open(chain, asked) as connection, pytest.raises(ConnectionResetError):
        connection.recv(4096)


def test_proxy_sends_a_post_once() -> None:
    with scripted_server(b"") as silent, closing(Nginx(silent.url.removeprefix("http://"))) as nginx:
        nginx.start()
        body = {"idempotency_key": "k", "trip_id": 7, "method": "CARD", "amount": 1}
        answer = requests.post(f"http://127.0.0.1:{nginx.port}/payments", json=body, timeout=10)

        assert (answer.status_code, answer.json()["code"]) == (502, "unavailable")
        assert answer.json()["retry"] == {"safe": True, "key": "same", "after": 1}
        assert answer.headers["Retry-After"] == "1"
        assert len(silent.received) == 1


def test_proxy_sends_a_post_to_one_instance() -> None:
    with scripted_server(b"") as silent, scripted_server(b"") as other:
        upstream = "; server ".join(server.url.removeprefix("http://") for server in (silent, other))
        with closing(Nginx(upstream)) as nginx:
            nginx.start()
            assert requests.post(f"http://127.0.0.1:{nginx.port}/payments", json={}, timeout=10).status_code == 502
        assert len(silent.received + other.received) == 1


def test_stopped_instance_causes_no_error() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with scripted_server(said) as service:
        upstream = f"127.0.0.1:{free_port()} max_fails=0; server {service.url.removeprefix('http://')}"
        with closing(Nginx(upstream)) as nginx:
            nginx.start()
            url = f"http://127.0.0.1:{nginx.port}/payments"
            assert [requests.post(url, json={}, timeout=10).status_code for _ in range(6)] == [200] * 6
        assert len(service.received) == 6


@pytest.mark.parametrize("path", ["/health/ready", "/v1/health/ready", "/metrics", "/v1/metrics"])
def test_inner_path_answers_403_to_an_outsider(path: str) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with scripted_server(said) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        # Every address of a test is a private one: the tests read the deployed file without those of loopback.
        deployed = nginx.home / "conf.d" / "payment-service.conf"
        deployed.write_text(deployed.read_text().replace("allow 127.0.0.0/8;", ""))
        nginx.start()
        url = f"http://127.0.0.1:{nginx.port}"
        assert requests.get(f"{url}{path}", timeout=10).json()["code"] == "forbidden"
        assert [requests.get(f"{url}{open_}", timeout=10).status_code for open_ in ("/health", "/health/live")] == [
            200
        ] * 2
        assert len(service.received) == 2


def test_forwarding_headers_of_a_client_do_not_reach_the_service() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with scripted_server(said) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        nginx.start()
        claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6", "X_User": "a"}
        requests.get(f"http://127.0.0.1:{nginx.port}/payments", headers=claims, timeout=10)

        (received,) = service.received
    assert b"6.6.6.6" not in received
    assert b"X-Forwarded-Proto: http\r\n" in received
    assert b"X_User" not in received


def test_log_of_the_proxy_has_no_query(chain: Chain) -> None:
    requests.get(f"{chain.url}/health?secret=tell-nobody", timeout=10)
    requests.request("TRACE", f"{chain.url}/payments?secret=tell-nobody", timeout=10)
    wait_until(lambda: "TRACE" in chain.nginx.lines(), patience=5)

    line = json.loads(chain.nginx.lines().splitlines()[-1])
    assert (line["method"], line["path"], line["status"]) == ("TRACE", "/payments", "405")
    assert "tell-nobody" not in chain.nginx.written()


def test_operator_signs_in_through_the_proxy(chain: Chain) -> None:
    secret = "jwt-secret-key".ljust(32, "\0")  # a developer's service verifies with this
    form = {"token": token("maria", scope="payments:operate", secret=secret)}
    with requests.Session() as browser:
        browser.trust_env = False
        assert browser.get(f"{chain.url}/ops", timeout=10).status_code == 401
        foreign = {"Origin": "http://127.0.0.1:1"}
        assert browser.post(f"{chain.url}/ops/login", data=form, headers=foreign, timeout=10).status_code == 403
        shown = browser.post(f"{chain.url}/ops/login", data=form, headers={"Origin": chain.url}, timeout=10)
        assert (shown.status_code, shown.url) == (200, f"{chain.url}/ops")
        assert "Payments by hour" in shown.text
