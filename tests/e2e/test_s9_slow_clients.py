"""S9: clients that are slow take no thread of a gunicorn that stands alone.

Twenty sockets with one byte each stopped release 1.0.0.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import here
from tests.support.alone import Alone, rest
from tests.support.slow_clients import BODY, HEAD, HOST, KINDS, LARGE, WHOLE, connect, slow_clients
from tests.support.waiting import wait_until

SMALL_TIMES = {
    "GATEWAY_CONNECT_TIMEOUT": "0.2",
    "GATEWAY_READ_TIMEOUT": "0.2",
    "GUNICORN_TIMEOUT": "2",
    "NGINX_TIMEOUT": "3",
    "LEASE_SECONDS": "4",
    "REQUEST_READ_SECONDS": "1",
}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """It waits so long for a request that no test sees the end of it."""
    with closing(Alone(tmp_path_factory.mktemp("patient"), REQUEST_READ_SECONDS="300")) as alone:
        yield alone


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with closing(Alone(tmp_path_factory.mktemp("strict"), **SMALL_TIMES)) as alone:
        yield alone


@pytest.mark.parametrize("kind", KINDS)
def test_s9_30_slow_clients_of_one_kind_delay_no_other(patient: Alone, kind: str) -> None:
    """In release 1.0.0 twenty sockets with one byte each, or sixteen unfinished bodies, stopped the service."""
    workers = patient.workers()
    with slow_clients(patient.address, 30, kind):
        for number in range(3):
            patient.serves(f"kind-{kind}-{number}")
    assert patient.workers() == workers


def test_s9_200_slow_clients_of_every_kind_delay_no_other(patient: Alone) -> None:
    """In release 1.0.0 sixteen of them stopped the service."""
    workers = patient.workers()
    with slow_clients(patient.address, 200):
        for number in range(10):
            patient.serves(f"many-{number}")
    patient.serves("many-gone")
    assert patient.workers() == workers


def test_s9_returning_slow_clients_delay_no_other(strict: Alone) -> None:
    """In release 1.0.0 nothing cut them off."""
    workers = strict.workers()
    with slow_clients(strict.address, 200, again=True):
        until = time.monotonic() + 5  # several times the limit
        for number in range(1000):
            strict.serves(f"again-{number}")
            if time.monotonic() > until:
                break
    assert strict.workers() == workers


@pytest.mark.parametrize("begun", [b"G", HEAD, BODY])
def test_s9_incomplete_request_answers_408_and_is_closed(strict: Alone, begun: bytes) -> None:
    """In release 1.0.0 gunicorn waited for it until the client went away."""
    head, _, body = strict.send(begun).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    told = json.loads(body)
    assert (told["code"], told["error"]) == ("timeout", told["detail"])
    assert told["retry"] == {"safe": True, "key": "same", "after": None}


def test_s9_connection_without_a_byte_is_closed_without_an_answer(strict: Alone) -> None:
    """In release 1.0.0 it was closed, too, after it had held a thread for five seconds."""
    assert strict.send() == b""


def test_s9_client_that_does_not_read_is_cut_off(strict: Alone) -> None:
    """In release 1.0.0 it held a thread until it went away."""
    with closing(connect(strict.address)) as client:
        client.sendall(LARGE)
        wait_until(lambda: connections(strict) == 1)
        wait_until(lambda: connections(strict) == 0)


def connections(alone: Alone) -> int:
    """Return how many of its clients' connections gunicorn holds open, other than those of this question."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ours = f"0100007F:{alone.address[1]:04X}"
    established = "01"
    return sum(line.split()[1] == ours and line.split()[3] == established for line in lines)


def test_s9_client_that_reads_late_gets_the_whole_response(patient: Alone) -> None:
    """In release 1.0.0 it got it, from a thread that waited for it."""
    with closing(connect(patient.address)) as client:
        client.sendall(LARGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        patient.serves("late-reader")
        head, _, body = rest(client).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == here("payment_service/static/vendor/swagger-ui/swagger-ui-bundle.js").read_bytes()


CHARGE: dict[str, Any] = {"trip_id": 7, "method": "CARD", "amount": 150.0}


def charge(key: str, framing: bytes, body: bytes) -> bytes:
    head = b"POST /payments HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nConnection: close\r\n"
    return head + framing + b"\r\n" + body


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
def test_s9_charge_that_arrives_in_single_bytes_is_served(patient: Alone, is_chunked: bool) -> None:
    """It was in release 1.0.0; it took a thread for as long."""
    body = json.dumps({"idempotency_key": f"bytes-{is_chunked}", **CHARGE}).encode()
    if is_chunked:
        framing = b"Transfer-Encoding: chunked\r\n"
        sent = b"".join(b"%x;a=b\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\nX-Trailer: z\r\n\r\n"
    else:
        framing, sent = b"Content-Length: %d\r\n" % len(body), body
    with closing(connect(patient.address)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in charge("", framing, sent):
            client.sendall(bytes((byte,)))
        answer = rest(client)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"SUCCESS"' in answer


def test_s9_client_that_waits_for_100_continue_gets_it_once(patient: Alone) -> None:
    """Release 1.0.0 sent it from the thread."""
    body = json.dumps({"idempotency_key": "continue", **CHARGE}).encode()
    head = charge("", b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(body), b"")
    with closing(connect(patient.address)) as client:
        client.sendall(head)
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        answer = rest(client)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("padding", [b"", b"\r\nX-Pad: " + b"a" * (8192 - len(WHOLE) - 9)], ids=["short", "8192 bytes"])
def test_s9_pipelined_requests_are_answered_in_order(patient: Alone, padding: bytes) -> None:
    """They were in release 1.0.0. Gunicorn reads 8192 bytes at once."""
    live = WHOLE.replace(b"/health", b"/health/live")
    first = WHOLE.replace(b"\r\n\r\n", padding + b"\r\n\r\n")
    last = WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert len(first) == (8192 if padding else len(WHOLE))
    answers = re.findall(rb'"status": ?"(\w+)"', patient.send(first + live + last))
    assert answers == [b"healthy", b"alive", b"healthy"]


def test_s9_kept_connection_serves_a_next_request_in_two_parts(patient: Alone) -> None:
    """It did in release 1.0.0."""
    with closing(connect(patient.address)) as client:
        client.sendall(WHOLE)
        wait_until(lambda: b'"healthy"' in client.recv(4096))
        client.sendall(WHOLE[:20])
        patient.serves("two-parts")
        client.sendall(WHOLE[20:].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert b'"healthy"' in rest(client)


def test_s9_client_that_never_closes_its_side_delays_no_other(patient: Alone) -> None:
    """In release 1.0.0 the whole worker waited two seconds for each of them."""
    asked = WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    clients = [connect(patient.address) for _ in range(30)]
    for client in clients:
        client.sendall(asked)
    patient.serves("never-close")
    for client in clients:
        client.close()


def test_s9_stopping_service_waits_for_a_slow_client_no_longer_than_for_a_request(tmp_path: Path) -> None:
    """In release 1.0.0 it was killed with them, or waited for all of its time to stop."""
    with closing(Alone(tmp_path, REQUEST_READ_SECONDS="2")) as alone, slow_clients(alone.address, 50):
        assert alone.service.stop() == 0, alone.service.last_words()


def test_s9_connections_of_a_worker_stay_below_the_usual_limit_of_open_files() -> None:
    """In release 1.0.0 a worker took 1,000, and ended when it could open no more files."""
    (connections,) = re.findall(r"^worker_connections = (\d+)", here("gunicorn.conf.py").read_text(), re.MULTILINE)

    assert int(connections) + 200 < 1024
