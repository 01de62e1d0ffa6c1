"""A request is whole exactly with its last byte, in any division into pieces."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from payment_service.server import worker as workers
from payment_service.server.extent import MOST_BODY, MOST_HEAD, Extent

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "begun",
    [
        b"a" * (MOST_HEAD + 1),
        HEAD + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"a" * (MOST_BODY + 1),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 8192,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
    ],
)
def test_request_that_will_be_refused_is_not_awaited(begun: bytes) -> None:
    assert Extent().is_whole(bytearray(begun))


@pytest.mark.parametrize(
    ("head", "expects"),
    [
        (HEAD + b"Expect: 100-continue\r\n", True),
        (HEAD + b"expect:100-Continue \r\n", True),
        (HEAD.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\n", False),
        (HEAD + b"Expect: something else\r\n", False),
        (HEAD + b"X-Expect: 100-continue\r\n", False),
        (b"POST /?\nexpect:100-continue HTTP/1.1\r\n", False),
    ],
)
def test_wait_for_100_continue_is_recognised_by_its_header(head: bytes, expects: bool) -> None:
    extent = Extent()
    extent.is_whole(bytearray(head + b"Content-Length: 5\r\n\r\n"))

    assert extent.expects_continue is expects


def test_worker_with_too_many_bytes_drops_the_largest_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    worker: Any = workers.Worker.__new__(workers.Worker)
    closed: list[str] = []
    monkeypatch.setattr(workers, "MOST_HELD", 100)
    monkeypatch.setattr(worker, "_close", lambda conn: closed.append(conn.name), raising=False)
    kept = {"small": 10, "largest": 90, "middle": 60, "tiny": 1}
    worker._waiting = {Kept(name, SimpleNamespace(held=held)): (float("inf"), None) for name, held in kept.items()}
    worker._next_look = 0.0
    worker.murder_pending()

    assert closed == ["largest"]


@dataclass(frozen=True, eq=False)
class Kept:
    name: str
    sock: SimpleNamespace
