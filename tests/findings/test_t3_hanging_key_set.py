"""T3: a key set that hangs at the first token. With release 1.0.0 eight callers waited 16 s, one after the other."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from tests.support.auth_app import answer, app_with
from tests.support.issuer import Publisher, by
from tests.support.published_keys import RSA

CALLERS = 8
TIMEOUT = 2.0
"""Seconds that the service waits for a key set."""


@pytest.fixture
def hanging(publisher: Publisher) -> Iterator[Publisher]:
    """Yield a publisher that takes requests, and answers none until the test is over."""
    over = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        over.wait(30)

    publisher.answer = hang
    yield publisher
    over.set()


def test_t3_requests_that_wait_for_a_hanging_key_set_get_503_after_one_time_out(hanging: Publisher) -> None:
    client = app_with(jwt_jwks_url=hanging.url)
    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        told = list(pool.map(lambda _: answer(client.application.test_client(), by(RSA, "one")), range(CALLERS)))
    seconds = time.monotonic() - began

    assert set(told) == {"unavailable"}
    assert hanging.requests == 1
    assert seconds < 2 * TIMEOUT
