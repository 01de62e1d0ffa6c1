"""Bodies as they arrive on a real connection, without a test client that tidies them up."""

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes import Service
from tests.support.waiting import wait_until

HEAD = b"POST /body HTTP/1.1\r\nHost: payments\r\nConnection: close\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("gunicorn") / "socket"
    options = ("--bind", f"unix:{path}", "--threads", "4", "--no-control-socket")
    service = Service(sys.executable, "-m", "gunicorn", *options, "tests.support.parsing_app:app", settings={})
    with closing(service):
        wait_until(lambda: path.exists() and "Booting worker" in service.log(), service.last_words)
        yield path
        assert "Traceback" not in service.log()


def send(address: Path, *parts: bytes, hang_up: bool = False) -> bytes:
    """Send raw bytes; everything that comes back."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(10)
        connection.connect(str(address))
        for part in parts:
            connection.sendall(part)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def sized(length: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def test_chunked_body_is_read_whole(address: Path) -> None:
    response = send(address, CHUNKED, chunk(b'{"a"'), chunk(b": 150.0}"), b"0\r\n\r\n")
    assert status(response) == 200
    assert b"Number(text='150.0')" in response


def test_chunked_body_above_the_limit_answers_413(address: Path) -> None:
    assert status(send(address, CHUNKED, *[chunk(b" " * 16384)] * 4, chunk(b"{}"), b"0\r\n\r\n")) == 413


def test_body_declared_above_the_limit_answers_413(address: Path) -> None:
    assert status(send(address, sized(10_000_000_000))) == 413


@pytest.mark.parametrize(
    "bad", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"2\r\n{}XX0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n"]
)
def test_bad_chunk_is_refused(address: Path, bad: bytes) -> None:
    response = send(address, CHUNKED, bad)
    assert status(response) in {400, 422}, response


@pytest.mark.parametrize("start", [CHUNKED + chunk(b'{"a": 1}'), CHUNKED + b"ff\r\n{", sized(100) + b'{"a": 1}'])
def test_body_that_is_cut_off_is_refused(address: Path, start: bytes) -> None:
    response = send(address, start, hang_up=True)
    assert response == b"" or status(response) in {400, 422}, response


@pytest.mark.parametrize(
    ("second", "understood"), [(b"one", b'"key":"one"'), (b'"one"', b'"key":"one"'), (b"two", b"must have one value")]
)
def test_repeated_key_headers_are_equal_or_refused(address: Path, second: bytes, understood: bytes) -> None:
    body = b'{"order_id": 1, "amount": 1}'
    head = HEAD.replace(b"/body", b"/payments") + b"Idempotency-Key: one\r\nIdempotency-Key: %s\r\n" % second
    response = send(address, head, b"Content-Length: %d\r\n\r\n" % len(body), body)
    assert understood in response


def test_key_in_any_script_keeps_its_bytes(address: Path) -> None:
    body = b'{"order_id": 1, "amount": 1}'
    head = HEAD.replace(b"/body", b"/payments") + "Idempotency-Key: ключ\r\n".encode()
    response = send(address, head, b"Content-Length: %d\r\n\r\n" % len(body), body)
    assert b'"key":"\\u043a\\u043b\\u044e\\u0447"' in response
