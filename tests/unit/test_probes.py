"""The server recognises a probe by its first bytes, and leaves them to be received."""

import socket
from collections.abc import Iterator

import pytest

from payment_service.server.connection import Connection, Probe


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Connection]]:
    client, ours = socket.socketpair()
    with client, ours:
        yield client, Connection(ours)


@pytest.mark.parametrize(
    ("begun", "probe"),
    [
        (b"GET /health HTTP/1.1\r\n", Probe.READINESS),
        (b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n", Probe.LIVENESS),
        (b"HEAD /v1/health/live HTTP/1.1\r\n", Probe.LIVENESS),
        (b"GET /health/ready?without=brokers HTTP/1.1\r\n", Probe.READINESS),
        (b"GET /payments/health/ready HTTP/1.1\r\n", Probe.READINESS),
        (b"GET /healthy HTTP/1.1\r\n", None),
        (b"GET /health/liver HTTP/1.1\r\n", None),
        (b"POST /health/live HTTP/1.1\r\n", None),
        (b"POST /payments HTTP/1.1\r\nX: GET /health/live \r\n", None),
        (b"GET /", None),
        (b"", None),
    ],
)
def test_probe_is_recognised_by_its_path(
    pair: tuple[socket.socket, Connection], begun: bytes, probe: Probe | None
) -> None:
    client, connection = pair
    client.sendall(begun)

    assert connection.probe is probe
    connection.receive()
    assert connection.held == len(begun)
    assert connection.probe is probe
