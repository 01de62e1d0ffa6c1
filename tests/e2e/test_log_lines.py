"""The logs hold one JSON object a line from every writer, and no secrets of callers."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests

from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service, environment, flask
from tests.support.tokens import SECRET, bearer
from tests.support.waiting import wait_until

CARD = "4111111111111111"
CANARY = "canary-7f3a"


class Chain:
    """nginx in front of gunicorn, both with their most detailed logs."""

    def __init__(self, nginx: Nginx, service: Service, port: int) -> None:
        self.nginx, self.service, self.port = nginx, service, port
        self.proxied, self.direct = f"http://127.0.0.1:{nginx.port}", f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        assert self.service.process.poll() is None, self.service.last_words()
        return requests.get(f"{self.proxied}/health/ready", timeout=5).status_code == 200

    def written(self) -> str:
        return self.service.log() + self.nginx.written()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with ExitStack() as stack:
        home, port = tmp_path_factory.mktemp("lines"), free_port()
        settings = {"SERVICE_PORT": str(port), "DATABASE_URL": f"sqlite:///{home}/p.db", "TMPDIR": str(home)}
        settings |= {"LOG_LEVEL": "DEBUG", "JWT_SECRET_KEY": SECRET, "WEBHOOK_SECRET": f"{CANARY}-webhook"}
        flask("db", "upgrade", settings=settings)
        nginx = stack.enter_context(closing(Nginx(f"127.0.0.1:{port}")))
        service = stack.enter_context(closing(Service.gunicorn(settings)))
        nginx.start()
        chain = Chain(nginx, service, port)
        wait_until(chain.is_ready, service.last_words)
        yield chain


def raw(port: int, sent: bytes) -> None:
    """Send bytes that no client library would send, and hang up."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, suppress(OSError):
        connection.sendall(sent)
        connection.recv(4096)


def ordinary_requests(base: str) -> None:
    """Send a canary in every part of a request that a client library can fill."""
    secret = bearer(f"{CANARY}-subject", email=f"{CANARY}@example.com") | {
        "Cookie": f"session={CANARY}",
        "User-Agent": f"{CANARY} {CARD}",
        "Referer": f"http://x/{CANARY}",
        "X-Api-Key": CANARY,
        "X-Request-ID": CARD,
        "Idempotency-Key": f"{CANARY}-header",
    }
    body = {"idempotency_key": f"{CANARY}-header", "trip_id": 7, "method": "CARD", "amount": 1}
    for more in ({}, {"metadata": {"note": CANARY}}, {"metadata": {"card": CARD}}, {"method": CANARY}):
        requests.post(f"{base}/payments?token={CANARY}", json=body | more, headers=secret, timeout=10)
    bill = {"bill_id": 1, "amount": 1, "method": CANARY}
    requests.post(f"{base}/v1/payments", json=bill, headers=secret, timeout=10)
    for path in (
        CANARY,
        f"payments/{CANARY}?q={CANARY}",
        f"v1/payments/{CARD}",
        f"v1/idempotency-keys/{CANARY}-key",
        f"api/v1/payments/order/{CANARY}",
    ):
        requests.get(f"{base}/{path}", headers=secret, timeout=10)
    requests.get(f"{base}/payments", headers={"Authorization": f"Bearer {CANARY}.{CANARY}.{CANARY}"}, timeout=10)
    requests.get(f"{base}/payments", auth=(CANARY, CANARY), timeout=10)
    requests.post(f"{base}/payments", data=f'{{"{CANARY}": {CARD}', headers=secret, timeout=10)
    requests.request("BREW", f"{base}/payments?{CANARY}", timeout=10)


def extraordinary_requests(port: int) -> None:
    """Send a canary where no server expects one."""
    host = b"Host: 127.0.0.1\r\n"
    canary = CANARY.encode()
    raw(port, b"GET /" + canary + b" NOT-HTTP\r\n" + host + b"\r\n")
    raw(port, canary + b"\r\n\r\n")
    raw(port, b"GET / HTTP/1.1\r\n" + host + b"Authorization Bearer " + canary + b"\r\n\r\n")
    raw(port, b"GET / HTTP/1.1\r\n" + host + b"Bad(" + canary + b"): x\r\n\r\n")
    raw(port, b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n " + canary + b"\r\n\r\n")
    raw(port, b"GET /?" + canary * 900 + b" HTTP/1.1\r\n" + host + b"\r\n")
    raw(port, b"GET / HTTP/1.1\r\n" + host + b"X: " + canary * 900 + b"\r\n\r\n")
    raw(port, b"POST /payments HTTP/1.1\r\n" + host + b"Transfer-Encoding: " + canary + b"\r\n\r\n")
    head = b"POST /payments HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    raw(port, head + b"Transfer-Encoding: chunked\r\n\r\n" + canary + b"\r\n")
    raw(port, head + b"Content-Length: 900\r\n\r\n" + canary)
    raw(port, head + b"Expect: " + canary + b"\r\nContent-Length: 2\r\n\r\n{}")


def test_log_has_no_secret_of_a_request(chain: Chain) -> None:
    for base in (chain.direct, chain.proxied):
        ordinary_requests(base)
    extraordinary_requests(chain.port)
    requests.get(f"{chain.direct}/health", headers={"X-Request-ID": "the-last-one"}, timeout=10)
    wait_until(lambda: "the-last-one" in chain.service.log())

    lines = [line for line in chain.written().splitlines() if CANARY in line or CARD in line or "eyJ" in line]
    # The proxy knows paths only; a key or a token has no place in one, see the paths of keys.
    assert [line for line in lines if '"proxy.request"' not in line] == []
    assert [line for line in lines if CARD in line or "?" in line or CANARY not in json.loads(line)["path"]] == []
    assert "canary-7f3a-key" not in chain.written()


def test_log_of_a_failing_or_refusing_proxy_has_no_secret() -> None:
    with closing(Nginx(f"127.0.0.1:{free_port()}")) as nginx:
        nginx.start()
        base = f"http://127.0.0.1:{nginx.port}"
        tail = f"payments/order/{CARD}?token={CANARY}"
        asked = [f"{base}/v1/idempotency-keys/{CANARY}?{CANARY}", *[f"{base}/api/v1/{tail}"] * 150]
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda url: requests.get(url, timeout=10).status_code, asked))
        requests.post(f"{base}/payments?{CANARY}", data=b"a" * 70_000, headers={"Cookie": CANARY}, timeout=10)
        wait_until(lambda: nginx.lines().count("\n") > len(asked), nginx.written)

        assert set(answers) == {502, 429}
        assert [line for line in nginx.written().splitlines() if CANARY in line or CARD in line] == []
        assert {json.loads(line)["event"] for line in nginx.written().splitlines()} == {"proxy.request"}


def test_every_line_is_one_json_object_with_a_time_and_a_name(chain: Chain) -> None:
    extraordinary_requests(chain.port)
    lines = [json.loads(line) for line in chain.service.log().splitlines()]

    assert {"request", "Booting worker with pid: %s"} & {line["event"] for line in lines}
    assert [line for line in lines if not {"timestamp", "level", "logger", "event"} <= line.keys()] == []
    assert {line["logger"].partition(".")[0] for line in lines} >= {"gunicorn", "payment_service"}
    assert [line for line in lines if line["level"] == "debug" and not line["logger"].startswith("payment_")] == []


@pytest.mark.parametrize(
    ("doing", "event", "said"),
    [
        ("import warnings; warnings.warn('careful')", "py.warnings", "careful"),
        ("import threading as t; t.Thread(target=lambda: 1/0).start()", "thread.crashed", "ZeroDivisionError"),
        ("raise ValueError('first line\\nsecond line')", "process.crashed", "second line"),
    ],
)
def test_uncaught_exception_is_logged_in_one_line(tmp_path: Path, doing: str, event: str, said: str) -> None:
    command = [sys.executable, "-c", f"import wsgi; {doing}"]
    settings = environment(DATABASE_URL=f"sqlite:///{tmp_path}/p.db", LOG_LEVEL="WARNING")
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=settings, timeout=60)
    last = json.loads(result.stderr.splitlines()[-1])

    assert [json.loads(line) for line in result.stderr.splitlines()]
    assert event in {last["event"], last["logger"]}
    assert said in json.dumps(last)
