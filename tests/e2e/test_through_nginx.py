"""The deployed proxy limits callers with too many requests."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import requests

from tests.support.nginx import Nginx
from tests.support.scripted_server import scripted_server

SERVED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)
BURST, ROUND, ROUNDS = 100, 250, 4
"""Requests that are served at once after a pause; then the size and number of rounds that are too many: the proxy
always serves fifty a second, and a busy machine sends no more."""


def answers(port: int, count: int) -> Iterator[tuple[int, bytes]]:
    """Return status and bytes of each answer to so many requests, sent at once."""
    asked = b"POST /payments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    last = asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    received = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
        connection.sendall(asked * (count - 1) + last)
        while part := connection.recv(1 << 20):
            received += part
    for answer in re.split(rb"(?=HTTP/1\.1 \d{3} )", received)[1:]:
        yield int(answer[9:12]), answer


def test_webhook_may_be_larger_than_a_callers_request() -> None:
    sizes = [("webhooks/stripe", 256 * 1024), ("payments", 64 * 1024)]
    with scripted_server(SERVED) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        nginx.start()
        url = f"http://127.0.0.1:{nginx.port}"
        fit = [requests.post(f"{url}/{path}", data=b" " * size, timeout=10).status_code for path, size in sizes]
        long = [requests.post(f"{url}/{path}", data=b" " * (size + 1), timeout=10).status_code for path, size in sizes]
        assert (fit, long) == ([200, 200], [413, 413])
        assert len(service.received) == 2


def test_client_above_its_rate_gets_429_and_is_served_after_the_wait() -> None:
    with scripted_server(SERVED) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        nginx.start()
        heard = list(answers(nginx.port, ROUND))
        for _ in range(ROUNDS):
            heard += [] if heard[-1][0] == 429 else answers(nginx.port, ROUND)
        refused = [answer.partition(b"\r\n\r\n") for status, answer in heard if status == 429]
        assert refused
        assert [status for status, _ in heard[:BURST]] == [200] * BURST
        assert {status for status, _ in heard} == {200, 429}
        assert len(service.received) == len(heard) - len(refused), "no refused request is passed on"
        lines = (b"\r\nRetry-After: 1\r\n", b"\r\nX-Request-ID: ", b"\r\nX-Content-Type-Options: nosniff\r\n")
        assert [head for head, *_ in refused if any(line not in head + b"\r\n" for line in lines)] == []
        bodies = [json.loads(body) for *_, body in refused]
        assert {body["code"] for body in bodies} == {"too_many_requests"}
        assert [body["retry"] for body in bodies] == [{"safe": True, "key": "same", "after": 1}] * len(bodies)
        assert [body["error"] for body in bodies] == [body["detail"] for body in bodies]
        url = f"http://127.0.0.1:{nginx.port}"
        served = requests.get(f"{url}/health", timeout=10)
        assert (served.status_code, served.headers["X-Content-Type-Options"]) == (200, "nosniff")
        time.sleep(1)
        assert requests.post(f"{url}/payments", json={}, timeout=10).status_code == 200
